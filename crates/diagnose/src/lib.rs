//! From a capsule to a diagnosis: ranked explanations of a failure, each with evidence. It reads no files and runs nothing.
//!
//! In the order of one diagnosis: `chain` chooses the exception to explain, [`message`] reads what it says, `locate` finds
//! the expression with the help of `fit` and [`evaluate`], `origin` follows its values back, `examine` puts that together,
//! the `engines` explain, and `rank` orders the explanations and says why.

mod case;
mod chain;
mod engines;
pub mod evaluate;
mod examine;
mod fit;
mod locate;
pub mod message;
mod origin;
mod rank;
mod summary;

use homeostasis_domain::{Capsule, Diagnosis, references};
use std::collections::BTreeMap;

/// All that a diagnosis is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What the agent kept.
    pub capsule: &'a Capsule,
    /// Texts of the program's files by absolute path.
    pub sources: &'a BTreeMap<String, String>,
    /// The program's folder, absolute.
    pub root: &'a str,
}

/// Explains a failure. Pure: the same input gives the same diagnosis. Malformed input gives a poor diagnosis, never a panic.
pub fn diagnose(input: &Input<'_>) -> Diagnosis {
    let capsule = references::resolved(input.capsule);
    let input = &Input {
        capsule: &capsule,
        ..*input
    };
    let case = case::Case::new(input);
    let mut report = Vec::new();
    if case.chosen.index > 0 {
        report.extend(case.chosen.evidence.first().cloned());
    }
    let examined = examine::examine(&case);
    let mut hypotheses = engines::not_code::run(&case, &examined);
    hypotheses.extend(engines::own_error::run(&case, &examined));
    hypotheses.extend(engines::expression::run(&case, &examined));
    rank::rank(hypotheses, report)
}
