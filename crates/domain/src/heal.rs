//! One heal: a log of events folded into a state, and the next step that the state asks for.
//!
//! [`State::apply`] and [`State::next`] are pure and total: an illegal event is a value, never a panic, and recovery
//! after a crash is a replay of the log through this same code. Steps are idempotent by heal, step and attempt.
//!
//! ```text
//! Open -> Diagnosed -> Reproduced -> Proposed -> Tried* -> Judged -> [Waiting] -> Approved
//!      -> Canary -> Promoted -> Closed(Healed)            until the program is touched, every state may close
//!            \--------\-> RollingBack -> Closed(RolledBack)    Healed may still be taken back by a person
//! ```

use crate::candidate::Candidate;
use crate::diagnosis::Diagnosis;
use crate::id::{CandidateId, EventId, HealId, IncidentId, content_hash};
use crate::outcome::Outcome;
use crate::rollout::{Measurement, RolloutPlan};
use crate::trial::Trial;
use crate::verdict::{Decision, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How often one step may fail before the heal is given up.
pub const MAX_ATTEMPTS: u32 = 3;
/// How often the files may change under a heal before it is given up.
pub const MAX_STALE: u32 = 5;

/// How many canaries may go away (workers are recycled) before that counts as harm.
pub const MAX_LOST_CANARIES: u32 = 2;

/// One line of the heal log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which heal.
    pub heal: HealId,
    /// From 1, without gaps.
    pub number: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// What happened.
    pub event: HealEvent,
}

/// What can happen in a heal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HealEvent {
    /// The heal began for an incident, with the capsule of this event.
    Opened {
        /// Which incident.
        incident: IncidentId,
        /// Whose capsule is used.
        source: EventId,
    },
    /// The engines answered.
    Diagnosed {
        /// What they said.
        diagnosis: Diagnosis,
    },
    /// The unpatched program failed again in the sandbox, with the same fingerprint.
    Reproduced {
        /// The trial of the unpatched program.
        trial: Trial,
    },
    /// Candidates were made.
    Proposed {
        /// In the order in which they are to be tried.
        candidates: Vec<Candidate>,
        /// Remedies considered and not proposed, with the reason.
        declined: Vec<String>,
    },
    /// One candidate was tried.
    Tried {
        /// What was measured.
        trial: Trial,
    },
    /// The judge concluded and policy answered.
    Judged {
        /// The judge.
        verdict: Verdict,
        /// Policy.
        decision: Decision,
        /// Why policy said so.
        policy: String,
    },
    /// A person (or a standing approval) agreed.
    Approved {
        /// Who.
        by: String,
    },
    /// A person refused.
    Rejected {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// What the candidate was made for or tried with is no longer all there is: begin again with what is there.
    Stale {
        /// What changed: files were edited, or healthy requests came to be known.
        reason: String,
    },
    /// The rollout was planned; nothing has been touched yet.
    Planned {
        /// What is going to be done.
        plan: RolloutPlan,
    },
    /// The canary runs the new code.
    CanaryStarted {
        /// Process ids.
        processes: Vec<u32>,
    },
    /// The canary process ended while it was watched; nothing runs the new code any more.
    CanaryLost {
        /// What is known of it.
        reason: String,
    },
    /// The canary did well.
    CanaryPassed {
        /// What was counted.
        measurement: Measurement,
    },
    /// Files and all processes have the new code, verified.
    Promoted {
        /// Process ids.
        processes: Vec<u32>,
    },
    /// Live traffic shows that the symptom is gone.
    EffectShown {
        /// What was counted.
        measurement: Measurement,
    },
    /// It must be taken back.
    RollbackAsked {
        /// Who: a person, or `homeostasis` itself.
        by: String,
        /// Why.
        reason: String,
    },
    /// Files and processes have the old code again, verified.
    RolledBack {
        /// Process ids.
        processes: Vec<u32>,
    },
    /// A step failed; it will be tried again, or the heal ends.
    StepFailed {
        /// Which step.
        step: String,
        /// Why.
        error: String,
    },
    /// The heal ended.
    Closed {
        /// How.
        outcome: Outcome,
    },
}

/// Where a heal stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Phase {
    /// Waits for its first event.
    New,
    /// Begun.
    Open,
    /// The cause has been looked for.
    Diagnosed,
    /// The failure was made to happen again.
    Reproduced,
    /// Candidates are being tried.
    Trying,
    /// A verdict was reached and policy agreed; the rollout is next.
    Accepted,
    /// Parked until a person answers.
    Waiting,
    /// The rollout is planned.
    Planned,
    /// The canary is being watched.
    Canary,
    /// The canary did well.
    CanaryPassed,
    /// The new code is everywhere and its effect is being watched.
    Watching,
    /// The effect was shown.
    Shown,
    /// It is being taken back.
    RollingBack {
        /// Why.
        reason: String,
    },
    /// It was taken back.
    TakenBack {
        /// Why.
        reason: String,
    },
    /// It is to end in this way.
    Ending {
        /// How.
        outcome: Outcome,
    },
    /// It ended.
    Closed {
        /// How.
        outcome: Outcome,
    },
}

/// The state of one heal, folded from its log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// Which incident.
    pub incident: Option<IncidentId>,
    /// Whose capsule is used.
    pub source: Option<EventId>,
    /// What the engines said.
    pub diagnosis: Option<Diagnosis>,
    /// The trial of the unpatched program.
    pub baseline: Option<Trial>,
    /// Candidates in the order of trying.
    pub candidates: Vec<Candidate>,
    /// One trial for each candidate tried, in the same order.
    pub trials: Vec<Trial>,
    /// The latest verdict.
    pub verdict: Option<Verdict>,
    /// The latest decision of policy.
    pub decision: Option<Decision>,
    /// Who approved which change, by [`change_of`]; survives a stale restart.
    pub approval: Option<Approval>,
    /// The rollout's plan.
    pub plan: Option<RolloutPlan>,
    /// What the canary measured.
    pub canary: Option<Measurement>,
    /// What the watch after promotion measured.
    pub effect: Option<Measurement>,
    /// Failures of the current step.
    pub attempts: u32,
    /// How often the files changed under it.
    pub stale: u32,
    /// How many canaries went away.
    pub lost_canaries: u32,
    /// Events folded so far.
    pub length: u64,
    /// When the current phase began.
    pub since: Option<Timestamp>,
}

/// An approval is for a change, not for a candidate id, so that it survives edits elsewhere in the same file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// Hash of the changed lines.
    pub change: String,
}

/// What has to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Run the diagnosis engines.
    Diagnose,
    /// Make the failure happen again in the sandbox.
    Reproduce,
    /// Make candidates.
    Propose,
    /// Try this candidate.
    Try(CandidateId),
    /// Reach a verdict over all trials.
    Judge,
    /// Nothing until a person answers.
    AwaitApproval,
    /// Plan the rollout.
    Plan,
    /// Put the new code into the canary.
    StartCanary,
    /// Nothing until the canary's measurements suffice.
    WatchCanary,
    /// Put the new code everywhere.
    Promote,
    /// Nothing until the effect can be judged.
    WatchEffect,
    /// Put the old code back.
    RollBack,
    /// Append this outcome.
    Close(Outcome),
    /// Nothing, ever.
    Done,
}

/// An event that cannot happen in this phase.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{event} cannot happen while the heal is {phase}")]
pub struct IllegalEvent {
    /// Name of the event.
    pub event: &'static str,
    /// Name of the phase.
    pub phase: &'static str,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::New,
            incident: None,
            source: None,
            diagnosis: None,
            baseline: None,
            candidates: Vec::new(),
            trials: Vec::new(),
            verdict: None,
            decision: None,
            approval: None,
            plan: None,
            canary: None,
            effect: None,
            attempts: 0,
            stale: 0,
            lost_canaries: 0,
            length: 0,
            since: None,
        }
    }
}

impl State {
    /// Folds a whole log.
    pub fn replay<'a>(log: impl IntoIterator<Item = &'a Entry>) -> Result<State, IllegalEvent> {
        log.into_iter().try_fold(State::default(), |state, entry| {
            state.apply(&entry.event, entry.at)
        })
    }

    /// The state after an event that happened at `at`.
    pub fn apply(mut self, event: &HealEvent, at: Timestamp) -> Result<State, IllegalEvent> {
        use HealEvent as E;
        use Phase as P;
        let illegal = IllegalEvent {
            event: event.name(),
            phase: self.phase.name(),
        };
        let phase = match (&self.phase, event) {
            (P::New, E::Opened { incident, source }) => {
                self.incident = Some(incident.clone());
                self.source = Some(source.clone());
                P::Open
            }
            (P::Open, E::Diagnosed { diagnosis }) => {
                self.diagnosis = Some(diagnosis.clone());
                P::Diagnosed
            }
            (P::Diagnosed, E::Reproduced { trial }) => {
                self.baseline = Some(trial.clone());
                P::Reproduced
            }
            (P::Reproduced, E::Proposed { candidates, .. }) => {
                self.candidates.clone_from(candidates);
                P::Trying
            }
            (P::Trying, E::Tried { trial })
                if self.next_untried() == trial.candidate.as_ref() && trial.candidate.is_some() =>
            {
                self.trials.push(trial.clone());
                P::Trying
            }
            (
                P::Trying,
                E::Judged {
                    verdict, decision, ..
                },
            ) => {
                self.verdict = Some(verdict.clone());
                self.decision = Some(*decision);
                self.phase_after_verdict(verdict, *decision)
            }
            (P::Waiting, E::Approved { by }) => {
                self.approval = self.chosen().map(|candidate| Approval {
                    by: by.clone(),
                    change: change_of(candidate),
                });
                P::Accepted
            }
            (P::Waiting, E::Rejected { by, reason }) => P::Ending {
                outcome: Outcome::Refused {
                    reason: format!("{by} rejected it: {reason}"),
                },
            },
            (
                P::Waiting | P::Accepted | P::Planned | P::Trying | P::Reproduced | P::Diagnosed,
                E::Stale { reason },
            ) => self.restart(reason),
            (P::Accepted, E::Planned { plan }) => {
                self.plan = Some(plan.clone());
                P::Planned
            }
            (P::Planned, E::CanaryStarted { .. }) => P::Canary,
            (P::Canary, E::CanaryLost { reason }) => {
                self.lost_canaries += 1;
                if self.lost_canaries > MAX_LOST_CANARIES {
                    P::RollingBack {
                        reason: format!("the canary went away again: {reason}"),
                    }
                } else {
                    P::Accepted
                }
            }
            (P::Canary, E::CanaryPassed { measurement }) => {
                self.canary = Some(measurement.clone());
                P::CanaryPassed
            }
            (P::CanaryPassed, E::Promoted { .. }) => P::Watching,
            (P::Watching, E::EffectShown { measurement }) => {
                self.effect = Some(measurement.clone());
                P::Shown
            }
            (
                P::Planned | P::Canary | P::CanaryPassed | P::Watching | P::Shown,
                E::RollbackAsked { reason, .. },
            )
            | (
                P::Closed {
                    outcome: Outcome::Healed { .. },
                },
                E::RollbackAsked { reason, .. },
            ) => P::RollingBack {
                reason: reason.clone(),
            },
            (P::RollingBack { reason }, E::RolledBack { .. }) => P::TakenBack {
                reason: reason.clone(),
            },
            (phase, E::StepFailed { step, error }) if phase.is_active() => {
                self.attempts += 1;
                if self.attempts < MAX_ATTEMPTS {
                    self.length += 1;
                    return Ok(self);
                }
                give_up(phase, step, error)
            }
            (phase, E::Closed { outcome }) if self.may_close(phase, outcome) => P::Closed {
                outcome: outcome.clone(),
            },
            _ => return Err(illegal),
        };
        if phase != self.phase {
            self.since = Some(at);
        }
        self.phase = phase;
        self.attempts = 0;
        self.length += 1;
        Ok(self)
    }

    /// What has to be done now.
    pub fn next(&self) -> Step {
        match &self.phase {
            Phase::New | Phase::Closed { .. } => Step::Done,
            Phase::Open => Step::Diagnose,
            Phase::Diagnosed => Step::Reproduce,
            Phase::Reproduced => Step::Propose,
            Phase::Trying => match self.next_untried() {
                Some(candidate) if !self.has_winner() => Step::Try(candidate.clone()),
                _ => Step::Judge,
            },
            Phase::Waiting => Step::AwaitApproval,
            Phase::Accepted => Step::Plan,
            Phase::Planned => Step::StartCanary,
            Phase::Canary => Step::WatchCanary,
            Phase::CanaryPassed => Step::Promote,
            Phase::Watching => Step::WatchEffect,
            Phase::Shown => Step::Close(Outcome::Healed {
                evidence: self.effect.as_ref().map(describe).unwrap_or_default(),
            }),
            Phase::RollingBack { .. } => Step::RollBack,
            Phase::TakenBack { reason } => Step::Close(Outcome::RolledBack {
                reason: reason.clone(),
            }),
            Phase::Ending { outcome } => Step::Close(outcome.clone()),
        }
    }

    /// The candidate that the verdict chose.
    pub fn chosen(&self) -> Option<&Candidate> {
        let id = self.verdict.as_ref()?.chosen.as_ref()?;
        self.candidates.iter().find(|candidate| candidate.id == *id)
    }

    /// The outcome, once there is one.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Closed { outcome } => Some(outcome),
            _ => None,
        }
    }

    /// True from the first touch of the running program until it is either closed or back on the old code.
    pub fn touches_program(&self) -> bool {
        matches!(
            self.phase,
            Phase::Planned
                | Phase::Canary
                | Phase::CanaryPassed
                | Phase::Watching
                | Phase::Shown
                | Phase::RollingBack { .. }
        )
    }

    /// True when the new code is what the program should run.
    pub fn is_live(&self) -> bool {
        matches!(
            self.phase,
            Phase::Watching
                | Phase::Shown
                | Phase::Closed {
                    outcome: Outcome::Healed { .. }
                }
        )
    }

    /// Before the program is touched a heal may end at any time; afterwards only where the machine itself says so.
    fn may_close(&self, phase: &Phase, outcome: &Outcome) -> bool {
        let begun = !matches!(phase, Phase::New | Phase::Closed { .. });
        begun
            && (!self.touches_program() && !matches!(outcome, Outcome::Healed { .. })
                || self.next() == Step::Close(outcome.clone()))
    }

    fn next_untried(&self) -> Option<&CandidateId> {
        self.candidates
            .get(self.trials.len())
            .map(|candidate| &candidate.id)
    }

    /// A candidate that passed every check ends the search: candidates come best first.
    fn has_winner(&self) -> bool {
        self.trials.last().is_some_and(Trial::is_clean)
    }

    fn phase_after_verdict(&self, verdict: &Verdict, decision: Decision) -> Phase {
        let Some(candidate) = verdict
            .chosen
            .as_ref()
            .and_then(|id| self.candidates.iter().find(|c| c.id == *id))
        else {
            let reason = verdict.summary.clone();
            let outcome = if self.candidates.is_empty() {
                Outcome::Abstained { reason }
            } else {
                Outcome::Refused { reason }
            };
            return Phase::Ending { outcome };
        };
        let approved = self
            .approval
            .as_ref()
            .is_some_and(|approval| approval.change == change_of(candidate));
        match decision {
            Decision::Go => Phase::Accepted,
            Decision::Ask if approved => Phase::Accepted,
            Decision::Ask => Phase::Waiting,
            Decision::Forbid => Phase::Ending {
                outcome: Outcome::Refused {
                    reason: "policy forbids this class of change here".to_string(),
                },
            },
        }
    }

    fn restart(&mut self, reason: &str) -> Phase {
        self.stale += 1;
        self.diagnosis = None;
        self.baseline = None;
        self.candidates.clear();
        self.trials.clear();
        self.verdict = None;
        self.decision = None;
        self.plan = None;
        if self.stale > MAX_STALE {
            return Phase::Ending {
                outcome: Outcome::Lost {
                    reason: format!("it had to begin again too often: {reason}"),
                },
            };
        }
        Phase::Open
    }
}

/// What a heal becomes when a step has failed too often. Once the program may have been touched, that is taking it back.
fn give_up(phase: &Phase, step: &str, error: &str) -> Phase {
    let reason = format!("{step} failed {MAX_ATTEMPTS} times: {error}");
    match phase {
        Phase::Planned | Phase::Canary | Phase::CanaryPassed | Phase::Watching | Phase::Shown => {
            Phase::RollingBack { reason }
        }
        Phase::RollingBack { .. } => Phase::Ending {
            outcome: Outcome::Escalated { reason },
        },
        _ => Phase::Ending {
            outcome: Outcome::Abstained { reason },
        },
    }
}

/// Identifies a change by its removed and added lines, so that it is the same change when lines elsewhere moved.
pub fn change_of(candidate: &Candidate) -> String {
    let changed: Vec<&str> = candidate
        .diff
        .lines()
        .filter(|line| {
            (line.starts_with('+') || line.starts_with('-'))
                && !line.starts_with("+++")
                && !line.starts_with("---")
        })
        .collect();
    content_hash(changed.join("\n").as_bytes())
}

fn describe(effect: &Measurement) -> String {
    format!(
        "{} requests on the route in {:.0} s, none with this failure (before: {:.1} % of them failed; chance by luck {:.2e})",
        effect.requests,
        effect.seconds,
        effect.failure_rate_before * 100.0,
        effect.chance_by_luck
    )
}

impl Phase {
    /// Being worked on: neither new, nor parked on a person, nor closed.
    fn is_active(&self) -> bool {
        !matches!(self, Phase::New | Phase::Waiting | Phase::Closed { .. })
    }

    /// Stable name, for messages and pages.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::New => "new",
            Phase::Open => "open",
            Phase::Diagnosed => "diagnosed",
            Phase::Reproduced => "reproduced",
            Phase::Trying => "trying",
            Phase::Accepted => "accepted",
            Phase::Waiting => "waiting",
            Phase::Planned => "planned",
            Phase::Canary => "canary",
            Phase::CanaryPassed => "canary_passed",
            Phase::Watching => "watching",
            Phase::Shown => "shown",
            Phase::RollingBack { .. } => "rolling_back",
            Phase::TakenBack { .. } => "taken_back",
            Phase::Ending { .. } => "ending",
            Phase::Closed { .. } => "closed",
        }
    }
}

impl HealEvent {
    /// Stable name, for messages and pages.
    pub fn name(&self) -> &'static str {
        match self {
            HealEvent::Opened { .. } => "opened",
            HealEvent::Diagnosed { .. } => "diagnosed",
            HealEvent::Reproduced { .. } => "reproduced",
            HealEvent::Proposed { .. } => "proposed",
            HealEvent::Tried { .. } => "tried",
            HealEvent::Judged { .. } => "judged",
            HealEvent::Approved { .. } => "approved",
            HealEvent::Rejected { .. } => "rejected",
            HealEvent::Stale { .. } => "stale",
            HealEvent::Planned { .. } => "planned",
            HealEvent::CanaryStarted { .. } => "canary_started",
            HealEvent::CanaryLost { .. } => "canary_lost",
            HealEvent::CanaryPassed { .. } => "canary_passed",
            HealEvent::Promoted { .. } => "promoted",
            HealEvent::EffectShown { .. } => "effect_shown",
            HealEvent::RollbackAsked { .. } => "rollback_asked",
            HealEvent::RolledBack { .. } => "rolled_back",
            HealEvent::StepFailed { .. } => "step_failed",
            HealEvent::Closed { .. } => "closed",
        }
    }
}

impl Step {
    /// Stable name, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Diagnose => "diagnose",
            Step::Reproduce => "reproduce",
            Step::Propose => "propose",
            Step::Try(_) => "try",
            Step::Judge => "judge",
            Step::AwaitApproval => "await_approval",
            Step::Plan => "plan",
            Step::StartCanary => "start_canary",
            Step::WatchCanary => "watch_canary",
            Step::Promote => "promote",
            Step::WatchEffect => "watch_effect",
            Step::RollBack => "roll_back",
            Step::Close(_) => "close",
            Step::Done => "done",
        }
    }
}
