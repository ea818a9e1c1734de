//! Loads a pack: the rules inside the binary, then those of users' folders, which replace by id. A broken rule is an
//! error with its file, line and remedy; the others load all the same.

use crate::case;
use crate::framework::Framework;
use crate::markdown;
use crate::rule::{Condition, Edit, FrontMatter, Rule};
use crate::template;
use homeostasis_domain::FaultCode;
use homeostasis_syntax::Matcher;
use indexmap::IndexMap;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(RustEmbed)]
#[folder = "../../rules"]
struct BuiltIn;

/// The rules that are in force.
#[derive(Debug, Default)]
pub struct Pack {
    rules: IndexMap<String, Rule>,
    frameworks: IndexMap<String, Framework>,
}

impl Pack {
    /// Every rule, built-in ones first, each folder in the order of its paths.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// The frameworks whose refusals are known, the more special first.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values()
    }
}

/// A rule that was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{file}:{line}: {problem}; {remedy}")]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// The 1-based line.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Loads the built-in rules and those of the folders, later ones replacing earlier ones with the same id.
pub fn load(user_folders: &[PathBuf]) -> (Pack, Vec<RuleError>) {
    let mut pack = Pack::default();
    let mut errors = Vec::new();
    let mut built_in: Vec<String> = BuiltIn::iter().map(|path| path.into_owned()).collect();
    built_in.sort();
    for path in built_in {
        let Some(file) = BuiltIn::get(&path) else {
            continue;
        };
        let text = String::from_utf8_lossy(&file.data);
        let name = format!("rules/{path}");
        add(&mut pack, &mut errors, &name, &text, &mut BTreeSet::new());
    }
    for folder in user_folders {
        load_folder(&mut pack, &mut errors, folder);
    }
    (pack, errors)
}

fn load_folder(pack: &mut Pack, errors: &mut Vec<RuleError>, folder: &Path) {
    let mut seen = BTreeSet::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                errors.push(RuleError {
                    file: folder.display().to_string(),
                    line: 1,
                    problem: format!("the folder cannot be read: {error}"),
                    remedy: "create it, or take it out of the configured rule folders".to_string(),
                });
                continue;
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let name = entry.path().display().to_string();
        match std::fs::read_to_string(entry.path()) {
            Ok(text) => add(pack, errors, &name, &text, &mut seen),
            Err(_) if !is_rule_file(&name) => {}
            Err(error) => errors.push(RuleError {
                file: name,
                line: 1,
                problem: format!("the file cannot be read: {error}"),
                remedy: "make it readable, as UTF-8".to_string(),
            }),
        }
    }
}

fn is_rule_file(name: &str) -> bool {
    [".md", ".yaml", ".yml", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Reads one file into the pack; `seen` are the ids that this folder already gave.
fn add(
    pack: &mut Pack,
    errors: &mut Vec<RuleError>,
    file: &str,
    text: &str,
    seen: &mut BTreeSet<String>,
) {
    let base = file.rsplit('/').next().unwrap_or(file);
    if !is_rule_file(base) || base.eq_ignore_ascii_case("readme.md") {
        return;
    }
    if base.starts_with("frameworks.") {
        match serde_yaml_ng::from_str::<Vec<Framework>>(text) {
            Ok(frameworks) => pack
                .frameworks
                .extend(frameworks.into_iter().map(|f| (f.name.clone(), f))),
            Err(error) => errors.push(yaml_error(file, 1, &error)),
        }
        return;
    }
    match read(file, text) {
        Ok(rule) if seen.contains(&rule.id) => errors.push(RuleError {
            file: file.to_string(),
            line: line_of(text, "id:"),
            problem: format!("another rule of this folder has the id `{}` too", rule.id),
            remedy: "give one of them another id".to_string(),
        }),
        Ok(rule) => {
            seen.insert(rule.id.clone());
            pack.rules.insert(rule.id.clone(), rule);
        }
        Err(error) => errors.push(error),
    }
}

/// Reads and checks one rule.
pub fn read(file: &str, text: &str) -> Result<Rule, RuleError> {
    let broken = |line: usize, problem: String, remedy: &str| RuleError {
        file: file.to_string(),
        line,
        problem,
        remedy: remedy.to_string(),
    };
    let (front, first_line, documentation, sections) = if file.ends_with(".md") {
        let parts = markdown::split(text).map_err(|(line, problem)| {
            broken(line, problem, "see docs/rules.md for a whole example")
        })?;
        (
            parts.front_matter,
            parts.front_matter_line,
            parts.documentation.to_string(),
            parts.sections,
        )
    } else {
        (text, 1, String::new(), Vec::new())
    };
    let front: FrontMatter =
        serde_yaml_ng::from_str(front).map_err(|error| yaml_error(file, first_line, &error))?;
    let mut cases = Vec::new();
    for section in &sections {
        cases.push(case::read(section).map_err(|(line, problem)| {
            broken(line, problem, "see docs/rules.md for a whole example")
        })?);
    }
    check(&front)
        .map_err(|(needle, problem, remedy)| broken(line_of(text, &needle), problem, &remedy))?;
    let matchers = matchers(&front).map_err(|(needle, problem)| {
        broken(
            line_of(text, &needle),
            problem,
            "write it as in ast-grep's rule reference",
        )
    })?;
    check_variables(&front, &matchers).map_err(|(needle, problem)| {
        broken(
            line_of(text, &needle),
            problem,
            "capture it in the pattern, or ask a fact that binds it",
        )
    })?;
    Ok(Rule {
        id: front.id,
        title: front.title,
        class: FaultCode::new(front.class),
        languages: front.languages,
        frameworks: front.frameworks,
        errors: front.matching.error,
        matchers,
        conditions: front.matching.conditions,
        fixes: front.fixes,
        documentation: front.documentation.unwrap_or(documentation),
        cases,
        file: file.to_string(),
    })
}

fn check(front: &FrontMatter) -> Result<(), (String, String, String)> {
    let fail = |needle: &str, problem: String, remedy: &str| {
        Err((needle.to_string(), problem, remedy.to_string()))
    };
    if !FaultCode::new(front.class.as_str()).known() {
        return fail(
            "class:",
            format!("`{}` is not a class of the fault taxonomy", front.class),
            "take a code of the taxonomy, such as data.missing_key",
        );
    }
    if front.languages.is_empty() || front.matching.error.is_empty() || front.fixes.is_empty() {
        return fail(
            "id:",
            "a rule needs at least one language, one error and one fix".to_string(),
            "fill in `languages`, `match.error` and `fixes`",
        );
    }
    for language in &front.languages {
        if !homeostasis_syntax::source::LANGUAGES.contains(&language.as_str()) {
            return fail(
                "languages:",
                format!("no parser is built in for `{language}`"),
                "take one that is, such as python",
            );
        }
    }
    let mut ids = BTreeSet::new();
    for fix in &front.fixes {
        if !ids.insert(&fix.id) {
            return fail(
                &format!("id: {}", fix.id),
                format!("two fixes have the id `{}`", fix.id),
                "give one of them another id",
            );
        }
        if !(0.0..=1.0).contains(&fix.score) {
            return fail(
                "score:",
                format!("the score of the fix `{}` is {}", fix.id, fix.score),
                "give a number from 0 to 1",
            );
        }
    }
    for condition in conditions(front) {
        if condition.is_idle() {
            return fail(
                "where:",
                "a condition asks nothing".to_string(),
                "add what must hold, such as `none: true`, or take it out",
            );
        }
    }
    Ok(())
}

fn conditions(front: &FrontMatter) -> Vec<&Condition> {
    let of_fixes = front.fixes.iter().flat_map(|fix| &fix.conditions);
    front
        .matching
        .conditions
        .iter()
        .chain(of_fixes)
        .flat_map(Condition::all)
        .collect()
}

fn matchers(front: &FrontMatter) -> Result<Vec<Matcher>, (String, String)> {
    let mut rules: Vec<(String, serde_json::Value)> = Vec::new();
    for pattern in front
        .matching
        .pattern
        .iter()
        .chain(&front.matching.patterns)
    {
        rules.push((pattern.clone(), serde_json::json!({"pattern": pattern})));
    }
    if let Some(rule) = &front.matching.rule {
        rules.push(("rule:".to_string(), rule.clone()));
    }
    if rules.is_empty() {
        return Err((
            "match:".to_string(),
            "nothing says which expression the rule is about".to_string(),
        ));
    }
    let mut compiled = Vec::new();
    for language in &front.languages {
        for (written, rule) in &rules {
            let mut core = serde_json::json!({"rule": rule});
            if let Some(constraints) = &front.matching.constraints {
                core["constraints"] = constraints.clone();
            }
            let matcher = Matcher::core(language, &core)
                .map_err(|error| (written.clone(), error.to_string()))?;
            compiled.push(matcher);
        }
    }
    Ok(compiled)
}

/// The failing expression itself is always bound under this name.
pub const FAILING: &str = "FAILING";

fn check_variables(front: &FrontMatter, matchers: &[Matcher]) -> Result<(), (String, String)> {
    let mut known: BTreeSet<String> = matchers.iter().flat_map(Matcher::variables).collect();
    known.insert(FAILING.to_string());
    known.extend(
        front
            .matching
            .conditions
            .iter()
            .flat_map(Condition::binds)
            .map(str::to_string),
    );
    for condition in conditions(front) {
        if let Some(of) = &condition.of
            && !known.contains(of)
        {
            return Err((
                format!("of: {of}"),
                format!("a condition speaks of `{of}`, which nothing captures"),
            ));
        }
    }
    for fix in &front.fixes {
        let mut here = known.clone();
        here.extend(
            fix.conditions
                .iter()
                .flat_map(Condition::binds)
                .map(str::to_string),
        );
        let mut templates = fix.edit.templates();
        templates.extend([fix.title.as_str(), fix.rationale.as_str()]);
        templates.extend(fix.imports.iter().map(String::as_str));
        for template in templates {
            for name in template::variables(template) {
                if !here.contains(name) {
                    return Err((
                        format!("${name}"),
                        format!(
                            "the fix `{}` uses `${name}`, which nothing captures",
                            fix.id
                        ),
                    ));
                }
            }
        }
        let named = match &fix.edit {
            Edit::Guard(guard) => guard.after_binding_of.as_ref(),
            Edit::ReplacePart(part) => Some(&part.part),
            _ => None,
        };
        if let Some(named) = named
            && !here.contains(named)
        {
            return Err((
                named.clone(),
                format!("the edit speaks of `{named}`, which nothing captures"),
            ));
        }
    }
    Ok(())
}

fn yaml_error(file: &str, first_line: usize, error: &serde_yaml_ng::Error) -> RuleError {
    let within = error.location().map_or(0, |at| at.line().saturating_sub(1));
    RuleError {
        file: file.to_string(),
        line: first_line + within,
        problem: error.to_string(),
        remedy: "see docs/rules.md for the keys and a whole example".to_string(),
    }
}

/// The first line that holds the text, for pointing at it; 1 when none does.
fn line_of(text: &str, needle: &str) -> usize {
    text.lines()
        .position(|line| line.contains(needle))
        .map_or(1, |at| at + 1)
}
