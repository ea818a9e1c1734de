//! Whether an expression can have raised a complaint, and which of its parts play which role; one node at a time.

use crate::evaluate::{self, Known, Lookup, evaluate};
use crate::message::{CallProblem, Complaint, Shape};
use homeostasis_domain::value::Value;
use homeostasis_syntax::{Node, scope};
use std::ops::Range;

/// An expression that fits, with what speaks for it and against it.
#[derive(Clone)]
pub(crate) struct Fit<'t> {
    /// The failing expression.
    pub(crate) node: Node<'t>,
    /// Its parts.
    pub(crate) parts: Vec<Part<'t>>,
    /// Captured values that agree with the complaint.
    pub(crate) agreements: Vec<String>,
    /// Captured values that cannot be reconciled with it.
    pub(crate) contradictions: Vec<String>,
    /// Smaller for forms that raise such a complaint only rarely.
    pub(crate) likelihood: i32,
}

/// A part of the expression in a role.
#[derive(Clone)]
pub(crate) struct Part<'t> {
    pub(crate) role: &'static str,
    /// `None` for what is not there, such as a missing argument.
    pub(crate) node: Option<Node<'t>>,
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
    pub(crate) value: Option<Value>,
}

impl<'t> Fit<'t> {
    fn new(node: &Node<'t>) -> Self {
        Self {
            node: node.clone(),
            parts: Vec::new(),
            agreements: Vec::new(),
            contradictions: Vec::new(),
            likelihood: 2,
        }
    }

    fn rarely(mut self) -> Self {
        self.likelihood = 0;
        self
    }

    fn with(mut self, role: &'static str, node: &Node<'t>, known: &Known<'_>) -> Self {
        self.parts.push(Part {
            role,
            node: Some(node.clone()),
            text: node.text().into_owned(),
            range: node.range(),
            value: evaluate(node, known),
        });
        self
    }

    fn value(&self, role: &str) -> Option<&Value> {
        self.parts
            .iter()
            .find(|part| part.role == role)?
            .value
            .as_ref()
    }

    /// Compares the type of a part with the one in the message.
    fn typed(mut self, role: &str, expected: Option<&str>) -> Self {
        if let (Some(value), Some(expected)) = (self.value(role), expected) {
            if is_of_type(value, expected) {
                self.agreements
                    .push(format!("the {role} was captured as {}", value.display(80)));
            } else {
                self.contradictions.push(format!(
                    "the {role} was captured as {}, not as {expected}",
                    value.display(80)
                ));
            }
        }
        self
    }

    fn weigh(&mut self, agrees: Option<bool>, sentence: String) {
        match agrees {
            Some(true) => self.agreements.push(sentence),
            Some(false) => self.contradictions.push(sentence),
            None => {}
        }
    }

    /// The figure by which candidates are compared.
    pub(crate) fn score(&self) -> i32 {
        self.likelihood + 3 * self.agreements.len() as i32 - 4 * self.contradictions.len() as i32
    }
}

/// True when a captured value is of the type a message names, which is without its module.
pub(crate) fn is_of_type(value: &Value, name: &str) -> bool {
    let last = |text: &str| text.rsplit('.').next().unwrap_or_default().to_string();
    let captured = value.type_name();
    captured == name
        || last(captured) == last(name)
        || matches!(value, Value::Callable { class, .. } if class == "builtins.type" && name == "type")
}

/// Fits a complaint to a node; `None` when such an expression cannot raise it.
pub(crate) fn fit<'t>(
    complaint: &Complaint,
    node: &Node<'t>,
    known: &Known<'_>,
) -> Option<Fit<'t>> {
    match &complaint.shape {
        Shape::Subscript {
            container,
            key,
            key_type,
        } => subscript(
            node,
            known,
            complaint.class,
            container.as_deref(),
            key.as_ref(),
            key_type.as_deref(),
        ),
        Shape::Attribute {
            owner,
            attribute,
            module,
        } => attribute_of(node, known, owner.as_deref().filter(|_| !module), attribute),
        Shape::Name(name) => (node.kind() == "identifier"
            && node.text() == name.as_str()
            && scope::stands_for_a_name(node))
        .then(|| Fit::new(node).with("name", node, known)),
        Shape::Call { callee, problem } => call(node, known, callee.as_deref(), problem),
        Shape::Operator {
            operator,
            left,
            right,
        } => operation(node, known, operator, left.as_deref(), right.as_deref()),
        Shape::Division => division(node, known),
        Shape::Conversion {
            text,
            to,
            type_name,
        } => conversion(
            node,
            known,
            complaint.class,
            text.as_deref(),
            to.as_deref(),
            type_name.as_deref(),
        ),
        Shape::Iteration(type_name) => iteration(node, known, type_name.as_deref()),
        Shape::Unpacking(type_name) => unpacking(node, known, type_name.as_deref()),
        Shape::Use(type_name) => used(node, known, type_name.as_deref()),
        Shape::Anything => None,
    }
}

/// Any call or expression at a known position, when nothing is known about the form.
pub(crate) fn whole<'t>(node: &Node<'t>, known: &Known<'_>) -> Fit<'t> {
    let fit = Fit::new(node).rarely();
    match node.kind().as_ref() {
        "call" => with_call_parts(fit, node, known, "argument"),
        "attribute" => match (node.field("object"), node.field("attribute")) {
            (Some(object), Some(attribute)) => {
                fit.with("object", &object, known)
                    .with("attribute", &attribute, known)
            }
            _ => fit,
        },
        "subscript" => match (node.field("value"), node.field("subscript")) {
            (Some(object), Some(key)) => {
                fit.with("object", &object, known).with("key", &key, known)
            }
            _ => fit,
        },
        "binary_operator" => match (node.field("left"), node.field("right")) {
            (Some(left), Some(right)) => {
                fit.with("left", &left, known).with("right", &right, known)
            }
            _ => fit,
        },
        _ => fit,
    }
}

fn with_call_parts<'t>(
    fit: Fit<'t>,
    node: &Node<'t>,
    known: &Known<'_>,
    role: &'static str,
) -> Fit<'t> {
    let Some(function) = node.field("function") else {
        return fit;
    };
    let mut fit = fit.with("callee", &function, known);
    for argument in arguments(node).iter().take(8) {
        fit = fit.with(role, &argument.value, known);
    }
    fit
}

/// Methods of collections that look a key or a position up.
const LOOKING_UP: &[&str] = &[
    "pop",
    "remove",
    "popitem",
    "popleft",
    "move_to_end",
    "__getitem__",
    "__delitem__",
    "format_map",
    "format",
    "getlist",
];

fn subscript<'t>(
    node: &Node<'t>,
    known: &Known<'_>,
    class: &str,
    container: Option<&str>,
    key: Option<&Value>,
    key_type: Option<&str>,
) -> Option<Fit<'t>> {
    let (object, subscripts, likelihood) = match node.kind().as_ref() {
        "subscript" => (
            node.field("value")?,
            node.field_children("subscript").collect::<Vec<_>>(),
            2,
        ),
        "call" => {
            let function = node
                .field("function")
                .filter(|function| function.kind() == "attribute")?;
            let name = function.field("attribute")?;
            if !LOOKING_UP.contains(&name.text().as_ref()) {
                return None;
            }
            let given: Vec<Node<'t>> = arguments(node)
                .into_iter()
                .map(|argument| argument.value)
                .collect();
            (
                function.field("object")?,
                given.into_iter().take(1).collect(),
                1,
            )
        }
        // A key that cannot be hashed stands in a display.
        "pair" if key_type.is_some() => (node.clone(), vec![node.field("key")?], 1),
        "set" if key_type.is_some() => (node.clone(), vec![node.named_children().next()?], 1),
        _ => return None,
    };
    // A slice takes what is there; it asks for no key and no position.
    let slices = subscripts.iter().any(|part| part.kind() == "slice");
    if slices && matches!(class, "data.missing_key" | "data.index_out_of_range") {
        return None;
    }
    let mut fit = Fit::new(node)
        .with("object", &object, known)
        .typed("object", container);
    fit.likelihood = likelihood;
    let sequence = matches!(
        fit.value("object"),
        Some(Value::List { .. } | Value::Tuple { .. } | Value::Str { .. } | Value::Bytes { .. })
    ) || matches!(container, Some("list" | "tuple" | "str" | "bytes"));
    let role = if class == "data.index_out_of_range" || sequence {
        "index"
    } else {
        "key"
    };
    let [single] = subscripts.as_slice() else {
        return Some(with_several(fit, &subscripts, role));
    };
    fit = fit.with(role, single, known).typed(role, key_type);
    let asked = fit.value(role).cloned();
    if let (Some(expected), Some(asked)) = (key, &asked) {
        let agrees = evaluate::equal(expected, asked);
        fit.weigh(
            Some(agrees),
            format!("the key was captured as {}", asked.display(80)),
        );
    }
    if matches!(class, "data.missing_key" | "data.index_out_of_range") && node.kind() == "subscript"
    {
        let asked = asked.as_ref().or(key);
        if let (Some(object), Some(asked)) = (fit.value("object").cloned(), asked) {
            match evaluate::lookup(&object, asked) {
                Lookup::Missing => fit.weigh(
                    Some(true),
                    format!(
                        "{} is not in the captured {}",
                        asked.display(80),
                        object.display(120)
                    ),
                ),
                Lookup::Found(found) => fit.weigh(
                    Some(false),
                    format!(
                        "{} is there in the captured object: {}",
                        asked.display(80),
                        found.display(80)
                    ),
                ),
                Lookup::Unknown => {}
            }
        }
    }
    if class == "data.index_out_of_range" && node.kind() == "call" {
        let empty = fit.value("object").map(Value::is_empty);
        fit.weigh(
            empty.filter(|empty| *empty),
            "the collection was captured empty".into(),
        );
    }
    Some(fit)
}

fn with_several<'t>(mut fit: Fit<'t>, nodes: &[Node<'t>], role: &'static str) -> Fit<'t> {
    if let (Some(first), Some(last)) = (nodes.first(), nodes.last()) {
        let range = first.range().start..last.range().end;
        let text = nodes
            .iter()
            .map(|node| node.text().into_owned())
            .collect::<Vec<_>>()
            .join(", ");
        fit.parts.push(Part {
            role,
            node: None,
            text,
            range,
            value: None,
        });
    }
    fit
}

fn attribute_of<'t>(
    node: &Node<'t>,
    known: &Known<'_>,
    owner: Option<&str>,
    attribute: &str,
) -> Option<Fit<'t>> {
    match node.kind().as_ref() {
        "attribute" => {
            let name = node.field("attribute")?;
            (name.text() == attribute).then_some(())?;
            let object = node.field("object")?;
            Some(
                Fit::new(node)
                    .with("object", &object, known)
                    .typed("object", owner)
                    .with("attribute", &name, known),
            )
        }
        "call" => {
            let function = node.field("function")?;
            matches!(function.text().as_ref(), "getattr" | "delattr" | "setattr").then_some(())?;
            let given = arguments(node);
            let (object, name) = (given.first()?, given.get(1)?);
            let agrees =
                evaluate(&name.value, known).map(|value| value.as_str() == Some(attribute));
            let mut fit = Fit::new(node)
                .with("object", &object.value, known)
                .typed("object", owner)
                .with("attribute", &name.value, known);
            fit.likelihood = 1;
            fit.weigh(agrees, "the attribute's name was captured".into());
            Some(fit)
        }
        _ => None,
    }
}

/// An argument of a call.
#[derive(Clone)]
pub(crate) struct Argument<'t> {
    /// The keyword, where there is one.
    pub(crate) keyword: Option<String>,
    /// 1 for `*value`, 2 for `**value`, else 0.
    pub(crate) stars: u8,
    /// The value's expression.
    pub(crate) value: Node<'t>,
    /// The whole argument.
    pub(crate) node: Node<'t>,
}

/// The arguments of a call, in order.
pub(crate) fn arguments<'t>(call: &Node<'t>) -> Vec<Argument<'t>> {
    let Some(list) = call.field("arguments") else {
        return Vec::new();
    };
    if list.kind() == "generator_expression" {
        return vec![Argument {
            keyword: None,
            stars: 0,
            value: list.clone(),
            node: list,
        }];
    }
    list.named_children()
        .filter(|child| child.kind() != "comment")
        .take(100)
        .filter_map(|child| {
            let (keyword, stars, value) = match child.kind().as_ref() {
                "keyword_argument" => (
                    Some(child.field("name")?.text().into_owned()),
                    0,
                    child.field("value")?,
                ),
                "list_splat" => (None, 1, child.named_children().next()?),
                "dictionary_splat" => (None, 2, child.named_children().next()?),
                _ => (None, 0, child.clone()),
            };
            Some(Argument {
                keyword,
                stars,
                value,
                node: child,
            })
        })
        .collect()
}

/// The last name of a callee (`session.get` gives `get`).
pub(crate) fn last_name(callee: &Node<'_>) -> String {
    match callee.kind().as_ref() {
        "attribute" => callee
            .field("attribute")
            .map(|name| name.text().into_owned()),
        "identifier" => Some(callee.text().into_owned()),
        "subscript" => callee.field("value").map(|value| last_name(&value)),
        _ => None,
    }
    .unwrap_or_default()
}

fn call<'t>(
    node: &Node<'t>,
    known: &Known<'_>,
    callee: Option<&str>,
    problem: &CallProblem,
) -> Option<Fit<'t>> {
    // A bare decorator is a call without parentheses.
    if node.kind() != "call" {
        return None;
    }
    let function = node.field("function")?;
    let mut fit = Fit::new(node).with("callee", &function, known);
    if let CallProblem::NotCallable(type_name) = problem {
        return Some(fit.typed("callee", Some(type_name)));
    }
    if let Some(callee) = callee.filter(|callee| !callee.is_empty()) {
        let written = last_name(&function);
        let mut named = callee.rsplit('.');
        let last = named.next().unwrap_or_default();
        let class = named.next().unwrap_or_default();
        let constructor = matches!(last, "__init__" | "__new__" | "__call__");
        let agrees = written == last || (constructor && (written == class || class.is_empty()));
        fit.likelihood = if agrees { 4 } else { 1 };
    }
    let given = arguments(node);
    let end = node
        .field("arguments")
        .map(|list| list.range().end.saturating_sub(1))
        .unwrap_or(node.range().end);
    match problem {
        CallProblem::Missing(names) => {
            for name in names {
                let already = given
                    .iter()
                    .any(|argument| argument.keyword.as_deref() == Some(name));
                fit.weigh(
                    already.then_some(false),
                    format!("`{name}` is given as a keyword"),
                );
                fit.parts.push(Part {
                    role: "missing",
                    node: None,
                    text: name.clone(),
                    range: end..end,
                    value: None,
                });
            }
        }
        CallProblem::Unexpected(name) | CallProblem::Twice(name) => {
            match given
                .iter()
                .find(|argument| argument.keyword.as_deref() == Some(name))
            {
                Some(argument) => {
                    fit.parts.push(argument_part(argument, known));
                    fit.weigh(Some(true), format!("the call gives `{name}`"));
                }
                None if given.iter().any(|argument| argument.stars == 2) => {}
                None => fit.weigh(
                    matches!(problem, CallProblem::Unexpected(_)).then_some(false),
                    format!("the call does not give `{name}`"),
                ),
            }
        }
        CallProblem::TooMany => {
            if let Some(argument) = given
                .iter()
                .rfind(|argument| argument.keyword.is_none() && argument.stars < 2)
            {
                fit.parts.push(argument_part(argument, known));
            }
        }
        CallProblem::Number | CallProblem::NotCallable(_) => {}
    }
    Some(fit)
}

fn argument_part<'t>(argument: &Argument<'t>, known: &Known<'_>) -> Part<'t> {
    Part {
        role: "argument",
        node: Some(argument.value.clone()),
        text: argument.node.text().into_owned(),
        range: argument.node.range(),
        value: evaluate(&argument.value, known),
    }
}

/// Functions that compare or add up what they are given.
const COMPARING: &[&str] = &[
    "sorted",
    "sort",
    "min",
    "max",
    "sum",
    "nlargest",
    "nsmallest",
    "bisect",
    "insort",
    "reduce",
    "accumulate",
    "heappush",
    "heappop",
    "mean",
    "fsum",
];

fn operation<'t>(
    node: &Node<'t>,
    known: &Known<'_>,
    operator: &str,
    left_type: Option<&str>,
    right_type: Option<&str>,
) -> Option<Fit<'t>> {
    match node.kind().as_ref() {
        "binary_operator" | "augmented_assignment" => {
            let written = node.field("operator")?.text().into_owned();
            let plain = operator.trim_end_matches('=');
            (operator.is_empty() || written.trim_end_matches('=') == plain).then_some(())?;
            Some(
                Fit::new(node)
                    .with("left", &node.field("left")?, known)
                    .typed("left", left_type)
                    .with("right", &node.field("right")?, known)
                    .typed("right", right_type),
            )
        }
        "unary_operator" => {
            (node.field("operator")?.text() == operator).then_some(())?;
            Some(
                Fit::new(node)
                    .with("right", &node.field("argument")?, known)
                    .typed("right", right_type),
            )
        }
        "comparison_operator" => {
            let operands: Vec<Node<'t>> = node
                .named_children()
                .filter(|child| child.kind() != "comment")
                .collect();
            let signs: Vec<String> = node
                .field_children("operators")
                .map(|sign| sign.text().into_owned())
                .collect();
            (operator.is_empty()
                || signs
                    .iter()
                    .any(|sign| sign == operator || sign.trim_start_matches("not ") == operator))
            .then_some(())?;
            operands
                .windows(2)
                .map(|pair| {
                    Fit::new(node)
                        .with("left", &pair[0], known)
                        .typed("left", left_type)
                        .with("right", &pair[1], known)
                        .typed("right", right_type)
                })
                .max_by_key(Fit::score)
        }
        "call" => {
            let function = node.field("function")?;
            COMPARING
                .contains(&last_name(&function).as_str())
                .then_some(())?;
            let mut fit = with_call_parts(Fit::new(node), node, known, "argument");
            fit.likelihood = 1;
            Some(fit)
        }
        _ => None,
    }
}

fn division<'t>(node: &Node<'t>, known: &Known<'_>) -> Option<Fit<'t>> {
    let (dividend, divisor, likelihood) = match node.kind().as_ref() {
        "binary_operator" | "augmented_assignment" => {
            let operator = node.field("operator")?;
            let likelihood = match operator.text().trim_end_matches('=') {
                "/" | "//" | "%" => 2,
                "**" => 0,
                _ => return None,
            };
            (node.field("left")?, node.field("right")?, likelihood)
        }
        "call" => {
            let name = last_name(&node.field("function")?);
            matches!(
                name.as_str(),
                "divmod"
                    | "fmod"
                    | "remainder"
                    | "Fraction"
                    | "truediv"
                    | "floordiv"
                    | "mod"
                    | "pow"
            )
            .then_some(())?;
            let given = arguments(node);
            (given.first()?.value.clone(), given.get(1)?.value.clone(), 1)
        }
        _ => return None,
    };
    let mut fit = Fit::new(node)
        .with("dividend", &dividend, known)
        .with("divisor", &divisor, known);
    fit.likelihood = likelihood;
    if likelihood > 0 {
        let zero = fit.value("divisor").and_then(evaluate::is_zero);
        let shown = fit
            .value("divisor")
            .map(|value| value.display(40))
            .unwrap_or_default();
        fit.weigh(zero, format!("the divisor was captured as {shown}"));
    }
    Some(fit)
}

/// Functions that read a value from a text or another value.
const PARSERS: &[&str] = &[
    "int",
    "float",
    "complex",
    "Decimal",
    "Fraction",
    "fromisoformat",
    "strptime",
    "UUID",
    "loads",
    "load",
    "parse",
    "literal_eval",
    "fromhex",
    "fromtimestamp",
    "b64decode",
    "decode",
    "ZoneInfo",
    "ip_address",
    "ip_network",
    "bytes",
];

fn conversion<'t>(
    node: &Node<'t>,
    known: &Known<'_>,
    class: &str,
    text: Option<&str>,
    to: Option<&str>,
    type_name: Option<&str>,
) -> Option<Fit<'t>> {
    if node.kind() != "call" {
        return None;
    }
    let function = node.field("function")?;
    let name = last_name(&function);
    let parser = PARSERS.contains(&name.as_str());
    let role = if class == "data.parse" || parser {
        "text"
    } else {
        "argument"
    };
    let mut fit = Fit::new(node).with("callee", &function, known);
    fit.likelihood = match to {
        Some(to) if to.rsplit('.').next() == Some(name.as_str()) => 4,
        Some(_) => 1,
        None if parser => 3,
        None => 2,
    };
    if function.kind() == "attribute"
        && let Some(object) = function.field("object")
        && !parser
    {
        fit = fit.with("object", &object, known);
    }
    let mut given: Vec<(Argument<'t>, Option<Value>)> = arguments(node)
        .into_iter()
        .map(|argument| {
            let value = evaluate(&argument.value, known);
            (argument, value)
        })
        .collect();
    let agrees = |value: &Value| -> Option<bool> {
        if let Some(text) = text {
            return printed(value).map(|printed| {
                printed == text
                    || text.trim_matches(['\'', '"']) == printed.trim_matches(['\'', '"'])
            });
        }
        type_name.map(|type_name| is_of_type(value, type_name))
    };
    let culprit = given
        .iter()
        .position(|(_, value)| value.as_ref().and_then(agrees) == Some(true));
    if let Some(culprit) = culprit {
        let shown = given[culprit]
            .1
            .as_ref()
            .map(|value| value.display(80))
            .unwrap_or_default();
        fit.weigh(Some(true), format!("the argument was captured as {shown}"));
        given.swap(0, culprit);
    } else if !given.is_empty()
        && given.iter().all(|(argument, value)| {
            argument.stars == 0 && value.as_ref().and_then(agrees) == Some(false)
        })
    {
        fit.weigh(
            Some(false),
            "no argument was captured with such a value".into(),
        );
    }
    for (argument, value) in given.into_iter().take(8) {
        let role = if fit
            .parts
            .iter()
            .any(|part| part.role == "text" || part.role == "argument")
        {
            "argument"
        } else {
            role
        };
        fit.parts.push(Part {
            role,
            text: argument.value.text().into_owned(),
            range: argument.value.range(),
            node: Some(argument.value),
            value,
        });
    }
    Some(fit)
}

/// How Python prints a plain value, near enough to compare with a message.
fn printed(value: &Value) -> Option<String> {
    match value {
        Value::Str { v, .. } => Some(format!(
            "'{}'",
            v.replace('\\', "\\\\")
                .replace('\n', "\\n")
                .replace('\t', "\\t")
        )),
        Value::Int { v } | Value::Float { v } => Some(v.clone()),
        Value::None => Some("None".into()),
        Value::Bool { v } => Some(if *v { "True" } else { "False" }.into()),
        _ => None,
    }
}

/// Functions of the language that go through what they are given.
const GOING_THROUGH: &[&str] = &[
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "sorted",
    "sum",
    "min",
    "max",
    "any",
    "all",
    "enumerate",
    "zip",
    "map",
    "filter",
    "iter",
    "next",
    "reversed",
    "len",
    "join",
    "extend",
    "update",
    "Counter",
    "deque",
    "chain",
    "from_iterable",
];

fn iteration<'t>(node: &Node<'t>, known: &Known<'_>, type_name: Option<&str>) -> Option<Fit<'t>> {
    if let Some(parent) = node.parent() {
        let is_iterated = matches!(parent.kind().as_ref(), "for_statement" | "for_in_clause")
            && parent
                .field("right")
                .is_some_and(|right| right.node_id() == node.node_id());
        let is_starred = matches!(parent.kind().as_ref(), "list_splat" | "dictionary_splat")
            || (parent.kind() == "yield" && parent.text().starts_with("yield from"));
        if is_iterated || is_starred {
            return Some(
                Fit::new(node)
                    .with("object", node, known)
                    .typed("object", type_name),
            );
        }
    }
    if node.kind() != "call" {
        return None;
    }
    let function = node.field("function")?;
    GOING_THROUGH
        .contains(&last_name(&function).as_str())
        .then_some(())?;
    let given = arguments(node);
    let mut fits: Vec<Fit<'t>> = given
        .iter()
        .take(6)
        .map(|argument| {
            Fit::new(node)
                .with("object", &argument.value, known)
                .typed("object", type_name)
                .with("callee", &function, known)
        })
        .collect();
    // The first argument wins where values do not tell.
    fits.reverse();
    fits.into_iter().max_by_key(Fit::score)
}

fn unpacking<'t>(node: &Node<'t>, known: &Known<'_>, type_name: Option<&str>) -> Option<Fit<'t>> {
    let (target, value) = match node.kind().as_ref() {
        "assignment" | "for_statement" | "for_in_clause" => {
            (node.field("left")?, node.field("right")?)
        }
        _ => return None,
    };
    let several = matches!(
        target.kind().as_ref(),
        "pattern_list" | "tuple_pattern" | "list_pattern" | "expression_list" | "tuple"
    ) || value.kind() == "assignment";
    several.then_some(())?;
    let loops = node.kind() != "assignment";
    let expected = type_name.filter(|_| !loops);
    let mut fit = Fit::new(&value)
        .with("object", &value, known)
        .typed("object", expected);
    let wanted = target.named_children().count() as u64;
    if !loops
        && type_name.is_none()
        && let Some(length) = fit.value("object").and_then(Value::len)
    {
        fit.weigh(
            Some(length != wanted),
            format!("the value was captured with {length} elements, {wanted} are wanted"),
        );
    }
    Some(fit.with("target", &target, known))
}

fn used<'t>(node: &Node<'t>, known: &Known<'_>, type_name: Option<&str>) -> Option<Fit<'t>> {
    let parent = node.parent()?;
    let is_used = match parent.kind().as_ref() {
        "with_item" | "await" => true,
        "as_pattern" => {
            parent
                .parent()
                .is_some_and(|outer| outer.kind() == "with_item")
                && parent
                    .named_children()
                    .next()
                    .is_some_and(|first| first.node_id() == node.node_id())
        }
        _ => false,
    };
    is_used.then(|| {
        Fit::new(node)
            .with("object", node, known)
            .typed("object", type_name)
    })
}
