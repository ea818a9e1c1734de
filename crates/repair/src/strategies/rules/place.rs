//! Where a statement may stand so that it runs before the failing expression, on just those paths on which that
//! expression is evaluated. Where there is no such place, it says why.

use super::purity;
use homeostasis_syntax::{Node, Source, place, scope, style};

/// A place for statements before the failing expression.
pub(crate) struct Placement<'t> {
    /// They go before this statement.
    pub(crate) statement: Node<'t>,
    /// Expressions that must be true for the failing one to be evaluated (`a and failing`), outermost first.
    pub(crate) paths: Vec<String>,
    /// `for` and `if` clauses of comprehensions around the failing expression, outermost first.
    pub(crate) clauses: Vec<String>,
}

/// Finds the place for a check of the failing expression that uses what `inner` uses.
pub(crate) fn before<'t>(failing: &Node<'t>) -> Result<Placement<'t>, String> {
    let mut paths = Vec::new();
    let mut clauses: Vec<String> = Vec::new();
    let mut child = failing.clone();
    let mut parent = child.parent();
    while let Some(outer) = parent {
        if place::is_statement(&child) {
            break;
        }
        step(&outer, &child, &mut paths, &mut clauses)?;
        parent = outer.parent();
        child = outer;
    }
    let statement =
        place::statement(failing).ok_or("the failing expression is not part of a statement")?;
    if !clauses.is_empty() && !paths.is_empty() {
        return Err("conditions and comprehensions are mixed around the failing expression".into());
    }
    names_are_bound_before(failing, &statement, &clauses)?;
    paths.reverse();
    clauses.reverse();
    Ok(Placement {
        statement,
        paths,
        clauses,
    })
}

/// One step outward from `child` to `outer`: what must hold for `child` to be evaluated.
fn step(
    outer: &Node<'_>,
    child: &Node<'_>,
    paths: &mut Vec<String>,
    clauses: &mut Vec<String>,
) -> Result<(), String> {
    let is_field = |name: &str| {
        outer
            .field(name)
            .is_some_and(|field| field.range() == child.range())
    };
    match outer.kind().as_ref() {
        "boolean_operator" if is_field("right") => {
            let left = outer.field("left").ok_or("a broken expression")?;
            let or = outer
                .field("operator")
                .is_some_and(|operator| operator.text() == "or");
            paths.push(condition(&left, or)?);
        }
        "conditional_expression" => {
            let parts: Vec<Node<'_>> = named(outer);
            let [body, test, otherwise] = parts.as_slice() else {
                return Err("a broken expression".into());
            };
            if body.range() == child.range() {
                paths.push(condition(test, false)?);
            } else if otherwise.range() == child.range() {
                paths.push(condition(test, true)?);
            }
        }
        "comparison_operator" if named(outer).len() > 2 => {
            return Err("the failing expression is part of a chained comparison".into());
        }
        "lambda" => return Err("a statement cannot be put inside a lambda".into()),
        "list_comprehension"
        | "set_comprehension"
        | "dictionary_comprehension"
        | "generator_expression" => comprehension(outer, child, clauses)?,
        "default_parameter" | "typed_default_parameter" | "parameters" => {
            return Err("a statement cannot be put inside a default value".into());
        }
        "decorator" => return Err("a statement cannot be put inside a decorator".into()),
        "while_statement" if is_field("condition") => {
            return Err("a check before a `while` would only see its first round".into());
        }
        "case_clause" | "except_clause" | "except_group_clause" => {
            return Err("a check cannot be put before a case or except clause".into());
        }
        "elif_clause" if is_field("condition") => {
            let Some(statement) = outer.parent() else {
                return Err("a broken statement".into());
            };
            let mut tests = vec![statement.field("condition").ok_or("a broken statement")?];
            for earlier in statement.children().filter(|c| c.kind() == "elif_clause") {
                if earlier.range().start >= outer.range().start {
                    break;
                }
                tests.push(earlier.field("condition").ok_or("a broken statement")?);
            }
            for test in tests.iter().rev() {
                paths.push(condition(test, true)?);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The expression as a condition of its own, negated where the failing one is evaluated only if it is false.
fn condition(test: &Node<'_>, negated: bool) -> Result<String, String> {
    if !purity::is_repeatable(test) {
        return Err(format!(
            "`{}` cannot be evaluated a second time",
            test.text()
        ));
    }
    Ok(if negated {
        format!("not ({})", test.text())
    } else if matches!(
        test.kind().as_ref(),
        "boolean_operator" | "conditional_expression" | "lambda"
    ) {
        format!("({})", test.text())
    } else {
        test.text().into_owned()
    })
}

fn comprehension(
    outer: &Node<'_>,
    child: &Node<'_>,
    clauses: &mut Vec<String>,
) -> Result<(), String> {
    let all: Vec<Node<'_>> = named(outer)
        .into_iter()
        .filter(|part| matches!(part.kind().as_ref(), "for_in_clause" | "if_clause"))
        .collect();
    // The first iterable is evaluated where the comprehension stands, before any of its rounds.
    if all
        .first()
        .is_some_and(|first| first.range() == child.range())
    {
        return Ok(());
    }
    if let Some(call) = outer
        .parent()
        .filter(|_| outer.kind() == "generator_expression")
    {
        let call = if call.kind() == "argument_list" {
            call.parent().unwrap_or(call)
        } else {
            call
        };
        let callee = call.field("function").map(|f| f.text().into_owned());
        let whole = [
            "sum",
            "list",
            "tuple",
            "set",
            "dict",
            "sorted",
            "min",
            "max",
            "frozenset",
        ];
        let joined = callee
            .as_deref()
            .is_some_and(|callee| callee.ends_with(".join"));
        if !joined
            && !callee
                .as_deref()
                .is_some_and(|callee| whole.contains(&callee))
        {
            return Err(
                "a generator may not be run to its end, so a check of all its rounds is too much"
                    .into(),
            );
        }
    }
    let needed: Vec<&Node<'_>> = all
        .iter()
        .take_while(|clause| clause.range() != child.range())
        .collect();
    for clause in needed.iter().rev() {
        if clause.children().any(|part| part.kind() == "async") {
            return Err("an asynchronous comprehension cannot be checked beforehand".into());
        }
        if !purity::is_repeatable(clause) {
            return Err(format!("`{}` cannot be run a second time", clause.text()));
        }
        clauses.push(clause.text().into_owned());
    }
    Ok(())
}

/// Refuses when a name of the failing expression is bound by the statement itself, before the failure.
fn names_are_bound_before(
    failing: &Node<'_>,
    statement: &Node<'_>,
    clauses: &[String],
) -> Result<(), String> {
    let used: Vec<String> = scope::names_in(failing)
        .iter()
        .map(|name| name.text().into_owned())
        .collect();
    for node in statement.dfs() {
        if node.range().start >= failing.range().start {
            continue;
        }
        let bound = match node.kind().as_ref() {
            "named_expression" => node.field("name"),
            "as_pattern_target" => Some(node.clone()),
            _ => None,
        };
        if let Some(bound) = bound
            && used.iter().any(|name| *name == bound.text())
        {
            return Err(format!(
                "`{}` is only bound inside the same statement",
                bound.text()
            ));
        }
    }
    let deferred = place::deferred(failing);
    if clauses.is_empty()
        && let Some(outer) = deferred
        && outer.kind() == "lambda"
    {
        return Err("a statement cannot be put inside a lambda".into());
    }
    Ok(())
}

fn named<'t>(node: &Node<'t>) -> Vec<Node<'t>> {
    node.named_children()
        .filter(|child| child.kind() != "comment")
        .collect()
}

/// The text change that puts `lines` before a statement, opening a one-line block (`if x: y`) where needed.
/// Lines carry four spaces for each level of their own.
pub(crate) fn insertion_before(
    source: &Source,
    statement: &Node<'_>,
    lines: &[String],
) -> Result<homeostasis_syntax::Change, String> {
    use homeostasis_syntax::Change;
    let newline = style::line_end(source.text());
    let unit = style::indent_unit(source);
    let start = statement.range().start;
    if style::begins_its_line(source, statement) {
        let indentation = style::indentation(source, statement);
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                text.push_str(indentation);
            }
            text.push_str(&with_unit(line, &unit));
            text.push_str(newline);
        }
        text.push_str(indentation);
        return Ok(Change::insert(start, text));
    }
    let block = statement.parent().filter(|parent| parent.kind() == "block");
    let Some(block) = block.filter(|block| block.range().start == start) else {
        return Err("the statement shares its line with another one".into());
    };
    if block
        .named_children()
        .filter(|child| child.kind() != "comment")
        .count()
        > 1
    {
        return Err("the statement shares its line with another one".into());
    }
    let owner = place::statement(&block).ok_or("a broken block")?;
    let indentation = format!("{}{unit}", style::indentation(source, &owner));
    let head = source.text()[..start].trim_end_matches([' ', '\t']);
    let mut text = String::new();
    for line in lines {
        text.push_str(newline);
        text.push_str(&indentation);
        text.push_str(&with_unit(line, &unit));
    }
    text.push_str(newline);
    text.push_str(&indentation);
    Ok(Change::replace(head.len()..start, text))
}

/// The change that puts `lines` at the start of a function's body, below its docstring.
pub(crate) fn insertion_at_start(
    source: &Source,
    function: &Node<'_>,
    lines: &[String],
) -> Result<homeostasis_syntax::Change, String> {
    let body = function.field("body").ok_or("a function without a body")?;
    let statements: Vec<Node<'_>> = named(&body);
    let first = statements.first().ok_or("a function without a body")?;
    let docstring = first.kind() == "expression_statement"
        && first
            .named_children()
            .next()
            .is_some_and(|only| only.range() == first.range() && only.kind() == "string");
    let target = if docstring {
        statements
            .get(1)
            .ok_or("a function whose body is its docstring alone")?
    } else {
        first
    };
    insertion_before(source, target, lines)
}

/// Replaces the four spaces of each level at the beginning of a line with the file's own unit.
fn with_unit(line: &str, unit: &str) -> String {
    let rest = line.trim_start_matches(' ');
    let levels = (line.len() - rest.len()) / 4;
    format!("{}{rest}", unit.repeat(levels))
}
