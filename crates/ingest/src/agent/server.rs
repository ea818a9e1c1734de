//! The socket that agents connect to. One task per connection; a connection that misbehaves is closed, the others go on.

use super::decode;
use super::fleet::Agents;
use homeostasis_domain::Event;
use homeostasis_protocol::{
    AgentMessage, Hello, MAX_MESSAGE_BYTES, RepeatItem, RouteCount, ServerMessage, encode,
};
use jiff::Timestamp;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Who the events come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Service name.
    pub service: String,
    /// Environment name.
    pub environment: String,
}

/// What came in.
#[derive(Debug)]
pub enum Incoming {
    /// A process said hello.
    Connected(Hello),
    /// A process went away.
    Gone {
        /// Process id.
        pid: u32,
    },
    /// A failure, captured.
    Event {
        /// Process id.
        pid: u32,
        /// The event.
        event: Box<Event>,
    },
    /// Failures, counted.
    Repeats {
        /// Process id.
        pid: u32,
        /// By signature.
        items: Vec<RepeatItem>,
    },
    /// Requests, counted.
    Traffic {
        /// Process id.
        pid: u32,
        /// Beginning of the interval.
        since: Timestamp,
        /// End of the interval.
        until: Timestamp,
        /// Events the agent had to drop.
        dropped: u64,
        /// By route.
        routes: Vec<RouteCount>,
    },
    /// Something that was not taken, and why.
    Refused {
        /// Process id, where it is known.
        pid: Option<u32>,
        /// Why.
        reason: String,
    },
}

/// Why the socket could not be opened.
#[derive(Debug, Error)]
pub enum BindError {
    /// A Unix socket's path is limited to 107 bytes.
    #[error("the socket's path {0} is longer than the 107 bytes a Unix socket may have")]
    TooLong(PathBuf),
    /// The folder is not ours alone.
    #[error(
        "the folder {0} belongs to somebody else or is open to others; remove it, or set XDG_RUNTIME_DIR to a private folder"
    )]
    NotPrivate(PathBuf),
    /// The system refused.
    #[error("cannot listen on {0}")]
    Io(PathBuf, #[source] io::Error),
}

/// Listens on `path` and hands everything to `incoming`. A socket file left by a dead process is replaced.
/// Returns the task that accepts connections; it ends when the receiver of `incoming` is gone.
pub fn serve(
    path: &Path,
    source: Source,
    agents: Agents,
    incoming: mpsc::Sender<Incoming>,
) -> Result<JoinHandle<()>, BindError> {
    let listener = bind(path)?;
    Ok(tokio::spawn(accept(listener, source, agents, incoming)))
}

fn bind(path: &Path) -> Result<UnixListener, BindError> {
    if path.as_os_str().len() > 107 {
        return Err(BindError::TooLong(path.to_path_buf()));
    }
    let io = |error| BindError::Io(path.to_path_buf(), error);
    if let Some(folder) = path.parent() {
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        let metadata = std::fs::symlink_metadata(folder).map_err(io)?;
        let ours = metadata.uid() == rustix::process::getuid().as_raw();
        if !metadata.is_dir() || !ours || metadata.permissions().mode() & 0o077 != 0 {
            return Err(BindError::NotPrivate(folder.to_path_buf()));
        }
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    UnixListener::bind(path).map_err(io)
}

async fn accept(
    listener: UnixListener,
    source: Source,
    agents: Agents,
    incoming: mpsc::Sender<Incoming>,
) {
    loop {
        tokio::select! {
            () = incoming.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = Connection { source: source.clone(), agents: agents.clone(), incoming: incoming.clone() };
                    tokio::spawn(connection.run(stream));
                }
                Err(error) => {
                    // Out of handles, most likely. Waiting is all that helps, and the program does not need us.
                    tracing::warn!(%error, "cannot accept an agent's connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

struct Connection {
    source: Source,
    agents: Agents,
    incoming: mpsc::Sender<Incoming>,
}

impl Connection {
    /// Ends when the agent goes away or says something that no agent says.
    async fn run(self, stream: UnixStream) {
        let same_user = stream
            .peer_cred()
            .is_ok_and(|peer| peer.uid() == rustix::process::getuid().as_raw() || peer.uid() == 0);
        if !same_user {
            return self
                .refuse(None, "a process of another user tried to connect")
                .await;
        }
        let (read, write) = stream.into_split();
        let mut lines = BufReader::with_capacity(64 * 1024, read);
        let mut line = Vec::new();
        let hello = match self.first(&mut lines, &mut line).await {
            Ok(hello) => hello,
            Err(reason) => return self.refuse(None, &reason).await,
        };
        let pid = hello.pid;
        let (sender, outgoing) = mpsc::channel(64);
        let (number, welcome) =
            self.agents
                .connect(&self.source.service, hello.clone(), sender.clone());
        let writer = tokio::spawn(write_messages(write, outgoing));
        let opened = sender.send(welcome).await.is_ok()
            && self.incoming.send(Incoming::Connected(hello)).await.is_ok();
        drop(sender);
        if opened {
            self.listen(pid, number, &mut lines, &mut line).await;
        }
        // Dropping the registration drops the last sender, which ends the writer.
        if self.agents.disconnect(pid, number) {
            drop(self.incoming.send(Incoming::Gone { pid }).await);
        }
        writer.abort();
    }

    async fn first(
        &self,
        lines: &mut BufReader<OwnedReadHalf>,
        line: &mut Vec<u8>,
    ) -> Result<Hello, String> {
        let read = tokio::time::timeout(Duration::from_secs(10), read_line(lines, line)).await;
        match read {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err("a connection closed before it said hello".to_string()),
            Ok(Err(error)) => {
                return Err(format!("a connection broke before it said hello: {error}"));
            }
            Err(_) => return Err("a connection did not say hello within 10 s".to_string()),
        }
        match homeostasis_protocol::decode::<AgentMessage>(line) {
            Ok(AgentMessage::Hello(hello))
                if hello.protocol == homeostasis_protocol::PROTOCOL_VERSION =>
            {
                Ok(*hello)
            }
            Ok(AgentMessage::Hello(hello)) => Err(format!(
                "an agent speaks protocol {}, and this server speaks 1",
                hello.protocol
            )),
            Ok(_) => Err("a connection spoke before it said hello".to_string()),
            Err(error) => Err(format!("a connection did not say hello: {error}")),
        }
    }

    async fn listen(
        &self,
        pid: u32,
        number: u64,
        lines: &mut BufReader<OwnedReadHalf>,
        line: &mut Vec<u8>,
    ) {
        loop {
            match read_line(lines, line).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.refuse(Some(pid), &error.to_string()).await,
            }
            let message = match homeostasis_protocol::decode::<AgentMessage>(line) {
                Ok(message) => message,
                Err(error) => {
                    self.refuse(
                        Some(pid),
                        &format!("a message of an agent is not well formed: {error}"),
                    )
                    .await;
                    continue;
                }
            };
            if self.take(pid, number, message).await.is_err() {
                return;
            }
        }
    }

    async fn take(
        &self,
        pid: u32,
        number: u64,
        message: AgentMessage,
    ) -> Result<(), mpsc::error::SendError<Incoming>> {
        let incoming = match message {
            AgentMessage::Event {
                time,
                signature,
                capsule,
                witnesses,
            } => {
                let made = decode::event(
                    &self.source,
                    Timestamp::now(),
                    pid,
                    time,
                    signature,
                    *capsule,
                    witnesses,
                );
                match made {
                    Ok(event) => Incoming::Event {
                        pid,
                        event: Box::new(event),
                    },
                    Err(refused) => Incoming::Refused {
                        pid: Some(pid),
                        reason: refused.to_string(),
                    },
                }
            }
            AgentMessage::Repeats { items } => Incoming::Repeats { pid, items },
            AgentMessage::Traffic {
                since,
                until,
                dropped,
                routes,
            } => {
                let now = Timestamp::now();
                let time = |seconds| decode::timestamp(seconds).unwrap_or(now);
                Incoming::Traffic {
                    pid,
                    since: time(since),
                    until: time(until),
                    dropped,
                    routes,
                }
            }
            answer @ (AgentMessage::SwapResult(_)
            | AgentMessage::UnswapResult(_)
            | AgentMessage::State { .. }) => {
                self.agents.answer(number, answer);
                return Ok(());
            }
            AgentMessage::Hello(_) | AgentMessage::Unknown => return Ok(()),
        };
        self.incoming.send(incoming).await
    }

    async fn refuse(&self, pid: Option<u32>, reason: &str) {
        drop(
            self.incoming
                .send(Incoming::Refused {
                    pid,
                    reason: reason.to_string(),
                })
                .await,
        );
    }
}

/// Reads one line into `line`; false at the end. A line longer than a message may be is an error: after it there is no
/// telling where the next message begins.
async fn read_line(lines: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = lines
        .take(MAX_MESSAGE_BYTES as u64 + 1)
        .read_until(b'\n', line)
        .await?;
    if read > MAX_MESSAGE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message is longer than 8 MiB",
        ));
    }
    // A last line without its end was cut off in mid-send, and is no message.
    Ok(line.last() == Some(&b'\n'))
}

/// Ends when the connection is unregistered or the agent no longer reads.
async fn write_messages(mut write: OwnedWriteHalf, mut outgoing: mpsc::Receiver<ServerMessage>) {
    while let Some(message) = outgoing.recv().await {
        let sent =
            tokio::time::timeout(Duration::from_secs(10), write.write_all(&encode(&message))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}
