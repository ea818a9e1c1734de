//! Which processes of the program have an agent, and which of them are away: alive, and not connected at the moment.
//!
//! Agents come back by themselves within seconds, after a restart of ours too. A rollout has to reach every process,
//! so it waits for those that are away; what a process runs that never comes back is not known, and is not guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// An agent that has been away for longer than this may never come back. Agents try at least every 5 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process that said hello less than this ago may still be loading its modules.
const LOADING: Duration = Duration::from_secs(10);

/// The processes that ever said hello and still live.
#[derive(Default)]
pub(crate) struct Roster {
    /// Start times by pid: the two together name a process, for pids come again.
    started: BTreeMap<u32, u64>,
    /// Since when a process has been seen to be away.
    away: BTreeMap<u32, Instant>,
    /// When the latest process came.
    latest: Option<Instant>,
}

/// Living processes that are not connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Away {
    /// They will most likely be back in a moment.
    pub(crate) expected: Vec<u32>,
    /// They have been away for too long.
    pub(crate) lost: Vec<u32>,
}

impl Roster {
    /// What an earlier run of ours knew.
    pub(crate) fn restored(started: BTreeMap<u32, u64>) -> Self {
        Self {
            started,
            ..Self::default()
        }
    }

    /// A process said hello. Returns all that live, to be kept.
    pub(crate) fn arrived(&mut self, pid: u32) -> BTreeMap<u32, u64> {
        if let Some(started) = start_of(pid) {
            self.started.insert(pid, started);
        }
        self.away.remove(&pid);
        self.latest = Some(Instant::now());
        self.forget_the_dead(start_of);
        self.started.clone()
    }

    /// True while the process that said hello as `pid` lives, connected or not.
    pub(crate) fn lives(&self, pid: u32) -> bool {
        self.started
            .get(&pid)
            .is_some_and(|started| start_of(pid) == Some(*started))
    }

    /// True while a process may be loading its modules, so that neither what it runs nor a swap of it says anything.
    pub(crate) fn may_be_loading(&self) -> bool {
        self.latest.is_some_and(|latest| latest.elapsed() < LOADING)
    }

    /// Who lives and is not among the connected.
    pub(crate) fn away(&mut self, connected: &BTreeSet<u32>) -> Away {
        self.away_at(connected, Instant::now(), start_of)
    }

    fn away_at(
        &mut self,
        connected: &BTreeSet<u32>,
        now: Instant,
        start_of: impl Fn(u32) -> Option<u64>,
    ) -> Away {
        self.forget_the_dead(start_of);
        self.away.retain(|pid, _| !connected.contains(pid));
        let mut away = Away::default();
        for pid in self.started.keys().filter(|pid| !connected.contains(pid)) {
            let since = *self.away.entry(*pid).or_insert(now);
            if now.duration_since(since) < PATIENCE {
                away.expected.push(*pid);
            } else {
                away.lost.push(*pid);
            }
        }
        away
    }

    fn forget_the_dead(&mut self, start_of: impl Fn(u32) -> Option<u64>) {
        self.started
            .retain(|pid, started| start_of(*pid) == Some(*started));
        let started = &self.started;
        self.away.retain(|pid, _| started.contains_key(pid));
    }
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)); `None` when there is no such process, or only its remains.
fn start_of(pid: u32) -> Option<u64> {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The command's name stands in parentheses and may hold anything, also parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(_: u32) -> Option<u64> {
        Some(7)
    }

    #[test]
    fn whoever_an_earlier_run_knew_and_still_lives_is_expected_and_after_a_while_lost() {
        let mut roster = Roster::restored(BTreeMap::from([(1, 7), (2, 7)]));
        let begin = Instant::now();
        let connected = BTreeSet::from([2]);
        let away = roster.away_at(&connected, begin, lives);
        assert_eq!((away.expected, away.lost), (vec![1], vec![]));
        let away = roster.away_at(&connected, begin + PATIENCE, lives);
        assert_eq!((away.expected, away.lost), (vec![], vec![1]));
    }

    #[test]
    fn a_process_that_was_back_in_between_is_expected_anew() {
        let mut roster = Roster::restored(BTreeMap::from([(1, 7)]));
        let begin = Instant::now();
        roster.away_at(&BTreeSet::new(), begin, lives);
        roster.away_at(&BTreeSet::from([1]), begin + PATIENCE, lives);
        let away = roster.away_at(&BTreeSet::new(), begin + PATIENCE, lives);
        assert_eq!((away.expected, away.lost), (vec![1], vec![]));
    }

    #[test]
    fn a_dead_process_and_another_one_with_its_pid_are_not_waited_for() {
        let mut roster = Roster::restored(BTreeMap::from([(1, 7), (2, 7)]));
        let start_of = |pid| (pid == 1).then_some(8);
        let away = roster.away_at(&BTreeSet::new(), Instant::now(), start_of);
        assert_eq!(away, Away::default());
    }
}
