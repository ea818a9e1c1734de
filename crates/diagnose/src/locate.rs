//! Finds the expression that raised a complaint: by the exact position where the interpreter tells, else on its line.

use crate::case::Spot;
use crate::evaluate::{Known, evaluate};
use crate::fit::{self, Fit};
use crate::message::{Complaint, Shape};
use homeostasis_domain::value::Value;
use homeostasis_syntax::{Node, place};
use std::ops::Range;

/// The expression that was found and how surely.
pub(crate) struct Found<'t> {
    pub(crate) fit: Fit<'t>,
    /// How it was found, a sentence.
    pub(crate) how: String,
    /// From 0 to 1.
    pub(crate) certainty: f64,
}

/// How far the search looks at nodes; a line with more is generated code.
const MOST_NODES: usize = 4000;

/// Searches for the failing expression. `below` is the name of the function that was called from this frame, when the
/// exception came from there.
pub(crate) fn locate<'c>(
    spot: &Spot<'c>,
    complaint: &Complaint,
    below: Option<&str>,
) -> Option<Found<'c>> {
    let found = match position(spot) {
        Some(range) => by_position(spot, complaint, range, below),
        None => by_line(spot, complaint, below),
    }?;
    Some(with_element(spot, complaint, found))
}

/// At most so many elements are tried.
const MOST_ELEMENTS: usize = 300;

/// Since 3.12 the variables of comprehensions are gone when the failure is captured. The elements they ran over are still
/// there: the first for which the expression fails in this way are the ones it failed for.
fn with_element<'c>(spot: &Spot<'c>, complaint: &Complaint, found: Found<'c>) -> Found<'c> {
    let clauses = clauses_around(&found.fit.node, spot);
    if clauses.is_empty() {
        return found;
    }
    let mut left = MOST_ELEMENTS;
    let Some(fit) = first_failing(&clauses, spot.known(), complaint, &found.fit, &mut left) else {
        return found;
    };
    let names: Vec<String> = clauses
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let how = format!(
        "{} The first elements for which it fails were worked out for {}.",
        found.how,
        names.join(", ")
    );
    Found { fit, how, ..found }
}

/// The variables of the comprehensions around a node that have no captured value, outermost first, with what they run over.
fn clauses_around<'c>(node: &Node<'c>, spot: &Spot<'c>) -> Vec<(String, Node<'c>)> {
    let mut found = Vec::new();
    let comprehensions: Vec<Node<'c>> = place::outward(node)
        .skip(1)
        .take_while(|outer| !place::is_statement(outer) && outer.kind() != "lambda")
        .filter(|outer| {
            outer.kind().ends_with("_comprehension") || outer.kind() == "generator_expression"
        })
        .take(4)
        .collect();
    for comprehension in comprehensions.iter().rev() {
        for clause in comprehension
            .named_children()
            .filter(|child| child.kind() == "for_in_clause")
        {
            let (Some(left), Some(right)) = (clause.field("left"), clause.field("right")) else {
                continue;
            };
            // What runs in the clause itself does not see its variable.
            if right.range().start <= node.range().start && node.range().end <= right.range().end {
                break;
            }
            if left.kind() == "identifier" && !spot.frame.locals.contains_key(left.text().as_ref())
            {
                found.push((left.text().into_owned(), right));
            }
        }
    }
    found
}

fn first_failing<'c>(
    clauses: &[(String, Node<'c>)],
    known: &Known<'_>,
    complaint: &Complaint,
    so_far: &Fit<'c>,
    left: &mut usize,
) -> Option<Fit<'c>> {
    let Some(((name, iterated), rest)) = clauses.split_first() else {
        return fit::fit(complaint, &so_far.node, known).filter(|fit| {
            fit.contradictions.is_empty() && fit.agreements.len() > so_far.agreements.len()
        });
    };
    let (Value::List { items, .. } | Value::Tuple { items, .. }) = evaluate(iterated, known)?
    else {
        return None;
    };
    let mut frame = known.frame.clone();
    for item in items {
        *left = left.checked_sub(1)?;
        frame.locals.insert(name.clone(), item);
        let with = Known {
            frame: &frame,
            request: known.request,
        };
        if let Some(fit) = first_failing(rest, &with, complaint, so_far, left) {
            return Some(fit);
        }
    }
    None
}

/// The byte range the interpreter reported.
pub(crate) fn position(spot: &Spot<'_>) -> Option<Range<usize>> {
    let frame = spot.frame;
    let start = spot.source.lines().byte(frame.line, frame.column?)?;
    let end = spot
        .source
        .lines()
        .byte(frame.end_line.unwrap_or(frame.line), frame.end_column?)?;
    let text = spot.source.text();
    (start < end && text.is_char_boundary(start) && text.is_char_boundary(end))
        .then_some(start..end)
}

/// The smallest node at the reported position, whatever its kind.
pub(crate) fn node_at<'c>(spot: &Spot<'c>) -> Option<Node<'c>> {
    spot.source.covering(position(spot)?)
}

fn by_position<'c>(
    spot: &Spot<'c>,
    complaint: &Complaint,
    range: Range<usize>,
    below: Option<&str>,
) -> Option<Found<'c>> {
    let innermost = spot.source.covering(range.clone())?;
    let exact = exact_nodes(&innermost, &range);
    let fits = |nodes: &[Node<'c>]| -> Option<Fit<'c>> {
        best(
            nodes
                .iter()
                .filter_map(|node| fit::fit(complaint, node, spot.known()))
                .collect(),
        )
        .map(|(fit, _)| fit)
    };
    let found = |fit: Fit<'c>, certainty: f64, how: &str| {
        let certainty = if fit.contradictions.is_empty() {
            certainty
        } else {
            certainty * 0.6
        };
        Some(Found {
            certainty,
            how: how.to_string(),
            fit,
        })
    };
    if let Some(fit) = fits(&exact) {
        let certainty = if fit.agreements.is_empty() {
            0.92
        } else {
            0.97
        };
        return found(
            fit,
            certainty,
            "The interpreter reported the exact position of the expression.",
        );
    }
    let at = exact
        .iter()
        .find(|node| node.range() == range)
        .unwrap_or(&innermost)
        .clone();
    if below.is_some() {
        // The failure came out of what was called here: the call is the location, its arguments are the parts.
        let call = exact
            .iter()
            .find(|node| node.kind() == "call")
            .cloned()
            .unwrap_or_else(|| at.clone());
        let fit = called(&call, complaint, spot);
        return found(
            fit,
            0.7,
            "The interpreter reported the exact position of the call that failed inside.",
        );
    }
    let inside: Vec<Node<'c>> = at
        .dfs()
        .skip(1)
        .take(MOST_NODES)
        .filter(Node::is_named)
        .collect();
    if let Some(fit) = fits(&inside) {
        let certainty = if fit.agreements.is_empty() { 0.6 } else { 0.8 };
        return found(
            fit,
            certainty,
            "Found inside the expression whose position the interpreter reported.",
        );
    }
    let around: Vec<Node<'c>> = place::outward(&at)
        .skip(1)
        .take_while(|node| !matches!(node.kind().as_ref(), "block" | "module"))
        .take(40)
        .collect();
    if !matches!(complaint.shape, Shape::Anything)
        && let Some(fit) = fits(&around)
    {
        return found(
            fit,
            0.6,
            "Found around the position that the interpreter reported.",
        );
    }
    found(
        fit::whole(&at, spot.known()),
        0.45,
        "The interpreter reported the exact position; the form of the expression says no more.",
    )
}

/// What was called, with the arguments that fit the complaint first.
fn called<'c>(node: &Node<'c>, complaint: &Complaint, spot: &Spot<'c>) -> Fit<'c> {
    let type_name = match &complaint.shape {
        Shape::Conversion { .. } | Shape::Anything | Shape::Name(_) | Shape::Division => None,
        Shape::Subscript { container, .. } => container.clone(),
        Shape::Attribute { owner, .. } => owner.clone(),
        Shape::Iteration(name) | Shape::Unpacking(name) | Shape::Use(name) => name.clone(),
        Shape::Operator { left, right, .. } => right.clone().or(left.clone()),
        Shape::Call { .. } => None,
    };
    let as_conversion = Complaint {
        class: complaint.class,
        shape: Shape::Conversion {
            text: None,
            to: None,
            type_name,
        },
    };
    let mut fit = fit::fit(&as_conversion, node, spot.known())
        .unwrap_or_else(|| fit::whole(node, spot.known()));
    // The value may be deep inside an argument, so that one of another type speaks against nothing.
    fit.contradictions.clear();
    fit
}

/// The nodes a reported range can stand for: those with exactly this range, and those whose part the range is.
fn exact_nodes<'t>(innermost: &Node<'t>, range: &Range<usize>) -> Vec<Node<'t>> {
    let mut found: Vec<Node<'t>> = place::outward(innermost)
        .take_while(|node| node.range() == *range)
        .take(10)
        .collect();
    // Since 3.12 an attribute or method on another line than its object is reported without the object.
    for outer in place::outward(innermost).take(4) {
        let part = match outer.kind().as_ref() {
            "attribute" => outer.field("attribute").map(|name| name.range()),
            "call" => outer
                .field("function")
                .filter(|function| function.kind() == "attribute")
                .and_then(|function| function.field("attribute"))
                .map(|name| name.range().start..outer.range().end),
            // A position that names only the target of an unpacking or the iterated expression.
            "assignment" | "for_statement" | "for_in_clause" => {
                outer.field("left").map(|left| left.range())
            }
            _ => None,
        };
        if part.as_ref() == Some(range) {
            found.push(outer);
        }
    }
    // A generator expression as the only argument, and a value in parentheses, are reported without them.
    if let Some(parent) = innermost.parent()
        && parent.kind() == "parenthesized_expression"
        && innermost.range() == *range
    {
        found.push(parent);
    }
    // `x /= y` is reported whole, and its statement has the same range.
    for child in innermost.named_children() {
        if child.range() == *range && !found.iter().any(|node| node.node_id() == child.node_id()) {
            found.push(child);
        }
    }
    found
}

fn by_line<'c>(spot: &Spot<'c>, complaint: &Complaint, below: Option<&str>) -> Option<Found<'c>> {
    let nodes = nodes_on_line(spot);
    if nodes.is_empty() {
        return None;
    }
    let mut fits: Vec<Fit<'c>> = nodes
        .iter()
        .filter_map(|node| fit::fit(complaint, node, spot.known()))
        .collect();
    if let Some(below) = below {
        // Only what can have called that function is left.
        let calls: Vec<Node<'c>> = nodes
            .iter()
            .filter(|node| node.kind() == "call" && calls_function(node, below))
            .cloned()
            .collect();
        let operators = below.starts_with("__")
            && below != "__init__"
            && below != "__call__"
            && below != "__new__";
        if !operators {
            fits.retain(|fit| fit.node.kind() == "call");
            let named: Vec<Fit<'c>> = fits
                .iter()
                .filter(|fit| calls_function(&fit.node, below))
                .cloned()
                .collect();
            if !named.is_empty() {
                fits = named;
            } else if !calls.is_empty() {
                fits = calls
                    .iter()
                    .map(|call| called(call, complaint, spot))
                    .collect();
            }
        }
    }
    if fits.is_empty() && matches!(complaint.shape, Shape::Unpacking(_)) {
        // The loop whose target takes elements apart begins before its header's line when decorated by `async`.
        let statement = nodes.first().and_then(place::statement)?;
        fits.extend(fit::fit(complaint, &statement, spot.known()));
    }
    if let Some((fit, rivals)) = best(fits) {
        let certainty = match (
            rivals,
            fit.agreements.is_empty(),
            fit.contradictions.is_empty(),
        ) {
            (_, _, false) => 0.4,
            (0, false, true) => 0.9,
            (0, true, true) => 0.8,
            (_, false, true) => 0.55,
            (_, true, true) => 0.4,
        };
        let how = if rivals == 0 {
            "The interpreter reported only the line; the expression is the one on it that fits the error and the values.".to_string()
        } else {
            format!(
                "The interpreter reported only the line, and {rivals} other expressions on it fit as well; the first that runs was taken."
            )
        };
        return Some(Found {
            fit,
            how,
            certainty,
        });
    }
    let calls: Vec<&Node<'c>> = nodes.iter().filter(|node| node.kind() == "call").collect();
    let only = match calls.as_slice() {
        [call] => called(call, complaint, spot),
        _ => fit::whole(nodes.first()?, spot.known()),
    };
    Some(Found {
        fit: only,
        how: "The interpreter reported only the line, and nothing on it has the form of the error."
            .into(),
        certainty: 0.25,
    })
}

fn calls_function(call: &Node<'_>, below: &str) -> bool {
    let last = below.rsplit('.').next().unwrap_or_default();
    call.field("function").is_some_and(|function| {
        let name = fit::last_name(&function);
        name == last || (matches!(last, "__init__" | "__new__" | "__call__") && !name.is_empty())
    })
}

/// The expressions that begin on the frame's line, inside the function the frame is of.
pub(crate) fn nodes_on_line<'c>(spot: &Spot<'c>) -> Vec<Node<'c>> {
    let lines = spot.source.lines();
    let (Some(start), Some(next)) = (
        lines.line_start(spot.frame.line),
        spot.frame.line.checked_add(1),
    ) else {
        return Vec::new();
    };
    let end = lines.line_start(next).unwrap_or(spot.source.text().len());
    let line = start..end;
    let mut found = Vec::new();
    // A stack of our own: trees of long chains are deep.
    let mut pending = vec![spot.source.root()];
    while let Some(node) = pending.pop() {
        let range = node.range();
        if range.end <= line.start || range.start >= line.end || found.len() >= MOST_NODES {
            continue;
        }
        let children: Vec<Node<'c>> = node.children().collect();
        // A method on a line of its own is reported by the line of its name.
        let begins = match node.kind().as_ref() {
            "attribute" => node
                .field("attribute")
                .map_or(range.start, |name| name.range().start),
            _ => range.start,
        };
        if (line.contains(&range.start) || line.contains(&begins))
            && node.is_named()
            && !matches!(node.kind().as_ref(), "module" | "block" | "comment")
        {
            found.push(node);
        }
        pending.extend(children.into_iter().rev());
    }
    found
}

/// The fit with the highest score, and how many others score as high. Among equals the one that is evaluated first:
/// it ends first.
fn best(mut fits: Vec<Fit<'_>>) -> Option<(Fit<'_>, usize)> {
    let top = fits.iter().map(Fit::score).max()?;
    fits.retain(|fit| fit.score() == top);
    fits.sort_by_key(|fit| fit.node.range().end);
    let rivals = fits
        .iter()
        .skip(1)
        .filter(|fit| fit.node.range() != fits[0].node.range())
        .count();
    fits.into_iter().next().map(|fit| (fit, rivals))
}
