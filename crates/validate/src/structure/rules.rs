//! The rules by which an edit is said to hide a failure; each refuses one way of doing so.

use super::Finding;
use super::refusal::{ends_in_error, is_error};
use super::statements::{Branch, BranchKind, Scope, Statement, block_of};
use super::work::{self, Work};
use homeostasis_syntax::Node;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeMap;

/// Compares all scopes of a file.
pub(super) fn compare(
    old: &BTreeMap<String, Scope<'_>>,
    new: &BTreeMap<String, Scope<'_>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, old_scope) in old {
        match new.get(name) {
            Some(new_scope) => compare_scope(name, old_scope, new_scope, &mut findings),
            None => findings.push(strong(
                "silencing.removed",
                format!("`{name}` is taken away"),
            )),
        }
    }
    // What is new as a whole can still swallow; nothing in it can be skipped that was there before.
    let empty = Scope::default();
    for (name, scope) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        handlers(name, &empty, scope, &mut findings);
    }
    findings
}

fn compare_scope(name: &str, old: &Scope<'_>, new: &Scope<'_>, findings: &mut Vec<Finding>) {
    for decorator in &old.decorators {
        if !new.decorators.contains(decorator) {
            findings.push(strong(
                "silencing.removed",
                format!("`{name}` loses its decorator {decorator}"),
            ));
        }
    }
    let pairs = Pairs::of(old, new);
    let heads = pairs.heads(old, new);
    handlers(name, old, new, findings);
    suppressed(name, old, new, findings);
    removed(name, old, new, findings);
    for (old_index, new_index) in &pairs.matched {
        let (before, after) = (&old.statements[*old_index], &new.statements[*new_index]);
        made_conditional(name, before, after, &heads, findings);
    }
    for (old_index, new_index) in &pairs.changed {
        condition(name, &old.statements[*old_index], new, *new_index, findings);
        short_circuited(
            name,
            &old.statements[*old_index],
            &new.statements[*new_index],
            findings,
        );
    }
    for index in &pairs.added {
        early_exit(name, new, *index, &pairs, findings);
    }
}

/// Which statements of the old text are which of the new.
#[derive(Debug, Default)]
struct Pairs {
    /// The same, or the same with another expression in it.
    matched: Vec<(usize, usize)>,
    /// Of these, the ones whose text changed.
    changed: Vec<(usize, usize)>,
    /// Only in the new text.
    added: Vec<usize>,
}

impl Pairs {
    fn of(old: &Scope<'_>, new: &Scope<'_>) -> Self {
        let texts = |scope: &Scope<'_>| -> Vec<String> {
            scope
                .statements
                .iter()
                .map(|one| one.text.clone())
                .collect()
        };
        let mut pairs = Self::default();
        for op in capture_diff_slices(Algorithm::Patience, &texts(old), &texts(new)) {
            match op {
                DiffOp::Equal {
                    old_index,
                    new_index,
                    len,
                } => {
                    pairs
                        .matched
                        .extend((0..len).map(|at| (old_index + at, new_index + at)));
                }
                DiffOp::Insert {
                    new_index, new_len, ..
                } => {
                    pairs.added.extend(new_index..new_index + new_len);
                }
                DiffOp::Delete { .. } => {}
                DiffOp::Replace {
                    old_index,
                    old_len,
                    new_index,
                    new_len,
                } => {
                    pairs.replaced(
                        old,
                        new,
                        old_index..old_index + old_len,
                        new_index..new_index + new_len,
                    );
                }
            }
        }
        pairs
    }

    /// Within one replaced stretch, statements of one kind belong together: those that do most of the same first.
    fn replaced(
        &mut self,
        old: &Scope<'_>,
        new: &Scope<'_>,
        old_range: std::ops::Range<usize>,
        new_range: std::ops::Range<usize>,
    ) {
        let mut free: Vec<usize> = new_range.collect();
        for old_index in old_range {
            let before = &old.statements[old_index];
            let best = free
                .iter()
                .enumerate()
                .filter(|(_, index)| new.statements[**index].kind == before.kind)
                .map(|(place, index)| (place, likeness(&before.text, &new.statements[*index].text)))
                .filter(|(_, likeness)| *likeness > 0.3)
                .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            if let Some((place, _)) = best {
                let new_index = free.remove(place);
                self.matched.push((old_index, new_index));
                self.changed.push((old_index, new_index));
            }
        }
        self.added.extend(free);
    }

    /// Where the compound statements of the old text are in the new one.
    fn heads(&self, old: &Scope<'_>, new: &Scope<'_>) -> BTreeMap<usize, usize> {
        let start = |statement: &Statement<'_>| Some(statement.whole.as_ref()?.range().start);
        self.matched
            .iter()
            .filter_map(|(a, b)| Some((start(&old.statements[*a])?, start(&new.statements[*b])?)))
            .collect()
    }

    fn is_old(&self, new_index: usize) -> bool {
        self.matched.iter().any(|(_, index)| *index == new_index)
    }
}

fn likeness(a: &str, b: &str) -> f32 {
    similar::TextDiff::from_chars(a, b).ratio()
}

/// A new or widened handler must throw on or tell the client.
fn handlers(name: &str, old: &Scope<'_>, new: &Scope<'_>, findings: &mut Vec<Finding>) {
    let clauses = |scope: &Scope<'_>| -> Vec<(String, String, bool)> {
        scope
            .statements
            .iter()
            .filter(|one| matches!(one.kind.as_str(), "except_clause" | "except_group_clause"))
            .filter_map(|one| {
                let whole = one.whole.as_ref()?;
                let block = block_of(whole);
                let tells = block.as_ref().is_some_and(ends_in_error);
                Some((one.text.clone(), super::statements::plain(whole), tells))
            })
            .collect()
    };
    let mut known: Vec<String> = clauses(old)
        .into_iter()
        .map(|(_, whole, _)| whole)
        .collect();
    for (head, whole, tells) in clauses(new) {
        if let Some(place) = known.iter().position(|one| *one == whole) {
            known.swap_remove(place);
        } else if !tells {
            findings.push(strong(
                "silencing.swallowed",
                format!(
                    "`{name}` catches with `{}` what was thrown, and neither throws on nor answers with an error",
                    head.trim().trim_end_matches(':')
                ),
            ));
        }
    }
}

fn suppressed(name: &str, old: &Scope<'_>, new: &Scope<'_>, findings: &mut Vec<Finding>) {
    let count = |scope: &Scope<'_>| {
        scope
            .statements
            .iter()
            .filter(|one| one.kind == "with_statement" && one.text.contains("suppress("))
            .map(|one| one.text.clone())
            .collect::<Vec<_>>()
    };
    let known = count(old);
    for text in count(new) {
        if !known.contains(&text) {
            findings.push(strong(
                "silencing.suppressed",
                format!("`{name}` now suppresses exceptions: `{}`", text.trim()),
            ));
        }
    }
}

/// Work that the function did is still in it.
fn removed(name: &str, old: &Scope<'_>, new: &Scope<'_>, findings: &mut Vec<Finding>) {
    let total = |scope: &Scope<'_>| {
        let mut all = Work::new();
        for node in scope.statements.iter().filter_map(|one| one.node.as_ref()) {
            for (work, count) in work::of(node) {
                *all.entry(work).or_default() += count;
            }
        }
        all
    };
    let (before, after) = (total(old), total(new));
    let count_of = |all: &Work, work: &str| all.get(work).copied().unwrap_or(0);
    for (work, count) in &before {
        let mut still = count_of(&after, work);
        // `mapping.pop(key, None)` takes out what `del mapping[key]` deleted.
        if work == "delete" {
            still += count_of(&after, "call pop").saturating_sub(count_of(&before, "call pop"));
        }
        if still < *count {
            findings.push(strong(
                "silencing.removed",
                format!("`{name}` no longer does all it did: a {work} is gone"),
            ));
        }
    }
}

/// A statement that does work stands in the same branches as before.
fn made_conditional(
    name: &str,
    old: &Statement<'_>,
    new: &Statement<'_>,
    heads: &BTreeMap<usize, usize>,
    findings: &mut Vec<Finding>,
) {
    let works = old.node.as_ref().map(work::of).unwrap_or_default();
    if works.is_empty() {
        return;
    }
    let mut added: Vec<&Branch<'_>> = new.branches.iter().collect();
    for branch in &old.branches {
        let became = heads.get(&branch.whole.range().start);
        let place = added
            .iter()
            .position(|one| one.kind == branch.kind && Some(&one.whole.range().start) == became);
        let Some(place) = place else {
            findings.push(strong(
                "silencing.condition",
                format!(
                    "in `{name}`, `{}` no longer stands under its old conditions",
                    short(&old.text)
                ),
            ));
            return;
        };
        added.remove(place);
    }
    let excused = added.iter().all(|branch| {
        matches!(branch.kind, BranchKind::If | BranchKind::Else)
            && others_tell_or_do_the_same(branch, &works)
    });
    if !excused {
        findings.push(Finding {
            code: "silencing.skips_work",
            text: format!(
                "in `{name}`, `{}` was always done and may now be skipped",
                short(&old.text)
            ),
            weak: works.keys().all(|work| work::may_be_reading(work)),
        });
    }
}

/// Work is not put behind an `and`, an `or` or an inline `if`. Where the value of a call is used, a default for it is
/// a remedy, unless the call is clearly there for what it changes.
fn short_circuited(
    name: &str,
    old: &Statement<'_>,
    new: &Statement<'_>,
    findings: &mut Vec<Finding>,
) {
    let (Some(before), Some(after)) = (&old.node, &new.node) else {
        return;
    };
    let (had, total) = (work::conditional(before), work::of(before));
    for (work, count) in work::conditional(after) {
        let newly = count > had.get(&work).copied().unwrap_or(0) && total.contains_key(&work);
        let weak = work::may_be_reading(&work);
        let value_is_used = new.kind != "expression_statement"
            || after
                .named_children()
                .any(|inner| inner.kind() == "assignment");
        if newly && !(weak && value_is_used) {
            findings.push(Finding {
                code: "silencing.skips_work",
                text: format!(
                    "in `{name}`, the {work} in `{}` was always done and may now be skipped",
                    short(&new.text)
                ),
                weak,
            });
        }
    }
}

/// Whenever the work is skipped, the client is told, or the same kind of work is done with other values.
fn others_tell_or_do_the_same(branch: &Branch<'_>, works: &Work) -> bool {
    let whole = &branch.whole;
    let mut blocks: Vec<Node<'_>> = whole.field("consequence").into_iter().collect();
    let alternatives: Vec<Node<'_>> = whole.field_children("alternative").collect();
    let has_else = alternatives
        .iter()
        .any(|clause| clause.kind() == "else_clause");
    for clause in &alternatives {
        blocks.extend(clause.field("consequence").or_else(|| clause.field("body")));
    }
    let others: Vec<Node<'_>> = blocks
        .into_iter()
        .filter(|block| block.range().start != branch.block && !covers(block, branch.block))
        .collect();
    has_else
        && !others.is_empty()
        && others.iter().all(|block| {
            let done = work::of(block);
            ends_in_error(block)
                || works
                    .iter()
                    .all(|(work, count)| done.get(work).copied().unwrap_or(0) >= *count)
        })
}

fn covers(block: &Node<'_>, place: usize) -> bool {
    // An `else` clause begins before its block; its branch is known by the clause's own start.
    block
        .parent()
        .is_some_and(|parent| parent.range().start == place)
}

/// The conditions on which work hangs are as they were, but for defaults inside them.
fn condition(
    name: &str,
    old: &Statement<'_>,
    new_scope: &Scope<'_>,
    new_index: usize,
    findings: &mut Vec<Finding>,
) {
    let new = &new_scope.statements[new_index];
    let is_condition = matches!(
        old.kind.as_str(),
        "if_statement" | "elif_clause" | "while_statement"
    );
    let (true, Some(before), Some(after)) = (is_condition, &old.node, &new.node) else {
        return;
    };
    let (before, after) = (Facts::of(before), Facts::of(after));
    let lost = |old: &BTreeMap<String, usize>, new: &BTreeMap<String, usize>| {
        old.iter()
            .find(|(what, count)| new.get(*what).copied().unwrap_or(0) < **count)
            .map(|(what, _)| what.clone())
    };
    if let Some(what) = lost(&before.constants, &after.constants) {
        findings.push(strong(
            "silencing.condition",
            format!(
                "in `{name}`, the condition `{}` no longer has the constant {what}",
                short(&old.text)
            ),
        ));
    }
    if before.operators != after.operators {
        let guarded = new
            .whole
            .as_ref()
            .and_then(|whole| whole.field("consequence"));
        let harmless = guarded.as_ref().is_some_and(|block| {
            // A check that refuses more than before is a stricter check; a block without work can be skipped.
            (ends_in_error(block) && only_more_or(&before, &after))
                || work::of(block).is_empty() && !leaves(block)
        });
        if !harmless {
            findings.push(strong(
                "silencing.condition",
                format!(
                    "in `{name}`, work hangs on the condition `{}`, which became `{}`",
                    short(&old.text),
                    short(&new.text)
                ),
            ));
        }
    }
}

fn leaves(block: &Node<'_>) -> bool {
    block.dfs().any(|node| {
        matches!(
            node.kind().as_ref(),
            "return_statement" | "continue_statement" | "break_statement"
        )
    })
}

fn only_more_or(before: &Facts, after: &Facts) -> bool {
    after.operators.iter().all(|(operator, count)| {
        let had = before.operators.get(operator).copied().unwrap_or(0);
        operator == "or" || *count <= had || operator == "not" || operator == "is"
    }) && before
        .operators
        .iter()
        .all(|(operator, count)| after.operators.get(operator).copied().unwrap_or(0) >= *count)
}

/// What a condition is made of.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    constants: BTreeMap<String, usize>,
    operators: BTreeMap<String, usize>,
}

impl Facts {
    fn of(condition: &Node<'_>) -> Self {
        let mut facts = Self::default();
        for node in condition.dfs() {
            match node.kind().as_ref() {
                "integer" | "float" | "string" | "true" | "false" | "none" => {
                    *facts.constants.entry(node.text().into_owned()).or_default() += 1;
                }
                "and" | "or" | "not" | "<" | ">" | "<=" | ">=" | "==" | "!=" | "in" | "not in" | "is"
                | "is not"
                    // `x or default` inside an operand gives a default; only what joins conditions counts.
                    if !is_default(&node) => {
                        *facts.operators.entry(node.kind().into_owned()).or_default() += 1;
                    }
                _ => {}
            }
        }
        facts
    }
}

/// The operator of a boolean expression that stands below a comparison, a call or an arithmetic expression.
fn is_default(operator: &Node<'_>) -> bool {
    let joins = [
        "boolean_operator",
        "not_operator",
        "parenthesized_expression",
    ];
    let mut above = operator
        .ancestors()
        .skip_while(|node| joins.contains(&node.kind().as_ref()));
    let Some(next) = above.next() else {
        return false;
    };
    let is_boolean = operator
        .parent()
        .is_some_and(|parent| parent.kind() == "boolean_operator");
    is_boolean
        && matches!(
            next.kind().as_ref(),
            "comparison_operator"
                | "argument_list"
                | "binary_operator"
                | "attribute"
                | "subscript"
                | "call"
                | "conditional_expression"
        )
}

/// A new way out must not lead past work that was always done, unless it tells the client.
fn early_exit(
    name: &str,
    new: &Scope<'_>,
    index: usize,
    pairs: &Pairs,
    findings: &mut Vec<Finding>,
) {
    let exit = &new.statements[index];
    let Some(node) = &exit.node else { return };
    let is_exit = matches!(
        exit.kind.as_str(),
        "return_statement" | "continue_statement" | "break_statement"
    );
    if !is_exit || exit.is_head() || is_error(node) {
        return;
    }
    let own_loop = exit.innermost_loop();
    let mut skipped = Work::new();
    let mut example = None;
    for (at, later) in new.statements.iter().enumerate().skip(index + 1) {
        // `return` leaves the function, and with it all later turns of the loops it stands in.
        let within = exit.kind == "return_statement"
            || later.branches.iter().any(|branch| {
                branch.kind == BranchKind::Loop && Some(branch.whole.range().start) == own_loop
            });
        if !within || !pairs.is_old(at) || excluded_by(exit, later) {
            continue;
        }
        let done = later.node.as_ref().map(work::of).unwrap_or_default();
        if !done.is_empty() && example.is_none() {
            example = Some(short(&later.text));
        }
        for (work, count) in done {
            *skipped.entry(work).or_default() += count;
        }
    }
    // Earlier statements of a loop are skipped in its later turns.
    if own_loop.is_some() && exit.kind != "continue_statement" {
        for earlier in new.statements.iter().take(index) {
            let same_loop = earlier.innermost_loop() == own_loop;
            let done = earlier.node.as_ref().map(work::of).unwrap_or_default();
            if same_loop && !done.is_empty() {
                example.get_or_insert_with(|| short(&earlier.text));
                for (work, count) in done {
                    *skipped.entry(work).or_default() += count;
                }
            }
        }
    }
    if let Some(example) = example {
        findings.push(Finding {
            code: "silencing.skips_work",
            text: format!(
                "in `{name}`, a new `{}` leads past `{example}`, which was always done",
                short(&exit.text)
            ),
            weak: skipped.keys().all(|work| work::may_be_reading(work)),
        });
    }
}

/// True when the two stand in different branches of one statement, so that one never ran with the other.
fn excluded_by(exit: &Statement<'_>, later: &Statement<'_>) -> bool {
    exit.branches.iter().any(|one| {
        later.branches.iter().any(|other| {
            one.whole.range().start == other.whole.range().start
                && one.block != other.block
                && one.kind != BranchKind::Loop
        })
    })
}

fn strong(code: &'static str, text: String) -> Finding {
    Finding {
        code,
        text,
        weak: false,
    }
}

fn short(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= 80 {
        return text.to_string();
    }
    let start: String = text.chars().take(77).collect();
    format!("{start}...")
}
