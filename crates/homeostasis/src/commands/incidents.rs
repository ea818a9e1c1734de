//! `incidents`, `explain`, `diff`: what happened, and what was made of it.

use crate::cli::{IncidentArgs, ReadArgs};
use crate::client::Client;
use crate::exit;
use crate::printing::{clean, json, out, say};
use anyhow::Result;
use owo_colors::{OwoColorize, Stream, Style};
use serde_json::Value;
use std::process::ExitCode;

pub(crate) async fn list(arguments: ReadArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let incidents = client.get("incidents").await?;
    if arguments.json {
        json(&incidents);
        return Ok(ExitCode::SUCCESS);
    }
    let rows = incidents.as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        say("no incidents");
        return Ok(ExitCode::SUCCESS);
    }
    out(&format!(
        "{:8}  {:12}  {:>6}  {:26}  WHAT",
        "INCIDENT", "STATE", "COUNT", "CLASS"
    ));
    for row in rows {
        let incident = &row["incident"];
        let outcome = row["outcome"]["outcome"].as_str();
        let state = outcome
            .or(row["phase"].as_str())
            .unwrap_or("new")
            .replace('_', " ");
        let state = colored(&format!("{state:12}"), outcome);
        out(&format!(
            "{:8}  {state}  {:>6}  {:26}  {} in {}",
            text(&incident["id"]),
            incident["count"].to_string(),
            row["class"].as_str().unwrap_or("-"),
            clean(text(&incident["title"])),
            clean(text(&incident["culprit"])),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn explain(arguments: IncidentArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let way = client
        .get(&format!("incidents/{}/explain", arguments.incident))
        .await?;
    if arguments.json {
        json(&way);
    } else {
        out(text(&way["text"]).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn diff(arguments: IncidentArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let answer = client
        .get(&format!("incidents/{}/diff", arguments.incident))
        .await?;
    if arguments.json {
        json(&answer);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(diff) = answer["diff"].as_str() else {
        say("there is no change for this incident; `homeostasis explain` tells why");
        return Ok(ExitCode::from(exit::NOT_FOUND));
    };
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => Style::new().green(),
            Some(b'-') => Style::new().red(),
            Some(b'@') => Style::new().cyan(),
            _ => Style::new(),
        };
        out(&clean(line)
            .if_supports_color(Stream::Stdout, |line| line.style(style))
            .to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn colored(text: &str, outcome: Option<&str>) -> String {
    let style = match outcome {
        Some("healed") => Style::new().green(),
        Some("rolled_back" | "lost" | "escalated") => Style::new().red(),
        _ => Style::new().yellow(),
    };
    text.if_supports_color(Stream::Stdout, |text| text.style(style))
        .to_string()
}
