//! What came in during the last minutes, by process and route: what canaries and effects are judged on.
//!
//! Kept in memory only. After a restart a watch begins anew, which costs time and never certainty.

use homeostasis_domain::IncidentId;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// Older counts are forgotten.
const KEEP: SignedDuration = SignedDuration::from_mins(30);
/// More entries than this mean minutes of a busy program; the oldest go first.
const MOST: usize = 200_000;

/// Counts of the last minutes.
#[derive(Default)]
pub(crate) struct Counters {
    traffic: VecDeque<Traffic>,
    failures: VecDeque<Failure>,
}

struct Traffic {
    since: Timestamp,
    pid: u32,
    route: String,
    requests: u64,
    failed: u64,
}

struct Failure {
    time: Timestamp,
    pid: u32,
    incident: IncidentId,
    count: u64,
    /// First sight of this incident: where its frames pass.
    first: Option<FirstSight>,
}

/// Where a failure that was never seen before passes through the program.
#[derive(Clone, Debug)]
pub(crate) struct FirstSight {
    /// One line for people.
    pub(crate) title: String,
    /// File and function of each in-app frame.
    pub(crate) places: Vec<(String, String)>,
}

impl Counters {
    pub(crate) fn traffic(
        &mut self,
        pid: u32,
        since: Timestamp,
        route: String,
        requests: u64,
        failed: u64,
    ) {
        self.traffic.push_back(Traffic {
            since,
            pid,
            route,
            requests,
            failed,
        });
        while self.traffic.len() > MOST
            || self
                .traffic
                .front()
                .is_some_and(|old| since.duration_since(old.since) > KEEP)
        {
            self.traffic.pop_front();
        }
    }

    pub(crate) fn failure(
        &mut self,
        pid: u32,
        time: Timestamp,
        incident: IncidentId,
        count: u64,
        first: Option<FirstSight>,
    ) {
        self.failures.push_back(Failure {
            time,
            pid,
            incident,
            count,
            first,
        });
        while self.failures.len() > MOST
            || self
                .failures
                .front()
                .is_some_and(|old| time.duration_since(old.time) > KEEP)
        {
            self.failures.pop_front();
        }
    }

    /// Requests on a route and failed ones among them, in intervals that began at or after `since`.
    pub(crate) fn requests(
        &self,
        route: &str,
        since: Timestamp,
        pids: Option<&[u32]>,
    ) -> (u64, u64) {
        let counted = self
            .traffic
            .iter()
            .filter(|item| item.since >= since && item.route == route && within(item.pid, pids));
        counted.fold((0, 0), |(requests, failed), item| {
            (requests + item.requests, failed + item.failed)
        })
    }

    /// Occurrences of an incident since then.
    pub(crate) fn recurrences(
        &self,
        incident: &IncidentId,
        since: Timestamp,
        pids: Option<&[u32]>,
    ) -> u64 {
        let again = self.failures.iter().filter(|item| {
            item.time >= since && item.incident == *incident && within(item.pid, pids)
        });
        again.map(|item| item.count).sum()
    }

    /// Failures first seen since then that pass through one of the places.
    pub(crate) fn new_failures(
        &self,
        places: &[(String, String)],
        since: Timestamp,
        pids: Option<&[u32]>,
    ) -> Vec<String> {
        let recent = self
            .failures
            .iter()
            .filter(|item| item.time >= since && within(item.pid, pids));
        let first = recent.filter_map(|item| item.first.as_ref());
        first
            .filter(|first| first.places.iter().any(|place| places.contains(place)))
            .map(|first| first.title.clone())
            .collect()
    }

    /// Processes by how many of a route's requests they answered lately, the busiest first.
    pub(crate) fn busiest(&self, route: &str) -> Vec<u32> {
        let mut by_pid = std::collections::BTreeMap::<u32, u64>::new();
        for item in self.traffic.iter().filter(|item| item.route == route) {
            *by_pid.entry(item.pid).or_default() += item.requests;
        }
        let mut pids: Vec<(u32, u64)> = by_pid.into_iter().collect();
        pids.sort_by_key(|(pid, requests)| (std::cmp::Reverse(*requests), *pid));
        pids.into_iter().map(|(pid, _)| pid).collect()
    }
}

fn within(pid: u32, pids: Option<&[u32]>) -> bool {
    pids.is_none_or(|pids| pids.contains(&pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn only_whole_intervals_after_the_change_count_for_it() {
        let mut counters = Counters::default();
        counters.traffic(1, at(0), "GET /".into(), 10, 10);
        counters.traffic(1, at(5), "GET /".into(), 7, 0);
        counters.traffic(2, at(5), "GET /".into(), 3, 1);
        assert_eq!(counters.requests("GET /", at(4), Some(&[1])), (7, 0));
        assert_eq!(counters.requests("GET /", at(4), None), (10, 1));
    }

    #[test]
    fn old_counts_are_forgotten() {
        let mut counters = Counters::default();
        counters.failure(1, at(0), IncidentId::new("i"), 5, None);
        counters.failure(1, at(7200), IncidentId::new("i"), 1, None);
        assert_eq!(
            counters.recurrences(&IncidentId::new("i"), at(-10), None),
            1
        );
    }
}
