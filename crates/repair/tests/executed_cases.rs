//! Runs the cases of all rules for real: the sick code fails in Python under the agent's capture, is diagnosed, and the
//! proposed edit must be the case's; the healed code must run without the failure.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use homeostasis_diagnose::diagnose;
use homeostasis_domain::{CandidateOrigin, Capsule};
use homeostasis_repair::{Input, Proposal, propose};
use homeostasis_rulepack::Pack;
use homeostasis_rulepack::case::{Case, Expectation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One case with its place in the plan.
struct Run<'p> {
    rule: &'p str,
    case: &'p Case,
    name: String,
}

#[test]
fn every_case_that_can_run_is_diagnosed_and_healed_from_its_real_failure() {
    let (pack, errors) = homeostasis_rulepack::load(&[]);
    assert!(errors.is_empty(), "{errors:?}");
    let mut left_out = 0;
    let mut runs = Vec::new();
    for rule in pack.rules() {
        for case in &rule.cases {
            if case.raised.not_executable {
                left_out += 1;
                continue;
            }
            let name = format!("case_{}", runs.len());
            runs.push(Run {
                rule: &rule.id,
                case,
                name,
            });
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let programs = |kind: &str,
                    text: &dyn Fn(&Run<'_>) -> Option<String>|
     -> BTreeMap<String, Value> {
        let programs = root.join(kind);
        std::fs::create_dir(&programs).unwrap();
        let mut plan = Vec::new();
        for run in &runs {
            let Some(text) = text(run) else { continue };
            std::fs::write(programs.join(format!("{}.py", run.name)), text).unwrap();
            plan.push(json!({"name": run.name, "request": request(run.case), "call": run.case.raised.call}));
        }
        execute(&programs, &plan)
    };
    let sick = programs("sick", &|run| Some(run.case.sick.clone()));
    let healed = programs("healed", &|run| match &run.case.expectation {
        Expectation::Healed { text } => Some(text.clone()),
        Expectation::Untouched | Expectation::Abstain => None,
    });
    let mut mismatches = Vec::new();
    for run in &runs {
        let mut problems = Vec::new();
        check(
            &pack,
            run,
            &root.join("sick"),
            &sick[&run.name],
            &mut problems,
        );
        if let Some(answer) = healed.get(&run.name) {
            let status = answer["status"].as_u64();
            if !answer["capsule"].is_null() {
                let thrown = &answer["capsule"]["exceptions"][0];
                problems.push(format!(
                    "the healed code fails: {}: {}",
                    thrown["type"], thrown["message"]
                ));
            } else if status.is_some_and(|status| status >= 500) {
                problems.push(format!("the healed code answers {status:?}"));
            }
        }
        if !problems.is_empty() {
            mismatches.push(format!(
                "{} / {}:\n    {}",
                run.rule,
                run.case.name,
                problems.join("\n    ")
            ));
        }
    }
    println!(
        "{} of {} cases as expected when run for real; {left_out} cannot be run",
        runs.len() - mismatches.len(),
        runs.len()
    );
    assert!(!runs.is_empty());
    assert!(
        mismatches.is_empty(),
        "{} mismatches:\n{}",
        mismatches.len(),
        mismatches.join("\n")
    );
}

fn check(pack: &Pack, run: &Run<'_>, folder: &Path, answer: &Value, problems: &mut Vec<String>) {
    let capsule: Capsule = match serde_json::from_value(answer["capsule"].clone()) {
        Ok(capsule) => capsule,
        Err(_) => {
            problems.push(format!(
                "the sick code does not fail; it answers {}",
                answer["status"]
            ));
            return;
        }
    };
    let path = folder
        .join(format!("{}.py", run.name))
        .to_str()
        .unwrap()
        .to_string();
    let sources = BTreeMap::from([(path, run.case.sick.clone())]);
    let diagnosis = diagnose(&homeostasis_diagnose::Input {
        capsule: &capsule,
        sources: &sources,
        root: folder.to_str().unwrap(),
    });
    let proposal = propose(&Input {
        diagnosis: &diagnosis,
        capsule: &capsule,
        sources: &sources,
        pack,
    });
    let before = problems.len();
    judge(run, &proposal, problems);
    let thrown = &capsule.exceptions[0];
    if run.case.raised.error != thrown.qualified_type() {
        problems.push(format!(
            "the case says {}, it raised {}",
            run.case.raised.error,
            thrown.qualified_type()
        ));
    }
    if problems.len() > before {
        problems.push(format!(
            "raised {}: {}",
            thrown.qualified_type(),
            thrown.message
        ));
        for hypothesis in &diagnosis.hypotheses {
            let at = hypothesis
                .location
                .as_ref()
                .map(|location| location.text.as_str())
                .unwrap_or("nowhere");
            let parts: Vec<String> = hypothesis
                .operands
                .iter()
                .map(|operand| {
                    let value = operand.value.as_ref().map(|value| value.display(60));
                    format!(
                        "{} `{}` = {} from {}",
                        operand.role,
                        operand.text,
                        value.unwrap_or("?".into()),
                        operand.origin.name()
                    )
                })
                .collect();
            problems.push(format!(
                "diagnosed {} at `{at}` (case: `{}`): {}",
                hypothesis.class,
                run.case.raised.at,
                parts.join("; ")
            ));
        }
        problems.extend(proposal.declined.iter().cloned());
    }
}

fn judge(run: &Run<'_>, proposal: &Proposal, problems: &mut Vec<String>) {
    let own = |origin: &CandidateOrigin| matches!(origin, CandidateOrigin::Rule { rule, .. } if rule == run.rule);
    match &run.case.expectation {
        Expectation::Healed { text } => match proposal.candidates.first() {
            None => problems.push("nothing is proposed".into()),
            Some(best) => {
                if !own(&best.origin) {
                    problems.push(format!("{:?} is ranked first", best.origin));
                }
                if best.edits.first().map(|edit| edit.new_text.as_str()) != Some(text.as_str()) {
                    problems.push(format!("another edit is proposed:\n{}", best.diff));
                }
            }
        },
        Expectation::Untouched => {
            for candidate in proposal
                .candidates
                .iter()
                .filter(|candidate| own(&candidate.origin))
            {
                problems.push(format!("the rule proposes:\n{}", candidate.diff));
            }
        }
        Expectation::Abstain => {
            for candidate in &proposal.candidates {
                problems.push(format!(
                    "{:?} proposes:\n{}",
                    candidate.origin, candidate.diff
                ));
            }
        }
    }
}

/// The request of a case in the form of the runner.
fn request(case: &Case) -> Option<Value> {
    let raised = &case.raised;
    let line = raised.request.as_deref()?;
    let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
    let (kind, body) = if let Some(json) = &raised.json {
        ("application/json", json.to_string())
    } else if let Some(form) = &raised.form {
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        ("application/x-www-form-urlencoded", pairs.join("&"))
    } else {
        ("text/plain", raised.body.clone().unwrap_or_default())
    };
    let headers = if body.is_empty() {
        json!({})
    } else {
        json!({"Content-Type": kind})
    };
    Some(json!({"method": method, "path": path, "headers": headers, "body": body}))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Runs programs by the runner of the diagnosis tests; the answers by name.
fn execute(folder: &Path, plan: &[Value]) -> BTreeMap<String, Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan_path = folder.join("plan.json");
    std::fs::write(&plan_path, serde_json::to_string(plan).unwrap()).unwrap();
    let output = Command::new(web_python())
        .arg(here.join("../diagnose/tests/capture.py"))
        .arg(folder)
        .arg(&plan_path)
        .env(
            "PYTHONPATH",
            here.join("../../agents/python").canonicalize().unwrap(),
        )
        .env("HOMEOSTASIS_ROOT", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers: BTreeMap<String, Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|answer| Some((answer["name"].as_str()?.to_string(), answer)))
        .collect();
    assert_eq!(
        answers.len(),
        plan.len(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    answers
}

/// A virtual environment with the web frameworks, made once in the cache folder; the same as that of the diagnosis tests.
fn web_python() -> PathBuf {
    let cache = std::env::var("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache"));
    let folder = cache.join("homeostasis/diagnose-tests");
    let python = folder.join("bin/python");
    let ready = folder.join("ready-1");
    if !ready.exists() {
        let run = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "-q",
            "flask",
            "fastapi",
            "sqlalchemy",
        ]));
        std::fs::write(ready, "").unwrap();
    }
    python
}
