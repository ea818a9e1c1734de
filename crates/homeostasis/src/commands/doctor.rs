//! `doctor`: tries everything that is needed on this machine, and says how to get what is missing.

use crate::cli::DoctorArgs;
use crate::exit;
use crate::printing::{json, out};
use crate::{folder, watched};
use anyhow::Result;
use homeostasis_ingest::agent::{Agents, Incoming, Source};
use homeostasis_store::Store;
use owo_colors::{OwoColorize, Stream, Style};
use serde::Serialize;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

/// One thing that was tried.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    detail: String,
    remedy: String,
}

pub(crate) async fn run(arguments: DoctorArgs) -> Result<ExitCode> {
    let findings = vec![
        sandbox().await,
        agent(&arguments.python).await,
        store(&arguments).await,
        rules(),
    ];
    let good = findings.iter().all(|finding| finding.good);
    if arguments.json {
        json(&serde_json::json!({ "good": good, "findings": findings }));
    } else {
        for finding in &findings {
            let (mark, style) = if finding.good {
                ("✓", Style::new().green())
            } else {
                ("✗", Style::new().red())
            };
            let mark = mark
                .if_supports_color(Stream::Stdout, |mark| mark.style(style))
                .to_string();
            out(&format!("{mark} {:8} {}", finding.what, finding.detail));
            if !finding.remedy.is_empty() {
                out(&format!("  {:8} {}", "", finding.remedy));
            }
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_FOUND)
    })
}

fn good(what: &'static str, detail: String) -> Finding {
    Finding {
        what,
        good: true,
        detail,
        remedy: String::new(),
    }
}

fn bad(what: &'static str, detail: String, remedy: &str) -> Finding {
    Finding {
        what,
        good: false,
        detail,
        remedy: remedy.to_string(),
    }
}

async fn sandbox() -> Finding {
    let launcher = match std::env::current_exe() {
        Ok(launcher) => launcher,
        Err(error) => {
            return bad(
                "sandbox",
                format!("cannot find the running binary: {error}"),
                "",
            );
        }
    };
    match homeostasis_sandbox::check(&launcher).await {
        Ok(facilities) => {
            let remarks = if facilities.remarks.is_empty() {
                String::new()
            } else {
                format!(" ({})", facilities.remarks.join("; "))
            };
            good(
                "sandbox",
                format!(
                    "{} works, {:.0} ms for an empty run{remarks}",
                    facilities.bubblewrap.display(),
                    facilities.milliseconds
                ),
            )
        }
        Err(error) => bad(
            "sandbox",
            error.to_string(),
            "without it no trial runs and nothing is healed",
        ),
    }
}

/// Starts the interpreter with the agent and waits for its hello.
async fn agent(python: &Path) -> Finding {
    match greeting(python).await {
        Ok(version) => good(
            "agent",
            format!("{} ({version}) takes the agent", python.display()),
        ),
        Err(error) => bad(
            "agent",
            format!("{} does not take the agent: {error:#}", python.display()),
            "name the program's interpreter with --python",
        ),
    }
}

async fn greeting(python: &Path) -> Result<String> {
    let folder = std::env::temp_dir().join(format!("homeostasis-doctor-{}", std::process::id()));
    let result = greet(python, &folder).await;
    // Only files of our own are in it.
    drop(std::fs::remove_dir_all(&folder));
    result
}

async fn greet(python: &Path, folder: &Path) -> Result<String> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let agent = watched::unpack(folder)?;
    let socket = folder.join("doctor.sock");
    let (sender, mut incoming) = tokio::sync::mpsc::channel(8);
    let source = Source {
        service: "doctor".to_string(),
        environment: "doctor".to_string(),
    };
    homeostasis_ingest::agent::serve(&socket, source, Agents::default(), sender)?;
    let output = tokio::process::Command::new(python)
        // A plain program speaks to Homeostasis when it fails.
        .args(["-c", "raise RuntimeError('to see whether the agent tells')"])
        .env("PYTHONPATH", &agent)
        .env("HOMEOSTASIS_SOCKET", &socket)
        .env("HOMEOSTASIS_ROOT", folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let hello = async {
        while let Some(message) = incoming.recv().await {
            if let Incoming::Connected(hello) = message {
                return Some(format!("{} {}", hello.runtime.name, hello.runtime.version));
            }
        }
        None
    };
    let (output, hello) =
        tokio::join!(output, tokio::time::timeout(Duration::from_secs(10), hello));
    let output = output?;
    match hello {
        Ok(Some(version)) => Ok(version),
        _ => anyhow::bail!(
            "it did not say hello within 10 s; its own words: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

async fn store(arguments: &DoctorArgs) -> Finding {
    let Ok(folder) = folder::find(&arguments.store) else {
        return good(
            "store",
            "none here yet; `homeostasis run` makes one".to_string(),
        );
    };
    let opened = match crate::key::for_reading(&arguments.store, &folder) {
        Ok(key) => Store::open_with_key(&folder, key.as_ref())
            .await
            .map_err(anyhow::Error::new),
        Err(error) => Err(error),
    };
    let sizes = match &opened {
        Ok(store) => store.sizes().await.map_err(anyhow::Error::new),
        Err(error) => {
            return bad("store", format!("{error:#}"), "nothing in it was changed");
        }
    };
    match sizes {
        Ok(sizes) => Finding {
            remedy: crate::commands::keep::advice(&sizes).to_string(),
            ..good(
                "store",
                format!(
                    "{} can be read; {}",
                    folder.display(),
                    crate::commands::keep::protection(&sizes)
                ),
            )
        },
        Err(error) => bad("store", format!("{error:#}"), "nothing in it was changed"),
    }
}

fn rules() -> Finding {
    let (pack, broken) = homeostasis_rulepack::load(&[]);
    let count = homeostasis_rulepack::list(&pack).len();
    match broken.first() {
        None => good("rules", format!("{count} rules")),
        Some(error) => bad("rules", error.to_string(), ""),
    }
}
