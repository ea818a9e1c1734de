//! The agents' socket, spoken to by real agents in real interpreters, and by strangers who speak badly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use homeostasis_ingest::agent::{Agents, AskError, Incoming, Source, serve};
use homeostasis_protocol::{SwapFile, SwapOrder};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::mpsc;

struct Server {
    folder: tempfile::TempDir,
    socket: PathBuf,
    agents: Agents,
    incoming: mpsc::Receiver<Incoming>,
}

fn start() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("private/agents.sock");
    let agents = Agents::default();
    let (sender, incoming) = mpsc::channel(64);
    let source = Source {
        service: "test".into(),
        environment: "test".into(),
    };
    serve(&socket, source, agents.clone(), sender).unwrap();
    Server {
        folder,
        socket,
        agents,
        incoming,
    }
}

impl Server {
    /// The next message that `wanted` accepts, within 15 s.
    async fn until<T>(&mut self, wanted: impl Fn(Incoming) -> Option<T>) -> T {
        let found = async {
            loop {
                let message = self.incoming.recv().await.expect("the server is there");
                if let Some(found) = wanted(message) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), found)
            .await
            .expect("it came in time")
    }

    fn python(&self, code: &str) -> Command {
        let script = self.folder.path().join("program.py");
        std::fs::write(&script, code).unwrap();
        let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents/python");
        let mut command = Command::new("python3");
        command
            .arg(&script)
            .current_dir(self.folder.path())
            .env("PYTHONPATH", agent.canonicalize().unwrap())
            .env("HOMEOSTASIS_SOCKET", &self.socket)
            .env("HOMEOSTASIS_ROOT", self.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

fn refused(message: Incoming) -> Option<String> {
    match message {
        Incoming::Refused { reason, .. } => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn an_uncaught_exception_of_a_real_program_becomes_an_event() {
    let mut server = start();
    let status = server
        .python("def pick(items):\n    return items[3]\n\npick([1, 2])\n")
        .status()
        .await
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let event = server.until(|message| match message {
        Incoming::Event { event, .. } => Some(event),
        _ => None,
    });
    let event = event.await;
    let thrown = event.capsule.thrown().unwrap();
    assert_eq!(thrown.type_name, "IndexError");
    let frame = thrown.failing_frame().unwrap();
    assert_eq!(
        (frame.function.as_str(), frame.text.as_str()),
        ("pick", "return items[3]")
    );
    assert_eq!(frame.locals["items"].len(), Some(2));
}

#[tokio::test]
async fn a_running_process_swaps_its_code_and_takes_it_back() {
    let mut server = start();
    // A plain program connects with its first failure, here that of a thread.
    let code = "import sys, threading, time\nthreading.Thread(target=lambda: 1 / 0).start()\ndef answer():\n    return 'old'\nwhile True:\n    sys.stdout.write(answer()[0])\n    sys.stdout.flush()\n    time.sleep(0.01)\n";
    let mut child = server.python(code).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let pid = server
        .until(|message| match message {
            Incoming::Connected(hello) => Some(hello.pid),
            _ => None,
        })
        .await;
    read_until(&mut stdout, b'o').await;
    let order = order(
        &server.folder.path().join("program.py"),
        code,
        &code.replace("'old'", "'new'"),
    );
    let swapped = server.agents.swap(pid, &order).await.unwrap();
    assert!(swapped.ok, "{swapped:?}");
    read_until(&mut stdout, b'n').await;
    let restored = server.agents.unswap(pid, &order).await.unwrap();
    assert!(restored.ok, "{restored:?}");
    read_until(&mut stdout, b'o').await;
    child.kill().await.unwrap();
    assert_eq!(
        server
            .until(|message| match message {
                Incoming::Gone { pid } => Some(pid),
                _ => None,
            })
            .await,
        pid
    );
    assert_eq!(
        server.agents.swap(pid, &order).await,
        Err(AskError::Gone(pid))
    );
}

#[tokio::test]
async fn strangers_are_refused_and_the_socket_goes_on() {
    let mut server = start();
    for words in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"{\"type\":\"hello\",\"protocol\":99,\"agent\":{\"language\":\"x\"},\"pid\":1}\n",
        b"\xff\xfe\n",
        b"{\"type\":\"rearm\"}\n",
    ] {
        let mut stream = UnixStream::connect(&server.socket).await.unwrap();
        stream.write_all(words).await.unwrap();
        stream.shutdown().await.unwrap();
        let reason = server.until(refused).await;
        assert!(!reason.is_empty());
    }
    assert!(server.agents.processes().is_empty());
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_connection_and_costs_no_more_memory_than_the_limit() {
    let mut server = start();
    let mut stream = UnixStream::connect(&server.socket).await.unwrap();
    stream
        .write_all(
            b"{\"type\":\"hello\",\"protocol\":1,\"agent\":{\"language\":\"x\"},\"pid\":4194305}\n",
        )
        .await
        .unwrap();
    let flood = vec![b'a'; 1 << 20];
    for _ in 0..12 {
        if stream.write_all(&flood).await.is_err() {
            break;
        }
    }
    assert!(server.until(refused).await.contains("8 MiB"));
}

#[tokio::test]
async fn an_event_without_an_exception_is_refused_by_name_and_the_next_message_is_read() {
    let mut server = start();
    let mut stream = UnixStream::connect(&server.socket).await.unwrap();
    let hello =
        "{\"type\":\"hello\",\"protocol\":1,\"agent\":{\"language\":\"x\"},\"pid\":4194306}\n";
    let empty = "{\"type\":\"event\",\"time\":1.0,\"signature\":\"s\",\"capsule\":{\"schema\":1,\"kind\":\"process\",\"process\":{\"pid\":1,\"cwd\":\"/\",\"runtime\":{\"name\":\"\",\"version\":\"\"}},\"exceptions\":[]}}\n";
    let traffic = "{\"type\":\"traffic\",\"since\":1.0,\"until\":2.0,\"routes\":[{\"route\":\"GET /\",\"requests\":3,\"failed\":0}]}\n";
    stream
        .write_all(format!("{hello}{empty}{traffic}").as_bytes())
        .await
        .unwrap();
    assert!(server.until(refused).await.contains("no exception"));
    let routes = server
        .until(|message| match message {
            Incoming::Traffic { routes, .. } => Some(routes),
            _ => None,
        })
        .await;
    assert_eq!(routes[0].requests, 3);
}

fn order(path: &Path, old: &str, new: &str) -> SwapOrder {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let hash = |text: &str| homeostasis_domain::id::content_hash(text.as_bytes());
    let file = SwapFile {
        path: path.to_string_lossy().into_owned(),
        old: encode(old),
        new: encode(new),
        old_sha256: hash(old),
        new_sha256: hash(new),
    };
    SwapOrder {
        swap: "s1".into(),
        files: vec![file],
    }
}

async fn read_until(stdout: &mut tokio::process::ChildStdout, wanted: u8) {
    let reading = async {
        let mut byte = [0_u8];
        loop {
            stdout.read_exact(&mut byte).await.unwrap();
            if byte[0] == wanted {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), reading)
        .await
        .expect("the program says it in time");
}
