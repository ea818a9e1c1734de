//! The handle to the orchestrator, and what all its tasks share.

use crate::config::Config;
use crate::counters::Counters;
use crate::notice::Notice;
use crate::roster::{Away, Roster};
use crate::unplaced::Unplaced;
use crate::versions::Versions;
use crate::witnesses::Witnesses;
use crate::{drive, intake, tidy};
use homeostasis_domain::heal::{Entry, HealEvent, IllegalEvent, State};
use homeostasis_domain::{HealId, IncidentId, Outcome};
use homeostasis_ingest::agent::{Agents, Incoming};
use homeostasis_policy::audit::{Chain, ChainError};
use homeostasis_protocol::Hello;
use homeostasis_rulepack::Pack;
use homeostasis_store::{AppendError, Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore, broadcast, mpsc};

/// The same trouble is told once in this time.
const SILENCE: Duration = Duration::from_secs(30);
/// So many different troubles are remembered as told.
const MOST_TOLD: usize = 1000;

/// The orchestrator. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Healer {
    pub(crate) inner: Arc<Inner>,
}

/// Why the orchestrator could not begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store did not answer.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// The audit log is broken.
    #[error("the audit log could not be opened")]
    Audit(#[from] ChainError),
}

/// Why an event was not appended.
#[derive(Debug, Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    #[error("the heal log could not be written")]
    Append(#[from] AppendError),
    #[error("the heal log could not be read")]
    Store(#[from] StoreError),
    #[error("the audit log could not be written")]
    Audit(#[from] ChainError),
}

/// How things stand, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Name of the service.
    pub service: String,
    /// Name of the environment.
    pub environment: String,
    /// `observe`, `propose` or `auto`.
    pub mode: String,
    /// Whether all healing is stopped.
    pub stopped: bool,
    /// Connected processes.
    pub processes: Vec<u32>,
    /// Version of Homeostasis.
    pub version: &'static str,
    /// Command line of the program.
    pub command: Vec<String>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) pack: Pack,
    pub(crate) agents: Agents,
    pub(crate) chain: tokio::sync::Mutex<Chain>,
    pub(crate) notices: broadcast::Sender<Notice>,
    /// Woken when something came in that a watch may wait for.
    pub(crate) news: Notify,
    /// Only so many heals are in trials at once.
    pub(crate) trials: Arc<Semaphore>,
    /// One rollout of a file at a time, so that what is measured has one cause.
    rollouts: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) suites: Mutex<HashMap<String, crate::steps::SuiteBaseline>>,
    /// What the unpatched program did, by heal; made again when it is forgotten.
    pub(crate) baselines: Mutex<HashMap<HealId, Arc<crate::steps::Measured>>>,
    /// Recent healthy exchanges by route, from all events.
    pub(crate) witnesses: Mutex<Witnesses>,
    /// Texts of files that were swapped while the program ran.
    pub(crate) versions: Mutex<Versions>,
    counters: Mutex<Counters>,
    pub(crate) unplaced: Mutex<Unplaced>,
    hellos: Mutex<BTreeMap<u32, Hello>>,
    roster: Mutex<Roster>,
    /// Troubles told lately.
    told: Mutex<HashMap<String, Instant>>,
    heals: Mutex<HashMap<HealId, Arc<tokio::sync::Mutex<()>>>>,
    driven: Mutex<HashSet<HealId>>,
    stopped: AtomicBool,
}

impl Healer {
    /// Begins: takes up unfinished heals where they stand, and listens to what comes in.
    pub async fn start(
        config: Config,
        store: Store,
        pack: Pack,
        agents: Agents,
        incoming: mpsc::Receiver<Incoming>,
    ) -> Result<Healer, StartError> {
        let chain = Chain::open(&store).await?;
        let (notices, _) = broadcast::channel(1024);
        let stopped = store.get_meta::<bool>("stopped").await?.unwrap_or(false);
        let hellos = store
            .get_meta::<BTreeMap<u32, Hello>>("hellos")
            .await?
            .unwrap_or_default();
        let roster = store
            .get_meta::<BTreeMap<u32, u64>>("roster")
            .await?
            .unwrap_or_default();
        let parallel = config.parallel.max(1);
        let inner = Arc::new(Inner {
            config,
            store,
            pack,
            agents,
            chain: tokio::sync::Mutex::new(chain),
            notices,
            news: Notify::new(),
            trials: Arc::new(Semaphore::new(parallel)),
            rollouts: Mutex::default(),
            suites: Mutex::default(),
            baselines: Mutex::default(),
            witnesses: Mutex::default(),
            versions: Mutex::default(),
            counters: Mutex::default(),
            unplaced: Mutex::default(),
            hellos: Mutex::new(hellos),
            roster: Mutex::new(Roster::restored(roster)),
            told: Mutex::default(),
            heals: Mutex::default(),
            driven: Mutex::default(),
            stopped: AtomicBool::new(stopped),
        });
        let healer = Healer { inner };
        tidy::refresh_swaps(&healer.inner).await?;
        tidy::remember_versions(&healer.inner).await?;
        tokio::spawn(intake::run(healer.clone(), incoming));
        for heal in healer.inner.store.unfinished().await? {
            drive::spawn(&healer, heal);
        }
        tokio::spawn(tidy::run(healer.clone()));
        Ok(healer)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The rules in use.
    pub fn pack(&self) -> &Pack {
        &self.inner.pack
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let config = &self.inner.config;
        Status {
            service: config.service.clone(),
            environment: config.environment.clone(),
            mode: config.policy.mode.to_string(),
            stopped: self.inner.is_stopped(),
            processes: self
                .inner
                .agents
                .processes()
                .into_iter()
                .map(|process| process.pid)
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
            command: config.command.clone(),
        }
    }

    /// Everything that happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// Heals that are being worked on at this moment (not those that wait for a person or for traffic).
    pub async fn busy(&self) -> Result<usize, StoreError> {
        let mut busy = 0;
        for heal in self.inner.store.unfinished().await? {
            let log = self.inner.store.log(&heal).await?;
            let working = State::replay(&log).is_ok_and(|state| drive::is_work(&state.next()));
            busy += usize::from(working);
        }
        Ok(busy)
    }
}

impl Inner {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::SeqCst);
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    pub(crate) fn hellos(&self) -> MutexGuard<'_, BTreeMap<u32, Hello>> {
        lock(&self.hellos)
    }

    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }

    /// Pids of the processes connected now.
    pub(crate) fn connected(&self) -> BTreeSet<u32> {
        self.agents
            .processes()
            .into_iter()
            .map(|process| process.pid)
            .collect()
    }

    /// Processes of the program that live and are not connected now.
    pub(crate) fn away(&self) -> Away {
        let connected = self.connected();
        self.roster().away(&connected)
    }

    /// One heal is changed by one task at a time; people's commands and the driver take turns.
    pub(crate) async fn lock_heal(&self, heal: &HealId) -> OwnedMutexGuard<()> {
        let own = lock(&self.heals).entry(heal.clone()).or_default().clone();
        own.lock_owned().await
    }

    /// Takes these files for one rollout alone; always in the same order, so that no two wait for each other.
    pub(crate) async fn lock_files(&self, paths: BTreeSet<String>) -> Vec<OwnedMutexGuard<()>> {
        let mut held = Vec::new();
        for path in paths {
            let own = lock(&self.rollouts).entry(path).or_default().clone();
            held.push(own.lock_owned().await);
        }
        held
    }

    /// True when the caller is now the one who drives this heal.
    pub(crate) fn begin_driving(&self, heal: &HealId) -> bool {
        lock(&self.driven).insert(heal.clone())
    }

    pub(crate) fn end_driving(&self, heal: &HealId) {
        lock(&self.driven).remove(heal);
    }

    /// The state of a heal, folded from its log.
    pub(crate) async fn state(&self, heal: &HealId) -> Result<State, RecordError> {
        let log = self.store.log(heal).await?;
        Ok(State::replay(&log)?)
    }

    /// Appends what happened to the heal's log and to the audit log, and tells people. An event that the state does
    /// not allow is refused and nothing is written.
    pub(crate) async fn record(
        &self,
        heal: &HealId,
        state: &State,
        event: HealEvent,
        actor: &str,
    ) -> Result<State, RecordError> {
        let now = Timestamp::now();
        let after = state.clone().apply(&event, now)?;
        let detail = crate::steps::audit_detail(&event);
        // The audit log first: a crash in between makes the step, and its audit entry, come twice, where the other
        // order would leave an action that the audit log does not know.
        self.audit(
            actor,
            &format!("heal.{}", event.name()),
            heal.as_str(),
            detail,
        )
        .await?;
        let entry = self
            .store
            .append(heal, state.length + 1, now, &event)
            .await?;
        self.tell(Notice::Heal {
            incident: heal.incident(),
            entry: Box::new(entry),
        });
        self.news.notify_waiters();
        Ok(after)
    }

    /// Appends to the audit log.
    pub(crate) async fn audit(
        &self,
        actor: &str,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), ChainError> {
        let mut chain = self.chain.lock().await;
        chain
            .append(
                &self.store,
                Timestamp::now(),
                actor,
                action,
                subject,
                detail,
            )
            .await
    }

    /// Tells whoever follows along; nobody need.
    pub(crate) fn tell(&self, notice: Notice) {
        drop(self.notices.send(notice));
    }

    /// Tells of trouble; the same words again within a short time say nothing new.
    pub(crate) fn trouble(&self, text: impl Into<String>) {
        let text = text.into();
        let now = Instant::now();
        {
            let mut told = lock(&self.told);
            told.retain(|_, at| now.duration_since(*at) < SILENCE);
            if told.len() >= MOST_TOLD {
                told.clear();
            }
            if told.contains_key(&text) {
                return;
            }
            told.insert(text.clone(), now);
        }
        tracing::warn!("{text}");
        self.tell(Notice::Trouble { text });
    }

    /// How an incident's last heal ended, if it ended.
    pub(crate) async fn last_outcome(
        &self,
        incident: &IncidentId,
    ) -> Result<Option<(HealId, Option<Outcome>)>, StoreError> {
        let Some(heal) = self.store.heals_of(incident).await?.pop() else {
            return Ok(None);
        };
        let log: Vec<Entry> = self.store.log(&heal).await?;
        let outcome = State::replay(&log)
            .ok()
            .and_then(|state| state.outcome().cloned());
        Ok(Some((heal, outcome)))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding these locks; should it ever, the data is still whole.
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
