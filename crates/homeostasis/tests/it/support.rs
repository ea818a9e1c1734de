//! A copy of the kiosk under `homeostasis run`, clients that talk to it, and ways to look at what became of it.

use homeostasis_domain::IncidentId;
use homeostasis_domain::heal::{Entry, HealEvent};
use homeostasis_store::Store;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An order that the kiosk fails on.
pub(crate) const SICK: &str = r#"{"item": "tea"}"#;
/// One that it answers.
pub(crate) const GOOD: &str = r#"{"item": "tea", "quantity": 2}"#;

/// The kiosk in a folder of its own.
pub(crate) struct Kiosk {
    folder: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

fn is_end(entry: &Entry) -> bool {
    entry.event.name() == "closed"
}

/// Sends a signal to one process of the kiosk.
pub(crate) fn signal(name: &str, pid: i32) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Clients that order all the time, one in three without a quantity.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    /// Good orders that were not answered 201, and connections that broke.
    harmed: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

/// What one request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A virtual environment with Flask, gunicorn and pytest, made once.
pub(crate) fn environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").expect("there is a home")).join(".cache")
        });
        let folder = cache.join("homeostasis/loop-tests-1");
        if !folder.join("complete").exists() {
            run(Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder));
            run(Command::new(folder.join("bin/pip")).args([
                "install",
                "-q",
                "flask==3.1.3",
                "gunicorn==23.0.0",
                "pytest==8.4.2",
            ]));
            fs::write(folder.join("complete"), "").unwrap();
        }
        folder
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

impl Kiosk {
    /// A fresh copy, not running.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kiosk");
        for name in ["kiosk.py", "test_kiosk.py"] {
            fs::copy(fixtures.join(name), folder.path().join(name)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Kiosk {
            folder,
            port,
            running: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A kiosk that was watched once, so that its store is there.
    pub(crate) fn started_and_stopped() -> Self {
        let mut kiosk = Kiosk::new();
        kiosk.start("observe");
        kiosk.kill_homeostasis();
        kiosk
    }

    pub(crate) fn source(&self) -> String {
        fs::read_to_string(self.path("kiosk.py")).unwrap()
    }

    /// Starts (or takes up again) the kiosk under gunicorn with two workers.
    pub(crate) fn start(&mut self, mode: &str) {
        self.start_with(mode, &["-w", "2"]);
        // One worker may serve before the other is there.
        self.wait("both workers are there", || {
            (self.program().len() == 3).then_some(())
        });
    }

    pub(crate) fn start_with(&mut self, mode: &str, options: &[&str]) {
        let log = self.log_file();
        let child = Command::new(env!("CARGO_BIN_EXE_homeostasis"))
            .args(["run", "--mode", mode, "--"])
            .arg(environment().join("bin/gunicorn"))
            .args(["-b", &format!("127.0.0.1:{}", self.port)])
            .args(options)
            .arg("kiosk:app")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
        self.wait("the kiosk serves", || {
            self.get("/health").filter(|answer| answer.status == 200)
        });
    }

    /// What Homeostasis printed, without what the program did.
    fn notable_log(&self) -> String {
        let log = self.log();
        let own = log.lines().filter(|line| {
            line.contains("homeostasis ") || line.contains("gunicorn") || line.contains("[INFO]")
        });
        own.collect::<Vec<_>>().join("\n")
    }

    fn log_name(&self) -> String {
        format!(
            "{}.log",
            self.folder.path().file_name().unwrap().to_string_lossy()
        )
    }

    /// Starts the kiosk by a shell script that ends by becoming Homeostasis, in user and mount namespaces of its own.
    pub(crate) fn start_in_namespace(&mut self, script: &str) -> u32 {
        let log = self.log_file();
        let child = Command::new("unshare")
            .args(["-rm", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.running = Some(child);
        self.wait("the kiosk serves", || {
            self.get("/health").filter(|answer| answer.status == 200)
        });
        pid
    }

    fn log_file(&self) -> fs::File {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("../").join(self.log_name()))
            .unwrap()
    }

    /// Everything that was printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("../").join(self.log_name())).unwrap_or_default()
    }

    /// Kills Homeostasis, and only it, the hard way.
    pub(crate) fn kill_homeostasis(&mut self) {
        let mut child = self.running.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The worker processes of gunicorn; its first process is the master.
    pub(crate) fn workers(&self) -> Vec<i32> {
        self.program().split_off(1)
    }

    /// Runs the CLI on this kiosk's store.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_homeostasis"))
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.cli(&all);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            panic!(
                "{all:?} printed no JSON: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    /// The only incident, once there is one.
    pub(crate) fn incident(&self) -> Option<Value> {
        let output = self.cli(&["incidents", "--json"]);
        let incidents: Value = serde_json::from_slice(&output.stdout).ok()?;
        incidents.get(0).cloned()
    }

    pub(crate) fn incident_id(&self) -> String {
        self.wait("there is an incident", || self.incident())["incident"]["id"]
            .as_str()
            .unwrap()
            .to_string()
    }

    /// The log of the incident's latest heal, from the store itself: quicker than any command, so that what is done
    /// next comes right after the last entry.
    pub(crate) fn heal_log(&self, id: &str) -> Vec<Entry> {
        let id = IncidentId::new(id);
        let look = async {
            let store = Store::open(&self.path(".homeostasis")).await.unwrap();
            let heals = store.heals_of(&id).await.unwrap();
            let log = match heals.last() {
                Some(heal) => store.log(heal).await.unwrap(),
                None => Vec::new(),
            };
            store.close().await;
            log
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(look)
    }

    /// Waits until the log of the incident's heal holds an event.
    pub(crate) fn wait_for_event(&self, id: &str, name: &str) -> HealEvent {
        self.wait(&format!("the log holds {name}"), || {
            let log = self.heal_log(id);
            let found = log.iter().find(|entry| entry.event.name() == name);
            if found.is_none() && log.last().is_some_and(is_end) {
                panic!("the heal ended without {name}\n{}", self.notable_log());
            }
            found.map(|entry| entry.event.clone())
        })
    }

    /// Waits until the incident's heal has this outcome.
    pub(crate) fn wait_for_outcome(&self, outcome: &str) -> Value {
        self.wait(&format!("the outcome is {outcome}"), || {
            self.incident()
                .filter(|found| found["outcome"]["outcome"] == outcome)
        })
    }

    /// Waits until the incident's heal is in this phase.
    pub(crate) fn wait_for_phase(&self, phase: &str) -> Value {
        self.wait(&format!("the phase is {phase}"), || {
            self.incident().filter(|found| found["phase"] == phase)
        })
    }

    /// Looks again and again until there is something, at most 120 s.
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if begun.elapsed() > Duration::from_secs(120) {
                let explained = self.cli(&["incidents"]);
                panic!(
                    "waited in vain until {what}\n{}\n{}",
                    self.notable_log(),
                    String::from_utf8_lossy(&explained.stdout)
                );
            }
            std::thread::park_timeout(Duration::from_millis(30));
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        exchange(
            self.port,
            &format!("GET {path} HTTP/1.1\r\nHost: kiosk\r\nConnection: close\r\n\r\n"),
        )
    }

    pub(crate) fn order(&self, body: &str) -> Option<Answer> {
        order(self.port, body)
    }

    pub(crate) fn clients(&self, count: usize) -> Clients {
        let (stop, harmed, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::default(),
            Arc::default(),
        );
        let threads = (0..count).map(|number| {
            let (stop, harmed, sent, port) = (
                Arc::clone(&stop),
                Arc::clone(&harmed),
                Arc::clone(&sent),
                self.port,
            );
            std::thread::spawn(move || client(number, port, &stop, &harmed, &sent))
        });
        Clients {
            threads: threads.collect(),
            stop,
            harmed,
            sent,
        }
    }

    /// Process ids of the gunicorn master and its workers.
    pub(crate) fn program(&self) -> Vec<i32> {
        let name = format!("127.0.0.1:{}", self.port);
        let mut pids = Vec::new();
        for item in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = item.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            let command = fs::read(item.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            // A trial runs the same command line, in a process namespace of its own, and so do the tools that begin it.
            let interpreter = fs::read_link(item.path().join("exe")).is_ok_and(|file| {
                file.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("python"))
            });
            let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
            if interpreter
                && namespace(&pid.to_string()) == namespace("self")
                && command.contains(&name)
                && command.contains("gunicorn")
                && !command.contains("homeostasis\0run")
            {
                pids.push(pid);
            }
        }
        // The master comes first; process ids begin again from the bottom, so its own need not be the lowest.
        let all = pids.clone();
        pids.sort_unstable_by_key(|pid| {
            (
                parent_of(*pid).is_some_and(|parent| all.contains(&parent)),
                *pid,
            )
        });
        pids
    }
}

/// The parent of a process, from the second field after the name in `/proc/<pid>/stat`.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

impl Drop for Kiosk {
    fn drop(&mut self) {
        let program = self.program();
        // They were started by this test, on a port of its own. One that is stopped can be killed all the same.
        if !program.is_empty() {
            drop(
                Command::new("kill")
                    .arg("-9")
                    .args(program.iter().map(ToString::to_string))
                    .output(),
            );
        }
        if let Some(mut child) = self.running.take() {
            drop(child.kill());
            drop(child.wait());
        }
        drop(fs::remove_file(self.path("../").join(self.log_name())));
    }
}

impl Clients {
    /// Stops them; returns how many requests were sent and how many of them were harmed.
    pub(crate) fn stop(mut self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        (
            self.sent.load(Ordering::SeqCst),
            self.harmed.load(Ordering::SeqCst),
        )
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn client(number: usize, port: u16, stop: &AtomicBool, harmed: &AtomicUsize, sent: &AtomicUsize) {
    let mut turn = number;
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let sick = turn.is_multiple_of(3);
        let answer = order(
            port,
            if sick {
                r#"{"item": "tea"}"#
            } else {
                r#"{"item": "tea", "quantity": 2}"#
            },
        );
        sent.fetch_add(1, Ordering::SeqCst);
        let fine = match &answer {
            Some(answer) if sick => answer.status == 500 || (400..=422).contains(&answer.status),
            Some(answer) => answer.status == 201 && answer.body.contains("500"),
            None => false,
        };
        if !fine {
            harmed.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn order(port: u16, body: &str) -> Option<Answer> {
    exchange(
        port,
        &format!(
            "POST /orders HTTP/1.1\r\nHost: kiosk\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

fn exchange(port: u16, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n")?.1.to_string();
    Some(Answer { status, body })
}
