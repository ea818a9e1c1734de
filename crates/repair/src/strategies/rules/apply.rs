//! Makes a fix's edit: changes of the touched spans only, checked by parsing the result again.

use super::context::{Captured, Context};
use super::imports::{self, Needed};
use super::{place as placing, purity, text};
use homeostasis_rulepack::framework::Refusal;
use homeostasis_rulepack::rule::{Edit, Fix, Guard, Nothing, Part, Reason, Try};
use homeostasis_syntax::{Change, Node, Source, edit, place, scope, style};

/// The new text of the file, or why the edit cannot be made.
pub(crate) fn edited(context: &Context<'_>, fix: &Fix) -> Result<String, String> {
    let mut needed = Vec::new();
    for import in &fix.imports {
        needed.push(Needed::read(&text::fill(context, import)?, &[])?);
    }
    let mut changes = match &fix.edit {
        Edit::Replace(template) => {
            vec![replace(&context.failing, &text::fill(context, template)?)?]
        }
        Edit::ReplacePart(Part { part, with }) => {
            let node = context
                .node(part)
                .ok_or("the part to replace was not captured")?;
            vec![replace(node, &text::fill(context, with)?)?]
        }
        Edit::ReplaceStatement(template) => {
            vec![replace_statement(context, &text::fill(context, template)?)?]
        }
        Edit::Before(template) => {
            let lines = lines_of(&text::fill(context, template)?);
            let placement = placing::before(&context.failing)?;
            if !placement.paths.is_empty() || !placement.clauses.is_empty() {
                return Err(
                    "the failing expression is evaluated on some paths of its statement only"
                        .into(),
                );
            }
            vec![placing::insertion_before(
                context.source,
                &placement.statement,
                &lines,
            )?]
        }
        Edit::FunctionStart(template) => {
            let function = context
                .function()
                .ok_or("the failure is not inside a function")?;
            let lines = lines_of(&text::fill(context, template)?);
            vec![placing::insertion_at_start(
                context.source,
                &function,
                &lines,
            )?]
        }
        Edit::BeforeBinding(template) => {
            let lines = lines_of(&text::fill(context, template)?);
            let statement = first_binding(context)?;
            vec![placing::insertion_before(
                context.source,
                &statement,
                &lines,
            )?]
        }
        Edit::Guard(guard) => {
            let (refusal, import) = refusal(context, guard.refuse, &guard.message)?;
            let (statement, change) = imported(context, refusal, &import)?;
            let mut changes = vec![guarded(context, guard, &statement)?];
            changes.extend(change);
            changes
        }
        Edit::Try(attempt) => {
            let (refusal, import) = refusal(context, attempt.refuse, &attempt.message)?;
            let (statement, change) = imported(context, refusal, &import)?;
            let mut changes = tried(context, attempt, &statement)?;
            changes.extend(change);
            changes
        }
        Edit::AddSelf(Nothing {}) => vec![with_self(context)?],
        Edit::ImportOnly(Nothing {}) if fix.imports.is_empty() => {
            return Err("the fix names no import".into());
        }
        Edit::ImportOnly(Nothing {}) => Vec::new(),
    };
    for import in &needed {
        let added = imports::add(context.source, &context.failing, import)?;
        if added.alias.is_some() {
            return Err(format!(
                "the name of `{}` is taken in this file",
                import.module
            ));
        }
        changes.extend(added.change);
    }
    checked(context.source, &changes)
}

/// Applies the changes; refuses a result that parses worse than before.
fn checked(source: &Source, changes: &[Change]) -> Result<String, String> {
    let new_text = edit::apply(source.text(), changes).map_err(|error| error.to_string())?;
    if new_text == source.text() {
        return Err("the edit would change nothing".into());
    }
    let parsed = Source::python(&new_text).map_err(|error| error.to_string())?;
    if parsed.damage() > source.damage() {
        return Err("the edited file would not parse".into());
    }
    Ok(new_text)
}

/// The statement before which `NAME` must have begun: the first one that mentions it, in the innermost block around
/// the failing expression and all mentions of the name.
fn first_binding<'t>(context: &Context<'t>) -> Result<Node<'t>, String> {
    let name = context.text("NAME").ok_or("the rule captures no NAME")?;
    let function = context
        .function()
        .ok_or("the failure is not inside a function")?;
    let mut places: Vec<Node<'t>> = scope::names_in(&function)
        .into_iter()
        .filter(|mention| mention.text() == name.as_str())
        .collect();
    // What is added up must begin outside the loop that adds to it.
    for binding in scope::bindings_named(&function, &name) {
        if binding.kind == scope::BindingKind::Augmented {
            places.extend(place::enclosing_loop(&binding.target));
        }
    }
    let holds = |block: &Node<'t>| {
        places.iter().all(|place| {
            block.range().start <= place.range().start && place.range().end <= block.range().end
        })
    };
    let block = place::outward(&context.failing)
        .filter(|outer| outer.kind() == "block")
        .find(holds)
        .ok_or("no block holds all places that bind the name")?;
    let first = places.iter().map(|place| place.range().start).min();
    let first = first.ok_or("nothing binds the name")?;
    block
        .named_children()
        .filter(|child| child.kind() != "comment")
        .find(|child| child.range().start <= first && first < child.range().end)
        .ok_or_else(|| "nothing binds the name".to_string())
}

/// Replaces an expression, in parentheses where its surroundings bind tighter.
fn replace(failing: &Node<'_>, replacement: &str) -> Result<Change, String> {
    let mut replacement = replacement.to_string();
    if needs_parentheses(&replacement, failing) {
        replacement = format!("({replacement})");
    }
    if let Some(string) = place::outward(failing)
        .skip(1)
        .take_while(|outer| !place::is_statement(outer))
        .find(|outer| outer.kind() == "string")
    {
        replacement = inside_f_string(&string, failing, &replacement)?;
    }
    Ok(Change::replace(failing.range(), replacement))
}

/// Before Python 3.12 an f-string's expressions may hold neither its own quotes nor a backslash.
fn inside_f_string(
    string: &Node<'_>,
    failing: &Node<'_>,
    replacement: &str,
) -> Result<String, String> {
    let opening = string
        .children()
        .find(|child| child.kind() == "string_start")
        .map(|start| start.text().into_owned())
        .unwrap_or_default();
    let quote = if opening.ends_with('"') { '"' } else { '\'' };
    if replacement.contains(['\\', '\n', '#']) {
        return Err("the replacement does not fit into an f-string".into());
    }
    // What the program had there already is right for its own interpreter.
    if !replacement.contains(quote) || failing.text().contains(quote) {
        return Ok(replacement.to_string());
    }
    requoted(replacement, quote)
        .filter(|requoted| !requoted.contains(quote))
        .ok_or_else(|| "the replacement does not fit into an f-string".to_string())
}

/// The expression with its texts in the other kind of quotes, where they hold none.
fn requoted(expression: &str, quote: char) -> Option<String> {
    let other = if quote == '"' { "'" } else { "\"" };
    let parsed = Source::python(expression).ok()?;
    let mut changes = Vec::new();
    for node in parsed.root().dfs() {
        if !matches!(node.kind().as_ref(), "string_start" | "string_end")
            || !node.text().contains(quote)
        {
            continue;
        }
        let text = node.text().replace(quote, other);
        if text.matches(other).count() > 1 || node.parent()?.text().contains(other) {
            return None;
        }
        changes.push(Change::replace(node.range(), text));
    }
    edit::apply(expression, &changes).ok()
}

fn needs_parentheses(replacement: &str, failing: &Node<'_>) -> bool {
    let loose = Source::python(replacement).ok().is_none_or(|parsed| {
        let whole = parsed.exactly(0..replacement.len());
        whole.is_none_or(|node| {
            matches!(
                node.kind().as_ref(),
                "conditional_expression"
                    | "boolean_operator"
                    | "not_operator"
                    | "comparison_operator"
                    | "binary_operator"
                    | "unary_operator"
                    | "lambda"
                    | "named_expression"
                    | "module"
                    | "await"
            )
        })
    });
    let roomy = failing.parent().is_some_and(|parent| {
        matches!(
            parent.kind().as_ref(),
            "assignment"
                | "augmented_assignment"
                | "return_statement"
                | "argument_list"
                | "keyword_argument"
                | "pair"
                | "list"
                | "tuple"
                | "expression_list"
                | "parenthesized_expression"
                | "expression_statement"
                | "interpolation"
                | "yield"
        )
    });
    loose && !roomy
}

fn replace_statement(context: &Context<'_>, replacement: &str) -> Result<Change, String> {
    let statement = place::statement(&context.failing)
        .ok_or("the failing expression is not part of a statement")?;
    if !place::is_simple_statement(&statement) {
        return Err("only a simple statement is replaced as a whole".into());
    }
    let indentation = style::indentation(context.source, &statement);
    let newline = style::line_end(context.source.text());
    let lines = lines_of(replacement);
    if lines.len() > 1 && style::shares_its_line(context.source, &statement) {
        return Err("the statement shares its line with another one".into());
    }
    Ok(Change::replace(
        statement.range(),
        lines.join(&format!("{newline}{indentation}")),
    ))
}

/// The statement that refuses the request in the framework at hand, and the import it needs.
fn refusal(
    context: &Context<'_>,
    reason: Reason,
    message: &str,
) -> Result<(String, Needed), String> {
    let request = context
        .capsule
        .request
        .as_ref()
        .ok_or("there is no request that could be refused")?;
    let refusal: &Refusal = context
        .pack
        .frameworks()
        .filter(|framework| framework.protocol == request.protocol)
        .filter(|framework| context.capsule.has_framework(&framework.name))
        .find_map(|framework| framework.refuse.get(&reason))
        .ok_or("no way to refuse a request is known for the frameworks of this program")?;
    let message = text::message(context, message)?;
    let statement = refusal.statement.replace("$MESSAGE", &message);
    Ok((statement, Needed::read(&refusal.import, &refusal.same_as)?))
}

/// The statement under the name its import really has here.
fn imported(
    context: &Context<'_>,
    statement: String,
    needed: &Needed,
) -> Result<(String, Option<Change>), String> {
    let added = imports::add(context.source, &context.failing, needed)?;
    let statement = match (&added.alias, &needed.member) {
        (Some(alias), Some(member)) => {
            statement.replacen(&format!("{member}("), &format!("{alias}("), 1)
        }
        _ => statement,
    };
    Ok((statement, added.change))
}

fn guarded(context: &Context<'_>, guard: &Guard, refusal: &str) -> Result<Change, String> {
    let when = text::fill(context, &guard.when)?;
    for name in homeostasis_rulepack::template::variables(&guard.when) {
        if let Some(Captured::Node(node)) = context.captured.get(name)
            && !purity::is_repeatable(node)
        {
            return Err(format!(
                "`{}` cannot be evaluated a second time",
                node.text()
            ));
        }
    }
    let placement = placing::before(&context.failing)?;
    let condition = if !placement.clauses.is_empty() {
        format!("any({when} {})", placement.clauses.join(" "))
    } else if placement.paths.is_empty() {
        when
    } else {
        let when = if when.contains(" or ") {
            format!("({when})")
        } else {
            when
        };
        format!("{} and {when}", placement.paths.join(" and "))
    };
    let condition = one_line(&condition)?;
    let lines = [format!("if {condition}:"), format!("    {refusal}")];
    if let Some(name) = &guard.after_binding_of
        && placement.clauses.is_empty()
        && placement.paths.is_empty()
        && let Some(change) = after_binding(context, name, &lines)
    {
        return Ok(change);
    }
    placing::insertion_before(context.source, &placement.statement, &lines)
}

/// Puts the guard right below the binding of a name, when it is in the same block and nothing in between speaks of it.
fn after_binding(context: &Context<'_>, name: &str, lines: &[String]) -> Option<Change> {
    let variable = context
        .node(name)
        .filter(|node| node.kind() == "identifier")?;
    let binding = scope::binding_before(
        &context.scope(),
        &variable.text(),
        context.failing.range().start,
    )?;
    let statement = place::statement(&context.failing)?;
    let block = place::block(&context.failing)?;
    if place::block(&binding.statement)?.range() != block.range() {
        return None;
    }
    let next = block
        .named_children()
        .filter(|child| child.kind() != "comment")
        .find(|child| child.range().start >= binding.statement.range().end)?;
    let between = binding.statement.range().end..statement.range().start;
    let mentioned = scope::names_in(&block)
        .iter()
        .any(|n| between.contains(&n.range().start) && n.text() == variable.text());
    if mentioned || !style::begins_its_line(context.source, &next) {
        return None;
    }
    placing::insertion_before(context.source, &next, lines).ok()
}

fn tried(context: &Context<'_>, attempt: &Try, refusal: &str) -> Result<Vec<Change>, String> {
    let placement = placing::before(&context.failing);
    let statement = place::statement(&context.failing)
        .ok_or("the failing expression is not part of a statement")?;
    let except = match attempt.except.as_slice() {
        [one] => format!("except {one}:"),
        several => format!("except ({}):", several.join(", ")),
    };
    let handler = [except, format!("    {refusal}")];
    if wraps_cleanly(&statement, &context.failing)
        && !style::shares_its_line(context.source, &statement)
    {
        return wrapped(context.source, &statement, &handler);
    }
    let placement = placement?;
    if !placement.clauses.is_empty() {
        return Err("the parsing stands in a comprehension whose statement does more".into());
    }
    if !purity::is_repeatable(&context.failing) {
        return Err(format!(
            "`{}` cannot be evaluated a second time",
            context.failing.text()
        ));
    }
    let mut lines = vec![
        "try:".to_string(),
        format!("    {}", one_line(&context.failing.text())?),
    ];
    lines.extend(handler);
    if !placement.paths.is_empty() {
        lines = lines.iter().map(|line| format!("    {line}")).collect();
        lines.insert(
            0,
            format!("if {}:", one_line(&placement.paths.join(" and "))?),
        );
    }
    Ok(vec![placing::insertion_before(
        context.source,
        &placement.statement,
        &lines,
    )?])
}

/// A statement that does nothing but parse and keep the result: then whatever it raises is about what it parses.
fn wraps_cleanly(statement: &Node<'_>, failing: &Node<'_>) -> bool {
    let bare = match statement.kind().as_ref() {
        "expression_statement" => statement.named_children().next().is_some_and(|only| {
            only.kind() == "assignment"
                && only.field("left").is_some_and(|l| l.kind() == "identifier")
        }),
        _ => false,
    };
    let around = place::outward(failing)
        .skip(1)
        .take_while(|outer| outer.kind() != "assignment")
        .all(|outer| match outer.kind().as_ref() {
            "parenthesized_expression"
            | "conditional_expression"
            | "boolean_operator"
            | "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression"
            | "pair"
            | "list"
            | "tuple"
            | "argument_list"
            | "await" => true,
            "call" => outer.field("function").is_some_and(|callee| {
                [
                    "list", "tuple", "set", "sorted", "sum", "dict", "min", "max",
                ]
                .contains(&callee.text().as_ref())
            }),
            _ => false,
        });
    bare && around
        && statement.dfs().all(|node| match node.kind().as_ref() {
            "call" if node.range() == failing.range() => true,
            "call" => {
                let holds_it = node.range().start <= failing.range().start
                    && failing.range().end <= node.range().end;
                let parses = node
                    .field("function")
                    .is_some_and(|callee| purity::is_parser(&callee.text()));
                !parses && (holds_it || purity::is_repeatable(&node))
            }
            "lambda" | "named_expression" | "yield" => false,
            _ => true,
        })
}

/// `try:` around a whole statement, which moves one level in.
fn wrapped(
    source: &Source,
    statement: &Node<'_>,
    handler: &[String],
) -> Result<Vec<Change>, String> {
    let newline = style::line_end(source.text());
    let unit = style::indent_unit(source);
    let indentation = style::indentation(source, statement);
    let range = statement.range();
    let (first, _) = source.lines().position(range.start);
    let (last, _) = source.lines().position(range.end);
    let mut changes = vec![Change::insert(
        range.start,
        format!("try:{newline}{indentation}{unit}"),
    )];
    for line in first + 1..=last {
        let start = source.lines().line_start(line).ok_or("a line is missing")?;
        let inside_string = statement.dfs().any(|node| {
            node.kind() == "string" && node.range().start < start && node.range().end > start
        });
        if inside_string {
            return Err("a text over several lines cannot be moved in".into());
        }
        changes.push(Change::insert(start, unit.clone()));
    }
    // The rest of the last line, such as a comment, stays with the statement.
    let rest = &source.text()[range.end..];
    let end = range.end + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let handler: String = handler
        .iter()
        .map(|line| {
            let body = line.trim_start_matches(' ');
            let levels = (line.len() - body.len()) / 4;
            format!("{newline}{indentation}{}{body}", unit.repeat(levels))
        })
        .collect();
    changes.push(Change::insert(end, handler));
    Ok(changes)
}

/// Gives a method its missing `self`.
fn with_self(context: &Context<'_>) -> Result<Change, String> {
    let definition = context
        .node("DEFINITION")
        .ok_or("the definition was not found")?;
    let list = definition
        .field("parameters")
        .ok_or("a definition without parameters")?;
    let empty = list.named_children().next().is_none();
    let at = list.range().start + 1;
    Ok(Change::insert(at, if empty { "self" } else { "self, " }))
}

fn lines_of(text: &str) -> Vec<String> {
    text.trim_end().lines().map(str::to_string).collect()
}

/// An expression that spans lines is put on one; comments and texts over several lines cannot be.
fn one_line(text: &str) -> Result<String, String> {
    if !text.contains(['\n', '\r']) {
        return Ok(text.to_string());
    }
    if text.contains('#') || text.contains("\"\"\"") || text.contains("'''") || text.contains('\\')
    {
        return Err("an expression over several lines cannot be repeated on one".into());
    }
    let joined = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    Ok(joined
        .replace("( ", "(")
        .replace("[ ", "[")
        .replace(" )", ")")
        .replace(" ]", "]"))
}
