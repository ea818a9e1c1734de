//! The whole explanation as plain text for a terminal; what came from outside cannot send it control sequences.

use crate::explain::numbers::{count, duration};
use crate::explain::{ExplainedEntry, ExplainedHeal};
use homeostasis_store::IncidentSummary;
use std::fmt::Write;

/// Lays out an incident and its heals.
pub fn render(summary: &IncidentSummary, heals: &[ExplainedHeal]) -> String {
    let incident = &summary.incident;
    let mut text = String::new();
    line(
        &mut text,
        0,
        &format!("incident {}  {}", incident.id, incident.title),
    );
    line(&mut text, 2, &format!("where    {}", incident.culprit));
    if let Some(route) = &incident.route {
        line(&mut text, 2, &format!("route    {route}"));
    }
    let service = format!("service  {} ({})", incident.service, incident.environment);
    line(&mut text, 2, &service);
    let seen = format!(
        "seen     {}, first {}, last {}",
        count(incident.count, "time"),
        incident.first_seen.strftime("%F %T UTC"),
        incident.last_seen.strftime("%F %T UTC")
    );
    line(&mut text, 2, &seen);
    line(&mut text, 2, &format!("state    {}", standing(summary)));
    for heal in heals {
        text.push('\n');
        let began = heal.entries.first();
        let at = began.map_or(String::new(), |entry| {
            entry.at.strftime("%F %T UTC").to_string()
        });
        line(&mut text, 0, &format!("heal {}  {at}", heal.heal));
        for entry in &heal.entries {
            render_entry(&mut text, entry, began.unwrap_or(entry));
        }
    }
    if heals.is_empty() {
        text.push('\n');
        line(&mut text, 0, "No heal has begun.");
    }
    text
}

/// Where an incident stands, in a few words.
pub fn standing(summary: &IncidentSummary) -> String {
    match (&summary.outcome, summary.phase.as_str()) {
        (Some(outcome), _) => outcome.name().replace('_', " "),
        (None, "waiting") => format!(
            "waiting for a person: `homeostasis diff {0}`, then `homeostasis approve {0}` or `reject {0}`",
            summary.incident.id
        ),
        (None, phase) => phase.replace('_', " "),
    }
}

fn render_entry(text: &mut String, entry: &ExplainedEntry, first: &ExplainedEntry) {
    let since = entry
        .at
        .as_microsecond()
        .saturating_sub(first.at.as_microsecond());
    let name = entry.event.replace('_', " ");
    let head = format!(
        "{:>9}  {name:14}  {}",
        format!("+{}", duration(since.max(0) as f64 / 1_000.0)),
        entry.told.sentence
    );
    line(text, 2, &head);
    for detail in &entry.told.details {
        line(text, 29, detail);
    }
}

fn line(text: &mut String, indent: usize, content: &str) {
    let _ = writeln!(text, "{:indent$}{}", "", printable(content));
}

/// Messages, names and values come from the watched program and its clients; control characters in them would be
/// obeyed by the terminal, and line breaks would forge lines of this report.
fn printable(content: &str) -> String {
    let mut printable = String::with_capacity(content.len());
    for character in content.chars() {
        match character {
            '\n' | '\r' | '\t' => printable.push(' '),
            control if control.is_control() || is_bidirectional(control) => {
                printable.extend(control.escape_unicode());
            }
            other => printable.push(other),
        }
    }
    printable
}

/// Characters that change the direction of what follows and so can make text read as something else.
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
