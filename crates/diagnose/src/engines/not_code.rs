//! Explains failures that no change of the program's code mends: other systems, resources, settings, data, the platform.

use crate::case::Case;
use crate::engines::expression;
use crate::examine::Examined;
use homeostasis_domain::FaultCode;
use homeostasis_domain::capsule::{Exception, Relation};
use homeostasis_domain::diagnosis::{Cause, Hypothesis, Operand};
use homeostasis_domain::value::{Value, shorten};

const NAME: &str = "not_code";

/// One conclusion from an exception.
struct Verdict {
    class: &'static str,
    cause: Cause,
    /// What happened, a sentence without its end.
    what: String,
    confidence: f64,
}

pub(crate) fn run(case: &Case<'_>, examined: &Examined) -> Vec<Hypothesis> {
    let Some(exception) = case.exception() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if expression::setting(examined) {
        found.push(hypothesis(case, examined, exception, setting(examined)));
        return found;
    }
    let rest = case
        .input
        .capsule
        .exceptions
        .get(case.chosen.index..)
        .unwrap_or_default();
    for (position, link) in rest.iter().enumerate().take(10) {
        if position > 0 && !reaches(exception, link, examined) {
            break;
        }
        if let Some(mut verdict) = judge(case, link) {
            if position > 0 {
                verdict.confidence *= 0.85;
            }
            found.push(hypothesis(case, examined, link, verdict));
            break;
        }
    }
    found
}

/// Whether the chain behind the explained exception says why it came: yes when that was given as the cause, or when a
/// library or an explicit `raise` made the new exception of it; no when a handler failed by itself.
fn reaches(explained: &Exception, link: &Exception, examined: &Examined) -> bool {
    link.relation == Some(Relation::Cause)
        || examined.raised.is_some()
        || explained.frames.last().is_some_and(|frame| !frame.in_app)
}

fn hypothesis(
    case: &Case<'_>,
    examined: &Examined,
    exception: &Exception,
    verdict: Verdict,
) -> Hypothesis {
    let Verdict {
        class,
        cause,
        what,
        confidence,
    } = verdict;
    let mut evidence = vec![format!(
        "{}: {}",
        exception.qualified_type(),
        shorten(&exception.message, 300)
    )];
    if let Some(address) = address(exception, &examined.operands) {
        evidence.push(format!("The address is {address}."));
    }
    if let Some(location) = &examined.location {
        evidence.push(format!(
            "The program asked by `{}`.",
            shorten(&location.text, 120)
        ));
    }
    evidence.extend(examined.evidence.iter().cloned());
    evidence.extend(case.chosen.evidence.iter().cloned());
    Hypothesis {
        engine: NAME.into(),
        class: FaultCode::new(class),
        cause,
        summary: format!("{what}."),
        error: case.exception().unwrap_or(exception).qualified_type(),
        location: examined.location.clone(),
        operands: examined.operands.clone(),
        confidence,
        evidence,
    }
}

fn setting(examined: &Examined) -> Verdict {
    let key = examined
        .operands
        .iter()
        .find(|operand| operand.role == "key")
        .or_else(|| {
            examined
                .operands
                .iter()
                .find(|operand| operand.role == "text")
        });
    let name = key
        .map(|key| match &key.value {
            Some(Value::Str { v, .. }) => format!("`{}`", shorten(v, 80)),
            _ => format!("`{}`", shorten(&key.text, 80)),
        })
        .unwrap_or_default();
    if examined.class == Some("data.missing_key") {
        Verdict {
            class: "config.missing",
            cause: Cause::Configuration,
            what: format!("The environment variable {name} that the program needs is not set"),
            confidence: 0.9,
        }
    } else {
        Verdict {
            class: "config.invalid",
            cause: Cause::Configuration,
            what: format!("The setting {name} has a value that the program cannot use"),
            confidence: 0.85,
        }
    }
}

fn judge(case: &Case<'_>, exception: &Exception) -> Option<Verdict> {
    let message = exception.message.as_str();
    let lower = message.to_lowercase();
    let name = exception.type_name.as_str();
    let module = exception.module.as_str();
    let verdict = |class, cause, what: &str, confidence| {
        Some(Verdict {
            class,
            cause,
            what: what.to_string(),
            confidence,
        })
    };
    match name {
        "MemoryError" => {
            return verdict("resource.memory", Cause::Capacity, "Memory ran out", 0.95);
        }
        "IntegrityError"
        | "UniqueViolation"
        | "ForeignKeyViolation"
        | "NotNullViolation"
        | "CheckViolation"
        | "DuplicateKeyError" => {
            return verdict(
                "data.constraint",
                Cause::Data,
                "The data store refused a change that breaks one of its rules",
                0.93,
            );
        }
        "ModuleNotFoundError" | "ImportError" => return import(case, exception),
        _ => {}
    }
    if let Some(found) = by_errno(exception, &lower) {
        return Some(found);
    }
    if is_database(name, module) {
        return database(name, &lower);
    }
    if lower.contains("can't start new thread") {
        return verdict(
            "resource.threads",
            Cause::Capacity,
            "No further thread could be started",
            0.93,
        );
    }
    if lower.contains("too many open files") {
        return verdict(
            "resource.handles",
            Cause::Capacity,
            "File or socket handles ran out",
            0.95,
        );
    }
    if lower.contains("no space left on device") {
        return verdict("resource.disk", Cause::Capacity, "The disk is full", 0.95);
    }
    if let Some(status) = http_status(exception, &lower) {
        return Some(peer_answered(status));
    }
    let builtin = module.is_empty() || module == "builtins";
    if (builtin && name == "TimeoutError")
        || name == "TimeoutExpired"
        || (is_peer_module(module) && name.contains("Timeout"))
        || (module.starts_with("asyncio") && name == "TimeoutError")
        || (module == "socket" && name == "timeout")
    {
        return verdict(
            "dependency.timeout",
            Cause::Dependency,
            "Another system did not answer in time",
            0.93,
        );
    }
    if name == "gaierror"
        || lower.contains("name or service not known")
        || lower.contains("temporary failure in name resolution")
        || lower.contains("nodename nor servname")
    {
        return verdict(
            "dependency.unavailable",
            Cause::Dependency,
            "The name of another system could not be resolved",
            0.93,
        );
    }
    let refused = builtin
        && matches!(
            name,
            "ConnectionError"
                | "ConnectionRefusedError"
                | "ConnectionResetError"
                | "ConnectionAbortedError"
                | "BrokenPipeError"
        );
    if refused {
        return verdict(
            "dependency.unavailable",
            Cause::Dependency,
            "Another system refused or broke the connection",
            0.93,
        );
    }
    if is_peer_module(module) {
        let unavailable = [
            "Connect",
            "Connection",
            "URLError",
            "Network",
            "Disconnected",
            "Unavailable",
            "Protocol",
            "SSL",
            "Socket",
            "RemoteDisconnected",
            "Unreachable",
            "Read",
            "Write",
            "MaxRetry",
            "NoBrokers",
            "ServerSelection",
            "EndpointConnection",
            "AutoReconnect",
        ]
        .iter()
        .any(|part| name.contains(part));
        if unavailable {
            return verdict(
                "dependency.unavailable",
                Cause::Dependency,
                "Another system could not be reached",
                0.92,
            );
        }
        if name.contains("Auth") || name.contains("Credential") || name.contains("Permission") {
            return verdict(
                "auth.denied",
                Cause::Dependency,
                "Another system refused permission",
                0.88,
            );
        }
        if name.contains("JSONDecode") || name.contains("ContentType") || name.contains("Decoding")
        {
            return verdict(
                "dependency.contract",
                Cause::Dependency,
                "Another system answered in a form that was not agreed",
                0.85,
            );
        }
    }
    if name == "CalledProcessError" {
        return verdict(
            "dependency.unavailable",
            Cause::Dependency,
            "A program that was started ended with an error",
            0.8,
        );
    }
    None
}

/// Operating system errors by number, and by the class that stands for the number.
fn by_errno(exception: &Exception, lower: &str) -> Option<Verdict> {
    const OS_ERRORS: &[&str] = &[
        "OSError",
        "FileNotFoundError",
        "PermissionError",
        "IsADirectoryError",
        "NotADirectoryError",
        "FileExistsError",
        "BlockingIOError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "ConnectionAbortedError",
        "BrokenPipeError",
        "TimeoutError",
        "InterruptedError",
        "ChildProcessError",
        "ProcessLookupError",
    ];
    let builtin = exception.module.is_empty() || exception.module == "builtins";
    if !builtin || !OS_ERRORS.contains(&exception.type_name.as_str()) {
        return None;
    }
    let number = match exception.attributes.get("errno") {
        Some(Value::Int { v }) => v.parse::<i32>().ok(),
        _ => lower
            .strip_prefix("[errno ")
            .and_then(|rest| rest.split(']').next())
            .and_then(|digits| digits.parse::<i32>().ok()),
    };
    let file = exception
        .attributes
        .get("filename")
        .and_then(Value::as_str)
        .map(|file| format!(" `{}`", shorten(file, 120)))
        .unwrap_or_default();
    let made = |class, cause, what: String, confidence| {
        Some(Verdict {
            class,
            cause,
            what,
            confidence,
        })
    };
    match (number, exception.type_name.as_str()) {
        (Some(28 | 122), _) => made(
            "resource.disk",
            Cause::Capacity,
            "The disk is full".into(),
            0.96,
        ),
        (Some(5), _) => made(
            "resource.disk",
            Cause::Infrastructure,
            "The disk or device failed".into(),
            0.9,
        ),
        (Some(30), _) => made(
            "resource.file",
            Cause::Infrastructure,
            format!("The file system of{file} is read-only"),
            0.92,
        ),
        (Some(23 | 24), _) => made(
            "resource.handles",
            Cause::Capacity,
            "File or socket handles ran out".into(),
            0.96,
        ),
        (Some(12), _) => made(
            "resource.memory",
            Cause::Capacity,
            "Memory ran out".into(),
            0.93,
        ),
        (Some(11), "BlockingIOError") => made(
            "resource.threads",
            Cause::Capacity,
            "A resource of the system was used up for the moment".into(),
            0.7,
        ),
        (Some(98), _) => made(
            "infra.address_in_use",
            Cause::Infrastructure,
            "The address to listen on is taken by another process".into(),
            0.93,
        ),
        (Some(110), _) => made(
            "dependency.timeout",
            Cause::Dependency,
            "Another system did not answer in time".into(),
            0.93,
        ),
        (Some(101 | 111 | 112 | 113), _) => made(
            "dependency.unavailable",
            Cause::Dependency,
            "Another system could not be reached".into(),
            0.94,
        ),
        (Some(32 | 103 | 104), _) => made(
            "dependency.unavailable",
            Cause::Dependency,
            "Another system broke the connection".into(),
            0.92,
        ),
        (_, "FileNotFoundError") => made(
            "resource.file",
            Cause::Configuration,
            format!("The file{file} that the program needs is not there"),
            0.85,
        ),
        (_, "PermissionError") => made(
            "resource.file",
            Cause::Infrastructure,
            format!("The program may not use the file{file}"),
            0.9,
        ),
        (_, "IsADirectoryError" | "NotADirectoryError" | "FileExistsError") => made(
            "resource.file",
            Cause::Configuration,
            format!("The path{file} is of another kind than the program expects"),
            0.75,
        ),
        (Some(_), "OSError") => made(
            "infra.unknown",
            Cause::Infrastructure,
            "The operating system refused".into(),
            0.6,
        ),
        _ => None,
    }
}

fn import(case: &Case<'_>, exception: &Exception) -> Option<Verdict> {
    let missing = exception
        .attributes
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_string();
    let top = missing.split('.').next().unwrap_or_default();
    let root = case.input.root.trim_end_matches('/');
    let own = !top.is_empty()
        && case.input.sources.keys().any(|file| {
            file.strip_prefix(root).is_some_and(|rest| {
                let rest = rest.trim_start_matches('/');
                rest == format!("{top}.py") || rest.starts_with(&format!("{top}/"))
            })
        });
    // A wrong name in the program's own modules is a fault of its code.
    let circular = exception.message.contains("partially initialized module")
        || exception.message.contains("circular import");
    if own || circular {
        return Some(Verdict {
            class: "dependency.missing_module",
            cause: Cause::Code,
            what: format!(
                "An import of the program's own modules failed: {}",
                shorten(&exception.message, 160)
            ),
            confidence: 0.8,
        });
    }
    Some(Verdict {
        class: "dependency.missing_module",
        cause: Cause::Dependency,
        what: format!(
            "The module `{}` is not installed, or not in a version that the program can use",
            shorten(&missing, 80)
        ),
        confidence: 0.92,
    })
}

fn is_database(name: &str, module: &str) -> bool {
    let drivers = [
        "sqlite3",
        "sqlalchemy",
        "psycopg",
        "pymysql",
        "MySQLdb",
        "django.db",
        "asyncpg",
        "peewee",
        "aiosqlite",
        "cx_Oracle",
        "oracledb",
        "mysql.",
    ];
    drivers.iter().any(|driver| module.starts_with(driver))
        && [
            "OperationalError",
            "InterfaceError",
            "ProgrammingError",
            "InternalError",
            "DatabaseError",
            "TimeoutError",
            "DataError",
            "UndefinedTable",
            "UndefinedColumn",
            "TooManyConnections",
            "DBAPIError",
        ]
        .iter()
        .any(|known| name.contains(known))
}

fn database(name: &str, lower: &str) -> Option<Verdict> {
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let made = |class, cause, what: &str, confidence| {
        Some(Verdict {
            class,
            cause,
            what: what.to_string(),
            confidence,
        })
    };
    if has(&[
        "queuepool limit",
        "too many connections",
        "too many clients",
        "remaining connection slots",
    ]) || name == "TooManyConnections"
    {
        return made(
            "resource.pool",
            Cause::Capacity,
            "The pool of database connections is exhausted",
            0.94,
        );
    }
    if has(&[
        "database is locked",
        "lock wait timeout",
        "could not obtain lock",
        "database table is locked",
    ]) {
        return made(
            "resource.lock",
            Cause::Dependency,
            "The database was locked by another activity for too long",
            0.93,
        );
    }
    if has(&["deadlock"]) {
        return made(
            "concurrency.deadlock",
            Cause::Dependency,
            "The database found a deadlock and gave one side up",
            0.92,
        );
    }
    if has(&[
        "no such table",
        "no such column",
        "has no column named",
        "does not exist",
        "unknown column",
        "undefinedtable",
        "undefinedcolumn",
        "doesn't exist",
    ]) || name.starts_with("Undefined")
    {
        return made(
            "data.schema",
            Cause::Data,
            "The database lacks a table or column that the program uses; a migration may be missing",
            0.9,
        );
    }
    if has(&["database or disk is full", "disk full", "no space left"]) {
        return made(
            "resource.disk",
            Cause::Capacity,
            "The disk of the database is full",
            0.94,
        );
    }
    if has(&["readonly database", "read-only"]) {
        return made(
            "resource.file",
            Cause::Infrastructure,
            "The database can only be read",
            0.92,
        );
    }
    if has(&[
        "unable to open database file",
        "could not connect",
        "connection refused",
        "server closed the connection",
        "can't connect",
        "connection to server",
        "lost connection",
        "gone away",
        "connection timed out",
        "could not translate host name",
        "terminating connection",
        "password authentication failed",
        "access denied",
        "timeout expired",
    ]) {
        return made(
            "dependency.unavailable",
            Cause::Dependency,
            "The database could not be reached",
            0.93,
        );
    }
    if has(&["file is not a database", "malformed"]) {
        return made(
            "data.schema",
            Cause::Data,
            "The database file is damaged or is none",
            0.9,
        );
    }
    // What is left of these is a statement that the program wrote wrongly.
    if has(&[
        "syntax error",
        "incorrect number of bindings",
        "binding parameter",
        "you can only execute one statement",
    ]) || name.contains("ProgrammingError")
    {
        return Some(Verdict {
            class: "data.query",
            cause: Cause::Code,
            what: "The database does not understand the statement that the program made".into(),
            confidence: 0.7,
        });
    }
    if name.contains("OperationalError") {
        return made(
            "dependency.unavailable",
            Cause::Dependency,
            "The database could not do what was asked",
            0.75,
        );
    }
    None
}

/// Libraries that speak with other systems.
fn is_peer_module(module: &str) -> bool {
    const PEERS: &[&str] = &[
        "requests",
        "httpx",
        "httpcore",
        "urllib",
        "urllib3",
        "aiohttp",
        "http.client",
        "smtplib",
        "ssl",
        "socket",
        "redis",
        "pymongo",
        "botocore",
        "boto3",
        "grpc",
        "kombu",
        "amqp",
        "pika",
        "aio_pika",
        "elasticsearch",
        "elastic_transport",
        "opensearchpy",
        "paramiko",
        "ftplib",
        "imaplib",
        "poplib",
        "stripe",
        "google.api_core",
        "azure",
        "kafka",
        "confluent_kafka",
        "nats",
        "memcache",
        "pymemcache",
        "telnetlib",
        "xmlrpc",
        "zeep",
        "ldap3",
        "asyncpg",
        "psycopg",
        "websockets",
    ];
    PEERS.iter().any(|peer| {
        module == *peer
            || module
                .strip_prefix(peer)
                .is_some_and(|rest| rest.starts_with('.') || rest.starts_with('2'))
    })
}

/// The status another system answered with, of the errors that carry one.
fn http_status(exception: &Exception, lower: &str) -> Option<u16> {
    let module = exception.module.as_str();
    if !is_peer_module(module)
        || !(exception.type_name.contains("HTTP")
            || exception.type_name.contains("Response")
            || exception.type_name.contains("Status"))
    {
        return None;
    }
    for name in ["code", "status", "status_code"] {
        if let Some(Value::Int { v }) = exception.attributes.get(name) {
            return v.parse().ok();
        }
    }
    lower
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|digits| digits.len() == 3)
        .find_map(|digits| {
            digits
                .parse()
                .ok()
                .filter(|status| (400..600).contains(status))
        })
}

fn peer_answered(status: u16) -> Verdict {
    let (class, what, confidence) = match status {
        401 | 403 | 407 => ("auth.denied", "Another system refused permission", 0.9),
        408 | 504 => (
            "dependency.timeout",
            "Another system did not answer in time",
            0.92,
        ),
        429 | 500..=599 => (
            "dependency.unavailable",
            "Another system refused to serve",
            0.92,
        ),
        _ => (
            "dependency.contract",
            "Another system did not accept what was asked",
            0.8,
        ),
    };
    Verdict {
        class,
        cause: Cause::Dependency,
        what: format!("{what} (status {status})"),
        confidence,
    }
}

/// The address of the other system, from the message, the exception's fields, or the arguments of the failing call.
fn address(exception: &Exception, operands: &[Operand]) -> Option<String> {
    let message = exception.message.as_str();
    if let Some(rest) = message.split("host='").nth(1) {
        let host = rest.split('\'').next().unwrap_or_default();
        let port = rest
            .split("port=")
            .nth(1)
            .map(|port| {
                port.chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
            })
            .unwrap_or_default();
        return Some(format!("`{}:{port}`", shorten(host, 120)));
    }
    if let Some(rest) = message.split("Connect call failed (").nth(1) {
        return rest
            .split(')')
            .next()
            .map(|address| format!("`{}`", shorten(address, 120)));
    }
    for name in ["filename", "url", "host", "address"] {
        if let Some(text) = exception.attributes.get(name).and_then(Value::as_str) {
            return Some(format!("`{}`", shorten(text, 120)));
        }
    }
    operands
        .iter()
        .filter(|operand| matches!(operand.role.as_str(), "argument" | "text"))
        .find_map(|operand| match operand.value.as_ref()? {
            Value::Str { v, .. } if v.contains("://") || v.contains(':') || v.contains('.') => {
                Some(format!("`{}`", shorten(v, 120)))
            }
            Value::Tuple { items, .. } if items.len() == 2 => {
                Some(format!("`{}`", operand.value.as_ref()?.display(120)))
            }
            _ => None,
        })
}
