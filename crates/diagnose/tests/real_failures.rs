//! Diagnoses real failures: every program in `tests/cases` is run under the agent's capture by each Python at hand.
//!
//! A case is a program with what must be concluded from its failure in comments at its head. `class`, `cause` and `fails`
//! are of the best hypothesis; `part` is `role | text | value | origin` with `-` for what does not matter; `also` names a
//! further hypothesis; `request` is what is sent to the program's `app`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use homeostasis_diagnose::{Input, diagnose};
use homeostasis_domain::capsule::Capsule;
use homeostasis_domain::diagnosis::{Diagnosis, Hypothesis};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

struct Case {
    name: String,
    program: String,
    class: String,
    cause: String,
    fails: Option<String>,
    parts: Vec<[String; 4]>,
    also: Vec<String>,
    since: Option<(u32, u32)>,
    request: Option<serde_json::Value>,
}

fn cases(file: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(here().join("cases").join(file)).unwrap();
    text.split("\n== ")
        .map(|part| part.trim_start_matches("== "))
        .filter(|part| !part.trim().is_empty())
        .map(case)
        .collect()
}

fn case(text: &str) -> Case {
    let (name, program) = text.split_once('\n').unwrap();
    let mut case = Case {
        name: name.trim().to_string(),
        program: program.to_string(),
        class: String::new(),
        cause: "code".into(),
        fails: None,
        parts: vec![],
        also: vec![],
        since: None,
        request: None,
    };
    for line in program.lines() {
        let Some((key, value)) = line
            .strip_prefix("# ")
            .and_then(|line| line.split_once(": "))
        else {
            continue;
        };
        let value = value.trim().to_string();
        match key {
            "class" => case.class = value,
            "cause" => case.cause = value,
            "fails" => case.fails = Some(value),
            "also" => case.also.push(value),
            "since" => {
                let (major, minor) = value.split_once('.').unwrap();
                case.since = Some((major.parse().unwrap(), minor.parse().unwrap()));
            }
            "part" => {
                let fields: Vec<String> = value.split(" | ").map(str::to_string).collect();
                case.parts.push(
                    fields
                        .try_into()
                        .unwrap_or_else(|_| panic!("{}: {value}", case.name)),
                );
            }
            "request" => case.request = Some(request(&value)),
            other => panic!("{}: unknown expectation `{other}`", case.name),
        }
    }
    assert!(!case.class.is_empty(), "{} says no class", case.name);
    case
}

/// `METHOD path [content type body | Header=value]`.
fn request(text: &str) -> serde_json::Value {
    let mut words = text.splitn(4, ' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = serde_json::Map::new();
    let mut body = String::new();
    match (words.next(), words.next()) {
        (Some(header), None) => {
            let (name, value) = header.split_once('=').unwrap();
            headers.insert(name.into(), value.into());
        }
        (Some(kind), Some(rest)) => {
            headers.insert("Content-Type".into(), kind.into());
            body = rest.into();
        }
        _ => {}
    }
    serde_json::json!({"method": method, "path": path, "headers": headers, "body": body})
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The Pythons at hand: the usual one, and the others that a version manager keeps in the home folder.
fn interpreters() -> Vec<(PathBuf, (u32, u32))> {
    let mut found = Vec::new();
    let home = std::env::var("HOME").unwrap_or_default();
    let mut candidates = vec![PathBuf::from("python3")];
    for minor in 9..=14 {
        candidates.push(PathBuf::from(format!("python3.{minor}")));
        if let Ok(entries) = std::fs::read_dir(format!("{home}/.pyenv/versions")) {
            for entry in entries.flatten() {
                candidates.push(entry.path().join(format!("bin/python3.{minor}")));
            }
        }
    }
    for candidate in candidates {
        let version = Command::new(&candidate)
            .args([
                "-c",
                "import sys; print(sys.version_info[0], sys.version_info[1])",
            ])
            .output();
        let Ok(output) = version else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<u32> = text
            .split_whitespace()
            .filter_map(|part| part.parse().ok())
            .collect();
        if let [major, minor] = numbers[..]
            && output.status.success()
            && (major, minor) >= (3, 9)
            && !found.iter().any(|(_, known)| *known == (major, minor))
        {
            found.push((candidate, (major, minor)));
        }
    }
    assert!(
        !found.is_empty(),
        "no Python from 3.9 on was found; install python3"
    );
    found
}

/// The files of a program: what stands before the first `#### path` is the program's own file, with an empty path here.
fn files_of(program: &str) -> Vec<(&str, &str)> {
    let mut files = vec![];
    for (position, part) in program.split("#### ").enumerate() {
        files.push(if position == 0 {
            ("", part)
        } else {
            part.split_once('\n').unwrap_or((part.trim(), ""))
        });
    }
    files
}

struct Tally {
    cases: usize,
    milliseconds: Vec<f64>,
    mismatches: Vec<String>,
}

/// Runs the cases under one interpreter and compares.
fn check(python: &Path, version: (u32, u32), files: &[&str]) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let program_folder = root.join("program");
    std::fs::create_dir(&program_folder).unwrap();
    let mut known = BTreeMap::new();
    let mut plan = Vec::new();
    let mut sources = BTreeMap::new();
    for file in files {
        for case in cases(file) {
            if case.since.is_some_and(|since| version < since) {
                continue;
            }
            let name = format!("{}_{}", file.trim_end_matches(".txt"), case.name);
            let path = program_folder.join(format!("{name}.py"));
            let mut own = BTreeMap::new();
            for (place, text) in files_of(&case.program) {
                let path = if place.is_empty() {
                    path.clone()
                } else {
                    program_folder.join(place)
                };
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, text).unwrap();
                own.insert(path.to_str().unwrap().to_string(), text.to_string());
            }
            sources.insert(name.clone(), own);
            plan.push(serde_json::json!({"name": name, "request": case.request}));
            known.insert(name, case);
        }
    }
    let plan_path = root.join("plan.json");
    std::fs::write(&plan_path, serde_json::to_string(&plan).unwrap()).unwrap();
    let agent = here()
        .join("../../../agents/python")
        .canonicalize()
        .unwrap();
    let output = Command::new(python)
        .arg(here().join("capture.py"))
        .arg(&program_folder)
        .arg(&plan_path)
        .env("PYTHONPATH", agent)
        .env("HOMEOSTASIS_ROOT", &program_folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        python.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut tally = Tally {
        cases: 0,
        milliseconds: vec![],
        mismatches: vec![],
    };
    // Programs may print too.
    for line in String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with("{\"name\""))
    {
        let answer: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = answer["name"].as_str().unwrap();
        let case = known.remove(name).unwrap();
        tally.cases += 1;
        let mut problems = Vec::new();
        match serde_json::from_value::<Capsule>(answer["capsule"].clone()) {
            Err(error) => problems.push(format!("no capsule: {error}")),
            Ok(capsule) => {
                let own = &sources[name];
                let begun = Instant::now();
                let diagnosis = diagnose(&Input {
                    capsule: &capsule,
                    sources: own,
                    root: program_folder.to_str().unwrap(),
                });
                tally
                    .milliseconds
                    .push(begun.elapsed().as_secs_f64() * 1000.0);
                compare(&case, &diagnosis, own, &mut problems);
                if !problems.is_empty() {
                    problems.push(format!(
                        "{}: {}",
                        capsule.exceptions[0].qualified_type(),
                        capsule.exceptions[0].message
                    ));
                    if let Some(best) = diagnosis.hypotheses.first() {
                        problems.push(best.summary.clone());
                        problems.extend(best.evidence.iter().cloned());
                    }
                }
            }
        }
        if !problems.is_empty() {
            tally.mismatches.push(format!(
                "{version:?} {name}:\n    {}",
                problems.join("\n    ")
            ));
        }
    }
    assert!(known.is_empty(), "never answered: {:?}", known.keys());
    tally
}

fn compare(
    case: &Case,
    diagnosis: &Diagnosis,
    sources: &BTreeMap<String, String>,
    problems: &mut Vec<String>,
) {
    let Some(best) = diagnosis.hypotheses.first() else {
        problems.push("no hypothesis".into());
        return;
    };
    let cause = |hypothesis: &Hypothesis| {
        serde_json::to_value(hypothesis.cause)
            .unwrap()
            .as_str()
            .unwrap()
            .to_string()
    };
    let mut same = |what: &str, expected: &str, found: &str| {
        if expected != found {
            problems.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    same("class", &case.class, best.class.as_str());
    same("cause", &case.cause, &cause(best));
    let failing = best
        .location
        .as_ref()
        .map(|location| flat(&location.text))
        .unwrap_or_default();
    if let Some(fails) = &case.fails {
        same("fails", fails, &failing);
        if let Some(location) = &best.location {
            same(
                "bytes",
                &location.text,
                &sources[&location.file][location.start_byte..location.end_byte],
            );
        }
    }
    for [role, text, value, origin] in &case.parts {
        let candidates: Vec<_> = best
            .operands
            .iter()
            .filter(|operand| operand.role == *role)
            .collect();
        let Some(operand) = candidates
            .iter()
            .find(|operand| flat(&operand.text) == *text)
            .or(candidates.first())
        else {
            same(role, text, "no such part");
            continue;
        };
        same(role, text, &flat(&operand.text));
        if value != "-" {
            let found = operand
                .value
                .as_ref()
                .map(|value| value.display(80))
                .unwrap_or("unknown".into());
            same(&format!("{role} value"), value, &found);
        }
        if origin != "-" {
            same(&format!("{role} origin"), origin, operand.origin.name());
        }
    }
    for also in &case.also {
        let (class, wanted) = also.split_once(' ').unwrap_or((also, "code"));
        let there = diagnosis
            .hypotheses
            .iter()
            .skip(1)
            .any(|other| other.class.as_str() == class && cause(other) == wanted);
        same("also", also, if there { also } else { "nothing such" });
    }
    for hypothesis in &diagnosis.hypotheses {
        same(
            "known class",
            "true",
            if hypothesis.class.known() {
                "true"
            } else {
                hypothesis.class.as_str()
            },
        );
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are what a person runs it for"
)]
fn report(title: &str, tallies: Vec<((u32, u32), Tally)>) {
    let mut failed = Vec::new();
    for (version, tally) in tallies {
        let mut times = tally.milliseconds.clone();
        times.sort_by(f64::total_cmp);
        let slowest = times.last().copied().unwrap_or_default();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "{title} {}.{}: {} of {} as expected; median {median:.2} ms, slowest {slowest:.2} ms",
            version.0,
            version.1,
            tally.cases - tally.mismatches.len(),
            tally.cases
        );
        assert!(tally.cases > 0);
        failed.extend(tally.mismatches);
    }
    assert!(
        failed.is_empty(),
        "{} mismatches:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn failures_of_the_language_are_explained_for_every_python() {
    let tallies = interpreters()
        .into_iter()
        .map(|(python, version)| {
            (
                version,
                check(
                    &python,
                    version,
                    &["language.txt", "not_code.txt", "further.txt"],
                ),
            )
        })
        .collect();
    report("language", tallies);
}

#[test]
fn failures_inside_requests_are_explained() {
    let python = web_python();
    let (_, version) = interpreters().into_iter().next().unwrap();
    let tally = check(
        &python,
        version,
        &["flask.txt", "fastapi.txt", "packages.txt"],
    );
    report("requests", vec![(version, tally)]);
}

/// A virtual environment with the web frameworks, made once in the cache folder.
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
