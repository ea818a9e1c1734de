//! Everything beside the program: store, agents' socket, orchestrator, HTTP API.

use super::{Plan, agent_variables};
use crate::exit::{self, Stop};
use crate::folder::{self, Server};
use crate::key;
use crate::watched::{self, Watched};
use anyhow::{Context, Result};
use homeostasis_heal::{Config, Healer};
use homeostasis_ingest::agent::{Agents, Source};
use homeostasis_store::{OpenError, Program, Store};
use rand::RngCore;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;

/// The API's usual port; another is taken when it is in use.
const PORT: u16 = 7600;

/// What runs beside the program.
pub(super) struct Serving {
    pub(super) healer: Healer,
    pub(super) url: String,
    /// What the program's environment needs.
    pub(super) variables: BTreeMap<String, String>,
    socket: PathBuf,
    command: Vec<String>,
}

impl Serving {
    pub(super) async fn start(plan: &Plan) -> Result<Serving> {
        let key = key::for_run(plan.key_file.as_deref(), &plan.settings.store, &plan.root)?;
        let store = Store::open_exclusive_with_key(&plan.store, key.as_ref())
            .await
            .map_err(explained)?;
        let agent = watched::unpack(&plan.store)?;
        let socket = folder::socket(&plan.store);
        let (pack, broken) = homeostasis_rulepack::load(&plan.settings.rules);
        for error in broken {
            crate::printing::error(&format!("a rule is left out: {error}"), "");
        }
        let agents = Agents::default();
        let mut told = plan.settings.agent.clone();
        told.root = Some(plan.root.to_string_lossy().into_owned());
        agents.set_config(told);
        let variables = agent_variables(&agent, &socket, &plan.root);
        let source = Source {
            service: plan.service.clone(),
            environment: plan.environment.clone(),
        };
        // Memory is bounded by what the agents may send, not by how long the store takes: the channel is short, and a
        // full one makes agents wait, who drop rather than wait for long.
        let (sender, incoming) = tokio::sync::mpsc::channel(64);
        let parallel = plan.settings.parallel_trials.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
        });
        let mut own: BTreeMap<String, String> = std::env::vars().collect();
        own.extend(variables.clone());
        own.remove(key::VARIABLE);
        let config = Config {
            service: plan.service.clone(),
            environment: plan.environment.clone(),
            policy: plan.settings.policy.clone(),
            command: plan.command.clone(),
            cwd: plan.cwd.clone(),
            root: plan.root.clone(),
            variables: own,
            agent,
            launcher: std::env::current_exe().context("cannot find the running binary")?,
            tests: plan.settings.tests.command.clone(),
            tests_time: plan
                .settings
                .tests
                .seconds
                .map(|seconds| Duration::from_secs(u64::from(seconds.get()))),
            parallel,
            retention: plan.settings.store.retention(),
        };
        let healer = Healer::start(config, store, pack, agents.clone(), incoming).await?;
        homeostasis_ingest::agent::serve(&socket, source, agents, sender)?;
        let url = serve_api(plan, &healer).await?;
        Ok(Serving {
            healer,
            url,
            variables,
            socket,
            command: plan.command.clone(),
        })
    }

    /// The program, when an earlier Homeostasis on this store started it and it still runs.
    pub(super) async fn earlier(&self) -> Result<Option<Watched>> {
        let Some(program) = self.healer.store().program().await? else {
            return Ok(None);
        };
        let Some(found) = Watched::find(program.pid, program.pid_started) else {
            return Ok(None);
        };
        if program.command != self.command {
            let message = format!(
                "this store already watches another program: {} (process {})",
                program.command.join(" "),
                program.pid
            );
            return Err(Stop::new(
                exit::REFUSED,
                message,
                "end that program first, or name another store with --store",
            )
            .into());
        }
        Ok(Some(found))
    }

    pub(super) async fn remember(&self, plan: &Plan, watched: &Watched) -> Result<()> {
        let program = Program {
            command: plan.command.clone(),
            cwd: plan.cwd.clone(),
            root: plan.root.clone(),
            service: plan.service.clone(),
            environment: plan.environment.clone(),
            mode: plan.settings.policy.mode.to_string(),
            pid: watched.pid,
            pid_started: watched.started,
            socket: self.socket.clone(),
            api: self.url.clone(),
        };
        Ok(self.healer.store().put_program(&program).await?)
    }
}

async fn serve_api(plan: &Plan, healer: &Healer) -> Result<String> {
    let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let listener = match plan.listen {
        Some(address) => TcpListener::bind(address).await.map_err(|io| {
            Stop::new(
                exit::USAGE,
                format!("the API cannot listen on {address}: {io}"),
                "choose another address with --listen",
            )
        })?,
        None => match TcpListener::bind(any(PORT)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(any(0))
                .await
                .context("no port is free for the API")?,
        },
    };
    let url = format!("http://{}", listener.local_addr()?);
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let token = hex::encode(bytes);
    let router = homeostasis_api::router(crate::client::Local(healer.clone()), &token);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the API has ended");
        }
    });
    folder::announce(
        &plan.store,
        &Server {
            url: url.clone(),
            token,
            pid: std::process::id(),
        },
    )?;
    Ok(url)
}

/// A store that another Homeostasis holds is the one case in which the program must not be started a second time.
fn explained(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::Locked { .. } => {
            let remedy = "the program is being watched already; `homeostasis status` shows it";
            Stop::new(exit::REFUSED, error.to_string(), remedy).into()
        }
        other => anyhow::Error::new(other).context("the store cannot be opened"),
    }
}
