//! `store`: how much is kept and how it is protected, and letting go what is too old or too much.

use crate::cli::{KeepArgs, KeepCommand, PruneArgs, ReadArgs};
use crate::printing::{json, out};
use crate::{folder, key, settings};
use anyhow::{Context, Result};
use homeostasis_heal::in_force;
use homeostasis_store::sizes::Kept;
use homeostasis_store::{Pruned, Retention, Sizes, Store};
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;

pub(crate) async fn run(arguments: KeepArgs) -> Result<ExitCode> {
    match arguments.command {
        KeepCommand::Status(read) => status(&read).await,
        KeepCommand::Prune(arguments) => prune(&arguments).await,
    }
}

/// The store itself, also beside a Homeostasis that works in it, with what is to be kept there.
async fn open(arguments: &ReadArgs) -> Result<(Store, Retention)> {
    let folder = folder::find(&arguments.store)?;
    let retention = settings::read(key::root_of(&folder))?.store.retention();
    let key = key::for_reading(&arguments.store, &folder)?;
    let store = Store::open_with_key(&folder, key.as_ref())
        .await
        .with_context(|| cannot(&folder))?;
    Ok((store, retention))
}

fn cannot(folder: &Path) -> String {
    format!("the store in {} cannot be opened", folder.display())
}

async fn status(arguments: &ReadArgs) -> Result<ExitCode> {
    let (store, retention) = open(arguments).await?;
    let sizes = store.sizes().await?;
    if arguments.json {
        json(&serde_json::json!({
            "folder": store.folder(), "sizes": sizes, "retention": retention
        }));
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines(&sizes, &retention, store.folder()) {
        out(&line);
    }
    Ok(ExitCode::SUCCESS)
}

async fn prune(arguments: &PruneArgs) -> Result<ExitCode> {
    let (store, retention) = open(&arguments.read).await?;
    let age = arguments.older_than.unwrap_or(retention.age());
    let now = Timestamp::now();
    let pruned = match arguments.dry_run {
        true => store.would_prune(&retention, age, now, &in_force).await?,
        false => store.prune(&retention, age, now, &in_force).await?,
    };
    store.close().await;
    if arguments.read.json {
        json(&serde_json::json!({ "dry_run": arguments.dry_run, "pruned": pruned }));
    } else {
        out(&sentence(&pruned, arguments.dry_run));
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(sizes: &Sizes, retention: &Retention, folder: &Path) -> Vec<String> {
    let line = |name: &str, text: String| format!("{name:11} {text}");
    let since = |what: &str, time: Option<Timestamp>| {
        let day = time.map(|time| time.strftime("%Y-%m-%d").to_string());
        day.map(|day| format!(", {what} {day}")).unwrap_or_default()
    };
    let kept = |kept: &Kept| format!("{}, {}", kept.count, bytes(kept.bytes));
    let mut lines = vec![
        line("store", folder.display().to_string()),
        line(
            "file",
            format!(
                "{} ({} in use), {} of write-ahead log",
                bytes(sizes.file),
                bytes(sizes.used),
                bytes(sizes.log)
            ),
        ),
        line("encryption", protection(sizes)),
    ];
    let advice = advice(sizes);
    if !advice.is_empty() {
        lines.push(line("", advice.to_string()));
    }
    lines.extend([
        line(
            "incidents",
            format!(
                "{}{}",
                sizes.incidents,
                since("one not seen since", sizes.oldest_incident)
            ),
        ),
        line(
            "failures",
            format!(
                "{}{}",
                kept(&sizes.events),
                since("the oldest of", sizes.oldest_event)
            ),
        ),
        line(
            "heals",
            format!("{}, {} unfinished", kept(&sizes.heals), sizes.unfinished),
        ),
        line("sources", kept(&sizes.sources)),
        line(
            "audit log",
            format!("{}, kept for ever", kept(&sizes.audit)),
        ),
        line(
            "kept",
            format!(
                "{} days and {} at most",
                retention.days,
                bytes(retention.bytes)
            ),
        ),
    ]);
    lines
}

/// Whether values are encrypted, in a few words.
pub(crate) fn protection(sizes: &Sizes) -> String {
    match (&sizes.key, sizes.plain) {
        (None, _) => "not encrypted, protected by file rights only".to_string(),
        (Some(key), 0) => format!("encrypted with key {key}"),
        (Some(key), plain) => format!("encrypted with key {key}, but {plain} older values are not"),
    }
}

/// What to do for more of it.
pub(crate) fn advice(sizes: &Sizes) -> &'static str {
    match (&sizes.key, sizes.plain) {
        (None, _) => {
            "`homeostasis key new FILE` makes a key; name it with --key-file, HOMEOSTASIS_KEY or `key_file` below [store]"
        }
        (Some(_), 0) => "",
        (Some(_), _) => "`homeostasis key seal` encrypts them too, while Homeostasis does not run",
    }
}

/// What went, or would go, in one line.
pub(crate) fn sentence(pruned: &Pruned, only_told: bool) -> String {
    let count = |number: u64, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    };
    let over = match pruned.over {
        true => "; what is left is more than the limit, and is needed or fresh",
        false => "",
    };
    if pruned.is_nothing() {
        return format!("nothing is to be let go{over}");
    }
    let verb = if only_told { "would go" } else { "let go" };
    format!(
        "{verb}: {}, {} and {}, {}{over}",
        count(pruned.incidents, "incident", "incidents"),
        count(pruned.events, "captured failure", "captured failures"),
        count(pruned.heals, "heal", "heals"),
        bytes(pruned.bytes),
    )
}

/// A size for people.
fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}
