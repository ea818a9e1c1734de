//! The course of the demo: lay the patient down, start it, send traffic, follow the heals, look again, report.

use super::check::ask_again;
use super::client::{Client, Counters};
use super::patient::Patient;
use super::program::Program;
use super::report::Findings;
use super::traffic::Traffic;
use super::venv;
use super::watch::{Api, follow};
use crate::cli::DemoArgs;
use crate::exit::{self, Stop};
use crate::printing::{out, say};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// What shells report for a program that was interrupted.
const INTERRUPTED: u8 = 130;
const SHOWN_LINES_OF_A_FAILURE: usize = 15;

pub(crate) async fn run(arguments: DemoArgs) -> Result<ExitCode> {
    let patient = Patient::named(&arguments.patient)?;
    if arguments.clients == 0 {
        return Err(Stop::new(
            exit::USAGE,
            "a demo without clients shows nothing",
            "give at least one with --clients",
        )
        .into());
    }
    say(&format!("{}: {}", patient.name(), patient.description()));
    let requirements = patient.requirements()?;
    let venv = tokio::select! {
        venv = venv::prepare(&requirements) => venv?,
        stopped = interrupted() => return Err(stopped?.into()),
    };

    let mut place = tempfile::Builder::new()
        .prefix("homeostasis-demo-")
        .tempdir()
        .context("cannot make a folder for the demo")?;
    if arguments.keep {
        place.disable_cleanup(true);
    }
    let root = place.path().canonicalize()?;
    let folder = root.join(patient.name());
    patient.lay(&folder)?;
    let result = perform(
        &arguments,
        patient,
        &folder,
        &venv,
        &root.join("program.log"),
    )
    .await;
    if arguments.keep {
        say(&format!(
            "kept: {} (the program with its heals, its store in .homeostasis) and program.log beside it",
            folder.display()
        ));
    }
    result
}

/// Starts the program, and ends it whatever happens.
async fn perform(
    arguments: &DemoArgs,
    patient: Patient,
    folder: &Path,
    venv: &Path,
    log: &Path,
) -> Result<ExitCode> {
    let began = Instant::now();
    let mut program = Program::start(patient, folder, venv, log, began)?;
    let store = program.store().to_path_buf();
    let found = tokio::select! {
        found = observe(arguments, patient, &mut program, began) => found,
        stopped = interrupted() => Err(stopped?.into()),
    };
    if let Err(error) = &found
        && error
            .downcast_ref::<Stop>()
            .is_none_or(|stop| stop.code != INTERRUPTED)
    {
        say(&format!(
            "the last lines of the program:\n{}",
            program.last_lines(SHOWN_LINES_OF_A_FAILURE)
        ));
    }
    say("ending the program");
    let ended = program.end().await;
    let mut findings = found?;
    ended?;
    findings.audit_whole = verify_audit(&store).await?;
    tell(arguments, patient, &findings)
}

/// Traffic, heals, and the last look.
async fn observe(
    arguments: &DemoArgs,
    patient: Patient,
    program: &mut Program,
    began: Instant,
) -> Result<Findings> {
    let model = Arc::new(patient.model()?);
    let server = program.serving().await?;
    say(&format!(
        "{} serves; {} clients begin to ask, a fifth of their requests trigger one of {} bugs",
        program.base(),
        arguments.clients,
        model.bugs.len()
    ));
    let counters = Counters::new();
    let traffic_began = Instant::now();
    let traffic = Traffic::start(program.base(), &model, &counters, arguments.clients)?;
    let longest = Duration::from_secs(arguments.seconds);
    let sightings = follow(
        &Api::new(server)?,
        &model,
        program,
        &traffic,
        began,
        longest,
    )
    .await?;
    let tally = traffic.stop().await;
    let seconds = traffic_began.elapsed().as_secs_f64();
    let requests = counters.sent();
    say("the traffic has ended; asking for every bug once more");
    let finals = ask_again(&Client::new(program.base(), counters)?, &model).await;
    Ok(Findings {
        patient,
        clients: arguments.clients,
        seconds,
        requests,
        tally,
        sightings,
        finals,
        audit_whole: false,
    })
}

/// Proves the audit log as a user would.
async fn verify_audit(store: &Path) -> Result<bool> {
    let mut command =
        Command::new(std::env::current_exe().context("cannot find the running binary")?);
    command
        .args(["audit", "verify", "--store"])
        .arg(store)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .context("cannot start homeostasis audit verify")?;
    for line in String::from_utf8_lossy(&output.stdout)
        .lines()
        .chain(String::from_utf8_lossy(&output.stderr).lines())
    {
        say(&format!("audit verify: {line}"));
    }
    Ok(output.status.success())
}

fn tell(arguments: &DemoArgs, patient: Patient, findings: &Findings) -> Result<ExitCode> {
    let model = patient.model()?;
    let marks = findings.marks(&model);
    out("");
    for line in findings.table() {
        out(&line);
    }
    out("");
    for line in findings.sentences(&marks) {
        out(&line);
    }
    let figures = findings.figures(&marks);
    if arguments.json {
        out(&serde_json::to_string(&figures)?);
    }
    Ok(if figures.good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_FOUND)
    })
}

/// Waits for somebody who wants this to end.
async fn interrupted() -> Result<Stop> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let (mut hangup, mut quit) = (signal(SignalKind::hangup())?, signal(SignalKind::quit())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        _ = quit.recv() => {}
    }
    Ok(Stop::new(INTERRUPTED, "the demo was interrupted", ""))
}
