//! `status`: how the watched program and its heals stand.

use crate::cli::ReadArgs;
use crate::client::Client;
use crate::printing::{json, out};
use anyhow::Result;
use std::process::ExitCode;

pub(crate) async fn run(arguments: ReadArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let status = client.get("status").await?;
    if arguments.json {
        json(&status);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| status[name].as_str().unwrap_or("-").to_string();
    let processes = status["processes"].as_array().map_or(0, Vec::len);
    out(&format!(
        "service    {} ({})",
        text("service"),
        text("environment")
    ));
    out(&format!(
        "mode       {}{}",
        text("mode"),
        if status["stopped"] == true {
            ", all healing is stopped"
        } else {
            ""
        }
    ));
    out(&format!(
        "server     {}",
        if client.is_live() {
            "running"
        } else {
            "not running (reading the store)"
        }
    ));
    out(&format!("processes  {processes} connected"));
    Ok(ExitCode::SUCCESS)
}
