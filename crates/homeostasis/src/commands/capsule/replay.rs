//! `capsule replay`: the newest capsule of an incident, run again in the sandbox on the program as it is now.

use crate::cli::DecideArgs;
use crate::client::Client;
use crate::commands::decide::current_user;
use crate::exit;
use crate::printing::{clean, json, out};
use anyhow::Result;
use std::process::ExitCode;

/// Succeeds when the failure came again; exit code 1 says that it did not.
pub(super) async fn replay(arguments: DecideArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let by = arguments.by.unwrap_or_else(current_user);
    let body = serde_json::json!({ "by": by, "reason": arguments.reason });
    let path = format!("incidents/{}/replay", arguments.incident);
    let answer = client.post(&path, &body).await?;
    if arguments.json {
        json(&answer);
    } else {
        let check = &answer["trial"]["checks"][0];
        let summary = check["summary"].as_str().unwrap_or_default();
        let milliseconds = answer["trial"]["milliseconds"].as_f64().unwrap_or_default();
        out(&clean(&format!("{summary} (in {milliseconds:.0} ms)")));
        for missing in check["detail"]["missing"].as_array().into_iter().flatten() {
            out(&clean(&format!(
                "not kept: {}",
                missing.as_str().unwrap_or_default()
            )));
        }
    }
    Ok(match answer["reproduced"].as_bool() {
        Some(true) => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::NOT_FOUND),
    })
}
