//! What a request does to the world, made comparable between requests: writes to tables, files, other services.

use homeostasis_protocol::Effect;
use std::collections::BTreeMap;

/// Effects by their normal form, with how often each was seen.
pub(crate) type Effects = BTreeMap<String, usize>;

/// The effects that change something, in their normal forms.
pub(crate) fn writes(effects: &[Effect]) -> Effects {
    let mut counted = Effects::new();
    for normal in effects.iter().filter_map(normal) {
        *counted.entry(normal).or_default() += 1;
    }
    counted
}

/// What all of them have in common.
pub(crate) fn common<'a>(all: impl IntoIterator<Item = &'a Effects>) -> Vec<String> {
    let mut all = all.into_iter();
    let Some(first) = all.next() else {
        return Vec::new();
    };
    let rest: Vec<&Effects> = all.collect();
    first
        .keys()
        .filter(|name| rest.iter().all(|effects| effects.contains_key(*name)))
        .cloned()
        .collect()
}

/// A write that differs when nothing but a made-up value differs: the statement in which the value, or what was
/// computed from it, is kept. `again` is a second run of `one`, which shows what differs by itself.
pub(crate) fn kept(one: &[Effect], again: &[Effect], other: &[Effect]) -> Option<String> {
    let statements = |effects: &[Effect]| -> Vec<(String, String)> {
        effects
            .iter()
            .filter(|effect| effect.kind == "sql")
            .filter_map(|effect| Some((normal(effect)?, effect.text.clone())))
            .collect()
    };
    let (one, again, other) = (statements(one), statements(again), statements(other));
    if one.len() != again.len() {
        return None;
    }
    one.iter()
        .zip(&again)
        .enumerate()
        .find_map(|(place, (one, again))| {
            let steady = one == again;
            (steady && other.get(place) != Some(one)).then(|| one.0.clone())
        })
}

fn normal(effect: &Effect) -> Option<String> {
    match effect.kind.as_str() {
        "sql" => statement(&effect.text),
        "file" => file(&effect.text),
        "http" => changing_request(&effect.text),
        "redis" => changing_command(&effect.text),
        "connect" => Some(format!("connection to {}", effect.text)),
        "process" => {
            let program = effect.text.split_whitespace().next()?;
            Some(format!("process {program}"))
        }
        _ => None,
    }
}

/// Method and address without the query, of a request to another service that may change something there.
fn changing_request(text: &str) -> Option<String> {
    let (method, url) = text.split_once(' ')?;
    let reads = ["GET", "HEAD", "OPTIONS"].contains(&method);
    let address = url.split(['?', '#']).next().unwrap_or(url);
    let (scheme, path) = address.split_once("://").unwrap_or(("", address));
    (!reads).then(|| format!("{method} {scheme}://{}", without_numbers(path)))
}

/// Command and key of what Redis is told to change.
fn changing_command(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let command = words.next()?.to_uppercase();
    let reads = [
        "GET",
        "MGET",
        "HGET",
        "HGETALL",
        "HMGET",
        "HKEYS",
        "HVALS",
        "HLEN",
        "HEXISTS",
        "EXISTS",
        "TTL",
        "PTTL",
        "TYPE",
        "KEYS",
        "SCAN",
        "SSCAN",
        "HSCAN",
        "ZSCAN",
        "LRANGE",
        "LLEN",
        "LINDEX",
        "SMEMBERS",
        "SISMEMBER",
        "SCARD",
        "ZRANGE",
        "ZSCORE",
        "ZCARD",
        "ZCOUNT",
        "ZRANGEBYSCORE",
        "ZREVRANGE",
        "STRLEN",
        "PING",
        "INFO",
        "XRANGE",
        "XLEN",
        "GETRANGE",
        "MULTI",
        "EXEC",
        "WATCH",
        "UNWATCH",
        "DISCARD",
        "SELECT",
        "HELLO",
        "CLIENT",
        "AUTH",
    ];
    let key = words.next().map(without_numbers).unwrap_or_default();
    (!reads.contains(&command.as_str())).then(|| format!("{command} {key}").trim().to_string())
}

/// Where a part between slashes or colons holds a digit, it may be another one in each request.
fn without_numbers(text: &str) -> String {
    let general = |part: &str| match part.contains(|c: char| c.is_ascii_digit()) {
        true => "*".to_string(),
        false => part.to_string(),
    };
    text.split('/')
        .map(|part| part.split(':').map(general).collect::<Vec<_>>().join(":"))
        .collect::<Vec<_>>()
        .join("/")
}

/// Verb and table of a statement that writes.
fn statement(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c == '(' || c == ';' || c == ',')
        .filter(|word| !word.is_empty())
        .take(400)
        .map(|word| word.trim_matches(['"', '`', '[', ']', '\'']).to_lowercase())
        .collect();
    let first = words.first()?.as_str();
    let verbs = ["insert", "update", "delete", "replace", "merge"];
    // A statement may begin with named subqueries.
    let at = match first {
        "with" => words
            .iter()
            .position(|word| verbs.contains(&word.as_str()))?,
        _ => 0,
    };
    let verb = words.get(at)?.as_str();
    if !verbs.contains(&verb) {
        return None;
    }
    let noise = [
        "into",
        "from",
        "or",
        "ignore",
        "replace",
        "abort",
        "fail",
        "rollback",
        "only",
        "low_priority",
    ];
    let table = words
        .iter()
        .skip(at + 1)
        .find(|word| !noise.contains(&word.as_str()))?;
    // A schema in front of the name does not make it another table.
    let table = table.rsplit('.').next().unwrap_or(table);
    let table = table.trim_matches(['"', '`', '[', ']']);
    let verb = if verb == "replace" { "insert" } else { verb };
    Some(format!("{verb} {table}"))
}

/// The path, where a part that holds a digit may be another one in each request.
fn file(path: &str) -> Option<String> {
    if path.contains("/__pycache__/")
        || path.starts_with("/dev/")
        || path.starts_with("/homeostasis/")
    {
        return None;
    }
    let general: Vec<String> = path
        .split('/')
        .map(|part| {
            if !part.chars().any(|c| c.is_ascii_digit()) {
                return part.to_string();
            }
            match part.rsplit_once('.') {
                Some((_, extension)) if !extension.chars().any(|c| c.is_ascii_digit()) => {
                    format!("*.{extension}")
                }
                _ => "*".to_string(),
            }
        })
        .collect();
    let general = general.join("/");
    match general.strip_prefix("/tmp/") {
        Some(_) => Some("file in /tmp".to_string()),
        None => Some(format!("file {general}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_other_services_counts_when_it_may_change_something_there() {
        let effect = |kind: &str, text: &str| {
            normal(&Effect {
                kind: kind.to_string(),
                text: text.to_string(),
            })
        };
        let http = |text| effect("http", text);
        let redis = |text| effect("redis", text);
        assert_eq!(http("GET http://prices:80/v1/pear"), None);
        assert_eq!(
            http("POST http://prices:80/orders/17?key=1").as_deref(),
            Some("POST http://prices:*/orders/*")
        );
        assert_eq!(redis("get cart:7"), None);
        assert_eq!(redis("SET cart:7 [1]").as_deref(), Some("SET cart:*"));
        assert_eq!(redis("FLUSHDB").as_deref(), Some("FLUSHDB"));
        assert_eq!(redis(""), None);
    }

    fn check(kind: &str, text: &str, expect: Option<&str>) {
        let effect = Effect {
            kind: kind.to_string(),
            text: text.to_string(),
        };
        assert_eq!(normal(&effect).as_deref(), expect, "{text}");
    }

    #[test]
    fn statements_are_named_by_verb_and_table() {
        check(
            "sql",
            "INSERT INTO orders (id) VALUES (?)",
            Some("insert orders"),
        );
        check(
            "sql",
            "insert or ignore into \"orders\"(id) values (1)",
            Some("insert orders"),
        );
        check(
            "sql",
            "UPDATE shop.stock SET n = n - 1",
            Some("update stock"),
        );
        check(
            "sql",
            "DELETE FROM `carts` WHERE id = 1",
            Some("delete carts"),
        );
        check(
            "sql",
            "WITH x AS (SELECT 1) INSERT INTO log SELECT * FROM x",
            Some("insert log"),
        );
        check("sql", "SELECT * FROM orders", None);
        check("sql", "BEGIN", None);
    }

    #[test]
    fn files_are_general_where_they_hold_a_number() {
        check(
            "file",
            "/srv/shop/invoices/17.pdf",
            Some("file /srv/shop/invoices/*.pdf"),
        );
        check("file", "/srv/shop/out.csv", Some("file /srv/shop/out.csv"));
        check("file", "/tmp/tmpab12", Some("file in /tmp"));
        check("file", "/srv/x/__pycache__/a.pyc", None);
    }

    #[test]
    fn only_what_all_do_is_common() {
        let one = Effects::from([("insert orders".into(), 1), ("insert log".into(), 1)]);
        let two = Effects::from([("insert orders".into(), 3)]);
        assert_eq!(common([&one, &two]), ["insert orders"]);
        assert!(common([]).is_empty());
    }
}
