//! Many clients that ask all the time, healthy and sick requests mixed, and what became of each.

use super::client::{Client, Counters};
use super::judge::{Observation, Seen, try_bug, try_healthy};
use super::model::Model;
use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// The share of requests that trigger a bug.
const SHARE_OF_BUGS: f64 = 0.2;
/// A client looks at an answer before it asks again, for up to this long. Without it, clients would take all processors
/// for themselves, and the demo would measure that instead.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const KEPT_EXAMPLES: usize = 5;

/// Clients at work.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Of all healthy cases together.
    pub(super) healthy: Counts,
    /// Of each bug, by id.
    pub(super) bugs: BTreeMap<String, Counts>,
    /// The first few of what should not have been, in words.
    pub(super) examples: Vec<String>,
}

/// How often each was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) as_expected: u64,
    pub(super) sick: u64,
    pub(super) lost: u64,
    pub(super) wrong: u64,
}

struct Shared {
    model: Arc<Model>,
    counters: Arc<Counters>,
    tally: Mutex<Tally>,
    turn: AtomicUsize,
    stopped: AtomicBool,
}

impl Traffic {
    /// Sets clients to work.
    pub(super) fn start(
        base: &str,
        model: &Arc<Model>,
        counters: &Arc<Counters>,
        clients: usize,
    ) -> Result<Traffic> {
        let shared = Arc::new(Shared {
            model: model.clone(),
            counters: counters.clone(),
            tally: Mutex::default(),
            turn: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let client = Client::new(base, shared.counters.clone())?;
            tasks.spawn(ask(shared.clone(), client));
        }
        Ok(Traffic {
            shared,
            clients: tasks,
        })
    }

    /// What became of the requests so far.
    pub(super) fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Lets every client finish what it is at, and tells what became of all requests.
    pub(super) async fn stop(mut self) -> Tally {
        self.shared.stopped.store(true, Ordering::SeqCst);
        while self.clients.join_next().await.is_some() {}
        self.tally()
    }
}

impl Tally {
    /// Requests that would not have failed without Homeostasis: a healthy request never fails in the sick program, and
    /// no connection is ever lost in it.
    pub(super) fn failed_by_healing(&self) -> u64 {
        self.healthy_failed() + self.connections_lost()
    }

    /// Healthy requests that were answered, but not as the model says.
    pub(super) fn healthy_failed(&self) -> u64 {
        self.healthy.sick + self.healthy.wrong
    }

    /// Requests of any kind whose connection failed or whose answer broke off.
    pub(super) fn connections_lost(&self) -> u64 {
        self.healthy.lost + self.bugs.values().map(|counts| counts.lost).sum::<u64>()
    }

    /// Sick requests that were answered neither as before nor as a healed program answers: what canaries of remedies that
    /// were then taken back do, and nothing else should.
    pub(super) fn answered_otherwise(&self) -> u64 {
        self.bugs.values().map(|counts| counts.wrong).sum()
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counters are whole after every statement, so what a panicking task left is still right.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(shared: Arc<Shared>, client: Client) {
    let mut chance = StdRng::from_os_rng();
    let model = shared.model.clone();
    let weights: u32 = model.healthy.iter().map(|case| case.weight).sum();
    while !shared.stopped.load(Ordering::SeqCst) {
        if chance.random_bool(SHARE_OF_BUGS) {
            let turn = shared.turn.fetch_add(1, Ordering::Relaxed) % model.bugs.len();
            let bug = &model.bugs[turn];
            let observation = try_bug(&client, bug).await;
            let mut tally = shared.tally();
            tally
                .bugs
                .entry(bug.id.clone())
                .or_default()
                .add(observation.seen);
            tally.keep(&bug.id, &observation, &[Seen::Lost, Seen::Wrong]);
        } else {
            let mut left = chance.random_range(0..weights);
            let case = model.healthy.iter().find(|case| {
                let chosen = left < case.weight;
                left = left.saturating_sub(case.weight);
                chosen
            });
            let Some(case) = case else { continue };
            let observation = try_healthy(&client, case).await;
            let mut tally = shared.tally();
            tally.healthy.add(observation.seen);
            tally.keep(
                &case.id,
                &observation,
                &[Seen::Sick, Seen::Lost, Seen::Wrong],
            );
        }
        tokio::time::sleep(LONGEST_PAUSE.mul_f64(chance.random())).await;
    }
}

impl Counts {
    fn add(&mut self, seen: Seen) {
        match seen {
            Seen::AsExpected => self.as_expected += 1,
            Seen::Sick => self.sick += 1,
            Seen::Lost => self.lost += 1,
            Seen::Wrong => self.wrong += 1,
        }
    }
}

impl Tally {
    fn keep(&mut self, id: &str, observation: &Observation, notable: &[Seen]) {
        if notable.contains(&observation.seen) && self.examples.len() < KEPT_EXAMPLES {
            self.examples.push(format!("{id}: {}", observation.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;

    #[test]
    fn only_what_a_sick_program_never_does_counts_as_failed_by_healing() {
        let bug = Counts {
            as_expected: 5,
            sick: 40,
            lost: 2,
            wrong: 3,
        };
        let healthy = Counts {
            as_expected: 900,
            sick: 1,
            lost: 1,
            wrong: 1,
        };
        let tally = Tally {
            healthy,
            bugs: BTreeMap::from([("b".to_string(), bug)]),
            examples: Vec::new(),
        };
        assert_eq!(tally.failed_by_healing(), 5);
        assert_eq!(tally.answered_otherwise(), 3);
    }

    #[tokio::test]
    async fn clients_ask_until_they_are_stopped_and_every_answer_is_counted_once() {
        let model = r#"
            [[healthy]]
            id = "often"
            weight = 3
            request = { method = "GET", path = "/fine" }
            expect = { status = [200] }
            [[healthy]]
            id = "seldom"
            weight = 1
            request = { method = "GET", path = "/none" }
            expect = { status = [200] }
        "#;
        let bug = r#"
            [[bug]]
            id = "b"
            class = "data.missing_key"
            must = "refuse"
            why = "x"
            request = { method = "GET", path = "/fine" }
            sick = { status = 500, exception = "KeyError", file = "a.py", function = "f" }
        "#;
        let model = Arc::new(Model::read(bug, model).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/fine", get(|| async { "fine" }));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let counters = Counters::new();
        let traffic = Traffic::start(&base, &model, &counters, 4).unwrap();
        while counters.sent() < 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let tally = traffic.stop().await;
        let bug = tally.bugs["b"];
        let all = tally.healthy.as_expected + tally.healthy.wrong + bug.wrong;
        assert_eq!(all, counters.sent());
        assert!(
            tally.healthy.as_expected > tally.healthy.wrong,
            "weights count: {tally:?}"
        );
        assert!(
            tally.healthy.wrong > 0 && bug.wrong > 0,
            "every case has its turn: {tally:?}"
        );
    }
}
