//! The few lines a person sees while a program is watched.

use crate::printing::{clean, error, say};
use homeostasis_domain::heal::HealEvent;
use homeostasis_domain::verdict::Decision;
use homeostasis_domain::{CheckStatus, Outcome, Trial};
use homeostasis_heal::{Healer, Notice};
use owo_colors::{OwoColorize, Stream, Style};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

/// Prints what happens until it is aborted.
pub(super) fn follow(healer: &Healer, service: &str) -> JoinHandle<()> {
    let mut notices = healer.subscribe();
    let service = service.to_string();
    tokio::spawn(async move {
        loop {
            match notices.recv().await {
                Ok(notice) => show(&service, &notice),
                Err(RecvError::Lagged(missed)) => say(&format!("({missed} lines left out)")),
                Err(RecvError::Closed) => return,
            }
        }
    })
}

fn show(service: &str, notice: &Notice) {
    match notice {
        Notice::Connected { .. } | Notice::Gone { .. } => {}
        Notice::Pruned { pruned } => say(&crate::commands::keep::sentence(pruned, false)),
        Notice::Trouble { text } => error(&clean(text), ""),
        Notice::Incident { incident } => {
            let route = incident
                .route
                .as_deref()
                .map(|route| format!(" on {route}"))
                .unwrap_or_default();
            let line = format!(
                "{} {} in {}{route}",
                mark("●", Style::new().red()),
                incident.title,
                incident.culprit
            );
            say(&format!("{} {line}", incident.id));
        }
        Notice::Heal { incident, entry } => {
            if let Some(line) = line(incident.as_str(), &entry.event) {
                say(&format!("{incident} {line}"));
            }
        }
    }
    tracing::debug!(service, ?notice);
}

fn line(incident: &str, event: &HealEvent) -> Option<String> {
    Some(match event {
        HealEvent::Opened { .. } => return None,
        HealEvent::Diagnosed { diagnosis } => match diagnosis.hypotheses.first() {
            Some(best) => format!("  diagnosed  {} · {}", best.class, clean(&best.summary)),
            None => "  diagnosed  no engine has an answer".to_string(),
        },
        HealEvent::Reproduced { trial } => format!(
            "  reproduced in the sandbox in {:.0} ms",
            trial.milliseconds
        ),
        HealEvent::Proposed { candidates, .. } => match candidates.len() {
            0 => "  no remedy found".to_string(),
            1 => format!("  one candidate: {}", clean(&candidates[0].title)),
            count => format!(
                "  {count} candidates, first: {}",
                clean(&candidates[0].title)
            ),
        },
        HealEvent::Tried { trial } => format!("  tried      {}", checks(trial)),
        HealEvent::Judged {
            verdict,
            decision,
            policy,
        } => match (&verdict.chosen, decision) {
            (Some(_), Decision::Ask) => format!(
                "  {} {}\n{:13}look:    homeostasis diff {incident}\n{:13}approve: homeostasis approve {incident}",
                mark("verified", Style::new().yellow()),
                clean(&verdict.summary),
                "",
                ""
            ),
            (Some(_), _) => format!(
                "  {}  {} ({policy})",
                mark("verified", Style::new().yellow()),
                clean(&verdict.summary)
            ),
            (None, _) => format!("  verdict    {}", clean(&verdict.summary)),
        },
        HealEvent::Approved { by } => format!("  approved by {by}"),
        HealEvent::Rejected { by, .. } => format!("  rejected by {by}"),
        HealEvent::Stale { reason } => format!("  begins again: {}", clean(reason)),
        HealEvent::Planned { .. } => return None,
        HealEvent::CanaryStarted { processes } => match processes.first() {
            Some(pid) => format!("  canary     process {pid} runs the new code"),
            None => return None,
        },
        HealEvent::CanaryLost { reason } => format!("  canary lost: {reason}"),
        HealEvent::CanaryPassed { measurement } if measurement.requests > 0 => {
            format!(
                "  canary     {} requests on its route, none with this failure",
                measurement.requests
            )
        }
        HealEvent::CanaryPassed { .. } => return None,
        HealEvent::Promoted { processes } => {
            let count = processes.len();
            format!(
                "  promoted   file and {count} process{}",
                if count == 1 { "" } else { "es" }
            )
        }
        HealEvent::EffectShown { .. } => return None,
        HealEvent::RollbackAsked { by, reason } => {
            format!("  taking it back ({}): {}", clean(by), clean(reason))
        }
        HealEvent::RolledBack { .. } => "  the old code runs again, byte for byte".to_string(),
        HealEvent::StepFailed { step, error } => format!("  {step} failed: {}", clean(error)),
        HealEvent::Closed { outcome } => {
            let style = match outcome {
                Outcome::Healed { .. } => Style::new().green(),
                Outcome::RolledBack { .. } | Outcome::Lost { .. } | Outcome::Escalated { .. } => {
                    Style::new().red()
                }
                Outcome::Refused { .. } | Outcome::Abstained { .. } => Style::new().yellow(),
            };
            format!(
                "{} {}",
                mark(&outcome.name().replace('_', " "), style),
                clean(outcome.reason())
            )
        }
    })
}

fn checks(trial: &Trial) -> String {
    let shown = trial.checks.iter().map(|check| match check.status {
        CheckStatus::Passed => format!("{} ✓", check.name.as_str()),
        CheckStatus::Failed => format!("{} ✗ ({})", check.name.as_str(), clean(&check.summary)),
        CheckStatus::Error => format!("{} error ({})", check.name.as_str(), clean(&check.summary)),
        CheckStatus::Inconclusive => {
            format!("{} ? ({})", check.name.as_str(), clean(&check.summary))
        }
    });
    format!(
        "{} in {:.0} ms",
        shown.collect::<Vec<_>>().join(", "),
        trial.milliseconds
    )
}

fn mark(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stderr, |text| text.style(style))
        .to_string()
}
