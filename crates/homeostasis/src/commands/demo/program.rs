//! The patient as a child process under `homeostasis run`, as a user would start it, and its certain end.

use super::patient::Patient;
use crate::folder::{self, Server};
use crate::printing::say;
use anyhow::{Context, Result, bail};
use owo_colors::{OwoColorize, Stream, Style};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const LONGEST_START: Duration = Duration::from_secs(60);
/// How long the program may take to end when it is asked to.
const LONGEST_END: Duration = Duration::from_secs(10);
/// How long Homeostasis may take to leave its heals for another run, before all processes are killed.
const LONGEST_LEAVE: Duration = Duration::from_secs(10);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The running patient. Dropping it kills what is left of it.
pub(super) struct Program {
    child: Child,
    /// Process group of Homeostasis, the program and its workers; ours alone, since we made it.
    group: Pid,
    folder: PathBuf,
    store: PathBuf,
    log: PathBuf,
    base: String,
    lines: JoinHandle<()>,
}

impl Program {
    /// Starts `homeostasis run --mode auto -- <the usual command>` in the patient's folder. The lines of Homeostasis are
    /// shown; those of the program go to a file.
    pub(super) fn start(
        patient: Patient,
        folder: &Path,
        venv: &Path,
        log: &Path,
        began: Instant,
    ) -> Result<Program> {
        let port = free_port()?;
        let command = patient.command(port);
        let (name, arguments) = command.split_first().context("there is no command")?;
        let store = folder.join(".homeostasis");
        say(&format!(
            "homeostasis run --mode auto -- {}",
            command.join(" ")
        ));

        let mut child =
            Command::new(std::env::current_exe().context("cannot find the running binary")?)
                .args([
                    "run",
                    "--mode",
                    "auto",
                    "--service",
                    patient.name(),
                    "--store",
                ])
                .arg(&store)
                .arg("--")
                // Both write to standard error, so the program's own output is led away before it becomes the program.
                .args(["sh", "-c", r#"exec "$@" >>"$0" 2>&1"#])
                .arg(log)
                .arg(venv.join("bin").join(name))
                .args(arguments)
                .current_dir(folder)
                .env_remove("HOMEOSTASIS_STORE")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                // An interrupt from the terminal is for the demo, which then ends the program in order.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .context("cannot start homeostasis run")?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = id
            .and_then(Pid::from_raw)
            .context("homeostasis run ended at once")?;
        let errors = child.stderr.take().context("there is no output to read")?;
        let lines = tokio::spawn(async move {
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let line = line.strip_prefix("homeostasis ").unwrap_or(&line);
                say(&format!(
                    "{:>5.1} s  {}",
                    began.elapsed().as_secs_f64(),
                    painted(line)
                ));
            }
        });
        Ok(Program {
            child,
            group,
            folder: folder.to_path_buf(),
            store,
            log: log.to_path_buf(),
            base: format!("http://127.0.0.1:{port}"),
            lines,
        })
    }

    /// Address of the program.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Its store.
    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    /// Waits until the program answers and Homeostasis tells where its API is.
    pub(super) async fn serving(&mut self) -> Result<Server> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(2))
            .build()?;
        let end = Instant::now() + LONGEST_START;
        loop {
            self.check_running()?;
            if let Some(server) = folder::server(&self.store)
                && http.get(&self.base).send().await.is_ok()
            {
                return Ok(server);
            }
            if Instant::now() >= end {
                bail!(
                    "the program does not answer within {} seconds",
                    LONGEST_START.as_secs()
                );
            }
            tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
        }
    }

    /// An error when it has ended.
    pub(super) fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the program ended by itself ({status})"),
        }
    }

    /// Asks it to end as an operator would: the program first, then, where heals are still under way, Homeostasis. What
    /// does not end in time is killed.
    pub(super) async fn end(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let mut status = timeout(LONGEST_END, self.child.wait()).await;
        let end = Instant::now() + LONGEST_LEAVE;
        while status.is_err() && Instant::now() < end {
            self.signal(Signal::INT)?;
            status = timeout(Duration::from_secs(1), self.child.wait()).await;
        }
        let status = match status {
            Ok(status) => status?,
            Err(_) => {
                say("homeostasis run does not end; killing it");
                self.kill_all();
                self.child.wait().await?
            }
        };
        // Its last lines are still on their way.
        drop(timeout(Duration::from_secs(1), &mut self.lines).await);
        Ok(status)
    }

    /// Signals `homeostasis run`, which hands it on to the program.
    fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(self.group, signal).context("cannot signal homeostasis run")?;
        }
        Ok(())
    }

    /// The last lines that the program wrote, for a failure that needs them.
    pub(super) fn last_lines(&self, count: usize) -> String {
        let text = fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Kills what is in our process group and works in our folder: both must hold, so that nobody else is ever meant.
    fn kill_all(&self) {
        for pid in members(self.group) {
            let works_here = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()))
                .is_ok_and(|cwd| cwd.starts_with(&self.folder));
            if works_here {
                // It may have ended in this moment, which is all that is wanted.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.lines.abort();
        self.kill_all();
    }
}

/// Processes of a group, by field 5 of `/proc/<pid>/stat` (proc(5)).
fn members(group: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let member = |id: &i32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The command's name stands in parentheses and may hold anything, also parentheses.
        let after = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.to_string())
            .unwrap_or_default();
        after.split_whitespace().nth(2) == Some(&group.as_raw_nonzero().to_string())
    };
    ids.filter(member).filter_map(Pid::from_raw).collect()
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16> {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// The two lines that matter most stand out: a new failure, and its healing.
fn painted(line: &str) -> String {
    let mut words = line.split_whitespace().skip(1);
    let style = match words.next() {
        Some("●") => Style::new().red(),
        Some("healed") => Style::new().green().bold(),
        _ => Style::new(),
    };
    line.if_supports_color(Stream::Stderr, |text| text.style(style))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(folder: &Path, script: &str) -> Program {
        let child = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let group = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let log = folder.join("log");
        let lines = tokio::spawn(async {});
        Program {
            child,
            group,
            folder: folder.to_path_buf(),
            store: folder.join("s"),
            log,
            base: String::new(),
            lines,
        }
    }

    async fn until(condition: impl Fn() -> bool) -> bool {
        for _ in 0..200 {
            if condition() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        false
    }

    #[tokio::test]
    async fn dropping_the_program_kills_its_workers_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let program = child(&path, "sleep 300 & sleep 300 & wait");
        let group = program.group;
        assert!(
            until(|| members(group).len() == 3).await,
            "the workers have not started"
        );
        drop(program);
        assert!(
            until(|| members(group).is_empty()).await,
            "left: {:?}",
            members(group)
        );
    }

    #[tokio::test]
    async fn a_program_that_hears_the_request_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let mut program = child(
            &path,
            "trap 'exit 7' TERM; touch ready; while :; do sleep 0.05; done",
        );
        assert!(until(|| path.join("ready").exists()).await);
        program.check_running().unwrap();
        assert_eq!(program.end().await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_program_that_ended_by_itself_is_an_error_to_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = child(&folder.path().canonicalize().unwrap(), "exit 3");
        let error = program.serving().await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("ended by itself"), "{error}");
    }
}
