//! What is linked from outside, against `deny.toml`: licences, bans and sources. It knows no advisories; `cargo deny
//! check advisories` does, with a network.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// The part of `deny.toml` that is checked here.
#[derive(Deserialize)]
pub(crate) struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// Reads the rules.
pub(crate) fn rules(text: &str) -> Result<Rules> {
    toml::from_str(text).context("deny.toml is not right")
}

/// The packages of `cargo metadata` that the rules do not allow, as sentences.
pub(crate) fn check(metadata: &Value, rules: &Rules) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        if let Some(ban) = rules.bans.deny.iter().find(|ban| ban.name == name) {
            problems.push(format!("{name} is banned in deny.toml: {}", ban.reason));
        }
        match package["license"].as_str() {
            None => problems.push(format!("{name} tells no licence")),
            Some(expression) => match allowed(expression, &rules.licenses.allow) {
                Some(true) => {}
                Some(false) => problems.push(format!(
                    "{name} has the licence \"{expression}\", which deny.toml does not allow"
                )),
                None => problems.push(format!(
                    "{name} has the licence \"{expression}\", which cannot be read"
                )),
            },
        }
        // The workspace's own packages come from nowhere.
        if let Some(source) = package["source"].as_str() {
            let known = |registry: &String| source == format!("registry+{registry}");
            if !rules.sources.allow_registry.iter().any(known) {
                problems.push(format!(
                    "{name} comes from {source}, which deny.toml does not allow"
                ));
            }
        }
    }
    Ok(problems)
}

/// Whether an SPDX expression can be met with these licences alone; `None` when it is none. The old form `A/B` means OR.
fn allowed(expression: &str, licenses: &[String]) -> Option<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let met = any(&mut rest, licenses)?;
    rest.is_empty().then_some(met)
}

/// Alternatives: OR binds less than AND.
fn any(rest: &mut &[&str], licenses: &[String]) -> Option<bool> {
    let mut met = all(rest, licenses)?;
    while take(rest, "OR") {
        met |= all(rest, licenses)?;
    }
    Some(met)
}

fn all(rest: &mut &[&str], licenses: &[String]) -> Option<bool> {
    let mut met = one(rest, licenses)?;
    while take(rest, "AND") {
        met &= one(rest, licenses)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str], licenses: &[String]) -> Option<bool> {
    if take(rest, "(") {
        let met = any(rest, licenses)?;
        return take(rest, ")").then_some(met);
    }
    let mut name = word(rest)?;
    if take(rest, "WITH") {
        name = format!("{name} WITH {}", word(rest)?);
    }
    Some(licenses.contains(&name))
}

fn word(rest: &mut &[&str]) -> Option<String> {
    let (first, others) = rest.split_first()?;
    if ["(", ")", "AND", "OR", "WITH"].contains(first) {
        return None;
    }
    *rest = others;
    Some((*first).to_string())
}

fn take(rest: &mut &[&str], token: &str) -> bool {
    match rest.split_first() {
        Some((first, others)) if *first == token => {
            *rest = others;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-3-Clause"]
        [bans]
        deny = [{ crate = "openssl", reason = "rustls is used" }]
        [sources]
        allow-registry = ["https://example.test/index"]
    "#;

    fn met(expression: &str) -> Option<bool> {
        allowed(expression, &rules(RULES).unwrap().licenses.allow)
    }

    #[test]
    fn one_allowed_alternative_is_enough_and_every_part_of_a_sum_is_needed() {
        for fine in [
            "MIT",
            "GPL-3.0 OR MIT",
            "Unlicense/MIT",
            "(GPL-3.0 OR MIT) AND BSD-3-Clause",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-3.0 AND ISC OR MIT",
        ] {
            assert_eq!(met(fine), Some(true), "{fine}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "MIT WITH other-exception",
        ] {
            assert_eq!(met(bad), Some(false), "{bad}");
        }
    }

    #[test]
    fn what_is_no_expression_is_not_taken_for_a_licence() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "OR MIT"] {
            assert_eq!(met(text), None, "{text}");
        }
    }

    #[test]
    fn banned_unlicensed_and_foreign_packages_are_found() {
        let metadata = json!({ "packages": [
            { "name": "own", "license": "Apache-2.0", "source": null },
            { "name": "good", "license": "MIT", "source": "registry+https://example.test/index" },
            { "name": "openssl", "license": "MIT", "source": "registry+https://example.test/index" },
            { "name": "bare", "license": null, "source": "registry+https://example.test/index" },
            { "name": "copied", "license": "MIT", "source": "git+https://example.test/copied" },
        ] });
        let problems = check(&metadata, &rules(RULES).unwrap()).unwrap();
        assert_eq!(problems.len(), 3, "{problems:?}");
        for (problem, name) in problems.iter().zip(["openssl", "bare", "copied"]) {
            assert!(problem.starts_with(name), "{problem}");
        }
    }
}
