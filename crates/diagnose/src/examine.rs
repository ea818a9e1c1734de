//! Examines the failing expression once for all engines: where it is, its parts, their values and where these came from.

use crate::case::{Case, Trust, one_line};
use crate::fit::Part;
use crate::locate::{self, Found};
use crate::message::{self, Complaint, Shape};
use crate::origin::{self, Agreement, DefaultUsed};
use homeostasis_domain::FaultCode;
use homeostasis_domain::capsule::{Exception, Frame};
use homeostasis_domain::diagnosis::{Location, Operand, Origin};
use homeostasis_domain::fault::class_of_error;
use homeostasis_domain::value::Value;
use homeostasis_syntax::place;
use std::ops::Range;

/// What is known of the failing expression.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examined {
    /// The class that the message alone gives.
    pub(crate) class: Option<&'static str>,
    /// `None` when the text at hand is not the one that ran, or is not at hand.
    pub(crate) location: Option<Location>,
    pub(crate) operands: Vec<Operand>,
    pub(crate) evidence: Vec<String>,
    /// From 0 to 1: that this is the expression.
    pub(crate) certainty: f64,
    /// The exception came out of code below the program's innermost frame: file and function of the innermost one.
    pub(crate) library: Option<String>,
    /// An explicit `raise` or `assert` of the program threw it: its text.
    pub(crate) raised: Option<String>,
    /// The default of a parameter reached the expression.
    pub(crate) default: Option<DefaultUsed>,
    /// Where a caller handed down the None that could not be used, and what it handed down.
    pub(crate) handed_down: Option<(Location, Operand)>,
}

/// Methods through which Python itself looks something up: what they raise on purpose is the fault of who asked.
const PROTOCOL: &[&str] = &[
    "__getitem__",
    "__getattr__",
    "__getattribute__",
    "__missing__",
    "__delitem__",
    "__get__",
];

/// Roles whose values come from somewhere; the others are names.
const TRACED: &[&str] = &[
    "object", "key", "index", "divisor", "dividend", "left", "right", "text", "argument",
];

pub(crate) fn examine(case: &Case<'_>) -> Examined {
    let Some(exception) = case.exception() else {
        return Examined::default();
    };
    let complaint = message::complaint(exception);
    let mut examined = Examined {
        class: complaint.as_ref().map(|complaint| complaint.class),
        ..Examined::default()
    };
    let Some((mut index, mut frame, mut below)) = case.failing() else {
        examined
            .evidence
            .push("No frame of the traceback belongs to the program.".into());
        examined.certainty = 0.2;
        return examined;
    };
    if !below {
        examined.raised = raised(case, index, exception);
        let asked = protocol_caller(exception, index, frame);
        if let (Some(_), Some((outer, outer_frame))) = (&examined.raised, asked) {
            examined.evidence.push(format!(
                "`{}` raised it on purpose, so what asked for it is examined.",
                frame.function
            ));
            examined.raised = None;
            (index, frame, below) = (outer, outer_frame, true);
        }
    }
    if below && let Some(deepest) = exception.frames.last() {
        let named = format!("{} in {}", deepest.function, short_file(&deepest.file));
        examined.evidence.push(format!(
            "The exception came out of {named}, line {}.",
            deepest.line
        ));
        if !deepest.in_app {
            examined.library = Some(named);
        }
    }
    let Some(spot) = case.spot(index) else {
        examined.evidence.push(format!(
            "The source of {} is not at hand, so the expression could not be looked at.",
            short_file(&frame.file)
        ));
        examined.certainty = 0.3;
        return examined;
    };
    let trusted = match spot.trust {
        Trust::Same => 1.0,
        Trust::FileChanged => {
            examined
                .evidence
                .push("The file has changed since the failure; the failing line has not.".into());
            0.75
        }
        Trust::LineChanged => {
            examined.evidence.push(format!(
                "Line {} is no longer the one that failed (`{}`), so no expression can be named.",
                frame.line, frame.text
            ));
            examined.certainty = 0.2;
            return examined;
        }
    };
    let complaint = complaint.unwrap_or(Complaint {
        class: "logic.unhandled_case",
        shape: Shape::Anything,
    });
    let called = exception
        .frames
        .get(index + 1)
        .map(|next| next.function.as_str());
    let Some(found) = locate::locate(&spot, &complaint, called.filter(|_| below)) else {
        examined.certainty = 0.3;
        return examined;
    };
    let Found {
        fit,
        how,
        certainty,
    } = found;
    examined.certainty = certainty * trusted;
    examined.evidence.push(how);
    for sentence in fit.agreements.iter() {
        examined.evidence.push(format!("Fits: {sentence}."));
    }
    for sentence in fit.contradictions.iter() {
        examined.evidence.push(format!("Does not fit: {sentence}."));
    }
    examined.location = Some(location(&fit.node, frame, &spot));
    // Before 3.11 some functions let out the error of their own indexing for an empty argument.
    let empty_given = fit.parts.iter().any(|part| {
        matches!(part.role, "argument" | "text") && part.value.as_ref().is_some_and(Value::is_empty)
    });
    if examined.library.is_some()
        && empty_given
        && examined.class == Some("data.index_out_of_range")
    {
        examined.class = Some("data.empty");
    }
    for part in &fit.parts {
        let operand = operand(case, &spot, part, &mut examined);
        examined.operands.push(operand);
    }
    examined
}

fn operand<'c>(
    case: &'c Case<'c>,
    spot: &crate::case::Spot<'c>,
    part: &Part<'c>,
    examined: &mut Examined,
) -> Operand {
    let mut origin = Origin::Unknown;
    if let Some(node) = part.node.as_ref().filter(|_| TRACED.contains(&part.role)) {
        let trace = origin::trace(case, spot, node, part.value.as_ref());
        for step in trace.steps {
            if examined.evidence.len() < 40 && !examined.evidence.contains(&step) {
                examined.evidence.push(step);
            }
        }
        match trace.agreement {
            Agreement::Confirmed(sentence) => {
                examined.evidence.push(sentence);
                examined.certainty = (examined.certainty + 0.02).min(0.99);
            }
            Agreement::Contradicted(sentence) => {
                examined.evidence.push(sentence);
                examined.certainty *= 0.9;
            }
            Agreement::Silent => {}
        }
        if trace.default.is_some() && examined.default.is_none() {
            examined.default = trace.default;
        }
        origin = trace.origin;
        // A value that is not None at all, or that was never captured, is not what could not be used.
        if part.value == Some(Value::None)
            && examined.handed_down.is_none()
            && let Some((index, range)) = trace.handed_down
        {
            examined.handed_down = handed_down(case, index, range, &origin);
        }
    }
    Operand {
        role: part.role.to_string(),
        text: part.text.clone(),
        start_byte: part.range.start,
        end_byte: part.range.end,
        value: part.value.clone(),
        origin,
    }
}

/// The argument in the calling frame, with its variable.
fn handed_down(
    case: &Case<'_>,
    index: usize,
    range: Range<usize>,
    origin: &Origin,
) -> Option<(Location, Operand)> {
    let spot = case
        .spot(index)
        .filter(|spot| spot.frame.in_app && spot.trust == Trust::Same)?;
    let node = spot.source.exactly(range)?;
    let place = location(&node, spot.frame, &spot);
    let operand = Operand {
        role: "object".to_string(),
        text: place.text.clone(),
        start_byte: place.start_byte,
        end_byte: place.end_byte,
        value: Some(Value::None),
        origin: origin.clone(),
    };
    Some((place, operand))
}

fn location(
    node: &homeostasis_syntax::Node<'_>,
    frame: &Frame,
    spot: &crate::case::Spot<'_>,
) -> Location {
    let range = node.range();
    let (line, column) = spot.source.lines().position(range.start);
    let (end_line, end_column) = spot.source.lines().position(range.end);
    Location {
        file: frame.file.clone(),
        module: frame.module.clone(),
        function: frame.function.clone(),
        line,
        column,
        end_line,
        end_column,
        start_byte: range.start,
        end_byte: range.end,
        text: node.text().into_owned(),
    }
}

/// The text of the `raise` or `assert` that threw the exception, when one did.
fn raised(case: &Case<'_>, index: usize, exception: &Exception) -> Option<String> {
    let spot = case.spot(index)?;
    if spot.trust == Trust::LineChanged {
        return None;
    }
    if let Some(range) = locate::position(&spot) {
        let node = spot.source.covering(range.clone())?;
        let statement = place::statement(&node)?;
        let is_raise = statement.kind() == "raise_statement" && statement.range() == range;
        let is_assert =
            statement.kind() == "assert_statement" && exception.type_name == "AssertionError";
        return (is_raise || is_assert).then(|| one_line(&statement, 200));
    }
    let mut statements = locate::nodes_on_line(&spot)
        .into_iter()
        .filter_map(|node| place::statement(&node));
    let statement = statements.find(|statement| {
        matches!(
            statement.kind().as_ref(),
            "raise_statement" | "assert_statement"
        )
    })?;
    if statement.kind() == "assert_statement" {
        return (exception.type_name == "AssertionError").then(|| one_line(&statement, 200));
    }
    // Making the exception can fail too: then it is of another type than the one named.
    let thrown = statement.named_children().next()?;
    let named = match thrown.kind().as_ref() {
        "call" => thrown
            .field("function")
            .map(|function| crate::fit::last_name(&function)),
        _ => Some(crate::fit::last_name(&thrown)),
    }?;
    let own_name = exception.type_name.rsplit('.').next().unwrap_or_default();
    let is_class = named.chars().next().is_some_and(char::is_uppercase);
    (named == own_name || !is_class).then(|| one_line(&statement, 200))
}

/// The frame that asked, when the exception was raised by a method through which Python looks something up.
fn protocol_caller<'e>(
    exception: &'e Exception,
    index: usize,
    frame: &Frame,
) -> Option<(usize, &'e Frame)> {
    let name = frame.function.rsplit('.').next().unwrap_or_default();
    let lookup = matches!(
        exception.type_name.as_str(),
        "KeyError" | "IndexError" | "AttributeError"
    );
    if !lookup || !PROTOCOL.contains(&name) {
        return None;
    }
    let outer = index.checked_sub(1)?;
    let outer_frame = exception.frames.get(outer).filter(|outer| outer.in_app)?;
    Some((outer, outer_frame))
}

/// The last three parts of a path.
pub(crate) fn short_file(file: &str) -> String {
    let parts: Vec<&str> = file.split('/').filter(|part| !part.is_empty()).collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}

/// The class of an exception whose message says nothing.
pub(crate) fn class_by_type(exception: &Exception) -> Option<FaultCode> {
    class_of_error("python", &exception.qualified_type()).map(|fault| fault.code.clone())
}
