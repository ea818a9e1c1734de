//! Recent healthy exchanges by route: what a remedy must answer as before. Kept in memory; events carry them anew.

use homeostasis_domain::capsule::Witness;
use std::collections::{BTreeMap, VecDeque};

const MOST_ROUTES: usize = 200;
const MOST_OF_A_ROUTE: usize = 4;
/// Larger exchanges are not kept here (base64, request and response together).
const MOST_BYTES: usize = 256 * 1024;

/// Recent healthy exchanges by route.
#[derive(Default)]
pub(crate) struct Witnesses(BTreeMap<String, VecDeque<Witness>>);

impl Witnesses {
    /// Takes those that an event brought, the newest last.
    pub(crate) fn take(&mut self, brought: &[Witness]) {
        for witness in brought {
            if witness.request.body.data.len() + witness.response.body.data.len() > MOST_BYTES {
                continue;
            }
            let route = &witness.request.route;
            if !self.0.contains_key(route) && self.0.len() >= MOST_ROUTES {
                self.0.pop_first();
            }
            let of_route = self.0.entry(route.clone()).or_default();
            if of_route.contains(witness) {
                continue;
            }
            of_route.push_back(witness.clone());
            while of_route.len() > MOST_OF_A_ROUTE {
                of_route.pop_front();
            }
        }
    }

    /// Those of a route.
    pub(crate) fn of(&self, route: &str) -> Vec<Witness> {
        self.0
            .get(route)
            .map(|of_route| of_route.iter().cloned().collect())
            .unwrap_or_default()
    }
}
