//! Crosses from a parameter to the argument in the calling frame, over several levels, with stars followed by position or name.

use super::{At, DefaultUsed, Tracer, routes};
use crate::case::{Case, Trust, one_line};
use crate::fit::{arguments, last_name};
use crate::locate;
use homeostasis_domain::diagnosis::Origin;
use homeostasis_syntax::scope::{self, Parameter, ParameterKind};
use homeostasis_syntax::{Node, Source, literal, place};

/// The frame that runs a function's own code, at or above (outside of) the frame with this index.
pub(super) fn frame_of(
    case: &Case<'_>,
    source: &Source,
    function: &Node<'_>,
    index: usize,
) -> Option<usize> {
    let frames = &case.exception()?.frames;
    let name = function.field("name")?.text().into_owned();
    let range = function.range();
    let (first, _) = source.lines().position(range.start);
    let (last, _) = source.lines().position(range.end);
    (0..=index.min(frames.len().checked_sub(1)?))
        .rev()
        .find(|index| {
            let frame = &frames[*index];
            let last_part = frame.function.rsplit('.').next().unwrap_or_default();
            last_part == name
                && (first..=last).contains(&frame.line)
                && case
                    .source(&frame.file)
                    .is_some_and(|own| std::ptr::eq(own, source))
        })
}

/// What is wanted of a call: an argument by position or by name.
#[derive(Clone, Debug)]
struct Wanted {
    position: Option<usize>,
    name: Option<String>,
}

/// The origin of a parameter of a function whose frame is known, or of a request handler.
pub(super) fn parameter<'c>(
    tracer: &mut Tracer<'c>,
    at: At<'c>,
    function: &Node<'c>,
    parameter: &Parameter<'c>,
) -> Origin {
    let unknown = Origin::Parameter {
        name: parameter.name.clone(),
    };
    if let Some(origin) = routes::parameter(tracer, at, function, parameter) {
        return origin;
    }
    let Some(index) = at.index else {
        return unknown;
    };
    let Some(wanted) = wanted(function, parameter) else {
        return unknown;
    };
    match argument(tracer, function, index, wanted, 0) {
        Given::Followed(origin) => match origin {
            Origin::Unknown => unknown,
            origin => origin,
        },
        Given::Not => default(tracer, parameter).unwrap_or(unknown),
        Given::Unknown => unknown,
    }
}

fn default(tracer: &mut Tracer<'_>, parameter: &Parameter<'_>) -> Option<Origin> {
    let value = parameter.default.as_ref()?;
    let name = parameter.name.clone();
    tracer.say(format!(
        "The caller gives no `{name}`, so its default `{}` is used.",
        one_line(value, 60)
    ));
    if value.kind() == "none" {
        tracer.default = Some(DefaultUsed::Absent { parameter: name });
    } else if literal::is_mutable_display(value) {
        tracer.default = Some(DefaultUsed::Mutable { parameter: name });
    }
    Some(Origin::Constant)
}

/// The place of a parameter among the arguments of a call, without `self` and `cls`.
fn wanted(function: &Node<'_>, parameter: &Parameter<'_>) -> Option<Wanted> {
    if matches!(
        parameter.kind,
        ParameterKind::Star | ParameterKind::DoubleStar
    ) {
        return None;
    }
    let parameters = scope::parameters(function);
    let position = parameters
        .iter()
        .filter(|known| {
            matches!(
                known.kind,
                ParameterKind::Plain | ParameterKind::PositionalOnly
            )
        })
        .position(|known| known.name == parameter.name);
    let bound = binds_its_first(function);
    let position = match position {
        // The instance is no argument that a caller writes.
        Some(0) if bound => return None,
        Some(position) => Some(position - usize::from(bound)),
        None => None,
    };
    Some(Wanted {
        position,
        name: (parameter.kind != ParameterKind::PositionalOnly).then(|| parameter.name.clone()),
    })
}

fn binds_its_first(function: &Node<'_>) -> bool {
    place::class_of_method(function).is_some()
        && !scope::decorators(function)
            .iter()
            .any(|decorator| decorator.text() == "staticmethod")
}

enum Given {
    Followed(Origin),
    /// The call gives no such argument.
    Not,
    Unknown,
}

fn argument<'c>(
    tracer: &mut Tracer<'c>,
    callee: &Node<'c>,
    index: usize,
    wanted: Wanted,
    level: u32,
) -> Given {
    let case = tracer.case;
    let Some(caller) = index.checked_sub(1) else {
        return Given::Unknown;
    };
    let Some(spot) = case
        .spot(caller)
        .filter(|spot| spot.frame.in_app && spot.trust != Trust::LineChanged)
    else {
        return Given::Unknown;
    };
    if level > 12 {
        return Given::Unknown;
    }
    let name = callee
        .field("name")
        .map(|name| name.text().into_owned())
        .unwrap_or_default();
    let class = place::class_of_method(callee)
        .and_then(|class| class.field("name"))
        .map(|name| name.text().into_owned());
    let Some(call) = calling(&spot, &name, class.as_deref()) else {
        return Given::Unknown;
    };
    let here = At {
        source: spot.source,
        index: Some(caller),
    };
    let given = arguments(&call);
    if let Some(argument) = given
        .iter()
        .find(|argument| argument.keyword.is_some() && argument.keyword == wanted.name)
    {
        tracer.say(format!(
            "It was given as `{}` in `{}`.",
            one_line(&argument.node, 80),
            spot.frame.function
        ));
        tracer.hand_down(caller, &argument.value);
        return Given::Followed(tracer.follow(here, &argument.value));
    }
    let positional = given
        .iter()
        .filter(|argument| argument.keyword.is_none() && argument.stars < 2);
    for (before, argument) in positional.enumerate() {
        let Some(position) = wanted.position else {
            break;
        };
        if argument.stars == 1 {
            let passed = Wanted {
                position: Some(position - before),
                name: None,
            };
            return through_star(
                tracer,
                here,
                &argument.value,
                passed,
                ParameterKind::Star,
                level,
            );
        }
        if before == position {
            tracer.say(format!(
                "It was given as `{}` in `{}`.",
                one_line(&argument.value, 80),
                spot.frame.function
            ));
            tracer.hand_down(caller, &argument.value);
            return Given::Followed(tracer.follow(here, &argument.value));
        }
    }
    if let Some(argument) = given.iter().find(|argument| argument.stars == 2) {
        let passed = Wanted {
            position: None,
            name: wanted.name.clone(),
        };
        return through_star(
            tracer,
            here,
            &argument.value,
            passed,
            ParameterKind::DoubleStar,
            level,
        );
    }
    Given::Not
}

/// `f(*args, **kwargs)` in a wrapper: the argument is the one that the wrapper itself was given.
fn through_star<'c>(
    tracer: &mut Tracer<'c>,
    at: At<'c>,
    value: &Node<'c>,
    wanted: Wanted,
    kind: ParameterKind,
    level: u32,
) -> Given {
    let wrapper = place::function(value).filter(|_| value.kind() == "identifier");
    let passed = wrapper.and_then(|wrapper| {
        let parameters = scope::parameters(&wrapper);
        parameters
            .iter()
            .any(|parameter| parameter.kind == kind && value.text() == parameter.name.as_str())
            .then_some((wrapper, parameters))
    });
    let Some((wrapper, parameters)) = passed else {
        return Given::Followed(tracer.follow(at, value));
    };
    let Some(index) = at
        .index
        .and_then(|index| frame_of(tracer.case, at.source, &wrapper, index))
    else {
        return Given::Unknown;
    };
    let own = parameters
        .iter()
        .filter(|parameter| {
            matches!(
                parameter.kind,
                ParameterKind::Plain | ParameterKind::PositionalOnly
            )
        })
        .count();
    let bound = usize::from(binds_its_first(&wrapper));
    let outer = Wanted {
        position: wanted
            .position
            .map(|position| position + own - bound.min(own)),
        name: wanted.name,
    };
    argument(tracer, &wrapper, index, outer, level + 1)
}

/// The call in the caller's frame that entered the function.
fn calling<'c>(spot: &crate::case::Spot<'c>, name: &str, class: Option<&str>) -> Option<Node<'c>> {
    let fits = |node: &Node<'c>| -> bool {
        node.kind() == "call"
            && node.field("function").is_some_and(|function| {
                let called = last_name(&function);
                called == name
                    || (matches!(name, "__init__" | "__new__" | "__call__")
                        && Some(called.as_str()) == class)
            })
    };
    if let Some(node) = locate::node_at(spot) {
        // A frame that waits stands at its `await`.
        let node = match node.kind().as_ref() {
            "await" => node.named_children().last()?,
            _ => node,
        };
        let exact = place::outward(&node)
            .take(3)
            .find(|outer| outer.kind() == "call");
        if let Some(call) = exact {
            // The name may differ: a decorator's wrapper, an alias, a method taken from a table.
            return Some(call);
        }
        return None;
    }
    let on_line: Vec<Node<'c>> = locate::nodes_on_line(spot)
        .into_iter()
        .filter(|node| node.kind() == "call")
        .collect();
    let named: Vec<&Node<'c>> = on_line.iter().filter(|node| fits(node)).collect();
    match (named.as_slice(), on_line.as_slice()) {
        ([only], _) => Some((*only).clone()),
        ([], [only]) => Some(only.clone()),
        _ => None,
    }
}
