//! The virtual environment of a patient: made once for each list of packages and interpreter, and used again.

use crate::exit::{self, Stop};
use crate::printing::say;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Written last, so that an environment that was never finished is not used.
const READY: &str = "ready";
const KEPT_LINES: usize = 12;

/// The folder of an environment with these packages; says what it does where that takes long.
pub(super) async fn prepare(requirements: &str) -> Result<PathBuf> {
    let interpreter = std::env::var("PYTHON")
        .ok()
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "python3".to_string());
    let version = version_of(&interpreter).await?;
    let cache = cache()?.join("demo");
    fs::create_dir_all(&cache)
        .with_context(|| format!("cannot make the folder {}", cache.display()))?;
    let key = hex::encode(Sha256::digest(format!("{version}\n{requirements}")));
    let venv = cache.join(&key[..16]);

    // Two demos at once make one environment, one after the other.
    let lock = File::create(cache.join(format!("{}.lock", &key[..16])))?;
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await?;
    let _lock = locked.context("cannot lock the environment's folder")?;
    if venv.join(READY).exists() {
        say(&format!("using the environment in {}", venv.display()));
        return Ok(venv);
    }
    make(&interpreter, &venv, requirements).await?;
    Ok(venv)
}

async fn make(interpreter: &str, venv: &Path, requirements: &str) -> Result<()> {
    say(&format!(
        "making an environment in {} (once; it is used again)",
        venv.display()
    ));
    if venv.exists() {
        fs::remove_dir_all(venv)
            .with_context(|| format!("cannot remove the unfinished {}", venv.display()))?;
    }
    let mut create = Command::new(interpreter);
    create.args(["-m", "venv"]).arg(venv);
    if let Err(lines) = followed(create, |_| None).await? {
        let message = format!("{interpreter} -m venv failed:\n{lines}");
        return Err(Stop::new(
            exit::FAILED,
            message,
            "on Debian: apt-get install python3-venv",
        )
        .into());
    }
    let list = venv.join("requirements.txt");
    fs::write(&list, requirements)?;
    let mut install = Command::new(venv.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
        "-r",
    ]);
    install.arg(&list);
    if let Err(lines) = followed(install, progress).await? {
        let message = format!("the packages of the patient cannot be installed:\n{lines}");
        let remedy = "check the connection to the package index (PIP_INDEX_URL names another one) and try again";
        return Err(Stop::new(exit::FAILED, message, remedy).into());
    }
    fs::write(venv.join(READY), "")?;
    Ok(())
}

/// What a line of pip means for somebody who waits.
fn progress(line: &str) -> Option<String> {
    let line = line.trim();
    if let Some(package) = line.strip_prefix("Collecting ") {
        return Some(format!(
            "  fetching {}",
            package.split(" (").next().unwrap_or(package)
        ));
    }
    line.starts_with("Installing collected packages")
        .then(|| "  installing the packages".to_string())
}

/// Runs a command to its end and shows what `show` makes of its lines; its last lines when it fails.
async fn followed(
    mut command: Command,
    show: impl Fn(&str) -> Option<String>,
) -> Result<Result<(), String>> {
    let mut child = command
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the interpreter")?;
    let mut out = BufReader::new(child.stdout.take().context("no output to read")?).lines();
    let mut err = BufReader::new(child.stderr.take().context("no output to read")?).lines();
    let (mut out_open, mut err_open) = (true, true);
    // Kept apart, so that many lines of the one do not push out the few of the other that tell the reason.
    let (mut last_out, mut last_err) = (VecDeque::new(), VecDeque::new());
    while out_open || err_open {
        let (line, open, last) = tokio::select! {
            line = out.next_line(), if out_open => (line?, &mut out_open, &mut last_out),
            line = err.next_line(), if err_open => (line?, &mut err_open, &mut last_err),
        };
        let Some(line) = line else {
            *open = false;
            continue;
        };
        if let Some(text) = show(&line) {
            say(&text);
        }
        last.push_back(line);
        if last.len() > KEPT_LINES {
            last.pop_front();
        }
    }
    let status = child.wait().await?;
    let lines: Vec<String> = last_out
        .into_iter()
        .chain(last_err)
        .map(|line| format!("    {line}"))
        .collect();
    let lines = lines.join("\n");
    Ok(if status.success() { Ok(()) } else { Err(lines) })
}

/// Version, build and home of the interpreter: an environment is bound to all of them.
async fn version_of(interpreter: &str) -> Result<String> {
    let code = "import sys; print(sys.version, sys.base_prefix)";
    let output = Command::new(interpreter)
        .args(["-c", code])
        .stdin(Stdio::null())
        .output()
        .await;
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let message = format!(
                "{interpreter} does not work: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            Err(Stop::new(
                exit::FAILED,
                message,
                "name another interpreter in the variable PYTHON",
            )
            .into())
        }
        Err(error) => {
            let message = format!("cannot start {interpreter}: {error}");
            Err(Stop::new(
                exit::FAILED,
                message,
                "install Python 3 (on Debian: apt-get install python3 python3-venv)",
            )
            .into())
        }
    }
}

fn cache() -> Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("homeostasis"))
        .ok_or_else(|| {
            Stop::new(
                exit::FAILED,
                "there is no home folder to keep the environment in",
                "set HOME or XDG_CACHE_HOME",
            )
            .into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_who_waits_sees_which_package_is_fetched() {
        let line = "Collecting Flask==3.1.3 (from -r requirements.txt (line 1))";
        assert_eq!(progress(line).as_deref(), Some("  fetching Flask==3.1.3"));
        assert_eq!(progress("  Using cached flask.whl"), None);
    }

    #[tokio::test]
    async fn a_command_that_fails_tells_its_last_lines_of_both_outputs() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "for n in $(seq 20); do echo line $n; done; echo reason >&2; exit 3",
        ]);
        let lines = followed(command, |_| None).await.unwrap().unwrap_err();
        assert!(
            lines.contains("line 20") && lines.contains("reason") && !lines.contains("line 1\n"),
            "{lines}"
        );
    }

    #[tokio::test]
    async fn an_interpreter_that_is_not_there_is_told_with_a_remedy() {
        let error = version_of("no-such-interpreter").await.unwrap_err();
        let stop = error.downcast_ref::<Stop>().unwrap();
        assert!(stop.message.contains("no-such-interpreter") && !stop.remedy.is_empty());
    }
}
