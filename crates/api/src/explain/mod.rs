//! The way of one failure, told from the logs of its heals: as data, and as text for a terminal. Pure.
//!
//! In reading order: [`sentence`] tells one entry, [`text`] lays out the whole.

mod numbers;
pub mod sentence;
pub mod text;

pub use sentence::{Told, tell};

use homeostasis_domain::heal::{Entry, HealEvent, IllegalEvent, State};
use homeostasis_domain::{HealId, Outcome};
use homeostasis_store::IncidentSummary;
use jiff::Timestamp;
use serde::Serialize;

/// Everything that can be told of one incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The incident and where it stands.
    #[serde(flatten)]
    pub summary: IncidentSummary,
    /// Its heals, the oldest first.
    pub heals: Vec<ExplainedHeal>,
    /// All of it for people.
    pub text: String,
}

/// One heal, entry by entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedHeal {
    /// Which.
    pub heal: HealId,
    /// Where it stands.
    pub phase: String,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// In order.
    pub entries: Vec<ExplainedEntry>,
}

/// One entry of a heal's log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedEntry {
    /// From 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Name of the event.
    pub event: &'static str,
    /// Where the heal stood before.
    pub from: &'static str,
    /// Where it stood afterwards.
    pub state: &'static str,
    /// The entry for people.
    #[serde(flatten)]
    pub told: Told,
    /// The entry as data.
    pub data: HealEvent,
}

/// Tells the way of an incident from the logs of its heals, the oldest heal first.
pub fn explain(summary: IncidentSummary, logs: &[Vec<Entry>]) -> Result<Explanation, IllegalEvent> {
    let heals = logs
        .iter()
        .filter(|log| !log.is_empty())
        .map(|log| explain_heal(log))
        .collect::<Result<Vec<_>, _>>()?;
    let text = text::render(&summary, &heals);
    Ok(Explanation {
        summary,
        heals,
        text,
    })
}

fn explain_heal(log: &[Entry]) -> Result<ExplainedHeal, IllegalEvent> {
    let mut state = State::default();
    let mut entries = Vec::with_capacity(log.len());
    for entry in log {
        let after = state.clone().apply(&entry.event, entry.at)?;
        entries.push(ExplainedEntry {
            number: entry.number,
            at: entry.at,
            event: entry.event.name(),
            from: state.phase.name(),
            state: after.phase.name(),
            told: tell(&state, &entry.event, &after),
            data: entry.event.clone(),
        });
        state = after;
    }
    Ok(ExplainedHeal {
        heal: log
            .first()
            .map_or_else(|| HealId::new(""), |entry| entry.heal.clone()),
        phase: state.phase.name().to_string(),
        outcome: state.outcome().cloned(),
        entries,
    })
}
