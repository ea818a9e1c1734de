//! Checks rules against their own cases: a rule must match and win where it says so, and must be silent where it says so.

use crate::propose::{Input, Proposal, propose};
use homeostasis_domain::capsule::{Body, CapsuleKind, Exception, Frame, Process, Request, Runtime};
use homeostasis_domain::diagnosis::Cause;
use homeostasis_domain::{
    CandidateOrigin, Capsule, Diagnosis, FaultCode, Hypothesis, Location, Operand, Origin,
};
use homeostasis_rulepack::case::{
    Case, CaseReport, CaseResult, Expectation, origin_named, value_from,
};
use homeostasis_rulepack::{Pack, Rule};
use homeostasis_syntax::{Node, Source, place, scope};
use std::collections::BTreeMap;

/// The path that cases pretend their code to be at.
const PATH: &str = "/program/case.py";

/// Checks the cases of every rule of the pack, or of the one named.
pub fn check_cases(pack: &Pack, only: Option<&str>) -> CaseReport {
    let mut report = CaseReport::default();
    for rule in pack
        .rules()
        .filter(|rule| only.is_none_or(|id| rule.id == id))
    {
        for case in &rule.cases {
            report.results.push(check_case(pack, rule, case));
        }
        let healed = rule
            .cases
            .iter()
            .any(|case| matches!(case.expectation, Expectation::Healed { .. }));
        let silent = rule
            .cases
            .iter()
            .any(|case| !matches!(case.expectation, Expectation::Healed { .. }));
        // Plain YAML rules carry no cases; a Markdown rule is its own test.
        if rule.file.ends_with(".md") && !(healed && silent) {
            report.incomplete.push(format!(
                "{}: needs at least one case that is healed and one that stays untouched",
                rule.id
            ));
        }
    }
    report
}

/// Checks one case of a rule.
pub fn check_case(pack: &Pack, rule: &Rule, case: &Case) -> CaseResult {
    let mut problems = Vec::new();
    match diagnosis_of_case(rule, case) {
        Ok((diagnosis, capsule)) => {
            let sources = BTreeMap::from([(PATH.to_string(), case.sick.clone())]);
            let proposal = propose(&Input {
                diagnosis: &diagnosis,
                capsule: &capsule,
                sources: &sources,
                pack,
            });
            judge(rule, case, &proposal, &mut problems);
        }
        Err(problem) => problems.push(problem),
    }
    CaseResult {
        rule: rule.id.clone(),
        case: case.name.clone(),
        file: rule.file.clone(),
        line: case.line,
        passed: problems.is_empty(),
        problems,
    }
}

fn judge(rule: &Rule, case: &Case, proposal: &Proposal, problems: &mut Vec<String>) {
    let by = |origin: &CandidateOrigin| match origin {
        CandidateOrigin::Rule { rule, fix } => format!("{rule} ({fix})"),
        CandidateOrigin::Person { name } => name.clone(),
    };
    let own = |origin: &CandidateOrigin| matches!(origin, CandidateOrigin::Rule { rule: id, .. } if *id == rule.id);
    match &case.expectation {
        Expectation::Healed { text } => {
            let Some(best) = proposal.candidates.first() else {
                problems.push(format!(
                    "nothing is proposed; declined: {}",
                    proposal.declined.join("; ")
                ));
                return;
            };
            if !own(&best.origin) {
                problems.push(format!("{} is ranked above it", by(&best.origin)));
            } else if best.edits.first().map(|edit| edit.new_text.as_str()) != Some(text.as_str()) {
                problems.push(format!(
                    "{} proposes another edit:\n{}",
                    by(&best.origin),
                    best.diff
                ));
            }
        }
        Expectation::Untouched => {
            for candidate in proposal
                .candidates
                .iter()
                .filter(|candidate| own(&candidate.origin))
            {
                problems.push(format!(
                    "{} proposes:\n{}",
                    by(&candidate.origin),
                    candidate.diff
                ));
            }
        }
        Expectation::Abstain => {
            for candidate in &proposal.candidates {
                problems.push(format!(
                    "{} proposes:\n{}",
                    by(&candidate.origin),
                    candidate.diff
                ));
            }
        }
    }
}

/// The diagnosis and the capsule that a case tells of, without running it.
pub fn diagnosis_of_case(rule: &Rule, case: &Case) -> Result<(Diagnosis, Capsule), String> {
    let source = Source::python(&case.sick).map_err(|error| error.to_string())?;
    if source.damage() > 0 {
        return Err("the sick code does not parse".to_string());
    }
    let failing = find(&source, &case.raised.at, case.raised.occurrence)?;
    let range = failing.range();
    let (line, column) = source.lines().position(range.start);
    let (end_line, end_column) = source.lines().position(range.end);
    let function = place::function(&failing);
    let qualified = function
        .as_ref()
        .map_or("<module>".to_string(), place::qualified_name);
    let operands = operands(case, &failing);
    let location = Location {
        file: PATH.to_string(),
        module: "case".to_string(),
        function: qualified.clone(),
        line,
        column,
        end_line,
        end_column,
        start_byte: range.start,
        end_byte: range.end,
        text: failing.text().into_owned(),
    };
    let class = case.raised.class.as_deref().unwrap_or(rule.class.as_str());
    let diagnosis = Diagnosis {
        hypotheses: vec![Hypothesis {
            engine: "case".to_string(),
            class: FaultCode::new(class),
            cause: Cause::Code,
            summary: case.name.clone(),
            error: case.raised.error.clone(),
            location: Some(location),
            operands,
            confidence: 1.0,
            evidence: Vec::new(),
        }],
        report: Vec::new(),
    };
    Ok((
        diagnosis,
        capsule(case, &source, function.as_ref(), qualified, line, end_line),
    ))
}

fn find<'t>(source: &'t Source, text: &str, occurrence: usize) -> Result<Node<'t>, String> {
    let text = text.trim_end();
    let mut at = source
        .text()
        .match_indices(text)
        .filter_map(|(start, _)| source.exactly(start..start + text.len()));
    at.nth(occurrence.saturating_sub(1)).ok_or_else(|| {
        format!("`{text}` is not an expression of the sick code ({occurrence} times)")
    })
}

fn operands(case: &Case, failing: &Node<'_>) -> Vec<Operand> {
    let mut found = Vec::new();
    for node in failing.dfs().filter(|node| node.is_named()) {
        let text = node.text();
        let value = case.raised.values.get(text.as_ref()).map(value_from);
        let origin = case.raised.origins.get(text.as_ref());
        if value.is_none() && origin.is_none() {
            continue;
        }
        found.push(Operand {
            role: role(&node),
            text: text.into_owned(),
            start_byte: node.range().start,
            end_byte: node.range().end,
            value,
            origin: origin
                .and_then(|name| origin_named(name))
                .unwrap_or(Origin::Unknown),
        });
    }
    found
}

fn role(node: &Node<'_>) -> String {
    let Some(parent) = node.parent() else {
        return "name".to_string();
    };
    let roles = [
        ("subscript", "value", "object"),
        ("subscript", "subscript", "key"),
        ("attribute", "object", "object"),
        ("attribute", "attribute", "attribute"),
        ("call", "function", "callee"),
        ("binary_operator", "left", "left"),
        ("binary_operator", "right", "right"),
    ];
    for (kind, field, role) in roles {
        if parent.kind() == kind
            && parent
                .field(field)
                .is_some_and(|part| part.range() == node.range())
        {
            return role.to_string();
        }
    }
    if parent.kind() == "argument_list" {
        "argument"
    } else {
        "name"
    }
    .to_string()
}

fn capsule(
    case: &Case,
    source: &Source,
    function: Option<&Node<'_>>,
    qualified: String,
    line: u32,
    end_line: u32,
) -> Capsule {
    let raised = &case.raised;
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let local = function.map(scope::local_names).unwrap_or_default();
    let mut locals = BTreeMap::new();
    let mut globals = BTreeMap::new();
    for (text, value) in raised.values.iter().filter(|(text, _)| is_name(text)) {
        let into = if local.contains(text) || function.is_none() {
            &mut locals
        } else {
            &mut globals
        };
        into.insert(text.clone(), value_from(value));
    }
    let (module, type_name) = match raised.error.rsplit_once('.') {
        Some((module, name)) => (module.to_string(), name.to_string()),
        None => ("builtins".to_string(), raised.error.clone()),
    };
    let (first_line, _) = function.map_or((1, 0), |f| source.lines().position(f.range().start));
    let arguments = function
        .map(|f| scope::parameters(f).into_iter().map(|p| p.name).collect())
        .unwrap_or_default();
    let frame = Frame {
        file: PATH.to_string(),
        module: "case".to_string(),
        function: qualified,
        line,
        end_line: Some(end_line),
        column: None,
        end_column: None,
        first_line,
        in_app: true,
        source_sha256: None,
        text: String::new(),
        arguments,
        locals,
        globals,
    };
    Capsule {
        schema: 1,
        kind: if raised.request.is_some() {
            CapsuleKind::Request
        } else {
            CapsuleKind::Process
        },
        hook: "case".to_string(),
        process: Process {
            pid: 1,
            argv: Vec::new(),
            cwd: "/program".to_string(),
            executable: String::new(),
            runtime: Runtime::default(),
            thread: "MainThread".to_string(),
            task: None,
            role: "script".to_string(),
            frameworks: raised
                .frameworks
                .iter()
                .map(|name| (name.clone(), "1".to_string()))
                .collect(),
        },
        exceptions: vec![Exception {
            type_name,
            module,
            message: raised.message.clone(),
            relation: None,
            attributes: BTreeMap::new(),
            notes: Vec::new(),
            frames: vec![frame],
        }],
        request: raised.request.as_deref().map(|line| request(case, line)),
        call: None,
        answers: Vec::new(),
        redacted: Vec::new(),
        missing: Vec::new(),
    }
}

fn request(case: &Case, line: &str) -> Request {
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let wsgi = case
        .raised
        .frameworks
        .iter()
        .any(|name| name == "flask" || name == "django");
    Request {
        protocol: if wsgi { "wsgi" } else { "asgi" }.to_string(),
        method: method.to_string(),
        scheme: "http".to_string(),
        path: path.to_string(),
        root_path: String::new(),
        query: query.to_string(),
        route: format!("{method} {path}"),
        http_version: "1.1".to_string(),
        headers: Vec::new(),
        client: None,
        server: None,
        body: Body::default(),
        credentials: Vec::new(),
        answers: Vec::new(),
        time: None,
    }
}
