//! The caller's side: starts the helper, hands it the specification, waits for the report. It never forks by itself.

use crate::error::SandboxError;
use crate::helper::SUBCOMMAND;
use crate::report::Report;
use crate::spec::Spec;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// How much longer than the run itself the helper may take to set up and to clear away.
const GRACE: Duration = Duration::from_secs(60);

/// Runs the specification in a sandbox of its own.
///
/// `launcher` is a program whose subcommand [`SUBCOMMAND`] calls [`crate::helper_main`]: normally the running binary
/// itself. When the future is dropped, everything that runs inside is killed.
pub async fn run(launcher: &Path, spec: &Spec) -> Result<Report, SandboxError> {
    spec.validate()
        .map_err(|reason| SandboxError::Refused { reason })?;
    let broke = |reason: String| SandboxError::Helper {
        launcher: launcher.display().to_string(),
        reason,
    };
    let message = serde_json::to_vec(spec).map_err(|error| broke(error.to_string()))?;
    let mut helper = Command::new(launcher)
        .arg(SUBCOMMAND)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C at the terminal is the caller's to handle; the helper ends with its lifeline.
        .process_group(0)
        .spawn()
        .map_err(|error| broke(error.to_string()))?;
    let (Some(mut lifeline), Some(mut stdout), Some(mut stderr)) = (
        helper.stdin.take(),
        helper.stdout.take(),
        helper.stderr.take(),
    ) else {
        return Err(broke("it has no standard streams".to_string()));
    };
    let talk = async {
        lifeline
            .write_all(&(message.len() as u64).to_be_bytes())
            .await?;
        lifeline.write_all(&message).await?;
        lifeline.flush().await?;
        let (mut answer, mut complaint) = (Vec::new(), Vec::new());
        tokio::try_join!(
            stdout.read_to_end(&mut answer),
            stderr.read_to_end(&mut complaint)
        )?;
        Ok::<_, std::io::Error>((answer, complaint))
    };
    let outcome = tokio::time::timeout(spec.limits.wall + GRACE, talk).await;
    let Ok(outcome) = outcome else {
        // The helper itself hangs, so its lifeline is of no use; bubblewrap dies with it.
        helper
            .kill()
            .await
            .map_err(|error| broke(error.to_string()))?;
        return Err(broke(
            "it did not answer in time and was killed".to_string(),
        ));
    };
    let (answer, complaint) = outcome.map_err(|error| broke(error.to_string()))?;
    let status = helper
        .wait()
        .await
        .map_err(|error| broke(error.to_string()))?;
    let parsed: Result<Result<Report, SandboxError>, _> = serde_json::from_slice(&answer);
    parsed.unwrap_or_else(|error| {
        let complaint = String::from_utf8_lossy(&complaint);
        let complaint = complaint.trim();
        Err(broke(format!(
            "{status}, and no report ({error}) {complaint}"
        )))
    })
}
