//! Recognises code that tells the client of an error, in the ways of the usual frameworks, or throws on.

use super::statements::block_of;
use super::work;
use homeostasis_syntax::Node;

/// Parts of names that only error answers have.
const ERROR_NAMES: [&str; 14] = [
    "BadRequest",
    "NotFound",
    "Forbidden",
    "Unauthorized",
    "Unprocessable",
    "Conflict",
    "HTTPException",
    "HTTPError",
    "ValidationError",
    "HTTP_4",
    "HTTP_5",
    "BAD_REQUEST",
    "NOT_FOUND",
    "UNPROCESSABLE",
];

/// True when a block always ends by throwing or by answering with an error, and never leaves in another way.
pub(super) fn ends_in_error(block: &Node<'_>) -> bool {
    let statements: Vec<Node<'_>> = block
        .named_children()
        .filter(|child| child.kind() != "comment")
        .collect();
    let Some((last, before)) = statements.split_last() else {
        return false;
    };
    is_error(last) && !before.iter().any(leaves_quietly)
}

/// True when the statement itself throws or answers with an error.
pub(super) fn is_error(statement: &Node<'_>) -> bool {
    match statement.kind().as_ref() {
        "raise_statement" => true,
        "return_statement" => statement
            .named_children()
            .any(|value| is_error_answer(&value)),
        "expression_statement" => statement.named_children().any(|value| is_abort(&value)),
        "if_statement" => {
            let alternatives: Vec<Node<'_>> = statement.field_children("alternative").collect();
            let closed = alternatives
                .last()
                .is_some_and(|last| last.kind() == "else_clause");
            let consequence = statement.field("consequence");
            closed
                && consequence.is_some_and(|block| ends_in_error(&block))
                && alternatives.iter().all(|clause| {
                    clause
                        .field("consequence")
                        .or_else(|| clause.field("body"))
                        .is_some_and(|block| ends_in_error(&block))
                })
        }
        "with_statement" => block_of(statement).is_some_and(|block| ends_in_error(&block)),
        _ => false,
    }
}

fn leaves_quietly(statement: &Node<'_>) -> bool {
    statement.dfs().any(|node| match node.kind().as_ref() {
        "return_statement" => !is_error(&node),
        "continue_statement" | "break_statement" => true,
        _ => false,
    })
}

fn is_abort(value: &Node<'_>) -> bool {
    let value = match value.kind().as_ref() {
        "await" => value.named_children().next(),
        _ => Some(value.clone()),
    };
    value.is_some_and(|value| {
        value.kind() == "call" && work::called(&value).as_deref() == Some("abort")
    })
}

/// `(body, 400)`, `Response(..., status=422)`, `make_response(body, 400)`, `HttpResponseBadRequest(...)`.
fn is_error_answer(value: &Node<'_>) -> bool {
    match value.kind().as_ref() {
        "tuple" | "expression_list" => value.named_children().skip(1).any(|part| is_status(&part)),
        "parenthesized_expression" | "await" => {
            value.named_children().any(|inner| is_error_answer(&inner))
        }
        "call" => {
            if is_abort(value) {
                return true;
            }
            let named = value
                .field("function")
                .is_some_and(|function| has_error_name(&function.text()));
            let Some(arguments) = value.field("arguments") else {
                return named;
            };
            named
                || arguments
                    .named_children()
                    .enumerate()
                    .any(|(place, argument)| match argument.kind().as_ref() {
                        "keyword_argument" => {
                            let name = argument.field("name").map(|name| name.text().into_owned());
                            matches!(name.as_deref(), Some("status" | "status_code" | "code"))
                                && argument
                                    .field("value")
                                    .is_some_and(|value| is_status(&value))
                        }
                        _ => place > 0 && is_status(&argument),
                    })
        }
        _ => false,
    }
}

fn is_status(value: &Node<'_>) -> bool {
    match value.kind().as_ref() {
        "integer" => value
            .text()
            .parse::<u16>()
            .is_ok_and(|status| (400..600).contains(&status)),
        "string" => {
            let text = value.text();
            let digits = text.trim_matches(['"', '\'']).get(..3).unwrap_or_default();
            digits
                .parse::<u16>()
                .is_ok_and(|status| (400..600).contains(&status))
        }
        "attribute" | "identifier" => has_error_name(&value.text()),
        _ => false,
    }
}

fn has_error_name(text: &str) -> bool {
    ERROR_NAMES.iter().any(|name| text.contains(name))
}
