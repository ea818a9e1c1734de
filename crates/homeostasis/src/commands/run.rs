//! `run`: start the program under its agent, and keep it healthy.
//!
//! The program comes first. If anything of Homeostasis cannot be had (a damaged store, a full disk), that is said
//! loudly and the program is started all the same, unwatched.

mod live;
mod serve;

use crate::cli::RunArgs;
use crate::exit::{self, Stop};
use crate::printing::{error, say};
use crate::watched::{Ended, Watched};
use crate::{folder, settings};
use anyhow::{Context, Result};
use serve::Serving;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What `run` was told, with everything made absolute and every default filled in.
struct Plan {
    store: PathBuf,
    key_file: Option<PathBuf>,
    cwd: PathBuf,
    root: PathBuf,
    service: String,
    environment: String,
    settings: settings::Settings,
    listen: Option<std::net::SocketAddr>,
    command: Vec<String>,
}

pub(crate) async fn run(arguments: RunArgs) -> Result<ExitCode> {
    let plan = plan(arguments)?;
    warn_of_isolated_python(&plan.command);
    match Serving::start(&plan).await {
        Ok(serving) => watch(&plan, serving).await,
        Err(problem)
            if problem
                .downcast_ref::<Stop>()
                .is_some_and(|stop| stop.code == exit::REFUSED) =>
        {
            Err(problem)
        }
        Err(problem) => Err(start_unwatched(&plan, &problem)),
    }
}

fn plan(arguments: RunArgs) -> Result<Plan> {
    let cwd = std::env::current_dir().context("cannot tell the current folder")?;
    let root = arguments.root.clone().unwrap_or_else(|| cwd.clone());
    let root = std::fs::canonicalize(&root).map_err(|io| {
        Stop::new(
            exit::USAGE,
            format!("the root folder {} cannot be used: {io}", root.display()),
            "name an existing folder with --root",
        )
    })?;
    let mut settings = settings::read(&root)?;
    if let Some(mode) = &arguments.mode {
        settings.policy.mode = mode.parse().map_err(|_| {
            Stop::new(
                exit::USAGE,
                format!("there is no mode \"{mode}\""),
                "the modes are observe, propose and auto",
            )
        })?;
    }
    if let Some(listen) = arguments.listen.filter(|listen| !listen.ip().is_loopback()) {
        let message = format!("the API would be open to others on {listen}");
        return Err(Stop::new(
            exit::USAGE,
            message,
            "give a loopback address, such as 127.0.0.1:7600",
        )
        .into());
    }
    let name = root
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    Ok(Plan {
        store: folder::for_run(&arguments.store, &cwd),
        key_file: arguments.store.key_file.clone(),
        service: arguments
            .service
            .or_else(|| settings.service.clone())
            .or(name)
            .unwrap_or_else(|| "program".to_string()),
        environment: settings
            .environment
            .clone()
            .unwrap_or_else(|| "production".to_string()),
        cwd,
        root,
        settings,
        listen: arguments.listen,
        command: arguments.command,
    })
}

async fn watch(plan: &Plan, serving: Serving) -> Result<ExitCode> {
    let live = live::follow(&serving.healer, &plan.service);
    let mut watched = match serving.earlier().await? {
        Some(found) => {
            say(&format!(
                "the program is still running as process {}; watching it again",
                found.pid
            ));
            found
        }
        None => Watched::start(&plan.command, &serving.variables).map_err(|io| {
            Stop::new(
                exit::CANNOT_START,
                format!("{io:#}"),
                "check that the command runs without `homeostasis run --`",
            )
        })?,
    };
    serving.remember(plan, &watched).await?;
    say(&format!(
        "watching {} (process {}) · mode {} · api {} · store {}",
        plan.service,
        watched.pid,
        plan.settings.policy.mode,
        serving.url,
        plan.store.display()
    ));
    let ended = watched.wait().await?;
    if !watched.was_asked_to_end() {
        finish(&serving).await;
    }
    live.abort();
    folder::withdraw(&plan.store);
    match ended {
        Ended::Code(code) => Ok(ExitCode::from(code)),
        Ended::Unknown => {
            say("the program has ended");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A program that ends by its failure leaves a heal behind; it is carried to its proposal before we go. One that was
/// asked to end is not waited for: its heals go on with the next run.
async fn finish(serving: &Serving) {
    // The last words of a process arrive a moment after its end.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut told = false;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    while let Ok(busy) = serving.healer.busy().await {
        if busy == 0 || serving.healer.status().stopped {
            return;
        }
        if !told {
            told = true;
            say(&format!(
                "the program has ended; finishing {busy} heal{} (Ctrl-C leaves it for the next run)",
                if busy == 1 { "" } else { "s" }
            ));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            _ = &mut interrupt => return,
        }
    }
}

/// Becomes the program itself, without any of us.
fn start_unwatched(plan: &Plan, problem: &anyhow::Error) -> anyhow::Error {
    let line = problem
        .chain()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let remedy = problem
        .downcast_ref::<Stop>()
        .map(|stop| stop.remedy.clone())
        .unwrap_or_default();
    error(&line, &remedy);
    say("starting the program without Homeostasis: nothing will be watched or healed");
    let (program, arguments) = plan
        .command
        .split_first()
        .map_or(("true", &[][..]), |(first, rest)| (first.as_str(), rest));
    let failed = std::process::Command::new(program)
        .args(arguments)
        .env_remove(crate::key::VARIABLE)
        .exec();
    Stop::new(
        exit::CANNOT_START,
        format!("cannot start {program}: {failed}"),
        "check the command",
    )
    .into()
}

/// `python -I`, `-E` and `-S` ignore what carries the agent into the interpreter.
fn warn_of_isolated_python(command: &[String]) {
    let is_python = command.first().is_some_and(|program| {
        program
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("python"))
    });
    let options = command
        .iter()
        .skip(1)
        .take_while(|argument| argument.starts_with('-') && *argument != "-m" && *argument != "-c");
    for option in options.filter(|_| is_python) {
        if !option.starts_with("--") && option.contains(['I', 'E', 'S']) {
            say(&format!(
                "{option} keeps the agent out of this interpreter; without it the program can be watched"
            ));
        }
    }
}

/// The variables that carry the agent into every interpreter of the program.
fn agent_variables(
    agent: &std::path::Path,
    socket: &std::path::Path,
    root: &std::path::Path,
) -> BTreeMap<String, String> {
    let mut search = agent.to_string_lossy().into_owned();
    if let Ok(existing) = std::env::var("PYTHONPATH")
        && !existing.is_empty()
    {
        search = format!("{search}:{existing}");
    }
    BTreeMap::from([
        ("PYTHONPATH".to_string(), search),
        (
            "HOMEOSTASIS_SOCKET".to_string(),
            socket.to_string_lossy().into_owned(),
        ),
        (
            "HOMEOSTASIS_ROOT".to_string(),
            root.to_string_lossy().into_owned(),
        ),
    ])
}
