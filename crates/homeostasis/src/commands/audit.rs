//! `audit`: the log of every action, and the proof that it is whole.

use crate::cli::{AuditArgs, AuditCommand, ReadArgs};
use crate::client::Client;
use crate::exit;
use crate::printing::{json, out};
use anyhow::Result;
use std::process::ExitCode;

pub(crate) async fn run(arguments: AuditArgs) -> Result<ExitCode> {
    match arguments.command {
        None => list(arguments.read).await,
        Some(AuditCommand::Verify(read)) => verify(read).await,
    }
}

async fn list(arguments: ReadArgs) -> Result<ExitCode> {
    let entries = Client::connect(&arguments.store)
        .await?
        .get("audit")
        .await?;
    if arguments.json {
        json(&entries);
        return Ok(ExitCode::SUCCESS);
    }
    for entry in entries.as_array().cloned().unwrap_or_default() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_string();
        out(&format!(
            "{:>6}  {}  {:12}  {:24}  {}",
            entry["number"].to_string(),
            text("at"),
            text("actor"),
            text("action"),
            text("subject")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(arguments: ReadArgs) -> Result<ExitCode> {
    let result = Client::connect(&arguments.store)
        .await?
        .get("audit/verify")
        .await?;
    let whole = result["whole"] == true;
    if arguments.json {
        json(&result);
    } else if whole {
        out(&format!(
            "the audit log is whole: {} entries, each signed and chained to the one before",
            result["count"]
        ));
    } else {
        out(&format!(
            "the audit log is broken at entry {}: {}",
            result["number"],
            result["what"].as_str().unwrap_or_default()
        ));
    }
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_FOUND)
    })
}
