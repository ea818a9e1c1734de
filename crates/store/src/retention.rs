//! What goes with age and size: gathered, decided and done in three parts, so that it can be told without being done.
//!
//! By age: events beyond their time, except the latest of an incident and those that a heal needs; whole incidents
//! not seen for that time. By size: events beyond the latest few of an incident, then whole incidents, those not
//! seen for longest first. Never: what an unfinished heal needs; incidents with a heal of the last day, which the
//! guard against loops counts; incidents whose remedy is in force, as the caller says; the audit log.
//!
//! Each incident goes in one transaction that looks again whether it may, so a crash, or a heal that begins
//! meanwhile, leaves nothing halved.

use crate::error::StoreError;
use crate::log::read_outcome;
use crate::open::{Durability, Store};
use homeostasis_domain::heal::State;
use homeostasis_domain::{EventId, HealId, IncidentId, Outcome};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

/// So many of the latest events of an incident stay when room is needed.
const FEW: usize = 3;
/// What came within this time stays, whatever is asked for: a heal may be about to begin with it.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// Heals of this time are counted by the guard against loops.
const GUARDED: SignedDuration = SignedDuration::from_hours(24);
/// When room is needed, so much of the limit is aimed at, to have some peace afterwards.
const AIM: (u64, u64) = (9, 10);
/// A row takes about so many bytes beside its value.
const ROW: u64 = 200;
/// Rows that go in one transaction.
const BATCH: usize = 50;
/// How often room is looked for in one go; what a row takes is only an estimate.
const ROUNDS: usize = 5;

/// A heal whose source event must stay: one that is not closed, or the latest of its incident.
const NEEDED: &str = "EXISTS (SELECT 1 FROM heals WHERE heals.source = events.id AND (heals.phase <> 'closed' \
     OR heals.ordinal = (SELECT MAX(later.ordinal) FROM heals AS later WHERE later.incident = heals.incident)))";

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Days.
    pub days: u32,
    /// Bytes of the file that hold something.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            days: 30,
            bytes: 1024 * 1024 * 1024,
        }
    }
}

impl Retention {
    /// How long what was captured is kept.
    pub fn age(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.days))
    }
}

/// What is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plan {
    events: Vec<EventId>,
    /// With the time at which it was seen last when this was decided.
    incidents: Vec<(IncidentId, i64)>,
    /// Events that go with their incidents.
    with_incidents: u64,
    /// Heals that go with their incidents.
    heals: u64,
    /// An estimate.
    bytes: u64,
    /// The limit cannot be met.
    over: bool,
}

/// What went, or would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Incidents, with everything that belonged to them.
    pub incidents: u64,
    /// Events, with those of these incidents.
    pub events: u64,
    /// Heals of these incidents, with their logs.
    pub heals: u64,
    /// Source files that no heal needs any more.
    pub sources: u64,
    /// Bytes that became free; an estimate where nothing was done.
    pub bytes: u64,
    /// Whether more is left than the limit allows, because it is needed or fresh.
    pub over: bool,
}

impl Pruned {
    /// Whether anything went.
    pub fn is_nothing(&self) -> bool {
        self.incidents == 0 && self.events == 0 && self.sources == 0
    }
}

/// What retention knows of the store.
#[derive(Clone, Debug, Default)]
struct World {
    used: u64,
    incidents: BTreeMap<IncidentId, Known>,
}

/// What retention knows of one incident.
#[derive(Clone, Debug, Default)]
struct Known {
    /// When it was seen last, by the clock of the program or by that of this machine, whichever is later.
    seen: i64,
    /// The same as it stands in its row.
    last_seen: i64,
    /// Of its heals that is not closed, or was changed within a day, or whose remedy is in force.
    needed: bool,
    heals: u64,
    log_bytes: u64,
    /// The latest first.
    events: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    id: EventId,
    received: i64,
    bytes: u64,
    /// A heal that is not closed, or the latest of its incident, refers to it.
    needed: bool,
}

impl Store {
    /// Whether more is kept than may be; quick.
    pub async fn is_over(&self, retention: &Retention) -> Result<bool, StoreError> {
        Ok(self.pages().await?.used() > retention.bytes)
    }

    /// Lets go what is too old or too much, and gives its room back. `in_force` says of a healed heal whether its
    /// change is still what runs or lies on disk; then its incident stays.
    pub async fn prune(
        &self,
        retention: &Retention,
        age: SignedDuration,
        now: Timestamp,
        in_force: &(dyn Fn(&State) -> bool + Sync),
    ) -> Result<Pruned, StoreError> {
        let before = self.pages().await?.used();
        let mut pruned = Pruned::default();
        for _ in 0..ROUNDS {
            let plan = decide(self.gather(now, in_force).await?, retention, age, now);
            let done = self.apply(&plan).await?;
            pruned.incidents += done.incidents;
            pruned.events += done.events;
            pruned.heals += done.heals;
            pruned.sources += self.remove_unused_blobs().await?;
            if done.is_nothing() || !self.is_over(retention).await? {
                break;
            }
        }
        pruned.over = self.is_over(retention).await?;
        pruned.bytes = before.saturating_sub(self.pages().await?.used());
        self.reclaim().await?;
        Ok(pruned)
    }

    /// What [`Store::prune`] would do now; blobs are not looked through.
    pub async fn would_prune(
        &self,
        retention: &Retention,
        age: SignedDuration,
        now: Timestamp,
        in_force: &(dyn Fn(&State) -> bool + Sync),
    ) -> Result<Pruned, StoreError> {
        let plan = decide(self.gather(now, in_force).await?, retention, age, now);
        Ok(Pruned {
            incidents: plan.incidents.len() as u64,
            events: plan.events.len() as u64 + plan.with_incidents,
            heals: plan.heals,
            sources: 0,
            bytes: plan.bytes,
            over: plan.over,
        })
    }

    async fn gather(
        &self,
        now: Timestamp,
        in_force: &(dyn Fn(&State) -> bool + Sync),
    ) -> Result<World, StoreError> {
        let mut world = World {
            used: self.pages().await?.used(),
            ..World::default()
        };
        let incidents: Vec<(String, i64)> = sqlx::query_as("SELECT id, last_seen FROM incidents")
            .fetch_all(self.readers())
            .await?;
        for (id, last_seen) in incidents {
            let known = Known {
                seen: last_seen,
                last_seen,
                ..Known::default()
            };
            world.incidents.insert(IncidentId::new(id), known);
        }
        self.gather_events(&mut world).await?;
        self.gather_heals(&mut world, now, in_force).await?;
        Ok(world)
    }

    async fn gather_events(&self, world: &mut World) -> Result<(), StoreError> {
        let query = format!(
            "SELECT id, incident, received, LENGTH(body), {NEEDED} FROM events ORDER BY incident, sequence DESC"
        );
        let rows: Vec<(String, String, i64, i64, bool)> =
            sqlx::query_as(sqlx::AssertSqlSafe(query))
                .fetch_all(self.readers())
                .await?;
        for (id, incident, received, bytes, needed) in rows {
            let Some(known) = world.incidents.get_mut(&IncidentId::new(incident)) else {
                continue;
            };
            known.seen = known.seen.max(received);
            known.events.push(Piece {
                id: EventId::new(id),
                received,
                bytes: bytes as u64 + ROW,
                needed,
            });
        }
        Ok(())
    }

    async fn gather_heals(
        &self,
        world: &mut World,
        now: Timestamp,
        in_force: &(dyn Fn(&State) -> bool + Sync),
    ) -> Result<(), StoreError> {
        let guarded = (now - GUARDED).as_microsecond();
        let lengths: Vec<(String, i64)> = sqlx::query_as(
            "SELECT heal, CAST(SUM(OCTET_LENGTH(event)) AS BIGINT) FROM heal_log GROUP BY heal",
        )
        .fetch_all(self.readers())
        .await?;
        let lengths: BTreeMap<String, i64> = lengths.into_iter().collect();
        let rows: Vec<(String, String, String, i64, i64, Option<String>)> =
            sqlx::query_as("SELECT id, incident, phase, updated, sealed, outcome FROM heals")
                .fetch_all(self.readers())
                .await?;
        for (id, incident, phase, updated, sealed, outcome) in rows {
            let Some(known) = world.incidents.get_mut(&IncidentId::new(incident)) else {
                continue;
            };
            known.heals += 1;
            known.log_bytes += lengths.get(&id).map_or(0, |bytes| *bytes as u64) + ROW;
            known.needed |= phase != "closed" || updated >= guarded;
            if known.needed {
                continue;
            }
            let outcome = read_outcome(self.seals(), &id, sealed, outcome)?;
            if matches!(outcome, Some(Outcome::Healed { .. })) {
                let log = self.log(&HealId::new(id)).await?;
                // A log that cannot be folded says nothing of what is in force.
                known.needed |= State::replay(&log).map_or(true, |state| in_force(&state));
            }
        }
        Ok(())
    }

    async fn apply(&self, plan: &Plan) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for some in plan.events.chunks(BATCH) {
            let mut transaction = self.write(Durability::Process).await?;
            for event in some {
                let query = format!("DELETE FROM events WHERE id = $1 AND NOT {NEEDED}");
                let gone = sqlx::query(sqlx::AssertSqlSafe(query))
                    .bind(event.as_str())
                    .execute(&mut *transaction)
                    .await?;
                pruned.events += gone.rows_affected();
            }
            transaction.commit().await?;
        }
        for some in plan.incidents.chunks(BATCH) {
            let mut transaction = self.write(Durability::Full).await?;
            for (incident, last_seen) in some {
                remove_incident(&mut transaction, incident, *last_seen, &mut pruned).await?;
            }
            transaction.commit().await?;
        }
        Ok(pruned)
    }

    async fn remove_unused_blobs(&self) -> Result<u64, StoreError> {
        let mut transaction = self.write(Durability::Process).await?;
        let gone = sqlx::query(
            "DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.sha256 = blobs.sha256)",
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(gone.rows_affected())
    }
}

/// Removes an incident with everything that belongs to it, unless it was seen again or a heal of it has begun.
async fn remove_incident(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    last_seen: i64,
    pruned: &mut Pruned,
) -> Result<(), StoreError> {
    let gone = sqlx::query(
        "DELETE FROM incidents WHERE id = $1 AND last_seen = $2 \
         AND NOT EXISTS (SELECT 1 FROM heals WHERE heals.incident = $1 AND heals.phase <> 'closed')",
    )
    .bind(incident.as_str())
    .bind(last_seen)
    .execute(&mut *connection)
    .await?;
    if gone.rows_affected() == 0 {
        return Ok(());
    }
    pruned.incidents += 1;
    let of_its_heals = "IN (SELECT heals.id FROM heals WHERE heals.incident = $1)";
    let mut counts = Vec::new();
    for statement in [
        format!("DELETE FROM heal_log WHERE heal {of_its_heals}"),
        format!("DELETE FROM blob_uses WHERE heal {of_its_heals}"),
        "DELETE FROM signatures WHERE incident = $1".to_string(),
        "DELETE FROM heals WHERE incident = $1".to_string(),
        "DELETE FROM events WHERE incident = $1".to_string(),
    ] {
        let gone = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(incident.as_str())
            .execute(&mut *connection)
            .await?;
        counts.push(gone.rows_affected());
    }
    if let [.., heals, events] = counts[..] {
        pruned.heals += heals;
        pruned.events += events;
    }
    Ok(())
}

/// What is to go, from what is known.
fn decide(world: World, retention: &Retention, age: SignedDuration, now: Timestamp) -> Plan {
    let World { used, incidents } = world;
    let old = now
        .checked_sub(age.max(FRESH))
        .map_or(i64::MIN, |time| time.as_microsecond());
    let mut plan = Plan::default();
    let mut left = BTreeMap::new();
    for (id, mut known) in incidents {
        if known.seen < old && !known.needed {
            plan.take_incident(&id, &known);
            continue;
        }
        let mut place = 0;
        known.events.retain(|event| {
            let stays = place == 0 || event.needed || event.received >= old;
            place += 1;
            if !stays {
                plan.take_event(event);
            }
            stays
        });
        left.insert(id, known);
    }
    if used.saturating_sub(plan.bytes) > retention.bytes {
        let aim = retention.bytes / AIM.1 * AIM.0;
        make_room(left, used.saturating_sub(aim), now, &mut plan);
        plan.over = used.saturating_sub(plan.bytes) > retention.bytes;
    }
    plan
}

/// Adds to the plan until it frees so many bytes, or nothing is left that may go.
fn make_room(mut left: BTreeMap<IncidentId, Known>, wanted: u64, now: Timestamp, plan: &mut Plan) {
    let fresh = (now - FRESH).as_microsecond();
    let spare = |known: &Known| -> Vec<Piece> {
        let behind = known.events.iter().skip(FEW);
        let spare = behind.filter(|event| !event.needed && event.received < fresh);
        spare.cloned().collect()
    };
    let mut events: Vec<Piece> = left.values().flat_map(spare).collect();
    events.sort_by_key(|event| event.received);
    let mut taken = BTreeSet::new();
    for event in events {
        if plan.bytes >= wanted {
            return;
        }
        plan.take_event(&event);
        taken.insert(event.id);
    }
    for known in left.values_mut() {
        known.events.retain(|event| !taken.contains(&event.id));
    }
    let mut incidents: Vec<(IncidentId, Known)> = left
        .into_iter()
        .filter(|(_, known)| !known.needed && known.seen < fresh)
        .collect();
    incidents.sort_by_key(|(_, known)| known.seen);
    for (id, known) in incidents {
        if plan.bytes >= wanted {
            return;
        }
        plan.take_incident(&id, &known);
    }
}

impl Plan {
    fn take_event(&mut self, event: &Piece) {
        self.events.push(event.id.clone());
        self.bytes += event.bytes;
    }

    fn take_incident(&mut self, id: &IncidentId, known: &Known) {
        self.incidents.push((id.clone(), known.last_seen));
        self.heals += known.heals;
        self.with_incidents += known.events.len() as u64;
        let events: u64 = known.events.iter().map(|event| event.bytes).sum();
        self.bytes += events + known.log_bytes + ROW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn ago(hours: i64) -> i64 {
        now().as_microsecond() - hours * HOUR
    }

    prop_compose! {
        fn piece()(hours in 0..2000_i64, bytes in 1..5000_u64, needed in prop::bool::weighted(0.1)) -> Piece {
            Piece { id: EventId::new(""), received: ago(hours), bytes, needed }
        }
    }

    prop_compose! {
        fn known()(
            hours in 0..2000_i64, needed in prop::bool::weighted(0.2), heals in 0..3_u64,
            log_bytes in 0..2000_u64, mut events in prop::collection::vec(piece(), 0..12),
        ) -> Known {
            events.sort_by_key(|event| -event.received);
            let seen = events.iter().map(|event| event.received).max().unwrap_or(i64::MIN).max(ago(hours));
            Known { seen, last_seen: ago(hours), needed, heals, log_bytes, events }
        }
    }

    fn world() -> impl Strategy<Value = World> {
        prop::collection::vec(known(), 0..12).prop_map(|list| {
            let mut world = World::default();
            for (place, mut known) in list.into_iter().enumerate() {
                for (number, event) in known.events.iter_mut().enumerate() {
                    event.id = EventId::new(format!("{place}.{number}"));
                }
                let events: u64 = known.events.iter().map(|event| event.bytes).sum();
                world.used += events + known.log_bytes + ROW;
                world
                    .incidents
                    .insert(IncidentId::new(format!("{place}")), known);
            }
            world
        })
    }

    proptest! {
        #[test]
        fn what_is_needed_or_fresh_stays_and_the_limit_is_met_where_it_can_be(
            world in world(), days in 1..60_u32, bytes in 0..60_000_u64
        ) {
            let retention = Retention { days, bytes };
            let plan = decide(world.clone(), &retention, retention.age(), now());
            let gone: BTreeSet<&IncidentId> = plan.incidents.iter().map(|(id, _)| id).collect();
            let events: BTreeSet<&EventId> = plan.events.iter().collect();
            prop_assert_eq!(events.len(), plan.events.len());
            let old = ago(24 * i64::from(days));
            let mut left = 0;
            for (id, known) in &world.incidents {
                if gone.contains(id) {
                    prop_assert!(!known.needed);
                    prop_assert!(known.seen < ago(1));
                    continue;
                }
                // By age an incident that nobody needs goes.
                prop_assert!(known.needed || known.seen >= old);
                left += known.log_bytes + ROW;
                for (place, event) in known.events.iter().enumerate() {
                    if events.contains(&event.id) {
                        prop_assert!(place > 0 && !event.needed && event.received < ago(1));
                        prop_assert!(event.received < old || place >= 1);
                        continue;
                    }
                    left += event.bytes;
                    prop_assert!(place == 0 || event.needed || event.received >= old);
                }
            }
            prop_assert_eq!(left, world.used - plan.bytes);
            prop_assert_eq!(plan.over, left > bytes);
            if plan.over {
                // Nothing is left that may go.
                for (id, known) in &world.incidents {
                    prop_assert!(gone.contains(id) || known.needed || known.seen >= ago(1));
                }
            }
        }
    }

    #[test]
    fn room_is_made_by_spare_events_before_incidents_and_by_the_oldest_first() {
        let event = |id: &str, hours| Piece {
            id: EventId::new(id),
            received: ago(hours),
            bytes: 1000,
            needed: false,
        };
        let incident = |name: &str, hours: &[i64]| {
            let events = hours
                .iter()
                .map(|hours| event(&format!("{name}{hours}"), *hours));
            let known = Known {
                seen: ago(hours[0]),
                last_seen: ago(hours[0]),
                events: events.collect(),
                ..Known::default()
            };
            (IncidentId::new(name), known)
        };
        let world = World {
            used: 10_000,
            incidents: [
                incident("a", &[10, 20, 30, 40, 50]),
                incident("b", &[5, 6, 7, 45]),
                incident("c", &[100]),
            ]
            .into(),
        };
        let plan = |bytes| {
            let retention = Retention { days: 30, bytes };
            decide(world.clone(), &retention, retention.age(), now())
        };
        let names = |plan: &Plan| -> Vec<String> {
            let events = plan.events.iter().map(ToString::to_string);
            events
                .chain(plan.incidents.iter().map(|(id, _)| id.to_string()))
                .collect()
        };
        assert!(names(&plan(10_000)).is_empty());
        assert_eq!(names(&plan(9_000)), ["a50", "b45"]);
        assert_eq!(names(&plan(7_500)), ["a50", "b45", "a40", "c"]);
        assert_eq!(names(&plan(5_000)), ["a50", "b45", "a40", "c", "a"]);
    }
}
