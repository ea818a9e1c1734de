//! `rules`: what remedies come from, and whether each rule does what its file says.

use crate::cli::{RulesCommand, RulesReadArgs};
use crate::exit;
use crate::printing::{error, json, out};
use anyhow::Result;
use homeostasis_rulepack::{Pack, RuleError};
use std::process::ExitCode;

pub(crate) fn run(command: RulesCommand) -> Result<ExitCode> {
    match command {
        RulesCommand::List(arguments) => Ok(list(&arguments)),
        RulesCommand::Test(arguments) => Ok(test(&arguments)),
    }
}

fn list(arguments: &RulesReadArgs) -> ExitCode {
    let (pack, broken) = homeostasis_rulepack::load(&arguments.folders);
    let rules = homeostasis_rulepack::list(&pack);
    if arguments.json {
        json(&rules);
    } else {
        out(&format!("{:28}  {:52}  WHAT", "CLASS", "RULE"));
        for rule in &rules {
            out(&format!(
                "{:28}  {:52}  {}",
                rule.class.to_string(),
                rule.id,
                rule.title
            ));
        }
    }
    tell(&broken)
}

fn test(arguments: &RulesReadArgs) -> ExitCode {
    let (pack, broken) = homeostasis_rulepack::load(&arguments.folders);
    let report = report(&pack);
    let failed = report
        .results
        .iter()
        .filter(|result| !result.passed)
        .count();
    if arguments.json {
        json(&report);
    } else {
        for result in report.results.iter().filter(|result| !result.passed) {
            out(&format!(
                "✗ {} · {}: {}",
                result.rule,
                result.case,
                result.problems.join("; ")
            ));
        }
        let rules = homeostasis_rulepack::list(&pack).len();
        out(&format!(
            "{} cases of {rules} rules, {failed} failed",
            report.results.len()
        ));
    }
    if failed > 0 {
        ExitCode::from(exit::NOT_FOUND)
    } else {
        tell(&broken)
    }
}

fn report(pack: &Pack) -> homeostasis_rulepack::CaseReport {
    homeostasis_repair::check_cases(pack, None)
}

fn tell(broken: &[RuleError]) -> ExitCode {
    for problem in broken {
        error(&problem.to_string(), "");
    }
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::USAGE)
    }
}
