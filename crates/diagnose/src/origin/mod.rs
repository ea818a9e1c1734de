//! Where a value came from: walks from an expression back through assignments and calls, never forward, never running code.
//!
//! In reading order: [`trace`] walks, `sources` knows the expressions at which a walk ends, `definitions` finds the
//! program's functions and classes, `callers` crosses from a parameter into the calling frame, `routes` knows the
//! parameters of request handlers, and `request` compares with what the client really sent.

mod callers;
mod definitions;
pub(crate) mod request;
mod routes;
mod sources;

use crate::case::{Case, Spot, one_line};
use crate::evaluate::{self, Known, evaluate};
use crate::fit::{self, arguments};
use homeostasis_domain::diagnosis::Origin;
use homeostasis_domain::value::Value;
use homeostasis_syntax::scope::{self, BindingKind};
use homeostasis_syntax::{Node, Source, literal, place};
use std::ops::Range;

/// A walk takes at most this many steps.
const LONGEST_WALK: u32 = 160;
/// And nests at most this deep.
const DEEPEST_WALK: u32 = 40;

/// Where a value came from and the way there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trace {
    pub(crate) origin: Origin,
    /// The way, in sentences.
    pub(crate) steps: Vec<String>,
    /// The default value of a parameter was used: its kind.
    pub(crate) default: Option<DefaultUsed>,
    /// What the request says about it.
    pub(crate) agreement: Agreement,
    /// The variable of a calling function that held the value before it was handed down, where the walk came through
    /// one: the frame's position, and the bytes of the argument. The outermost one.
    pub(crate) handed_down: Option<(usize, Range<usize>)>,
}

/// A default value that was used because the caller gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DefaultUsed {
    /// `name=None`.
    Absent {
        /// The parameter.
        parameter: String,
    },
    /// `name=[]`, shared by all calls.
    Mutable {
        /// The parameter.
        parameter: String,
    },
}

/// Whether captured values agree with the traced origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The value is there in the request.
    Confirmed(String),
    /// It is not there.
    Contradicted(String),
    /// Nothing can be said.
    #[default]
    Silent,
}

/// Where a walk stands: a file, and the frame that runs the code there, where it is known.
#[derive(Clone, Copy)]
pub(crate) struct At<'c> {
    source: &'c Source,
    index: Option<usize>,
}

pub(crate) struct Tracer<'c> {
    case: &'c Case<'c>,
    value: Option<Value>,
    steps: Vec<String>,
    default: Option<DefaultUsed>,
    handed_down: Option<(usize, Range<usize>)>,
    left: u32,
    depth: u32,
}

/// Traces the value of an expression that was evaluated in this frame.
pub(crate) fn trace<'c>(
    case: &'c Case<'c>,
    spot: &Spot<'c>,
    node: &Node<'c>,
    value: Option<&Value>,
) -> Trace {
    let mut tracer = Tracer {
        case,
        value: value.cloned(),
        steps: Vec::new(),
        default: None,
        handed_down: None,
        left: LONGEST_WALK,
        depth: DEEPEST_WALK,
    };
    let at = At {
        source: spot.source,
        index: Some(spot.index),
    };
    let mut origin = tracer.follow(at, node);
    let agreement = request::agreement(case, &mut origin, value);
    tracer.steps.dedup();
    Trace {
        origin,
        steps: tracer.steps,
        default: tracer.default,
        agreement,
        handed_down: tracer.handed_down,
    }
}

impl<'c> Tracer<'c> {
    /// The origin of an expression's value.
    pub(crate) fn follow(&mut self, at: At<'c>, node: &Node<'c>) -> Origin {
        if self.left == 0 || self.depth == 0 {
            return Origin::Unknown;
        }
        self.left -= 1;
        self.depth -= 1;
        let origin = self.step(at, node);
        self.depth += 1;
        origin
    }

    fn step(&mut self, at: At<'c>, node: &Node<'c>) -> Origin {
        if literal::is_constant(node) {
            return Origin::Constant;
        }
        match node.kind().as_ref() {
            "parenthesized_expression" | "await" | "list_splat" | "dictionary_splat" | "pair" => {
                match node.named_children().last() {
                    Some(inner) => self.follow(at, &inner),
                    None => Origin::Unknown,
                }
            }
            "unary_operator" => self.field(at, node, "argument"),
            "named_expression" => self.field(at, node, "value"),
            "conditional_expression" => {
                let parts: Vec<Node<'c>> = node
                    .named_children()
                    .filter(|child| child.kind() != "comment")
                    .collect();
                match parts.as_slice() {
                    [yes, _, no] => self.one_of(at, &[yes.clone(), no.clone()]),
                    _ => Origin::Unknown,
                }
            }
            "boolean_operator" | "binary_operator" => {
                let parts: Vec<Node<'c>> = [node.field("left"), node.field("right")]
                    .into_iter()
                    .flatten()
                    .collect();
                self.one_of(at, &parts)
            }
            "augmented_assignment" => self.field(at, node, "right"),
            "string"
            | "concatenated_string"
            | "list"
            | "tuple"
            | "set"
            | "dictionary"
            | "expression_list" => {
                let parts: Vec<Node<'c>> = node.named_children().take(12).collect();
                self.one_of(at, &parts)
            }
            "interpolation" => self.field(at, node, "expression"),
            "string_content" | "string_start" | "string_end" | "escape_sequence" => {
                Origin::Constant
            }
            "list_comprehension" | "set_comprehension" | "generator_expression" => {
                self.field(at, node, "body")
            }
            "identifier" => self.name(at, node),
            "attribute" => self.attribute(at, node),
            "subscript" => {
                if let Some(origin) = sources::recognised(self, at, node) {
                    return origin;
                }
                self.field(at, node, "value")
            }
            "call" => self.call(at, node),
            _ => Origin::Unknown,
        }
    }

    fn field(&mut self, at: At<'c>, node: &Node<'c>, name: &str) -> Origin {
        match node.field(name) {
            Some(inner) => self.follow(at, &inner),
            None => Origin::Unknown,
        }
    }

    /// The most telling origin among alternatives: what comes from outside tells more than what is written here.
    fn one_of(&mut self, at: At<'c>, nodes: &[Node<'c>]) -> Origin {
        let absent = self.value == Some(Value::None);
        let mut found = Vec::new();
        for node in nodes {
            if absent && node.kind() == "none" {
                continue;
            }
            found.push(self.follow(at, node));
        }
        most_telling(found)
    }

    fn attribute(&mut self, at: At<'c>, node: &Node<'c>) -> Origin {
        if let Some(origin) = sources::recognised(self, at, node) {
            return origin;
        }
        let Some(object) = node.field("object") else {
            return Origin::Unknown;
        };
        if matches!(object.text().as_ref(), "self" | "cls") {
            let found = self.own_attribute(at, node);
            if found != Origin::Unknown {
                return found;
            }
        }
        if self.is_row(at, &object) {
            self.say(format!(
                "`{}` is a row of the database.",
                one_line(&object, 60)
            ));
            return Origin::Database;
        }
        match self.follow(at, &object) {
            // A field of something written in the source is not itself written there.
            Origin::Constant => Origin::Unknown,
            origin => origin,
        }
    }

    /// `self.name`: the assignments to it in the class.
    fn own_attribute(&mut self, at: At<'c>, node: &Node<'c>) -> Origin {
        let (Some(name), Some(class)) = (node.field("attribute"), place::class(node)) else {
            return Origin::Unknown;
        };
        let written = format!("self.{}", name.text());
        let values: Vec<Node<'c>> = class
            .dfs()
            .filter(|inner| inner.kind() == "assignment")
            .filter(|inner| {
                inner
                    .field("left")
                    .is_some_and(|left| left.text() == written.as_str())
            })
            .filter_map(|inner| inner.field("right"))
            .take(6)
            .collect();
        let mut found = Vec::new();
        for value in values {
            if value.kind() == "none" {
                continue;
            }
            // The instance was filled in by a call that is over, so no frame runs it any more.
            let elsewhere = At {
                source: at.source,
                index: None,
            };
            found.push(self.follow(elsewhere, &value));
        }
        most_telling(found)
    }

    /// True when the captured value is an object of a mapped class.
    fn is_row(&self, at: At<'c>, node: &Node<'c>) -> bool {
        let Some(frame) = self.frame(at) else {
            return false;
        };
        match evaluate(node, &frame) {
            Some(Value::Object { class, fields, .. }) => {
                fields.contains_key("_sa_instance_state")
                    || definitions::is_mapped_class(self.case, &class)
            }
            _ => false,
        }
    }

    fn call(&mut self, at: At<'c>, node: &Node<'c>) -> Origin {
        if let Some(origin) = sources::recognised(self, at, node) {
            return origin;
        }
        let Some(function) = node.field("function") else {
            return Origin::Unknown;
        };
        if let Some(definition) =
            definitions::function(self.case, at.source, &function, self.frame(at))
        {
            return self.result_of(node, &function, definition);
        }
        let name = fit::last_name(&function);
        let given = arguments(node);
        if let Some(position) = sources::passes_on(&name, function.kind() == "attribute") {
            if let Some(argument) = given.get(position) {
                return self.follow(at, &argument.value);
            }
            return Origin::Unknown;
        }
        if function.kind() == "attribute"
            && sources::reads_its_object(&name)
            && let Some(object) = function.field("object")
        {
            return self.follow(at, &object);
        }
        Origin::Unknown
    }

    /// What a function of the program returned: where that came from when all its returns agree, else the call.
    fn result_of(
        &mut self,
        call: &Node<'c>,
        callee: &Node<'c>,
        definition: definitions::Definition<'c>,
    ) -> Origin {
        let result = Origin::CallResult {
            function: one_line(callee, 80),
        };
        if scope::is_generator(&definition.node) {
            return result;
        }
        let returns: Vec<Option<Node<'c>>> = scope::own_nodes(&definition.node)
            .into_iter()
            .filter(|inner| inner.kind() == "return_statement")
            .map(|inner| {
                inner
                    .named_children()
                    .find(|child| child.kind() != "comment")
            })
            .take(12)
            .collect();
        let gives_none = returns
            .iter()
            .any(|value| value.as_ref().is_none_or(|value| value.kind() == "none"))
            || falls_through(&definition.node);
        if gives_none && self.value == Some(Value::None) {
            self.say(format!(
                "`{}` has a way that returns None.",
                one_line(callee, 80)
            ));
            return result;
        }
        let inside = At {
            source: definition.source,
            index: None,
        };
        let mut found = Vec::new();
        for value in returns
            .into_iter()
            .flatten()
            .filter(|value| value.kind() != "none")
        {
            found.push(self.follow(inside, &value));
        }
        let Some(first) = found.first().cloned() else {
            return result;
        };
        let outside = first.is_client() || matches!(first, Origin::Environment | Origin::Database);
        if outside && found.iter().all(|origin| *origin == first) {
            self.say(format!(
                "`{}` returns what it took from there.",
                one_line(call, 80)
            ));
            return first;
        }
        result
    }

    fn name(&mut self, at: At<'c>, node: &Node<'c>) -> Origin {
        let name = node.text().into_owned();
        for outer in place::outward(node).skip(1) {
            match outer.kind().as_ref() {
                "list_comprehension"
                | "set_comprehension"
                | "dictionary_comprehension"
                | "generator_expression" => {
                    let bound = outer
                        .named_children()
                        .filter(|inner| inner.kind() == "for_in_clause")
                        .find(|clause| {
                            binds(clause, &name) && !holds(&clause.field("right"), node)
                        });
                    if let Some(iterated) = bound.and_then(|clause| clause.field("right")) {
                        self.say(format!("`{name}` runs over `{}`.", one_line(&iterated, 80)));
                        return self.follow(at, &iterated);
                    }
                }
                "lambda" if binds_parameter(&outer, &name) => {
                    return self.lambda_parameter(at, &outer, &name);
                }
                "function_definition" => {
                    // A default or a decorator is evaluated outside of the function.
                    if !holds(&outer.field("body"), node) {
                        continue;
                    }
                    let inside = At {
                        source: at.source,
                        index: at.index.and_then(|index| {
                            callers::frame_of(self.case, at.source, &outer, index)
                        }),
                    };
                    if let Some(origin) = self.local(inside, &outer, node, &name) {
                        return origin;
                    }
                }
                "module" => return self.global(at, &outer, node, &name),
                _ => {}
            }
        }
        Origin::Unknown
    }

    /// A name of this function: its bindings that reach the use, else its parameter.
    fn local(
        &mut self,
        at: At<'c>,
        function: &Node<'c>,
        node: &Node<'c>,
        name: &str,
    ) -> Option<Origin> {
        let (global, outer) = scope::declared_outer(function);
        if global.contains(name) || outer.contains(name) {
            return None;
        }
        let parameter = scope::parameters(function)
            .into_iter()
            .find(|parameter| parameter.name == name);
        let (values, definite) = self.reaching(at, function, node, name);
        if values.is_empty() && parameter.is_none() {
            return definite.then_some(Origin::Unknown);
        }
        let mut found = Vec::new();
        for value in values {
            self.say(format!("`{name}` was bound to `{}`.", one_line(&value, 80)));
            if self.value == Some(Value::None) && value.kind() == "none" {
                return Some(Origin::Constant);
            }
            found.push(self.follow(at, &value));
        }
        if let Some(parameter) = parameter.filter(|_| !definite) {
            found.push(callers::parameter(self, at, function, &parameter));
        }
        Some(most_telling(found))
    }

    /// The values bound to a name that can reach a use, the nearest first, and whether one of them always does.
    fn reaching(
        &mut self,
        at: At<'c>,
        scope_node: &Node<'c>,
        node: &Node<'c>,
        name: &str,
    ) -> (Vec<Node<'c>>, bool) {
        let bindings: Vec<scope::Binding<'c>> = scope::bindings_named(scope_node, name)
            .into_iter()
            .filter(|binding| {
                !matches!(
                    binding.kind,
                    BindingKind::Comprehension | BindingKind::Declaration
                )
            })
            .filter(|binding| binding.target.node_id() != node.node_id())
            .collect();
        let loops = place::enclosing_loop(node);
        let use_start = node.range().start;
        let mut values = Vec::new();
        let before = bindings
            .iter()
            .rev()
            .filter(|binding| binding.target.range().end <= use_start);
        let after = bindings.iter().filter(|binding| {
            binding.target.range().start >= use_start
                && loops
                    .as_ref()
                    .is_some_and(|outer| outer.range().contains(&binding.target.range().start))
        });
        let mut definite = false;
        for binding in before.chain(after) {
            if excludes(binding, node)
                || holds(&binding.value, node) && binding.kind != BindingKind::Augmented
            {
                continue;
            }
            if let (Some(value), Some(frame), Some(expected)) =
                (&binding.value, self.frame(at), &self.value)
                && matches!(binding.kind, BindingKind::Assignment | BindingKind::Walrus)
                && node.parent().is_some_and(|parent| {
                    parent.kind() != "attribute" && parent.kind() != "subscript"
                })
                && evaluate(value, &frame).is_some_and(|known| {
                    !evaluate::equal(&known, expected) && simple(&known) && simple(expected)
                })
            {
                continue;
            }
            if let Some(value) = element(binding) {
                values.push(value);
            }
            let passes = binding.target.range().end <= use_start
                && binding.kind != BindingKind::Augmented
                && always_runs(&binding.statement, node);
            if passes {
                definite = true;
                break;
            }
            if values.len() >= 8 {
                break;
            }
        }
        (values, definite)
    }

    fn global(&mut self, at: At<'c>, module: &Node<'c>, node: &Node<'c>, name: &str) -> Origin {
        let outside = At {
            source: at.source,
            index: None,
        };
        let mut values: Vec<Node<'c>> = scope::bindings_named(module, name)
            .iter()
            .filter(|binding| binding.target.node_id() != node.node_id())
            .filter_map(element)
            .take(4)
            .collect();
        if values.is_empty()
            && let Some((source, member)) = definitions::imported(self.case, at.source, name)
        {
            values = scope::bindings_named(&source.root(), &member)
                .iter()
                .filter_map(element)
                .take(4)
                .collect();
            let there = At {
                source,
                index: None,
            };
            let found = values
                .iter()
                .map(|value| self.follow(there, value))
                .collect();
            return most_telling(found);
        }
        let found = values
            .iter()
            .map(|value| self.follow(outside, value))
            .collect();
        most_telling(found)
    }

    /// A parameter of a lambda that is given to a function which calls it for each element.
    fn lambda_parameter(&mut self, at: At<'c>, lambda: &Node<'c>, name: &str) -> Origin {
        let call = place::outward(lambda)
            .skip(1)
            .take(3)
            .find(|outer| outer.kind() == "call");
        let Some(call) = call else {
            return Origin::Parameter {
                name: name.to_string(),
            };
        };
        let other = arguments(&call).into_iter().find(|argument| {
            argument.value.node_id() != lambda.node_id() && argument.keyword.is_none()
        });
        let object = call
            .field("function")
            .and_then(|function| function.field("object"));
        match other.map(|argument| argument.value).or(object) {
            Some(iterated) => {
                self.say(format!("`{name}` runs over `{}`.", one_line(&iterated, 80)));
                self.follow(at, &iterated)
            }
            None => Origin::Parameter {
                name: name.to_string(),
            },
        }
    }

    fn frame(&self, at: At<'c>) -> Option<Known<'c>> {
        Some(Known {
            frame: self.case.exception()?.frames.get(at.index?)?,
            request: self.case.input.capsule.request.as_ref(),
        })
    }

    /// The walk crosses into a caller, in which the value was the value of a variable.
    fn hand_down(&mut self, frame: usize, argument: &Node<'c>) {
        if argument.kind() == "identifier" {
            self.handed_down = Some((frame, argument.range()));
        }
    }

    pub(crate) fn say(&mut self, sentence: String) {
        if self.steps.len() < 24 {
            self.steps.push(sentence);
        }
    }
}

/// What comes from outside the program tells more than a parameter, and that more than what is written in the source.
fn most_telling(found: Vec<Origin>) -> Origin {
    let rank = |origin: &Origin| match origin {
        Origin::RequestBody
        | Origin::RequestForm
        | Origin::RequestQuery
        | Origin::RequestPath
        | Origin::RequestHeader => 6,
        Origin::Environment => 5,
        Origin::Database => 4,
        Origin::CallResult { .. } => 3,
        Origin::Parameter { .. } => 2,
        Origin::Constant => 1,
        Origin::Unknown => 0,
    };
    let mut best = Origin::Unknown;
    for origin in found {
        if rank(&origin) > rank(&best) {
            best = origin;
        }
    }
    best
}

fn simple(value: &Value) -> bool {
    matches!(
        value,
        Value::None
            | Value::Bool { .. }
            | Value::Int { .. }
            | Value::Float { .. }
            | Value::Str { .. }
    )
}

/// The expression a binding takes its value from; an element of a display where targets and elements line up.
fn element<'t>(binding: &scope::Binding<'t>) -> Option<Node<'t>> {
    let value = binding.value.clone()?;
    if binding.kind != BindingKind::Unpacking {
        return Some(value);
    }
    let targets = binding.target.parent()?;
    let position = targets
        .named_children()
        .position(|child| child.node_id() == binding.target.node_id())?;
    let is_display = matches!(value.kind().as_ref(), "expression_list" | "tuple" | "list");
    let elements: Vec<Node<'t>> = value
        .named_children()
        .filter(|child| child.kind() != "comment")
        .collect();
    if is_display && elements.len() == targets.named_children().count() {
        return elements.into_iter().nth(position);
    }
    Some(value)
}

fn binds_parameter(function: &Node<'_>, name: &str) -> bool {
    scope::parameters(function)
        .iter()
        .any(|parameter| parameter.name == name)
}

fn binds(clause: &Node<'_>, name: &str) -> bool {
    clause.field("left").is_some_and(|left| {
        left.dfs()
            .any(|inner| inner.kind() == "identifier" && inner.text() == name)
    })
}

fn holds(outer: &Option<Node<'_>>, inner: &Node<'_>) -> bool {
    outer.as_ref().is_some_and(|outer| {
        let (outer, inner) = (outer.range(), inner.range());
        outer.start <= inner.start && inner.end <= outer.end
    })
}

/// True when a binding stands in another branch of an `if`, `try` or `match` than the use, so that it cannot reach it
/// within one run of the body.
fn excludes(binding: &scope::Binding<'_>, node: &Node<'_>) -> bool {
    let target = binding.target.range();
    let at = node.range();
    for outer in place::outward(node) {
        let range = outer.range();
        if !(range.start <= target.start && target.end <= range.end) {
            continue;
        }
        // The first node that holds both decides.
        if outer.kind() != "if_statement" && outer.kind() != "match_statement" {
            return false;
        }
        let branch = |at: &std::ops::Range<usize>| {
            outer
                .children()
                .filter(|child| {
                    matches!(
                        child.kind().as_ref(),
                        "block" | "elif_clause" | "else_clause"
                    )
                })
                .position(|child| child.range().start <= at.start && at.end <= child.range().end)
        };
        return match (branch(&target), branch(&at)) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        };
    }
    false
}

/// True when the statement runs whenever control comes to the use: the block it stands in also holds the use.
fn always_runs(statement: &Node<'_>, node: &Node<'_>) -> bool {
    let use_range = node.range();
    let within = |outer: &Node<'_>| {
        let range = outer.range();
        range.start <= use_range.start && use_range.end <= range.end
    };
    // The target of a loop or `with` is bound for its own body.
    if within(statement) {
        return true;
    }
    if matches!(statement.kind().as_ref(), "for_statement") {
        return false;
    }
    statement.parent().is_some_and(|block| {
        within(&block)
            || (block.kind() == "block"
                && block.parent().is_some_and(|outer| {
                    outer.kind() == "with_statement"
                        && outer.parent().is_some_and(|next| within(&next))
                }))
    })
}

/// True when the function can end without a `return`.
fn falls_through(function: &Node<'_>) -> bool {
    let Some(body) = function.field("body") else {
        return true;
    };
    !block_ends(&body)
}

fn block_ends(block: &Node<'_>) -> bool {
    let Some(last) = block
        .named_children()
        .filter(|child| child.kind() != "comment")
        .last()
    else {
        return false;
    };
    match last.kind().as_ref() {
        "return_statement" | "raise_statement" => true,
        "if_statement" => {
            let has_else = last.children().any(|child| child.kind() == "else_clause");
            let blocks_end = last.children().all(|child| match child.kind().as_ref() {
                "block" => block_ends(&child),
                "elif_clause" => child
                    .field("consequence")
                    .is_some_and(|inner| block_ends(&inner)),
                "else_clause" => child.field("body").is_some_and(|inner| block_ends(&inner)),
                _ => true,
            });
            has_else && blocks_end
        }
        "with_statement" => last.field("body").is_some_and(|inner| block_ends(&inner)),
        "try_statement" => last.children().all(|child| match child.kind().as_ref() {
            "block" => block_ends(&child),
            "except_clause" => child
                .named_children()
                .last()
                .is_some_and(|inner| inner.kind() == "block" && block_ends(&inner)),
            _ => true,
        }),
        "while_statement" => last
            .field("condition")
            .is_some_and(|condition| condition.kind() == "true"),
        _ => false,
    }
}
