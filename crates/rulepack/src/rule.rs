//! What a rule says: when it matches and what it then proposes. Unknown keys are errors.

use crate::case::Case;
use crate::facts::Fact;
use homeostasis_domain::{Answer, FaultCode, Safety};
use homeostasis_syntax::Matcher;
use serde::{Deserialize, Serialize};

/// A rule, checked and ready to match.
#[derive(Debug)]
pub struct Rule {
    /// Stable name; a rule of a user's folder replaces the built-in one with the same id.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// The class of faults it is a remedy for.
    pub class: FaultCode,
    /// Languages it speaks about.
    pub languages: Vec<String>,
    /// At least one of these must be loaded in the failing process; empty means any.
    pub frameworks: Vec<String>,
    /// Native errors it is for.
    pub errors: Vec<String>,
    /// At least one of these must match at the failing expression.
    pub matchers: Vec<Matcher>,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// The remedies, each a candidate of its own.
    pub fixes: Vec<Fix>,
    /// The documentation below the front matter, without the cases.
    pub documentation: String,
    /// Sick code and what must become of it.
    pub cases: Vec<Case>,
    /// Where the rule was read from.
    pub file: String,
}

/// One remedy of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// Unique in the rule.
    pub id: String,
    /// One imperative line; may use metavariables.
    pub title: String,
    /// How far it may be trusted.
    pub safety: Safety,
    /// What the failing request should be answered with.
    pub answer: Answer,
    /// From 0 to 1: how often it is the right remedy where the rule matches.
    pub score: f64,
    /// Why it is the remedy; may use metavariables.
    pub rationale: String,
    /// Further conditions for this fix alone.
    #[serde(default, rename = "where")]
    pub conditions: Vec<Condition>,
    /// What is changed.
    #[serde(with = "serde_yaml_ng::with::singleton_map")]
    pub edit: Edit,
    /// Imports that the edit needs (`from x import y` or `import x`); may use metavariables.
    #[serde(default)]
    pub imports: Vec<String>,
}

/// A structural change, placed from the failing expression. Exactly one kind is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Replaces the failing expression.
    Replace(String),
    /// Replaces a captured part of the failing expression.
    ReplacePart(Part),
    /// Replaces the statement that holds it.
    ReplaceStatement(String),
    /// Inserts statements before the statement that holds it.
    Before(String),
    /// Inserts statements at the start of the function, below its docstring.
    FunctionStart(String),
    /// Inserts statements before the first statement that binds `NAME`, in the innermost block that holds all its
    /// bindings and the failing expression.
    BeforeBinding(String),
    /// Refuses the request when a condition holds, before the failing expression would be evaluated, and only on
    /// those paths on which it would be.
    Guard(Guard),
    /// Tries the failing expression, and refuses the request when it raises.
    Try(Try),
    /// Replaces the parameter list of the definition bound to `DEFINITION` so that it begins with `self`.
    AddSelf(Nothing),
    /// Changes nothing but the imports.
    ImportOnly(Nothing),
}

/// A captured part of the failing expression, and what takes its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The metavariable, without the dollar sign.
    pub part: String,
    /// The replacement.
    pub with: String,
}

/// An empty mapping, `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A refusal before the failing expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The condition, an expression with metavariables.
    pub when: String,
    /// What to answer.
    pub refuse: Reason,
    /// What to tell the client.
    pub message: String,
    /// Where the name `of` was last bound, when nothing between there and the failure mentions it.
    #[serde(default)]
    pub after_binding_of: Option<String>,
}

/// A refusal of what the failing expression cannot take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Try {
    /// The exceptions to catch, as they are written in the program.
    pub except: Vec<String>,
    /// What to answer.
    pub refuse: Reason,
    /// What to tell the client.
    pub message: String,
}

/// Why a request is refused; each framework has its own way to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The request itself is wrong: 400 or 422.
    Invalid,
    /// What it asks for does not exist: 404.
    NotFound,
}

/// Something that must hold. All keys of one condition must hold together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The metavariable it speaks of, without the dollar sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Its value has one of these types, as Python names them (`dict`, `str`, `shop.models.Order`).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Its value is None, or is known not to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
    /// Its value is empty, or is known not to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<bool>,
    /// Its value is the number zero, or is known not to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero: Option<bool>,
    /// Its expression is a literal of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal: Option<Literal>,
    /// Its expression is one of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Vec<String>>,
    /// Its value came from one of these (`request.body`, `environment`, `call` ...; `request` for any `request.*`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Vec<String>>,
    /// The error's message contains one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Vec<String>>,
    /// A question about the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<Fact>,
    /// At least one of these holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<Condition>>,
    /// This does not hold. A value that is not known is neither: it fails both ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Condition>>,
}

/// Kinds of literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// Text without interpolation.
    String,
    /// An integer.
    Integer,
    /// Any constant.
    Constant,
}

/// The front matter as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FrontMatter {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) class: String,
    pub(crate) languages: Vec<String>,
    #[serde(default)]
    pub(crate) frameworks: Vec<String>,
    #[serde(rename = "match")]
    pub(crate) matching: Matching,
    pub(crate) fixes: Vec<Fix>,
    /// Only in plain YAML files, which have no text below.
    #[serde(default)]
    pub(crate) documentation: Option<String>,
}

/// When a rule matches, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matching {
    pub(crate) error: Vec<String>,
    #[serde(default)]
    pub(crate) pattern: Option<String>,
    #[serde(default)]
    pub(crate) patterns: Vec<String>,
    #[serde(default)]
    pub(crate) rule: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) constraints: Option<serde_json::Value>,
    #[serde(default, rename = "where")]
    pub(crate) conditions: Vec<Condition>,
}

impl Condition {
    /// The metavariables it binds when it holds.
    pub(crate) fn binds(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        if let Some(fact) = self.fact {
            names.extend(fact.binds());
        }
        for inner in self.any.iter().flatten() {
            names.extend(inner.binds());
        }
        names
    }

    /// True when it asks nothing.
    pub(crate) fn is_idle(&self) -> bool {
        let Condition {
            of: _,
            types,
            none,
            empty,
            zero,
            literal,
            text,
            origin,
            message,
            fact,
            any,
            not,
        } = self;
        types.is_none()
            && none.is_none()
            && empty.is_none()
            && zero.is_none()
            && literal.is_none()
            && text.is_none()
            && origin.is_none()
            && message.is_none()
            && fact.is_none()
            && any.is_none()
            && not.is_none()
    }

    /// This condition and those inside it.
    pub(crate) fn all(&self) -> Vec<&Condition> {
        let mut found = vec![self];
        for inner in self.any.iter().flatten() {
            found.extend(inner.all());
        }
        if let Some(inner) = &self.not {
            found.extend(inner.all());
        }
        found
    }
}

impl Edit {
    /// The texts of it that hold metavariables.
    pub fn templates(&self) -> Vec<&str> {
        match self {
            Edit::Replace(text)
            | Edit::ReplaceStatement(text)
            | Edit::Before(text)
            | Edit::FunctionStart(text)
            | Edit::BeforeBinding(text) => vec![text],
            Edit::ReplacePart(part) => vec![&part.with],
            Edit::Guard(guard) => vec![&guard.when, &guard.message],
            Edit::Try(attempt) => vec![&attempt.message],
            Edit::AddSelf(Nothing {}) | Edit::ImportOnly(Nothing {}) => Vec::new(),
        }
    }
}
