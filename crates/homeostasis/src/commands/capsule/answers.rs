//! What dependencies answered, one line for each question: what was asked of whom, and shortly what came back.

use super::values::written;
use crate::printing::clean;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use homeostasis_domain::value::{Value, shorten};
use serde_json::Value as Json;

/// So much of a question is shown, and so much of an answer.
const MOST: usize = 110;
/// So many draws are shown.
const DRAWS: usize = 5;

/// A question with its answer, as the agent told them, on one line that is harmless for a terminal.
pub(super) fn line(asked: &Json) -> String {
    clean(&told(asked))
}

fn told(asked: &Json) -> String {
    let kind = text(asked, "kind");
    if kind == "draws" {
        return draws(asked);
    }
    let (question, answer) = match kind {
        "sql" => (sql_question(asked), sql_answer(&asked["answer"])),
        "http" => (http_question(asked), http_answer(&asked["answer"])),
        "redis" => (redis_question(asked), redis_answer(&asked["answer"])),
        _ => (other_question(asked), asked["answer"].to_string()),
    };
    let answer = without_answer(&asked["answer"]).unwrap_or(answer);
    format!(
        "{kind} {} → {}",
        shorten(&on_one_line(&question), MOST),
        shorten(&on_one_line(&answer), MOST)
    )
}

/// What stands in the place of an answer: why it is not known, or the error that came.
fn without_answer(answer: &Json) -> Option<String> {
    if let Some(why) = answer["unknown"].as_str() {
        return Some(format!("not kept: {why}"));
    }
    answer
        .get("error")
        .filter(|error| error.is_object())
        .map(refusal)
}

/// The exception that a library raised.
fn refusal(error: &Json) -> String {
    let arguments = error["arguments"].as_array().into_iter().flatten();
    let arguments: Vec<String> = arguments.map(value).collect();
    format!("{}({})", text(error, "class"), arguments.join(", "))
}

fn sql_question(asked: &Json) -> String {
    let parameters = match &asked["parameters"] {
        Json::Null => String::new(),
        parameters if text(parameters, "t") == "none" => String::new(),
        parameters => format!(" with {}", value(parameters)),
    };
    format!(
        "{} {}: {}{parameters}",
        text(asked, "driver"),
        text(asked, "server"),
        shorten(&on_one_line(text(asked, "statement")), MOST * 2 / 3)
    )
}

fn sql_answer(answer: &Json) -> String {
    if answer["columns"].is_null() {
        return match (answer["status"].as_str(), answer["count"].as_i64()) {
            (Some(status), _) => status.to_string(),
            (None, Some(count)) if count >= 0 => format!("done, {}", rows(count as u64)),
            (None, _) => "done".to_string(),
        };
    }
    let fetched = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let first = fetched.first().map(|row| format!(", first {}", value(row)));
    let rest = match answer["complete"].as_bool() {
        Some(true) => "",
        _ => " fetched, perhaps not all",
    };
    let then = match &answer["then"] {
        Json::Null => String::new(),
        error => format!(", then {}", refusal(error)),
    };
    format!(
        "{}{rest}{}{then}",
        rows(fetched.len() as u64),
        first.unwrap_or_default()
    )
}

fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_string(),
        _ => format!("{count} rows"),
    }
}

fn http_question(asked: &Json) -> String {
    let sent = match asked["body"]["len"].as_u64() {
        None | Some(0) => String::new(),
        Some(len) => format!(", {len} bytes of {}", some(text(asked, "content_type"))),
    };
    format!("{} {}{sent}", text(asked, "method"), text(asked, "url"))
}

fn http_answer(answer: &Json) -> String {
    let kind = answer["headers"].as_array().into_iter().flatten();
    let kind = kind
        .filter(|header| header[0].as_str() == Some("content-type"))
        .find_map(|header| header[1].as_str());
    let body = &answer["body"];
    let cut = match body["truncated"].as_bool() {
        Some(true) => ", cut",
        _ => "",
    };
    format!(
        "{} {}, {} bytes of {}{cut}",
        answer["status"],
        text(answer, "reason"),
        body["len"].as_u64().unwrap_or_default(),
        some(kind.unwrap_or_default())
    )
}

fn some(kind: &str) -> &str {
    match kind {
        "" => "body",
        kind => kind,
    }
}

fn redis_question(asked: &Json) -> String {
    let command = asked["command"].as_array().into_iter().flatten();
    let command: Vec<String> = command.map(part).collect();
    format!("{} {}", text(asked, "server"), command.join(" "))
}

/// A part of a command as a person would type it.
fn part(part: &Json) -> String {
    let bytes = match (text(part, "t"), part["v"].as_str()) {
        ("bytes", Some(data)) => STANDARD.decode(data).ok(),
        _ => None,
    };
    match bytes.map(String::from_utf8) {
        Some(Ok(text)) if !text.contains(char::is_whitespace) && !text.is_empty() => text,
        Some(Ok(text)) => format!("{text:?}"),
        _ => value(part),
    }
}

fn redis_answer(answer: &Json) -> String {
    let found = &answer["value"];
    if found.is_null() {
        return answer.to_string();
    }
    match text(found, "t") {
        "bytes" => part(found),
        _ => value(found),
    }
}

/// A question of a kind that is not known here.
fn other_question(asked: &Json) -> String {
    let mut question = asked.clone();
    if let Some(question) = question.as_object_mut() {
        question.remove("kind");
        question.remove("answer");
    }
    question.to_string()
}

fn draws(asked: &Json) -> String {
    let all = asked["draws"].as_array().map_or(&[][..], Vec::as_slice);
    let shown = all.iter().take(DRAWS).map(|draw| {
        let drawn = draw[1].as_str().unwrap_or_default();
        format!("{} {drawn}", draw[0].as_str().unwrap_or_default())
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let rest = match all.len().saturating_sub(DRAWS) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("drawn at random: {}{rest}", shorten(&shown, MOST * 2))
}

fn value(value: &Json) -> String {
    let read = serde_json::from_value::<Value>(value.clone());
    read.map_or_else(|_| value.to_string(), |read| written(&read))
}

fn text<'a>(of: &'a Json, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The answers of the vector that every agent and the server agree on.
    fn vector() -> Json {
        let text = include_str!("../../../../../lib/protocol/vectors/event_request.json");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_question_has_one_line_with_a_short_answer() {
        let event = vector();
        let request = event["capsule"]["request"]["answers"].as_array().unwrap();
        let lines: Vec<String> = request.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "sql sqlite3 /srv/shop/shop.db: SELECT sku, price FROM articles WHERE id = ? with (7,) → 1 row, first (\"pear\", None)",
                "sql psycopg2 127.0.0.1:5432/shop: SELECT 1 FROM carts → psycopg2.errors.UndefinedTable(\"relation \\\"carts\\\" does not exist\")",
                "sql sqlite3 /srv/shop/shop.db: SELECT name FROM articles → 0 rows fetched, perhaps not all, then sqlite3.OperationalError(\"Could not decode to UTF-8 column 'name'\")",
                "sql sqlite3 :memory:: SELECT shape FROM articles → not kept: holds a shop.Shape, whose state cannot be seen",
                "http POST http://prices.example/v1/quote?sku=pear, 2 bytes of application/json → 200 OK, 2 bytes of application/json",
                "drawn at random: random 0.25, getrandbits 7, uuid4 7c9e6679-7425-40de-944b-e07fc1f90ae7",
            ]
        );
        let start = line(&event["capsule"]["answers"][0]);
        assert_eq!(
            start,
            "sql psycopg2 127.0.0.1:5432/shop: UPDATE articles SET price = 3 → UPDATE 1"
        );
        let witness = line(&event["witnesses"][0]["request"]["answers"][0]);
        assert_eq!(witness, "redis 127.0.0.1:6379/0 GET cart → None");
    }

    #[test]
    fn rows_that_were_not_all_fetched_and_bodies_that_were_cut_say_so() {
        let row = json!({"t": "tuple", "items": [{"t": "int", "v": "1"}], "len": 1});
        let sql = json!({"kind": "sql", "driver": "d", "server": "s", "statement": "SELECT\n  id\nFROM t",
            "parameters": {"t": "none"}, "answer": {"columns": [["id", 23]], "rows": [row, row], "complete": false}});
        assert_eq!(
            line(&sql),
            "sql d s: SELECT id FROM t → 2 rows fetched, perhaps not all, first (1,)"
        );
        let http = json!({"kind": "http", "method": "GET", "url": "http://a/", "body": {"len": 0},
            "answer": {"status": 503, "reason": "Gone", "headers": [], "body": {"len": 9, "truncated": true}}});
        assert_eq!(
            line(&http),
            "http GET http://a/ → 503 Gone, 9 bytes of body, cut"
        );
        let draws: Vec<Json> = (0..9)
            .map(|number| json!(["random", number.to_string()]))
            .collect();
        assert!(line(&json!({"kind": "draws", "draws": draws})).ends_with("random 4 and 4 more"));
    }

    #[test]
    fn nothing_that_was_asked_or_answered_can_steer_a_terminal() {
        let evil = "a\u{1b}[2J\u{202e}\u{7}\r\nb";
        let asked = [
            json!({"kind": "sql", "driver": evil, "server": evil, "statement": evil,
                "parameters": {"t": "str", "v": evil, "len": 9}, "answer": {"columns": null, "status": evil}}),
            json!({"kind": "sql", "statement": "s", "answer": {"error": {"class": evil, "arguments": [evil]}}}),
            json!({"kind": "http", "method": evil, "url": evil, "answer": {"status": evil, "reason": evil,
                "headers": [["content-type", evil]]}}),
            json!({"kind": "redis", "server": evil, "command": [{"t": "bytes", "v": STANDARD.encode(evil), "len": 9}],
                "answer": {"value": {"t": "bytes", "v": STANDARD.encode(evil), "len": 9}}}),
            json!({"kind": "draws", "draws": [[evil, evil]]}),
            json!({"kind": evil, "answer": {"unknown": evil}}),
        ];
        for one in asked {
            let shown = line(&one);
            let harmful = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!shown.contains(harmful), "{shown:?}");
        }
    }

    #[test]
    fn what_is_of_another_form_is_shown_as_it_is() {
        let newer = json!({"kind": "queue", "topic": "orders", "answer": {"offset": 7}});
        assert_eq!(line(&newer), r#"queue {"topic":"orders"} → {"offset":7}"#);
        for odd in [
            json!({"kind": "sql"}),
            json!({"kind": "http", "answer": 3}),
            json!({"kind": "redis", "command": 3, "answer": {"value": {"t": "hologram"}}}),
            json!({"kind": "draws", "draws": [3, [], ["a"]]}),
            json!(null),
            json!([1]),
        ] {
            assert!(line(&odd).chars().count() < 300);
        }
    }
}
