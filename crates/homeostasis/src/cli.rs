//! The command line: what may be typed, with its help.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Software that heals running software.
#[derive(Parser)]
#[command(name = "homeostasis", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more of what Homeostasis does itself.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a program and keep it healthy.
    Run(RunArgs),
    /// Show how the watched program and its heals stand.
    Status(ReadArgs),
    /// List incidents.
    Incidents(ReadArgs),
    /// Tell the whole way of one incident: cause, candidates, proof, decisions.
    Explain(IncidentArgs),
    /// Show the change that was proposed or made for an incident.
    Diff(IncidentArgs),
    /// What is kept of failures.
    Capsule(CapsuleArgs),
    /// Agree with the remedy that waits.
    Approve(DecideArgs),
    /// Refuse the remedy that waits.
    Reject(DecideArgs),
    /// Take a remedy back: code and file as they were before.
    Rollback(DecideArgs),
    /// Stop all healing at once (`--resume` to go on).
    Stop(StopArgs),
    /// The log of every action.
    Audit(AuditArgs),
    /// What is kept, and for how long.
    Store(KeepArgs),
    /// The key that what is kept is encrypted with.
    Key(KeyArgs),
    /// The rules that remedies come from.
    Rules(RulesArgs),
    /// Check what is needed on this machine, and say how to get what is missing.
    Doctor(DoctorArgs),
    /// Heal a real shop service with real bugs, before your eyes.
    Demo(DemoArgs),
}

/// Where the store is.
#[derive(Args, Clone)]
pub(crate) struct StoreArgs {
    /// Folder of the store; default: `.homeostasis` here, or in the nearest folder above that has one.
    #[arg(long, env = "HOMEOSTASIS_STORE", value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,
    /// File with the key that the store is encrypted with; default: the key in HOMEOSTASIS_KEY, else `key_file` below
    /// [store] in homeostasis.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// How much Homeostasis may do by itself: observe, propose (default) or auto.
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<String>,
    /// Name of the service; default: the name of the root folder.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Folder whose files belong to the program; default: the current one.
    #[arg(long)]
    pub(crate) root: Option<PathBuf>,
    /// Address of the HTTP API; must be a loopback address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// The program's usual command line.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct IncidentArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The incident's id, or its beginning.
    pub(crate) incident: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CapsuleArgs {
    #[command(subcommand)]
    pub(crate) command: CapsuleCommand,
}

#[derive(Subcommand)]
pub(crate) enum CapsuleCommand {
    /// Show exactly what is kept of an incident's latest captured failure.
    Show(IncidentArgs),
    /// Run an incident's latest captured failure again in the sandbox, and say whether it comes.
    Replay(DecideArgs),
}

#[derive(Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The incident's id, or its beginning.
    pub(crate) incident: String,
    /// Why; kept in the audit log.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Who decides; default: the current user.
    #[arg(long, env = "HOMEOSTASIS_USER")]
    pub(crate) by: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Go on healing.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Who decides; default: the current user.
    #[arg(long, env = "HOMEOSTASIS_USER")]
    pub(crate) by: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AuditArgs {
    /// What to do with the log; default: print it.
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove that no entry was changed, removed, added or moved.
    Verify(ReadArgs),
}

#[derive(Args)]
pub(crate) struct KeepArgs {
    #[command(subcommand)]
    pub(crate) command: KeepCommand,
}

#[derive(Subcommand)]
pub(crate) enum KeepCommand {
    /// Show how much is kept, how old it is, and whether it is encrypted.
    Status(ReadArgs),
    /// Let go what is older than it may be, or more than there is room for.
    Prune(PruneArgs),
}

#[derive(Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Such as 7d or 12h; default: `keep_days` below [store] in homeostasis.toml, else 30d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<jiff::SignedDuration>,
    /// Only say what would go.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// An age in whole days or hours.
fn age(text: &str) -> Result<jiff::SignedDuration, String> {
    let wrong = || format!("\"{text}\" is no age; write it like 7d or 12h");
    let hours = match text.strip_suffix('d') {
        Some(days) => days.parse::<u32>().map_err(|_| wrong())? as i64 * 24,
        None => {
            let hours = text.strip_suffix('h').ok_or_else(wrong)?;
            hours.parse::<u32>().map_err(|_| wrong())? as i64
        }
    };
    Ok(jiff::SignedDuration::from_hours(hours))
}

#[derive(Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key in a new file that only you can read.
    New {
        /// The file; it must not be there yet.
        file: PathBuf,
    },
    /// Encrypt what a store holds already; new values are encrypted as soon as there is a key.
    Seal(ReadArgs),
    /// Encrypt a store with another key.
    Rotate {
        /// File with the key that it is encrypted with.
        old: PathBuf,
        /// File with the key to come.
        new: PathBuf,
        #[command(flatten)]
        read: ReadArgs,
    },
}

#[derive(Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// List the rules in use.
    List(RulesReadArgs),
    /// Check every rule against its own cases.
    Test(RulesReadArgs),
}

#[derive(Args)]
pub(crate) struct RulesReadArgs {
    /// Further folders with rules; they override built-in rules with the same id.
    #[arg(long = "rules", value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Interpreter of the program to be watched.
    #[arg(long, default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Which patient: shop (Flask under gunicorn) or api (FastAPI under uvicorn).
    #[arg(long, default_value = "shop")]
    pub(crate) patient: String,
    /// Clients that send requests all the time.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: usize,
    /// Give up waiting for the last heals after this many seconds.
    #[arg(long, default_value_t = 240)]
    pub(crate) seconds: u64,
    /// End with one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the folder in which the patient ran.
    #[arg(long)]
    pub(crate) keep: bool,
}
