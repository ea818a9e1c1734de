//! A real Python program with its interpreter, its failures and its candidates; no assertions live here.

use base64::Engine as _;
use homeostasis_domain::capsule::{
    Body, Capsule, CapsuleKind, Exception, Frame, Process, Request, Response, Runtime, Witness,
};
use homeostasis_domain::id::digest;
use homeostasis_domain::{
    Answer, Candidate, CandidateOrigin, Check, CheckName, FileEdit, Fingerprint, Safety, Trial,
};
use homeostasis_validate::{
    Baseline, Context, JudgeInput, Program, Suite, TrialLimits, Way, baseline, judge,
    suite_baseline, try_candidate,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where the program is seen; nothing is there on this machine.
pub(crate) const ROOT: &str = "/srv/validate-fixture";

/// An interpreter with Flask and pytest, made once and kept.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
            PathBuf::from,
        );
        let folder = cache.join("homeostasis/validate-tests");
        std::fs::create_dir_all(&folder).unwrap();
        // Several test processes may want it at once.
        let lock = std::fs::File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let python = folder.join("venv/bin/python");
        let done = folder.join("done");
        if !done.exists() {
            run(Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(folder.join("venv")));
            run(Command::new(&python).args([
                "-m",
                "pip",
                "install",
                "-q",
                "flask==3.1.2",
                "pytest==8.4.2",
            ]));
            std::fs::write(done, "").unwrap();
        }
        python
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn prefixes() -> Vec<PathBuf> {
    static PREFIXES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PREFIXES
        .get_or_init(|| {
            let output = Command::new(python())
                .args([
                    "-I",
                    "-c",
                    "import sys; print(sys.prefix); print(sys.base_prefix)",
                ])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().map(PathBuf::from).collect()
        })
        .clone()
}

/// A program in a folder of its own, with one failure of it.
pub(crate) struct World {
    pub(crate) tree: tempfile::TempDir,
    pub(crate) context: Context,
}

impl World {
    /// The fixture shop, failing with `exception` in `function` on this request.
    pub(crate) fn shop(request: Request, exception: &str, function: &str) -> Self {
        let tree = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/shop");
        std::fs::create_dir(tree.path().join("tests")).unwrap();
        for file in ["app.py", "tests/test_app.py"] {
            std::fs::copy(fixture.join(file), tree.path().join(file)).unwrap();
        }
        let command = [
            &python().display().to_string(),
            "-m",
            "flask",
            "--app",
            "app",
            "run",
            "--port",
            "8765",
        ]
        .map(str::to_string);
        Self::new(tree, command.to_vec(), Some(request), exception, function)
    }

    /// A program of the given files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = tree.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let command = vec![python().display().to_string(), "app.py".to_string()];
        Self::new(tree, command, None, "KeyError", "main")
    }

    fn new(
        tree: tempfile::TempDir,
        command: Vec<String>,
        request: Option<Request>,
        exception: &str,
        function: &str,
    ) -> Self {
        let capsule = capsule(request, exception, function);
        let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents/python");
        let mut limits = TrialLimits::default();
        limits.suite.wall = Duration::from_secs(60);
        let context = Context {
            program: Program {
                command,
                cwd: ROOT.into(),
                environment: BTreeMap::from([
                    ("PATH".to_string(), "/usr/bin:/bin".to_string()),
                    ("HOME".to_string(), "/root".to_string()),
                    ("LANG".to_string(), "C.UTF-8".to_string()),
                ]),
                root: ROOT.into(),
                readable: prefixes(),
                python: python().to_path_buf(),
                agent_path: agent.canonicalize().unwrap(),
            },
            tree: tree.path().to_path_buf(),
            way: Way::default(),
            fingerprint: fingerprint(&capsule),
            fingerprint_of: Arc::new(fingerprint),
            capsule,
            witnesses: Vec::new(),
            suite: Suite::find(tree.path(), None),
            limits,
            launcher: env!("CARGO_BIN_EXE_validate-helper").into(),
        };
        Self { tree, context }
    }

    pub(crate) fn witness(mut self, request: Request, status: u16) -> Self {
        let response = Response {
            status,
            headers: Vec::new(),
            body: body(r#"{"some": "answer"}"#),
        };
        self.context.witnesses.push(Witness { request, response });
        self
    }

    pub(crate) fn without_tests(mut self) -> Self {
        self.context.suite = None;
        self
    }

    /// The candidate that replaces one text of `app.py` by another.
    pub(crate) fn candidate(&self, from: &str, to: &str) -> Candidate {
        let old = std::fs::read_to_string(self.tree.path().join("app.py")).unwrap();
        assert!(old.contains(from), "{from}");
        let edits = vec![FileEdit::new(
            format!("{ROOT}/app.py"),
            &old,
            old.replace(from, to),
        )];
        Candidate {
            id: Candidate::id_of(&edits),
            origin: CandidateOrigin::Rule {
                rule: "test".into(),
                fix: "test".into(),
            },
            safety: Safety::Unsafe,
            title: "Replace it".into(),
            rationale: String::new(),
            answer: Answer::Success,
            edits,
            diff: String::new(),
            score: 1.0,
        }
    }

    pub(crate) async fn baseline(&self) -> Baseline {
        baseline(&self.context).await
    }

    /// The whole way of one candidate.
    pub(crate) async fn trial(&self, candidate: &Candidate) -> Trial {
        let (baseline, suite) =
            tokio::join!(baseline(&self.context), suite_baseline(&self.context));
        try_candidate(
            &self.context,
            candidate,
            &baseline.recording,
            std::future::ready(suite),
        )
        .await
    }

    /// The same, up to the verdict.
    pub(crate) async fn is_chosen(&self, candidate: &Candidate) -> bool {
        let baseline = self.baseline().await;
        let suite = suite_baseline(&self.context).await;
        let trial = try_candidate(
            &self.context,
            candidate,
            &baseline.recording,
            std::future::ready(suite),
        )
        .await;
        let verdict = judge(&JudgeInput {
            candidates: std::slice::from_ref(candidate),
            trials: &[trial],
            baseline: &baseline.trial,
        });
        verdict.chosen.is_some()
    }
}

/// What a trial found, in a line for each check.
pub(crate) fn told(trial: &Trial) -> String {
    let line = |check: &Check| {
        format!(
            "{} {}: {}",
            check.name.as_str(),
            check.status.as_str(),
            check.summary
        )
    };
    trial.checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The code with which a check failed.
pub(crate) fn code(trial: &Trial, name: CheckName) -> String {
    let check = trial
        .check(name)
        .unwrap_or_else(|| panic!("{} was not run:\n{}", name.as_str(), told(trial)));
    check.detail["code"].as_str().unwrap_or("none").to_string()
}

pub(crate) fn post(path: &str, json: &str) -> Request {
    let mut request = get(path, "");
    request.method = "POST".into();
    request.route = format!("POST {path}");
    request.headers = vec![
        ("content-type".into(), "application/json".into()),
        ("content-length".into(), json.len().to_string()),
    ];
    request.body = body(json);
    request
}

pub(crate) fn get(path: &str, query: &str) -> Request {
    Request {
        protocol: "wsgi".into(),
        method: "GET".into(),
        scheme: "http".into(),
        path: path.into(),
        root_path: String::new(),
        query: query.into(),
        route: format!("GET {path}"),
        http_version: "1.1".into(),
        headers: vec![("host".into(), "localhost".into())],
        client: Some(("127.0.0.1".into(), Some(5000))),
        server: Some(("127.0.0.1".into(), Some(8765))),
        body: Body::default(),
        credentials: Vec::new(),
        answers: Vec::new(),
        time: None,
    }
}

fn body(text: &str) -> Body {
    Body {
        data: base64::engine::general_purpose::STANDARD.encode(text),
        len: text.len() as u64,
        truncated: false,
        sha256: None,
    }
}

fn capsule(request: Option<Request>, exception: &str, function: &str) -> Capsule {
    let kind = match request {
        Some(_) => CapsuleKind::Request,
        None => CapsuleKind::Process,
    };
    Capsule {
        schema: 1,
        kind,
        hook: String::new(),
        process: Process {
            pid: 1,
            argv: Vec::new(),
            cwd: ROOT.into(),
            executable: String::new(),
            runtime: Runtime::default(),
            thread: "MainThread".into(),
            task: None,
            role: "script".into(),
            frameworks: BTreeMap::new(),
        },
        exceptions: vec![Exception {
            type_name: exception.into(),
            module: "builtins".into(),
            message: String::new(),
            relation: None,
            attributes: BTreeMap::new(),
            notes: Vec::new(),
            frames: vec![Frame {
                file: format!("{ROOT}/app.py"),
                module: "app".into(),
                function: function.into(),
                line: 1,
                end_line: None,
                column: None,
                end_column: None,
                first_line: 1,
                in_app: true,
                source_sha256: None,
                text: String::new(),
                arguments: Vec::new(),
                locals: BTreeMap::new(),
                globals: BTreeMap::new(),
            }],
        }],
        request,
        call: None,
        answers: Vec::new(),
        redacted: Vec::new(),
        missing: Vec::new(),
    }
}

/// Type, file and function of the innermost frame of the program: enough to tell the fixture's failures apart.
fn fingerprint(capsule: &Capsule) -> Fingerprint {
    let thrown = capsule.thrown().unwrap();
    let (file, function) = thrown
        .failing_frame()
        .map(|frame| (frame.file.as_str(), frame.function.as_str()))
        .unwrap_or_default();
    Fingerprint::new(digest([thrown.type_name.as_str(), file, function]))
}
