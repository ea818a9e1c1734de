//! The last look, after the traffic has ended: every bug's request once more, several times each.

use super::client::Client;
use super::judge::{Observation, Seen, try_bug};
use super::model::Model;
use std::collections::BTreeMap;

/// Several workers serve the requests, and each must have the same code.
const ROUNDS: usize = 8;

/// What the request of a bug is answered at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Final {
    /// Always as a healed program answers.
    AsExpected,
    /// Always as the sick program answers.
    Sick,
    /// Sometimes the one and sometimes the other, as while a canary is watched.
    Both,
    /// At least once as neither; what it was.
    Neither(String),
}

/// Asks for every bug.
pub(super) async fn ask_again(client: &Client, model: &Model) -> BTreeMap<String, Final> {
    let mut found = BTreeMap::new();
    for bug in &model.bugs {
        let mut observations = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            observations.push(try_bug(client, bug).await);
        }
        found.insert(bug.id.clone(), together(&observations));
    }
    found
}

fn together(observations: &[Observation]) -> Final {
    let (mut healed, mut sick) = (false, false);
    for observation in observations {
        match observation.seen {
            Seen::AsExpected => healed = true,
            Seen::Sick => sick = true,
            Seen::Lost | Seen::Wrong => return Final::Neither(observation.text.clone()),
        }
    }
    match (healed, sick) {
        (true, true) => Final::Both,
        (true, false) => Final::AsExpected,
        (false, _) => Final::Sick,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seen: &[Seen]) -> Final {
        let observation = |seen: &Seen| Observation {
            seen: *seen,
            text: "text".to_string(),
        };
        together(&seen.iter().map(observation).collect::<Vec<_>>())
    }

    #[test]
    fn one_wrong_or_lost_answer_outweighs_all_others() {
        assert_eq!(of(&[Seen::AsExpected, Seen::AsExpected]), Final::AsExpected);
        assert_eq!(of(&[Seen::Sick, Seen::Sick]), Final::Sick);
        assert_eq!(of(&[Seen::Sick, Seen::AsExpected]), Final::Both);
        assert_eq!(
            of(&[Seen::AsExpected, Seen::Lost, Seen::Sick]),
            Final::Neither("text".to_string())
        );
        assert_eq!(
            of(&[Seen::AsExpected, Seen::Wrong]),
            Final::Neither("text".to_string())
        );
    }
}
