//! Which crate may depend on which: a star around `heal`, not a web. The table is the rule, the rest compares.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a crate is in the star.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The nouns; knows nobody.
    Domain,
    /// Knows the domain at most, and other tools where the table says so.
    Tool,
    /// One step of the way of a failure; knows the domain and tools, never another stage.
    Stage,
    /// Knows all stages.
    Orchestrator,
    /// Shows and takes commands.
    Surface,
    /// Puts all together, or stands beside.
    Top,
}

/// One crate of the workspace and what it may use in the product.
struct Member {
    name: &'static str,
    role: Role,
    may_use: &'static [(&'static str, &'static str)],
    /// What its tests may use besides.
    tests_may_use: &'static [(&'static str, &'static str)],
}

const DOMAIN: (&str, &str) = ("homeostasis-domain", "speaks in the eight nouns");
const PROTOCOL: (&str, &str) = ("homeostasis-protocol", "reads or writes what agents say");
const STORE: (&str, &str) = ("homeostasis-store", "keeps or reads what must survive");
const SYNTAX: (&str, &str) = ("homeostasis-syntax", "reads or edits source text");
const RULEPACK: (&str, &str) = ("homeostasis-rulepack", "uses or shows rules");
const SANDBOX: (&str, &str) = ("homeostasis-sandbox", "runs what is not trusted");
const POLICY: (&str, &str) = (
    "homeostasis-policy",
    "asks for or shows decisions and the audit chain",
);
const HEAL: (&str, &str) = ("homeostasis-heal", "starts or commands the orchestrator");

/// Every crate of the workspace. A crate that is not here is an error, so that its place is thought about.
const MEMBERS: &[Member] = &[
    Member {
        name: "homeostasis-domain",
        role: Role::Domain,
        may_use: &[],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-protocol",
        role: Role::Tool,
        may_use: &[DOMAIN],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-store",
        role: Role::Tool,
        may_use: &[DOMAIN],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-syntax",
        role: Role::Tool,
        may_use: &[],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-rulepack",
        role: Role::Tool,
        may_use: &[DOMAIN, SYNTAX],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-sandbox",
        role: Role::Tool,
        may_use: &[],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-ingest",
        role: Role::Stage,
        may_use: &[DOMAIN, PROTOCOL],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-diagnose",
        role: Role::Stage,
        may_use: &[DOMAIN, SYNTAX],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-repair",
        role: Role::Stage,
        may_use: &[DOMAIN, SYNTAX, RULEPACK],
        tests_may_use: &[(
            "homeostasis-diagnose",
            "its rules are tested on real diagnoses, not on made-up ones",
        )],
    },
    Member {
        name: "homeostasis-validate",
        role: Role::Stage,
        may_use: &[DOMAIN, PROTOCOL, SYNTAX, SANDBOX],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-policy",
        role: Role::Stage,
        may_use: &[DOMAIN, STORE],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-rollout",
        role: Role::Stage,
        may_use: &[DOMAIN, PROTOCOL],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-heal",
        role: Role::Orchestrator,
        may_use: &[
            DOMAIN,
            PROTOCOL,
            STORE,
            SYNTAX,
            RULEPACK,
            SANDBOX,
            POLICY,
            ("homeostasis-ingest", "performs the step"),
            ("homeostasis-diagnose", "performs the step"),
            ("homeostasis-repair", "performs the step"),
            ("homeostasis-validate", "performs the step"),
            ("homeostasis-rollout", "performs the step"),
        ],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis-api",
        role: Role::Surface,
        may_use: &[DOMAIN, STORE, RULEPACK, POLICY, HEAL],
        tests_may_use: &[],
    },
    Member {
        name: "homeostasis",
        role: Role::Top,
        may_use: &[
            DOMAIN,
            PROTOCOL,
            STORE,
            SYNTAX,
            RULEPACK,
            SANDBOX,
            POLICY,
            HEAL,
            ("homeostasis-api", "serves it"),
            ("homeostasis-ingest", "opens the agents' socket"),
            ("homeostasis-repair", "checks rules against their own cases"),
        ],
        tests_may_use: &[],
    },
    Member {
        name: "xtask",
        role: Role::Top,
        may_use: &[],
        tests_may_use: &[],
    },
];

/// The edges of `cargo metadata` that the table does not allow, as sentences.
pub(crate) fn check(metadata: &Value) -> Result<Vec<String>> {
    Ok(compare(&workspace(metadata)?))
}

/// Each crate with the crates of the workspace that it uses, and whether only its tests do.
type Workspace = BTreeMap<String, Vec<(String, bool)>>;

fn workspace(metadata: &Value) -> Result<Workspace> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut found = Workspace::new();
    // What comes from a registry is no member.
    for package in packages
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let name = package["name"].as_str().context("a package has no name")?;
        let dependencies = package["dependencies"]
            .as_array()
            .context("a package has no list of dependencies")?;
        // Only dependencies inside the workspace have a path.
        let inside = dependencies
            .iter()
            .filter(|dependency| dependency["path"].is_string());
        let edges = inside.map(|dependency| {
            let to = dependency["name"]
                .as_str()
                .context("a dependency has no name")?;
            Ok((to.to_string(), dependency["kind"] == "dev"))
        });
        found.insert(name.to_string(), edges.collect::<Result<_>>()?);
    }
    Ok(found)
}

fn compare(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for (from, edges) in workspace {
        let Some(member) = MEMBERS.iter().find(|member| member.name == from) else {
            problems.push(format!(
                "{from} is not in the table of crates; give it a role and its edges in xtask/src/edges.rs"
            ));
            continue;
        };
        for (to, only_tests) in edges {
            let allowed = |table: &[(&str, &str)]| table.iter().any(|(name, _)| name == to);
            if allowed(member.may_use) || (*only_tests && allowed(member.tests_may_use)) {
                continue;
            }
            let user = if *only_tests { "the tests of " } else { "" };
            problems.push(format!(
                "{user}{from} ({:?}) must not depend on {to}; hand the value in from outside, or say in xtask/src/edges.rs why it may",
                member.role
            ));
        }
    }
    for member in MEMBERS
        .iter()
        .filter(|member| !workspace.contains_key(member.name))
    {
        problems.push(format!("{} is in the table of crates and not in the workspace; remove it from xtask/src/edges.rs", member.name));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn role(name: &str) -> Role {
        MEMBERS
            .iter()
            .find(|member| member.name == name)
            .unwrap()
            .role
    }

    /// The workspace as the table has it, with nothing wrong.
    fn clean() -> Workspace {
        let edges = |member: &Member| {
            let product = member
                .may_use
                .iter()
                .map(|(name, _)| (name.to_string(), false));
            product
                .chain(
                    member
                        .tests_may_use
                        .iter()
                        .map(|(name, _)| (name.to_string(), true)),
                )
                .collect()
        };
        MEMBERS
            .iter()
            .map(|member| (member.name.to_string(), edges(member)))
            .collect()
    }

    #[test]
    fn the_table_itself_is_a_star() {
        for member in MEMBERS {
            for (to, reason) in member.may_use.iter().chain(member.tests_may_use) {
                assert!(!reason.is_empty(), "{} -> {to} has no reason", member.name);
                assert!(
                    MEMBERS.iter().any(|other| other.name == *to),
                    "{to} is not in the table"
                );
            }
            for (to, _) in member.may_use {
                let allowed: &[Role] = match member.role {
                    Role::Domain => &[],
                    Role::Tool | Role::Stage => &[Role::Domain, Role::Tool],
                    Role::Orchestrator => &[Role::Domain, Role::Tool, Role::Stage],
                    Role::Surface => &[Role::Domain, Role::Tool, Role::Stage, Role::Orchestrator],
                    Role::Top => continue,
                };
                assert!(
                    allowed.contains(&role(to)),
                    "{} ({:?}) -> {to} ({:?})",
                    member.name,
                    member.role,
                    role(to)
                );
            }
        }
    }

    #[test]
    fn a_workspace_as_the_table_has_it_is_fine() {
        assert_eq!(compare(&clean()), Vec::<String>::new());
    }

    #[test]
    fn a_stage_that_uses_another_stage_is_found() {
        let mut workspace = clean();
        workspace
            .get_mut("homeostasis-repair")
            .unwrap()
            .push(("homeostasis-validate".to_string(), false));
        let problems = compare(&workspace);
        assert!(
            matches!(&problems[..], [one] if one.contains("homeostasis-repair") && one.contains("homeostasis-validate")),
            "{problems:?}"
        );
    }

    #[test]
    fn what_tests_may_use_the_product_may_not() {
        let mut workspace = clean();
        workspace
            .get_mut("homeostasis-repair")
            .unwrap()
            .push(("homeostasis-diagnose".to_string(), false));
        assert_eq!(compare(&workspace).len(), 1);
    }

    #[test]
    fn the_domain_uses_nobody_and_a_new_crate_has_to_be_placed() {
        let mut workspace = clean();
        workspace
            .get_mut("homeostasis-domain")
            .unwrap()
            .push(("homeostasis-store".to_string(), false));
        workspace.insert("homeostasis-new".to_string(), Vec::new());
        workspace.remove("xtask");
        assert_eq!(compare(&workspace).len(), 3);
    }

    #[test]
    fn only_dependencies_inside_the_workspace_are_edges() {
        let metadata = json!({ "packages": [{ "name": "homeostasis-store", "dependencies": [
            { "name": "serde", "kind": null },
            { "name": "homeostasis-domain", "kind": null, "path": "crates/domain" },
            { "name": "homeostasis-policy", "kind": "dev", "path": "crates/policy" },
        ] }] });
        let found = workspace(&metadata).unwrap();
        let expected = vec![
            ("homeostasis-domain".to_string(), false),
            ("homeostasis-policy".to_string(), true),
        ];
        assert_eq!(found["homeostasis-store"], expected);
        assert!(workspace(&json!({})).is_err());
    }
}
