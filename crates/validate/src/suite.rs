//! The program's own tests: finding them, running them in a sandbox, and comparing two runs of them.
//!
//! Outcomes are recorded test by test by a listener inside the runner, one line each, written at once; unlike a report
//! that is written at the end, it also tells how far a run came that was killed. A run without its last line is not
//! whole, whatever its exit status says.

use crate::context::Context;
use crate::program::Program;
use crate::replay::tail;
use homeostasis_sandbox::{Exit, INPUTS, OUTPUTS, Report};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

const RUNNER: &str = "suite.py";
const TASK: &str = "suite.json";
const RECORD: &str = "suite.jsonl";
const RUNNER_TEXT: &str = include_str!("suite.py");

/// How deep and how far tests are looked for.
const MAX_DEPTH: usize = 6;
const MAX_ENTRIES: usize = 20_000;

/// How the program's tests are run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Suite {
    /// With pytest where the program's interpreter has it, else with unittest.
    Python {
        /// Arguments for pytest.
        arguments: Vec<String>,
        /// Why there are believed to be tests: a file.
        found: String,
    },
    /// With a command of the user, of which only the exit status is known.
    Command {
        /// The command.
        command: Vec<String>,
    },
}

/// One run of the tests. Serialisable, since the run of the unpatched program serves all candidates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteResult {
    /// Null when the run is whole; else why it is not.
    pub broken: Option<String>,
    /// True when there are no tests at all.
    pub none: bool,
    /// Exit status of the runner, when it came to its end.
    pub status: Option<i32>,
    /// All that were to run.
    pub collected: BTreeSet<String>,
    /// How those ended that did.
    pub outcomes: BTreeMap<String, TestOutcome>,
    /// What was said about those that failed.
    pub texts: BTreeMap<String, String>,
    /// Wall time.
    pub milliseconds: f64,
}

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    /// Well.
    Passed,
    /// Not as expected.
    Failed,
    /// Before or after the test itself.
    Error,
    /// Not run, or expected to fail.
    Skipped,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Runner {},
    Collected {
        test: String,
    },
    Broken {
        test: String,
        text: String,
    },
    Outcome {
        test: String,
        outcome: TestOutcome,
        #[serde(default)]
        text: String,
    },
    End {
        status: i32,
    },
}

#[derive(Debug, Serialize)]
struct Task<'a> {
    arguments: &'a [String],
    only: &'a [String],
}

impl Suite {
    /// The configured command, or tests of the usual names in the tree; `None` when there are none.
    pub fn find(root: &Path, configured: Option<Vec<String>>) -> Option<Suite> {
        match configured {
            Some(command) if command.is_empty() => None,
            Some(command) => Some(Self::configured(command)),
            None => first_test(root).map(|found| Suite::Python {
                arguments: Vec::new(),
                found,
            }),
        }
    }

    /// A command that is pytest anyway is run so that the outcome of each test is known.
    fn configured(command: Vec<String>) -> Suite {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let name = |word: &str| word.rsplit('/').next().unwrap_or(word).to_string();
        let arguments = match words.as_slice() {
            [first, rest @ ..] if matches!(name(first).as_str(), "pytest" | "py.test") => rest,
            [first, "-m", "pytest", rest @ ..] if name(first).starts_with("python") => rest,
            _ => return Suite::Command { command },
        };
        Suite::Python {
            arguments: arguments.iter().map(|word| word.to_string()).collect(),
            found: command.join(" "),
        }
    }
}

/// Runs the tests of the unpatched program.
pub async fn suite_baseline(context: &Context) -> SuiteResult {
    run(context, Vec::new(), &[]).await
}

/// Runs the tests with these files changed; all of them, or only some.
pub(crate) async fn run(
    context: &Context,
    overrides: Vec<(PathBuf, Vec<u8>)>,
    only: &[String],
) -> SuiteResult {
    let begun = Instant::now();
    let mut result = SuiteResult::empty();
    match &context.suite {
        None => result.none = true,
        Some(suite) => match run_in_sandbox(context, suite, overrides, only).await {
            Ok(report) => result.read(&report, suite),
            Err(reason) => result.broken = Some(reason),
        },
    }
    result.milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    result
}

async fn run_in_sandbox(
    context: &Context,
    suite: &Suite,
    overrides: Vec<(PathBuf, Vec<u8>)>,
    only: &[String],
) -> Result<Report, String> {
    let program = &context.program;
    let (command, task) = match suite {
        Suite::Python { arguments, .. } => (
            runner_command(program),
            serde_json::to_vec(&Task { arguments, only }),
        ),
        Suite::Command { command } => (command.clone(), Ok(Vec::new())),
    };
    let task = task.map_err(|error| error.to_string())?;
    let limits = context.limits.suite.clone();
    let mut spec = program.spec(&context.tree, command, overrides, limits);
    // Tests belong to the project, wherever the program happens to be started.
    spec.cwd = program.root.clone();
    spec.inputs = vec![
        (RUNNER.to_string(), RUNNER_TEXT.as_bytes().to_vec()),
        (TASK.to_string(), task),
    ];
    homeostasis_sandbox::run(&context.launcher, &spec)
        .await
        .map_err(|error| error.to_string())
}

fn runner_command(program: &Program) -> Vec<String> {
    vec![
        program.python.display().to_string(),
        format!("{INPUTS}/{RUNNER}"),
        format!("{OUTPUTS}/{RECORD}"),
        format!("{INPUTS}/{TASK}"),
    ]
}

impl SuiteResult {
    fn empty() -> Self {
        Self {
            broken: None,
            none: false,
            status: None,
            collected: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            texts: BTreeMap::new(),
            milliseconds: 0.0,
        }
    }

    /// Tests that passed.
    pub fn passed(&self) -> impl Iterator<Item = &String> {
        self.outcomes
            .iter()
            .filter(|(_, outcome)| **outcome == TestOutcome::Passed)
            .map(|(test, _)| test)
    }

    /// True when another run can be measured by this one.
    pub fn is_comparable(&self) -> bool {
        self.broken.is_none() && !self.none && self.passed().next().is_some()
    }

    /// True when the test passed.
    pub fn has_passed(&self, test: &str) -> bool {
        self.outcomes.get(test) == Some(&TestOutcome::Passed)
    }

    fn read(&mut self, report: &Report, suite: &Suite) {
        if !report.exit.by_itself() {
            self.broken = Some(format!("the tests were stopped: {}", report.exit));
        }
        if matches!(suite, Suite::Command { .. }) {
            self.read_status(report);
            return;
        }
        let record = report.outputs.get(RECORD).cloned().unwrap_or_default();
        let mut broken_files = Vec::new();
        let mut ended = None;
        for line in record
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match serde_json::from_slice(line) {
                Ok(Line::Runner {}) => {}
                Ok(Line::Collected { test }) => {
                    self.collected.insert(test);
                }
                Ok(Line::Broken { test, text }) => {
                    let last = text.lines().rfind(|line| !line.trim().is_empty());
                    broken_files.push(format!("{test}: {}", last.unwrap_or_default().trim()));
                }
                Ok(Line::Outcome {
                    test,
                    outcome,
                    text,
                }) => self.outcome(test, outcome, text),
                Ok(Line::End { status }) => ended = Some(status),
                // Half a line: the run was killed while it wrote.
                Err(_) => {}
            }
        }
        self.status = ended;
        // 5 is how pytest, and newer unittest, say that there was nothing to run.
        let nothing = self.collected.is_empty() && broken_files.is_empty();
        if self.broken.is_none() && ended.is_none() {
            self.broken = Some(format!(
                "the test runner ended without a report ({}){}",
                report.exit,
                tail(report)
            ));
        } else if self.broken.is_none() && nothing && matches!(ended, Some(0 | 1 | 5)) {
            self.none = true;
        } else if self.broken.is_none() && nothing {
            self.broken = Some(format!(
                "the test runner could not begin (status {}){}",
                ended.unwrap_or_default(),
                tail(report)
            ));
        } else if self.broken.is_none() && self.outcomes.is_empty() && !broken_files.is_empty() {
            self.broken = Some(format!(
                "the tests cannot be loaded: {}",
                broken_files.join("; ")
            ));
        }
    }

    fn read_status(&mut self, report: &Report) {
        const WHOLE: &str = "the test command";
        self.collected.insert(WHOLE.to_string());
        let outcome = match report.exit {
            Exit::Code(0) => TestOutcome::Passed,
            _ => TestOutcome::Failed,
        };
        if let Exit::Code(code) = report.exit {
            self.status = Some(code);
        }
        self.outcome(WHOLE.to_string(), outcome, tail(report));
    }

    /// A test may be told twice (its body and its end); the worse counts.
    fn outcome(&mut self, test: String, outcome: TestOutcome, text: String) {
        let worse = match self.outcomes.get(&test) {
            Some(TestOutcome::Failed | TestOutcome::Error) => return,
            Some(TestOutcome::Skipped) if outcome == TestOutcome::Passed => return,
            _ => outcome,
        };
        if !text.is_empty() {
            self.texts.insert(test.clone(), text);
        }
        self.outcomes.insert(test, worse);
    }
}

/// A file that says that there are tests, relative to the root.
fn first_test(root: &Path) -> Option<String> {
    let mut folders = vec![(root.to_path_buf(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&folder).ok()?.flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            seen += 1;
            if seen > MAX_ENTRIES {
                return None;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_file() && is_test(&name) {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                return Some(relative.display().to_string());
            }
            let foreign = name.starts_with('.')
                || ["node_modules", "site-packages", "__pycache__"].contains(&name.as_str())
                || path.join("pyvenv.cfg").exists();
            if kind.is_dir() && !foreign && depth < MAX_DEPTH {
                folders.push((path, depth + 1));
            }
        }
    }
    None
}

/// By the names that pytest and unittest look for.
fn is_test(name: &str) -> bool {
    name.strip_suffix(".py")
        .is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test") || stem == "tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_usual_names_and_not_in_installed_packages() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Suite::find(root.path(), None), None);
        for folder in ["venv/lib", ".hidden", "app/deep"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::fs::write(root.path().join("venv/pyvenv.cfg"), "").unwrap();
        std::fs::write(root.path().join("venv/lib/test_x.py"), "").unwrap();
        std::fs::write(root.path().join(".hidden/test_x.py"), "").unwrap();
        assert_eq!(Suite::find(root.path(), None), None);
        std::fs::write(root.path().join("app/deep/views_test.py"), "").unwrap();
        let found = Suite::find(root.path(), None);
        assert!(
            matches!(found, Some(Suite::Python { found, .. }) if found == "app/deep/views_test.py")
        );
    }

    #[test]
    fn a_configured_pytest_is_known_test_by_test_and_another_command_by_its_status() {
        let words = |text: &str| Some(text.split(' ').map(str::to_string).collect());
        let root = Path::new("/");
        for text in [
            "pytest -x tests/unit",
            "venv/bin/pytest -x tests/unit",
            "python3 -m pytest -x tests/unit",
        ] {
            let found = Suite::find(root, words(text));
            assert!(
                matches!(found, Some(Suite::Python { arguments, .. }) if arguments == ["-x", "tests/unit"]),
                "{text}"
            );
        }
        assert!(matches!(
            Suite::find(root, words("make test")),
            Some(Suite::Command { .. })
        ));
    }
}
