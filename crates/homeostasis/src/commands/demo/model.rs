//! The model of a patient: what must be healed in it, what must be refused, and what healthy clients ask meanwhile.
//! `patients/README.md` documents the format; nothing is sent from here.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is known of a patient.
pub(super) struct Model {
    pub(super) bugs: Vec<Bug>,
    pub(super) healthy: Vec<Healthy>,
}

/// One bug of the patient.
#[derive(Deserialize)]
#[serde(try_from = "RawBug")]
pub(super) struct Bug {
    pub(super) id: String,
    pub(super) class: String,
    pub(super) request: Request,
    pub(super) sick: Sick,
    pub(super) duty: Duty,
    pub(super) after: Option<After>,
}

/// What Homeostasis owes to a bug.
pub(super) enum Duty {
    /// It must be healed, and then the request is answered so.
    Heal(Expect),
    /// It must stay as it is, for a person.
    Refuse,
}

/// One thing that healthy clients do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Healthy {
    pub(super) id: String,
    pub(super) weight: u32,
    pub(super) request: Request,
    pub(super) expect: Expect,
    pub(super) after: Option<After>,
}

/// What a bug does while it is sick. A status of 0 is an answer that breaks off in the middle.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sick {
    pub(super) status: u16,
    pub(super) exception: String,
    pub(super) file: String,
    pub(super) function: String,
}

/// A request as a client sends it.
#[derive(Clone, Deserialize)]
#[serde(try_from = "RawRequest")]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Body,
}

/// What a request carries.
#[derive(Clone)]
pub(super) enum Body {
    Nothing,
    Json(Value),
    Form(BTreeMap<String, String>),
    Text(String),
}

/// What an answer must be.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) status: Vec<u16>,
    #[serde(default)]
    pub(super) contains: Vec<String>,
    #[serde(default)]
    pub(super) lacks: Vec<String>,
}

/// A second request, which tells what the first one really did.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    pub(super) request: Request,
    pub(super) expect: Expect,
    /// Seconds in which it may still become right.
    #[serde(default)]
    pub(super) within: f64,
}

impl Model {
    /// Reads both files of a model.
    pub(super) fn read(expected: &str, traffic: &str) -> Result<Model> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Expected {
            bug: Vec<Bug>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Traffic {
            healthy: Vec<Healthy>,
        }
        let Expected { bug: bugs } =
            toml::from_str(expected).context("expected.toml is not right")?;
        let Traffic { healthy } = toml::from_str(traffic).context("traffic.toml is not right")?;
        ensure!(
            !bugs.is_empty() && !healthy.is_empty(),
            "the model needs bugs and healthy cases"
        );
        let mut ids = BTreeSet::new();
        for id in bugs
            .iter()
            .map(|bug| &bug.id)
            .chain(healthy.iter().map(|case| &case.id))
        {
            ensure!(
                ids.insert(id),
                "the id \"{id}\" is used more than once in the model"
            );
        }
        for case in &healthy {
            ensure!(
                case.weight > 0,
                "the weight of \"{}\" must be above zero",
                case.id
            );
        }
        Ok(Model { bugs, healthy })
    }
}

impl Request {
    /// The request with `{n}` replaced by a number that no other request has.
    pub(super) fn numbered(&self, number: &str) -> Request {
        let text = |text: &String| text.replace("{n}", number);
        let table = |table: &BTreeMap<String, String>| {
            table
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect()
        };
        Request {
            method: self.method.clone(),
            path: text(&self.path),
            headers: table(&self.headers),
            body: match &self.body {
                Body::Nothing => Body::Nothing,
                Body::Json(value) => Body::Json(numbered_value(value, number)),
                Body::Form(fields) => Body::Form(table(fields)),
                Body::Text(body) => Body::Text(text(body)),
            },
        }
    }
}

impl Expect {
    /// The expectation with the number of its request.
    pub(super) fn numbered(&self, number: &str) -> Expect {
        let texts = |texts: &[String]| {
            texts
                .iter()
                .map(|text| text.replace("{n}", number))
                .collect()
        };
        Expect {
            status: self.status.clone(),
            contains: texts(&self.contains),
            lacks: texts(&self.lacks),
        }
    }
}

impl After {
    /// The second request with the number of the first.
    pub(super) fn numbered(&self, number: &str) -> After {
        After {
            request: self.request.numbered(number),
            expect: self.expect.numbered(number),
            within: self.within,
        }
    }
}

fn numbered_value(value: &Value, number: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{n}", number)),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| numbered_value(item, number))
                .collect(),
        ),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), numbered_value(value, number)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBug {
    id: String,
    class: String,
    must: Must,
    // For people who read the model.
    #[serde(rename = "why")]
    _why: String,
    request: Request,
    sick: Sick,
    expect: Option<Expect>,
    after: Option<After>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Must {
    Heal,
    Refuse,
}

impl TryFrom<RawBug> for Bug {
    type Error = String;

    fn try_from(raw: RawBug) -> Result<Bug, String> {
        let duty = match (raw.must, raw.expect) {
            (Must::Heal, Some(expect)) => Duty::Heal(expect),
            (Must::Refuse, None) => Duty::Refuse,
            (Must::Heal, None) => {
                return Err(format!("{}: what must be healed needs `expect`", raw.id));
            }
            (Must::Refuse, Some(_)) => {
                return Err(format!("{}: what must be refused has no `expect`", raw.id));
            }
        };
        Ok(Bug {
            id: raw.id,
            class: raw.class,
            request: raw.request,
            sick: raw.sick,
            duty,
            after: raw.after,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    form: Option<BTreeMap<String, String>>,
    body: Option<String>,
}

impl TryFrom<RawRequest> for Request {
    type Error = String;

    fn try_from(raw: RawRequest) -> Result<Request, String> {
        let body = match (raw.json, raw.form, raw.body) {
            (None, None, None) => Body::Nothing,
            (Some(value), None, None) => Body::Json(value),
            (None, Some(fields), None) => Body::Form(fields),
            (None, None, Some(text)) => Body::Text(text),
            _ => {
                return Err(format!(
                    "{} {}: at most one of json, form and body",
                    raw.method, raw.path
                ));
            }
        };
        Ok(Request {
            method: raw.method,
            path: raw.path,
            headers: raw.headers,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: &str = r#"
        [[healthy]]
        id = "look"
        weight = 1
        request = { method = "GET", path = "/" }
        expect = { status = [200] }
    "#;

    fn bug(rest: &str) -> String {
        format!(
            r#"
            [[bug]]
            id = "b"
            class = "data.missing_key"
            why = "Because."
            request = {{ method = "POST", path = "/a?r={{n}}", json = {{ a = ["x-{{n}}", 1] }} }}
            sick = {{ status = 500, exception = "KeyError", file = "a/b.py", function = "f" }}
            {rest}
            "#
        )
    }

    #[test]
    fn the_number_is_the_same_in_every_text_of_a_case() {
        let text = bug(r#"must = "heal"
            expect = { status = [200], contains = ["{n}!"] }
            after = { request = { method = "GET", path = "/a/{n}" }, expect = { status = [200], lacks = ["{n}?"] } }"#);
        let model = Model::read(&text, HEALTHY).unwrap();
        let case = &model.bugs[0];
        let request = case.request.numbered("7");
        assert_eq!(request.path, "/a?r=7");
        assert!(
            matches!(request.body, Body::Json(value) if value == serde_json::json!({"a": ["x-7", 1]}))
        );
        let Duty::Heal(expect) = &case.duty else {
            panic!("it must be healed")
        };
        assert_eq!(expect.numbered("7").contains, ["7!"]);
        let after = case.after.as_ref().unwrap().numbered("7");
        assert_eq!(
            (
                after.request.path.as_str(),
                after.expect.lacks[0].as_str(),
                after.within
            ),
            ("/a/7", "7?", 0.0)
        );
    }

    #[test]
    fn a_model_that_contradicts_itself_is_an_error() {
        let heal_without_expect = bug(r#"must = "heal""#);
        let refuse_with_expect = bug("must = \"refuse\"\nexpect = { status = [200] }");
        let misspelt = bug("must = \"refuse\"\nafterwards = 1");
        let twice = bug("must = \"refuse\"") + &bug("must = \"refuse\"");
        for text in [heal_without_expect, refuse_with_expect, misspelt, twice] {
            assert!(Model::read(&text, HEALTHY).is_err(), "{text}");
        }
    }
}
