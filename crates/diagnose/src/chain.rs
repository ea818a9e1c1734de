//! Which exception of a chain is to be explained; the others become evidence.

use homeostasis_domain::Capsule;
use homeostasis_domain::capsule::{Exception, Relation};
use homeostasis_domain::value::shorten;

/// The exception to explain and why it is that one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Position in the chain.
    pub(crate) index: usize,
    /// Sentences about the choice and about the other exceptions.
    pub(crate) evidence: Vec<String>,
}

/// Modules whose exceptions only carry another one to the caller.
const WRAPPERS: &[&str] = &[
    "sqlalchemy.exc.StatementError",
    "sqlalchemy.exc.DBAPIError",
    "jinja2.exceptions.TemplateRuntimeError",
    "celery.exceptions.Retry",
    "concurrent.futures.process.BrokenProcessPool",
    "tenacity.RetryError",
];

/// Follows the chain from what was thrown last to what went wrong.
///
/// The exception thrown last is explained, with these exceptions:
/// - a group with one member stands for that member, as does one whose members are all alike;
/// - an exception that a library threw because of another one, which it names as its cause, stands for its cause
///   when the cause has a frame of the program deeper than the library's;
/// - `RuntimeError: generator raised StopIteration` stands for the `StopIteration`.
///
/// What was being handled when a new exception was thrown by accident is never chosen: the program dealt with it.
pub(crate) fn choose(capsule: &Capsule) -> Chosen {
    let chain = &capsule.exceptions;
    let mut chosen = Chosen::default();
    while let (Some(current), Some(next)) = (chain.get(chosen.index), chain.get(chosen.index + 1)) {
        let Some(reason) = stands_for(current, next, &chain[chosen.index + 1..]) else {
            break;
        };
        chosen.evidence.push(reason);
        chosen.index += 1;
    }
    for (index, exception) in chain.iter().enumerate().take(10) {
        if index == chosen.index {
            continue;
        }
        let how = match exception.relation {
            Some(Relation::Cause) => "is given as the cause of the one thrown after it",
            Some(Relation::Context) => "was being handled when the next one was thrown",
            Some(Relation::Member) => "is a member of the group",
            None => "was thrown last",
        };
        chosen.evidence.push(format!(
            "{} ({}) {how}.",
            exception.qualified_type(),
            shorten(&exception.message, 160)
        ));
    }
    chosen
}

fn stands_for(current: &Exception, next: &Exception, rest: &[Exception]) -> Option<String> {
    let name = current.qualified_type();
    let next_name = next.qualified_type();
    if current.type_name.ends_with("ExceptionGroup") && next.relation != Some(Relation::Context) {
        let members: Vec<&Exception> = rest
            .iter()
            .take_while(|exception| exception.relation.is_some())
            .collect();
        let alike = members
            .iter()
            .filter(|exception| exception.relation == next.relation)
            .all(|exception| exception.type_name == next.type_name);
        return alike.then(|| format!("The {name} holds {next_name}, which is explained here."));
    }
    let stop = matches!(
        current.message.as_str(),
        "generator raised StopIteration"
            | "coroutine raised StopIteration"
            | "async generator raised StopAsyncIteration"
    );
    if stop && next.type_name.starts_with("Stop") {
        return Some(format!(
            "A generator may not let {next_name} out, so the RuntimeError stands for it."
        ));
    }
    let thrown_by_library = current.frames.last().is_some_and(|frame| !frame.in_app);
    let wrapper = WRAPPERS.contains(&name.as_str())
        || (thrown_by_library
            && next.relation == Some(Relation::Cause)
            && !current.module.is_empty()
            && !is_peer_error(current));
    let program_is_deeper = next.frames.iter().any(|frame| frame.in_app);
    (wrapper && program_is_deeper)
        .then(|| format!("{name} only carries {next_name} out of a library."))
}

/// Errors that say more about another system than what they were made from.
fn is_peer_error(exception: &Exception) -> bool {
    [
        "Connection",
        "Timeout",
        "Connect",
        "Operational",
        "Integrity",
        "URLError",
        "HTTP",
    ]
    .iter()
    .any(|part| exception.type_name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeostasis_domain::capsule::Frame;

    fn exception(
        name: &str,
        module: &str,
        relation: Option<Relation>,
        in_app: &[bool],
    ) -> Exception {
        Exception {
            type_name: name.into(),
            module: module.into(),
            message: String::new(),
            relation,
            attributes: Default::default(),
            notes: vec![],
            frames: in_app
                .iter()
                .map(|in_app| Frame {
                    file: "/a.py".into(),
                    module: "a".into(),
                    function: "f".into(),
                    line: 1,
                    end_line: None,
                    column: None,
                    end_column: None,
                    first_line: 1,
                    in_app: *in_app,
                    source_sha256: None,
                    text: String::new(),
                    arguments: vec![],
                    locals: Default::default(),
                    globals: Default::default(),
                })
                .collect(),
        }
    }

    fn chosen(exceptions: Vec<Exception>) -> usize {
        let mut capsule: Capsule = serde_json::from_str(
            r#"{"schema":1,"kind":"process","process":{"pid":1,"cwd":"/","runtime":{"name":"CPython","version":"3.11"}},"exceptions":[]}"#,
        )
        .unwrap();
        capsule.exceptions = exceptions;
        choose(&capsule).index
    }

    #[test]
    fn a_group_with_one_member_stands_for_the_member() {
        assert_eq!(
            chosen(vec![
                exception("ExceptionGroup", "builtins", None, &[true]),
                exception("KeyError", "builtins", Some(Relation::Member), &[true]),
            ]),
            1
        );
        assert_eq!(
            chosen(vec![
                exception("ExceptionGroup", "builtins", None, &[true]),
                exception("KeyError", "builtins", Some(Relation::Member), &[true]),
                exception("ValueError", "builtins", Some(Relation::Member), &[true]),
            ]),
            0
        );
    }

    #[test]
    fn what_was_being_handled_is_not_chosen() {
        assert_eq!(
            chosen(vec![
                exception("AttributeError", "builtins", None, &[true]),
                exception("KeyError", "builtins", Some(Relation::Context), &[true]),
            ]),
            0
        );
    }

    #[test]
    fn a_library_that_wraps_an_error_of_the_program_stands_for_it() {
        assert_eq!(
            chosen(vec![
                exception("StatementError", "sqlalchemy.exc", None, &[true, false]),
                exception(
                    "TypeError",
                    "builtins",
                    Some(Relation::Cause),
                    &[false, true]
                ),
            ]),
            1
        );
        assert_eq!(
            chosen(vec![
                exception("OrderError", "shop", None, &[true]),
                exception("KeyError", "builtins", Some(Relation::Cause), &[true]),
            ]),
            0
        );
    }

    #[test]
    fn an_empty_chain_is_harmless() {
        assert_eq!(chosen(vec![]), 0);
    }
}
