//! Structural matching: ast-grep patterns and rules, compiled once and matched at one given node.

use crate::source::{Node, language_of};
use ast_grep_config::{DeserializeEnv, RuleCore, SerializableRuleCore};
use ast_grep_core::matcher::{Matcher as _, MatcherExt};
use ast_grep_core::meta_var::MetaVariable;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// What the metavariables of a match stand for, by name without the dollar sign; several nodes for `$$$NAME`.
pub type Captures<'t> = BTreeMap<String, Vec<Node<'t>>>;

/// A compiled pattern or rule.
pub struct Matcher {
    core: RuleCore,
    written: String,
}

/// Why a pattern or rule could not be compiled.
#[derive(Debug, Error)]
pub enum MatcherError {
    /// The language is not built in.
    #[error("no parser is built in for the language `{0}`")]
    Language(String),
    /// A key that the rule language does not have.
    #[error("`{key}` is not a key of the rule language; known: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Those that exist.
        known: String,
    },
    /// It does not have the form of a rule.
    #[error("not a rule: {0}")]
    Form(String),
    /// It has the form of a rule, but cannot match anything.
    #[error("the rule cannot be compiled: {0}")]
    Compile(String),
    /// The pattern is not an expression or statement of the language.
    #[error("the pattern `{0}` does not parse")]
    Pattern(String),
}

/// Keys of a rule object in ast-grep's rule language.
const RULE_KEYS: &[&str] = &[
    "pattern", "kind", "regex", "nthChild", "range", "inside", "has", "precedes", "follows", "all",
    "any", "not", "matches", "stopBy", "field",
];
/// Keys of the object around it.
const CORE_KEYS: &[&str] = &["rule", "constraints", "utils"];

impl Matcher {
    /// A pattern alone, such as `$OBJECT[$KEY]`.
    pub fn pattern(language: &str, pattern: &str) -> Result<Self, MatcherError> {
        Self::core(language, &serde_json::json!({"rule": {"pattern": pattern}}))
    }

    /// A rule object of ast-grep's rule language: `kind`, `pattern`, `has`, `inside`, `all`, `any`, `not` ...
    pub fn rule(language: &str, rule: &serde_json::Value) -> Result<Self, MatcherError> {
        Self::core(language, &serde_json::json!({"rule": rule}))
    }

    /// An object with `rule`, and optionally `constraints` and `utils`.
    pub fn core(language: &str, core: &serde_json::Value) -> Result<Self, MatcherError> {
        let known =
            language_of(language).ok_or_else(|| MatcherError::Language(language.to_string()))?;
        check_core_keys(core)?;
        check_patterns(language, core)?;
        let parsed: SerializableRuleCore = serde_json::from_value(core.clone())
            .map_err(|error| MatcherError::Form(error.to_string()))?;
        let core_matcher = parsed
            .get_matcher(DeserializeEnv::new(known))
            .map_err(|error| MatcherError::Compile(chain(&error)))?;
        Ok(Self {
            core: core_matcher,
            written: core.to_string(),
        })
    }

    /// The metavariables it defines, without the dollar sign.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .core
            .defined_vars()
            .into_iter()
            .map(str::to_string)
            .collect();
        names.sort();
        names
    }

    /// Matches this node and no other, and tells what the metavariables stand for.
    pub fn at<'t>(&self, node: &Node<'t>) -> Option<Captures<'t>> {
        if let Some(kinds) = self.core.potential_kinds()
            && !kinds.contains(node.kind_id().into())
        {
            return None;
        }
        let found = self.core.match_node(node.clone())?;
        // Relational matchers may answer with another node; only the anchored one counts.
        if found.range() != node.range() {
            return None;
        }
        Some(captures(&found))
    }

    /// All matches at or below this node, in the order of the text.
    pub fn within<'t>(&self, node: &Node<'t>) -> Vec<(Node<'t>, Captures<'t>)> {
        node.dfs()
            .filter_map(|inner| self.at(&inner).map(|captures| (inner, captures)))
            .collect()
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matcher({})", self.written)
    }
}

fn captures<'t>(
    found: &ast_grep_core::NodeMatch<
        't,
        ast_grep_core::tree_sitter::StrDoc<ast_grep_language::SupportLang>,
    >,
) -> Captures<'t> {
    let environment = found.get_env();
    environment
        .get_matched_variables()
        .filter_map(|variable| match variable {
            MetaVariable::Capture(name, _) => {
                let node = environment.get_match(&name)?.clone();
                Some((name, vec![node]))
            }
            MetaVariable::MultiCapture(name) => {
                let nodes = environment.get_multiple_matches(&name);
                Some((name, nodes))
            }
            MetaVariable::Dropped(_) | MetaVariable::Multiple => None,
        })
        // ast-grep labels the partner of `has` and `inside` under a name of its own.
        .filter(|(name, _)| name != "secondary")
        .collect()
}

fn check_core_keys(core: &serde_json::Value) -> Result<(), MatcherError> {
    let Some(object) = core.as_object() else {
        return Err(MatcherError::Form("a mapping is needed".to_string()));
    };
    for (key, value) in object {
        if !CORE_KEYS.contains(&key.as_str()) {
            return Err(unknown(key, CORE_KEYS));
        }
        if key == "rule" {
            check_rule_keys(value)?;
        } else if let Some(named) = value.as_object() {
            named.values().try_for_each(check_rule_keys)?;
        }
    }
    Ok(())
}

fn check_rule_keys(rule: &serde_json::Value) -> Result<(), MatcherError> {
    let Some(object) = rule.as_object() else {
        return Err(MatcherError::Form(format!(
            "a mapping such as `pattern: $A[$B]` is needed, not `{rule}`"
        )));
    };
    for (key, value) in object {
        if !RULE_KEYS.contains(&key.as_str()) {
            return Err(unknown(key, RULE_KEYS));
        }
        match key.as_str() {
            "inside" | "has" | "precedes" | "follows" | "not" => check_rule_keys(value)?,
            "all" | "any" => {
                if let Some(rules) = value.as_array() {
                    rules.iter().try_for_each(check_rule_keys)?;
                }
            }
            "stopBy" if value.is_object() => check_rule_keys(value)?,
            _ => {}
        }
    }
    Ok(())
}

/// Refuses patterns that parse to an error node: they would load, and then match nothing or anything.
fn check_patterns(language: &str, value: &serde_json::Value) -> Result<(), MatcherError> {
    match value {
        serde_json::Value::Object(object) => {
            for (key, inner) in object {
                match (key.as_str(), inner.as_str()) {
                    ("pattern", Some(pattern)) => check_pattern(language, pattern)?,
                    _ => check_patterns(language, inner)?,
                }
            }
            Ok(())
        }
        serde_json::Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_patterns(language, item)),
        _ => Ok(()),
    }
}

fn check_pattern(language: &str, pattern: &str) -> Result<(), MatcherError> {
    let known =
        language_of(language).ok_or_else(|| MatcherError::Language(language.to_string()))?;
    let compiled = ast_grep_core::Pattern::try_new(pattern, known)
        .map_err(|error| MatcherError::Compile(format!("`{pattern}`: {error}")))?;
    if compiled.has_error() {
        return Err(MatcherError::Pattern(pattern.to_string()));
    }
    Ok(())
}

fn unknown(key: &str, known: &[&str]) -> MatcherError {
    MatcherError::UnknownKey {
        key: key.to_string(),
        known: known.join(", "),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use serde_json::json;

    fn anchored<'t>(source: &'t Source, text: &str) -> Node<'t> {
        let start = source.text().find(text).unwrap();
        source.exactly(start..start + text.len()).unwrap()
    }

    #[test]
    fn a_pattern_matches_only_the_node_it_is_anchored_at() {
        let source = Source::python("total = order['lines'][0]['price'] + f(x)\n").unwrap();
        let matcher = Matcher::pattern("python", "$OBJECT[$KEY]").unwrap();
        let captures = matcher.at(&anchored(&source, "order['lines'][0]")).unwrap();
        assert_eq!(captures["OBJECT"][0].text(), "order['lines']");
        assert_eq!(captures["KEY"][0].text(), "0");
        assert!(matcher.at(&anchored(&source, "f(x)")).is_none());
        assert_eq!(matcher.within(&source.root()).len(), 3);
    }

    #[test]
    fn rules_combine_kinds_and_relations() {
        let source = Source::python("def f(a, b):\n    return a / b\n").unwrap();
        let rule = json!({"kind": "binary_operator", "has": {"field": "right", "pattern": "$DIVISOR"}, "inside": {"kind": "function_definition", "stopBy": "end"}});
        let matcher = Matcher::rule("python", &rule).unwrap();
        let captures = matcher.at(&anchored(&source, "a / b")).unwrap();
        assert_eq!(captures.keys().collect::<Vec<_>>(), ["DIVISOR"]);
    }

    #[test]
    fn misspelt_keys_and_broken_patterns_are_refused() {
        let error = Matcher::rule("python", &json!({"knd": "call"})).unwrap_err();
        assert!(error.to_string().contains("`knd`"), "{error}");
        let error = Matcher::rule("python", &json!({"kind": "cal"})).unwrap_err();
        assert!(matches!(error, MatcherError::Compile(_)), "{error}");
        assert!(Matcher::pattern("python", "f($A").is_err());
    }
}
