//! What the real Python agent says, read by the real types with nothing lost; the transport as a whole is tested in `ingest`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use homeostasis_domain::id::content_hash;
use homeostasis_protocol::{
    AgentConfig, AgentMessage, PROTOCOL_VERSION, ReplayResult, ServerMessage, SwapFile, SwapOrder,
    decode, encode,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A program with a failing request, a failing thread and a failing end, and values of many kinds on the way.
const PROGRAM: &str = r#"
import collections, datetime, decimal, io, json, sys, threading, time
from wsgiref.util import setup_testing_defaults
from homeostasis_agent import channel, wsgi

LIMIT = 10

class Order:
    def __init__(self):
        self.id, self.customer = 7, None

class Lines(list):
    class Refused(Exception):
        pass

def price(sku):
    return {"apple": LIMIT}[sku]

def place(environ):
    body = environ["wsgi.input"].read()
    nothing, yes, count, rate, name = None, True, 10 ** 40, 1e-9, "Zoë \ud800 \x00"
    letter, raw, pair, seen, fixed = "x" * 5000, b"\xff", (1, [2]), {3}, frozenset()
    line, order, lines = {"sku": "pear", 1: {}}, Order(), Lines([1])
    total, day, view, codec, password = decimal.Decimal("1.50"), datetime.date(2024, 2, 29), place, json, "correct horse"
    deep = [[[[[[1]]]]]]
    point = collections.namedtuple("Point", "x y")(1, float("inf"))
    try:
        price("pear")
    except KeyError as error:
        raise Lines.Refused("order 7", 409) from error

def application(environ, start_response):
    if environ["PATH_INFO"] == "/orders/7":
        place(environ)
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]

channel.start()
entry = wsgi.Entry(application)
for path in ["/orders/1"] + ["/orders/7"] * 5:
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}"),
               "HTTP_AUTHORIZATION": "Bearer abcdefgh", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000", "QUERY_STRING": "a=1"}
    setup_testing_defaults(environ)
    try:
        entry(environ, lambda status, headers: None)
    except Lines.Refused:
        pass
thread = threading.Thread(target=lambda: [].pop())
thread.start()
thread.join()
sys.stdin.readline()
if sys.version_info >= (3, 11):
    group = eval("ExceptionGroup('two', [KeyError('a'), ValueError('b')])")
    group.add_note("a note")
    raise group
{}["end"]
"#;

fn python(folder: &Path) -> Command {
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents/python");
    let mut command = Command::new("python3");
    command
        .arg(folder.join("program.py"))
        .current_dir(folder)
        .env("PYTHONPATH", agent.canonicalize().unwrap())
        .env("HOMEOSTASIS_ROOT", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The program, ended with the test however that ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The agent's connection, or a failed test after 20 s.
fn accept(listener: UnixListener) -> UnixStream {
    let limit = Duration::from_secs(20);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(listener.accept()));
    let (stream, _) = receiver.recv_timeout(limit).unwrap().unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    stream
}

/// A line of the agent, read, written, and compared; its message.
fn read_without_loss(line: &str) -> AgentMessage {
    let said: Value = serde_json::from_str(line).unwrap();
    let message: AgentMessage = decode(line.as_bytes()).unwrap_or_else(|e| panic!("{e:?}: {line}"));
    assert_ne!(message, AgentMessage::Unknown, "{line}");
    let written: Value = serde_json::from_slice(&encode(&message)).unwrap();
    assert_eq!(said, written);
    message
}

#[test]
fn everything_a_real_agent_says_is_read_with_nothing_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    std::fs::write(path.join("program.py"), PROGRAM).unwrap();
    let socket = path.join("agents.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut program = Program(
        python(&path)
            .env("HOMEOSTASIS_SOCKET", &socket)
            .spawn()
            .unwrap(),
    );
    let mut stream = accept(listener);
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let hello = read_without_loss(&lines.next().unwrap().unwrap());
    assert!(matches!(hello, AgentMessage::Hello(_)), "{hello:?}");
    stream
        .write_all(&encode(&ServerMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            service: "tested".into(),
            config: AgentConfig::default(),
            swaps: Vec::new(),
        }))
        .unwrap();
    let order = order(&path.join("program.py"));
    for message in [
        ServerMessage::Unknown,
        ServerMessage::Swap(order.clone()),
        ServerMessage::Unswap(order),
        ServerMessage::Report {
            request_id: "r".into(),
            files: Vec::new(),
        },
    ] {
        stream.write_all(&encode(&message)).unwrap();
    }
    let mut seen = BTreeSet::new();
    let mut exceptions = Vec::new();
    let mut witnesses = 0;
    let mut stdin = program.0.stdin.take();
    for line in lines {
        let line = line.unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        seen.insert(said["type"].as_str().unwrap().to_string());
        if let AgentMessage::Event {
            capsule,
            witnesses: kept,
            ..
        } = read_without_loss(&line)
        {
            exceptions.push(capsule.exceptions[0].type_name.clone());
            witnesses += kept.len();
        }
        if seen.contains("state") && seen.contains("repeats") && exceptions.len() >= 4 {
            // Told to end, the program fails once more, and the connection ends with it.
            stdin.take().map(|mut stdin| stdin.write_all(b"\n"));
        }
    }
    let wanted = [
        "event",
        "repeats",
        "state",
        "swap_result",
        "traffic",
        "unswap_result",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    for name in ["Lines.Refused", "IndexError"] {
        assert!(exceptions.iter().any(|one| one == name), "{exceptions:?}");
    }
    let last = exceptions.last().unwrap();
    assert!(last == "ExceptionGroup" || last == "KeyError", "{last}");
    assert!(witnesses > 0);
}

fn order(path: &Path) -> SwapOrder {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let new = PROGRAM.replace("b\"fine\"", "b\"well\"");
    SwapOrder {
        swap: "s1".into(),
        files: vec![SwapFile {
            path: path.to_string_lossy().into_owned(),
            old: encode(PROGRAM),
            new: encode(&new),
            old_sha256: content_hash(PROGRAM.as_bytes()),
            new_sha256: content_hash(new.as_bytes()),
        }],
    }
}

#[test]
fn the_result_of_a_real_replay_is_read_with_nothing_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let program = "open('out.csv', 'w').close()\ndef work(n):\n    return 1 // n\nwork(0)\n";
    std::fs::write(path.join("program.py"), program).unwrap();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let run = |input: &str| {
        let result = path.join("result.json");
        let status = python(&path)
            .env("HOMEOSTASIS_REPLAY", vectors.join(input))
            .env("HOMEOSTASIS_REPLAY_RESULT", &result)
            .status()
            .unwrap();
        assert!(status.success());
        let text = std::fs::read(&result).unwrap();
        let said: Value = serde_json::from_slice(&text).unwrap();
        let read: ReplayResult = serde_json::from_slice(&text).unwrap();
        assert_eq!(said, serde_json::to_value(&read).unwrap());
        read
    };
    let result = run("replay_input_process.json");
    assert!(result.ready && result.error.is_none(), "{result:?}");
    let exchange = &result.exchanges[0];
    assert_eq!(exchange.exceptions[0].type_name, "ZeroDivisionError");
    assert_eq!(exchange.effects[0].kind, "file");
    // A program that never serves.
    for input in ["replay_input_request.json", "replay_input_call.json"] {
        let result = run(input);
        let error = result.error.unwrap();
        assert!(
            !result.ready && error.contains("before it served"),
            "{error}"
        );
    }
}
