//! Failures that were counted and whose incident is not known: their capture was dropped on the way, or the store had
//! no room for it. They are kept until an event with their signature is stored; nothing here is judged.

use homeostasis_protocol::RepeatItem;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// More signatures than this are a flood; further ones are not counted.
const MOST: usize = 1000;
/// Agents are asked to capture anew at most this often.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts by signature.
#[derive(Default)]
pub(crate) struct Unplaced {
    counts: BTreeMap<String, RepeatItem>,
    asked: Option<Instant>,
}

impl Unplaced {
    /// Keeps a count. True when agents should be asked to capture such failures whole again.
    pub(crate) fn keep(&mut self, item: RepeatItem, now: Instant) -> bool {
        if let Some(kept) = self.counts.get_mut(&item.signature) {
            *kept = merged(kept, &item);
        } else if self.counts.len() < MOST {
            self.counts.insert(item.signature.clone(), item);
        }
        let due = self
            .asked
            .is_none_or(|asked| now.duration_since(asked) >= PAUSE);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// Hands out what is kept of a signature.
    pub(crate) fn take(&mut self, signature: &str) -> Option<RepeatItem> {
        self.counts.remove(signature)
    }
}

/// Two counts of one signature as one.
pub(crate) fn merged(one: &RepeatItem, other: &RepeatItem) -> RepeatItem {
    RepeatItem {
        signature: one.signature.clone(),
        count: one.count.saturating_add(other.count),
        first: one.first.min(other.first),
        last: one.last.max(other.last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(count: u64, first: f64, last: f64) -> RepeatItem {
        RepeatItem {
            signature: "s".into(),
            count,
            first,
            last,
        }
    }

    #[test]
    fn counts_add_up_until_they_are_taken_and_agents_are_not_asked_all_the_time() {
        let mut unplaced = Unplaced::default();
        let now = Instant::now();
        assert!(unplaced.keep(item(2, 5.0, 6.0), now));
        assert!(!unplaced.keep(item(3, 4.0, 5.0), now));
        assert!(unplaced.keep(item(1, 7.0, 8.0), now + PAUSE));
        assert_eq!(unplaced.take("s"), Some(item(6, 4.0, 8.0)));
        assert_eq!(unplaced.take("s"), None);
    }
}
