//! The processes that are connected, and asking them to do something.

use homeostasis_protocol::{
    AgentConfig, AgentMessage, Hello, PROTOCOL_VERSION, ReportFile, ServerMessage, StateFile,
    SwapAnswer, SwapOrder,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// How long a process may take to answer. A process that is stopped or in a long C call answers late or never.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connected processes of the program. Cheap to clone; all clones are the same fleet.
#[derive(Clone, Default)]
pub struct Agents {
    inner: Arc<Mutex<Inner>>,
    next: Arc<AtomicU64>,
}

#[derive(Default)]
struct Inner {
    connections: BTreeMap<u32, Connection>,
    waiting: HashMap<Question, oneshot::Sender<Answer>>,
    config: AgentConfig,
    swaps: Vec<SwapOrder>,
}

struct Connection {
    number: u64,
    hello: Hello,
    sender: mpsc::Sender<ServerMessage>,
}

/// What an answer belongs to: the connection (not the pid, which may come again) and what was asked.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    connection: u64,
    kind: &'static str,
    id: String,
}

enum Answer {
    Swap(SwapAnswer),
    State(Vec<StateFile>),
}

/// A process of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectedProcess {
    /// Process id.
    pub pid: u32,
    /// What it said of itself.
    pub hello: Hello,
}

/// Why a process did not answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AskError {
    /// It is not connected, or went away before answering.
    #[error("process {0} is not connected")]
    Gone(u32),
    /// It did not answer in time.
    #[error("process {0} did not answer within {seconds} s", seconds = PATIENCE.as_secs())]
    Silent(u32),
}

impl Agents {
    /// The processes connected now, by pid.
    pub fn processes(&self) -> Vec<ConnectedProcess> {
        let inner = self.lock();
        inner
            .connections
            .iter()
            .map(|(pid, connection)| ConnectedProcess {
                pid: *pid,
                hello: connection.hello.clone(),
            })
            .collect()
    }

    /// Settings told to agents that connect from now on.
    pub fn set_config(&self, config: AgentConfig) {
        self.lock().config = config;
    }

    /// Swaps that a process has to apply when it connects from now on.
    pub fn set_swaps(&self, swaps: Vec<SwapOrder>) {
        self.lock().swaps = swaps;
    }

    /// Puts new code into one process.
    pub async fn swap(&self, pid: u32, order: &SwapOrder) -> Result<SwapAnswer, AskError> {
        self.ask_swap(pid, "swap", order, ServerMessage::Swap(order.clone()))
            .await
    }

    /// Puts the old code back into one process.
    pub async fn unswap(&self, pid: u32, order: &SwapOrder) -> Result<SwapAnswer, AskError> {
        self.ask_swap(pid, "unswap", order, ServerMessage::Unswap(order.clone()))
            .await
    }

    /// Asks one process which source it runs for each file.
    pub async fn report(
        &self,
        pid: u32,
        files: Vec<ReportFile>,
    ) -> Result<Vec<StateFile>, AskError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        match self
            .ask(
                pid,
                "report",
                id.clone(),
                ServerMessage::Report {
                    request_id: id,
                    files,
                },
            )
            .await?
        {
            Answer::State(files) => Ok(files),
            Answer::Swap(_) => Err(AskError::Silent(pid)),
        }
    }

    /// Tells every agent to capture anew what it has captured already.
    pub async fn rearm(&self) {
        let senders: Vec<_> = self
            .lock()
            .connections
            .values()
            .map(|connection| connection.sender.clone())
            .collect();
        for sender in senders {
            // A connection that cannot take the message is closing; it says hello again and begins anew.
            drop(sender.send(ServerMessage::Rearm).await);
        }
    }

    async fn ask_swap(
        &self,
        pid: u32,
        kind: &'static str,
        order: &SwapOrder,
        message: ServerMessage,
    ) -> Result<SwapAnswer, AskError> {
        match self.ask(pid, kind, order.swap.clone(), message).await? {
            Answer::Swap(answer) => Ok(answer),
            Answer::State(_) => Err(AskError::Silent(pid)),
        }
    }

    async fn ask(
        &self,
        pid: u32,
        kind: &'static str,
        id: String,
        message: ServerMessage,
    ) -> Result<Answer, AskError> {
        let (question, sender, answer) = {
            let mut inner = self.lock();
            let connection = inner.connections.get(&pid).ok_or(AskError::Gone(pid))?;
            let question = Question {
                connection: connection.number,
                kind,
                id,
            };
            let sender = connection.sender.clone();
            let (tell, answer) = oneshot::channel();
            inner.waiting.insert(question.clone(), tell);
            (question, sender, answer)
        };
        if sender.send(message).await.is_err() {
            self.lock().waiting.remove(&question);
            return Err(AskError::Gone(pid));
        }
        let waited = tokio::time::timeout(PATIENCE, answer).await;
        self.lock().waiting.remove(&question);
        match waited {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AskError::Gone(pid)),
            Err(_) => Err(AskError::Silent(pid)),
        }
    }

    /// Registers a connection; returns its number and the welcome that is due.
    pub(super) fn connect(
        &self,
        service: &str,
        hello: Hello,
        sender: mpsc::Sender<ServerMessage>,
    ) -> (u64, ServerMessage) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.lock();
        let welcome = ServerMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            service: service.to_string(),
            config: inner.config.clone(),
            swaps: inner.swaps.clone(),
        };
        inner.connections.insert(
            hello.pid,
            Connection {
                number,
                hello,
                sender,
            },
        );
        (number, welcome)
    }

    /// Forgets a connection. A newer connection of the same process stays.
    pub(super) fn disconnect(&self, pid: u32, number: u64) -> bool {
        let mut inner = self.lock();
        inner
            .waiting
            .retain(|question, _| question.connection != number);
        if inner
            .connections
            .get(&pid)
            .is_some_and(|connection| connection.number == number)
        {
            inner.connections.remove(&pid);
            return true;
        }
        false
    }

    /// Hands an answer to whoever waits for it. An answer that nobody waits for (any more) is dropped.
    pub(super) fn answer(&self, number: u64, message: AgentMessage) {
        let (kind, id, answer) = match message {
            AgentMessage::SwapResult(answer) => ("swap", answer.swap.clone(), Answer::Swap(answer)),
            AgentMessage::UnswapResult(answer) => {
                ("unswap", answer.swap.clone(), Answer::Swap(answer))
            }
            AgentMessage::State {
                request_id, files, ..
            } => ("report", request_id, Answer::State(files)),
            _ => return,
        };
        let question = Question {
            connection: number,
            kind,
            id,
        };
        if let Some(tell) = self.lock().waiting.remove(&question) {
            drop(tell.send(answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while holding the lock; should it ever, the map is still whole.
        self.inner
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
