//! The one place where hypotheses of different engines are put in order, with the reasons in sentences.

use homeostasis_domain::diagnosis::{Cause, Diagnosis, Hypothesis};

/// Hypotheses below this are not worth a reader's time when there is a better one.
const FAINT: f64 = 0.05;

/// Orders hypotheses.
///
/// 1. Each engine states a confidence from 0 to 1: how sure it is of the expression, lowered by values that contradict
///    and by sources that changed, raised by values found in the request.
/// 2. Where the program raised the error on purpose, or another system, a resource or the platform explains it with 0.8
///    or more, hypotheses that want to change code are left out: a wrong change is worse than none. Missing and wrong
///    settings are the exception, because a program may well state an evident default.
/// 3. Higher confidence first; among equals the hypothesis that does not change code first, then the order of the engines.
pub(crate) fn rank(mut hypotheses: Vec<Hypothesis>, mut report: Vec<String>) -> Diagnosis {
    let outweighing = hypotheses
        .iter()
        .find(|hypothesis| {
            !matches!(hypothesis.cause, Cause::Code | Cause::Configuration)
                && hypothesis.confidence >= 0.8
        })
        .map(|hypothesis| (hypothesis.engine.clone(), hypothesis.class.clone()));
    if let Some((engine, class)) = outweighing {
        let before = hypotheses.len();
        hypotheses.retain(|hypothesis| hypothesis.cause != Cause::Code);
        if hypotheses.len() < before {
            report.push(format!(
                "{engine} explains the failure as {class}, which no change of code mends; {} explanations that would change code were left out.",
                before - hypotheses.len()
            ));
        }
    }
    for hypothesis in &mut hypotheses {
        hypothesis.confidence = if hypothesis.confidence.is_finite() {
            hypothesis.confidence.clamp(0.0, 1.0)
        } else {
            0.0
        };
    }
    hypotheses.sort_by(|a, b| {
        b.confidence
            .total_cmp(&a.confidence)
            .then_with(|| (a.cause == Cause::Code).cmp(&(b.cause == Cause::Code)))
    });
    let best = hypotheses
        .first()
        .map_or(0.0, |hypothesis| hypothesis.confidence);
    hypotheses.retain(|hypothesis| hypothesis.confidence >= FAINT || hypothesis.confidence == best);
    for (place, hypothesis) in hypotheses.iter().enumerate() {
        report.push(format!(
            "{}. {} ({}, {}): confidence {:.2}, {} pieces of evidence.",
            place + 1,
            hypothesis.class,
            hypothesis.engine,
            cause(hypothesis.cause),
            hypothesis.confidence,
            hypothesis.evidence.len()
        ));
    }
    if hypotheses.is_empty() {
        report.push("No engine had an explanation.".into());
    }
    Diagnosis { hypotheses, report }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Code => "code",
        Cause::Dependency => "another system",
        Cause::Data => "stored data",
        Cause::Capacity => "capacity",
        Cause::Configuration => "configuration",
        Cause::Infrastructure => "infrastructure",
        Cause::BusinessRule => "a rule of the program",
    }
}
