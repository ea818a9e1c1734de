//! `approve`, `reject`, `rollback`, `stop`: what people decide.

use crate::cli::{DecideArgs, StopArgs};
use crate::client::Client;
use crate::printing::{json, out};
use anyhow::Result;
use std::process::ExitCode;

pub(crate) async fn decide(command: &str, arguments: DecideArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let by = arguments.by.unwrap_or_else(current_user);
    let body = serde_json::json!({ "by": by, "reason": arguments.reason });
    let answer = client
        .post(
            &format!("incidents/{}/{command}", arguments.incident),
            &body,
        )
        .await?;
    if arguments.json {
        json(&answer);
    } else {
        let done = match command {
            "approve" => "approved",
            "reject" => "rejected",
            _ => "to be taken back",
        };
        out(&format!(
            "heal {} is {done}",
            answer["heal"].as_str().unwrap_or(&arguments.incident)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn stop(arguments: StopArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let by = arguments.by.unwrap_or_else(current_user);
    let answer = client
        .post(
            "stop",
            &serde_json::json!({ "stopped": !arguments.resume, "by": by }),
        )
        .await?;
    if arguments.json {
        json(&answer);
    } else {
        out(if arguments.resume {
            "healing goes on"
        } else {
            "all healing is stopped; `homeostasis stop --resume` goes on"
        });
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn current_user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
