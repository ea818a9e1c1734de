//! Checks of the repository itself: `cargo run -p xtask -- check`. It builds nothing and changes nothing.

mod dependencies;
mod edges;
mod files;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [command] if command == "check" => check(),
        _ => Err(anyhow::anyhow!("usage: cargo run -p xtask -- check")),
    };
    match result {
        Ok(count) => {
            say(&format!(
                "xtask: {count} files, the edges between crates, and what is linked from outside are as they should be"
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs all checks, prints every problem, and gives the number of files looked at.
fn check() -> Result<usize> {
    let root = root()?;
    let metadata = metadata(&root)?;
    let mut problems = edges::check(&metadata)?;
    let rules = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    problems.extend(dependencies::check(
        &metadata,
        &dependencies::rules(&rules)?,
    )?);
    let tracked = tracked(&root)?;
    for path in &tracked {
        // A file may be removed in the working tree and not yet in the index.
        let Ok(bytes) = std::fs::read(root.join(path)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            problems.extend(files::check(path, &text));
        }
    }
    for problem in &problems {
        say(problem);
    }
    match problems.len() {
        0 => Ok(tracked.len()),
        1 => bail!("1 problem"),
        count => bail!("{count} problems"),
    }
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("xtask lies in no workspace")?
        .to_path_buf())
}

fn metadata(root: &Path) -> Result<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Packages for other systems are never linked here, and need not be there.
    command.args(["metadata", "--format-version", "1", "--locked"]);
    command.args(["--filter-platform", &host(root)?]);
    Ok(serde_json::from_slice(&output(command, root)?)?)
}

/// This machine in the words of rustc, like `x86_64-unknown-linux-gnu`.
fn host(root: &Path) -> Result<String> {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg("-vV");
    let text = String::from_utf8(output(command, root)?)?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not tell its host")?.to_string())
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z"]);
    let list = String::from_utf8(output(command, root)?)?;
    let paths: Vec<String> = list.split_terminator('\0').map(str::to_string).collect();
    if paths.is_empty() {
        bail!("git knows no files here, so nothing could be checked; run it in a clone");
    }
    Ok(paths)
}

fn output(mut command: Command, folder: &Path) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .current_dir(folder)
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

#[expect(clippy::print_stderr, reason = "this is what the tool is for")]
fn say(line: &str) {
    eprintln!("{line}");
}
