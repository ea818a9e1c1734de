//! Proves or refutes remedies: runs the program with and without a candidate in a sandbox, and judges what was seen.
//!
//! It makes no candidates and rolls nothing out. In the order of one heal: [`baseline`] makes the unpatched program
//! fail again, [`suite_baseline`] runs its tests, [`try_candidate`] runs the checks of one candidate, and [`judge`],
//! which is pure, turns all trials into a verdict.
//!
//! Two rules hold everywhere. *No measurement is never a success*: what could not be run is inconclusive or an error.
//! *The unpatched program is the measure*: tests, answers and effects are compared with what it does in the same
//! sandbox, never with an absolute idea of right.

mod answers;
mod baseline;
mod checks;
mod context;
mod effects;
mod glance;
mod judge;
mod program;
mod replay;
mod shape;
mod structure;
mod suite;
mod trial;

pub use baseline::{Baseline, Recording, baseline};
pub use context::{Context, FingerprintOf, TrialLimits, Way};
pub use glance::glance;
pub use judge::{JudgeInput, judge};
pub use program::Program;
pub use structure::{Finding, compare as compare_structure};
pub use suite::{Suite, SuiteResult, TestOutcome, suite_baseline};
pub use trial::try_candidate;
