//! What a web framework gives to the parameters of a request handler, read from its decorators, annotations and defaults.

use super::{At, Tracer, definitions};
use crate::fit::last_name;
use homeostasis_domain::diagnosis::Origin;
use homeostasis_syntax::scope::{self, Parameter};
use homeostasis_syntax::{Node, literal, place};

/// Methods of applications and routers that register a handler.
const REGISTERING: &[&str] = &[
    "route",
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "options",
    "api_route",
    "websocket",
    "trace",
];

/// Annotations whose parameters FastAPI takes from path or query.
const SCALARS: &[&str] = &[
    "str",
    "int",
    "float",
    "bool",
    "bytes",
    "Decimal",
    "UUID",
    "date",
    "datetime",
    "time",
    "timedelta",
    "Literal",
    "EmailStr",
    "UUID4",
];

/// The origin of a handler's parameter; `None` when the function is no handler or the parameter is not the client's.
pub(super) fn parameter<'c>(
    tracer: &mut Tracer<'c>,
    at: At<'c>,
    function: &Node<'c>,
    parameter: &Parameter<'c>,
) -> Option<Origin> {
    let request = tracer.case.input.capsule.request.as_ref()?;
    let paths = registered_paths(function);
    let in_path = paths.as_ref().is_some_and(|paths| {
        paths.iter().any(|path| {
            names_in_path(path)
                .iter()
                .any(|name| name == &parameter.name)
        })
    });
    if in_path {
        tracer.say(format!(
            "`{}` is a part of the request's path.",
            parameter.name
        ));
        return Some(Origin::RequestPath);
    }
    if let Some(marked) = marked(parameter) {
        tracer.say(format!(
            "`{}` is declared to come from the request ({}).",
            parameter.name,
            marked.name()
        ));
        return Some(marked);
    }
    let capsule = &tracer.case.input.capsule;
    let other = ["django", "quart", "starlette", "aiohttp"];
    let fastapi = capsule.has_framework("fastapi")
        || (request.protocol == "asgi" && !other.iter().any(|name| capsule.has_framework(name)));
    if paths.is_none() {
        return method_view(tracer, function, parameter);
    }
    if !fastapi {
        return None;
    }
    if let Some(dependency) = dependency(parameter) {
        let name = dependency.clone();
        tracer.say(format!(
            "`{}` is what the dependency `{name}` gave.",
            parameter.name
        ));
        return Some(Origin::CallResult { function: name });
    }
    let annotation = parameter
        .annotation
        .as_ref()
        .map(|node| node.text().into_owned());
    let origin = match annotation.as_deref().map(base_type) {
        // Without an annotation FastAPI reads the query.
        None => Origin::RequestQuery,
        Some(name) if SCALARS.contains(&name.as_str()) => Origin::RequestQuery,
        Some(name)
            if matches!(
                name.as_str(),
                "dict" | "Dict" | "list" | "List" | "Any" | "Mapping"
            ) =>
        {
            Origin::RequestBody
        }
        Some(name) if definitions::is_own_class(tracer.case, at.source, &name) => {
            Origin::RequestBody
        }
        Some(_) => return None,
    };
    tracer.say(format!(
        "`{}` is a parameter of a request handler ({}).",
        parameter.name,
        origin.name()
    ));
    Some(origin)
}

/// The paths a function is registered under by its decorators; `None` when no decorator registers it.
fn registered_paths(function: &Node<'_>) -> Option<Vec<String>> {
    let mut found = None;
    for decorator in scope::decorators(function) {
        if decorator.kind() != "call" {
            continue;
        }
        let Some(callee) = decorator
            .field("function")
            .filter(|callee| callee.kind() == "attribute")
        else {
            continue;
        };
        if !REGISTERING.contains(&last_name(&callee).as_str()) {
            continue;
        }
        let path = crate::fit::arguments(&decorator)
            .iter()
            .find(|argument| {
                argument.keyword.is_none()
                    || matches!(argument.keyword.as_deref(), Some("path" | "rule"))
            })
            .and_then(|argument| literal::string_value(&argument.value))
            .unwrap_or_default();
        found.get_or_insert_with(Vec::new).push(path);
    }
    found
}

/// `<int:id>` and `{id:path}` in a path.
fn names_in_path(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (open, close) in [('<', '>'), ('{', '}')] {
        for part in path.split(open).skip(1) {
            let Some((inner, _)) = part.split_once(close) else {
                continue;
            };
            let name = if open == '<' {
                inner.rsplit(':').next()
            } else {
                inner.split(':').next()
            };
            names.extend(name.map(|name| name.trim().to_string()));
        }
    }
    names
}

/// Declared by a default or an annotation: `Body()`, `Annotated[int, Query()]` ...
fn marked(parameter: &Parameter<'_>) -> Option<Origin> {
    let declared = [parameter.default.as_ref(), parameter.annotation.as_ref()];
    for node in declared.into_iter().flatten() {
        for call in node.dfs().filter(|inner| inner.kind() == "call").take(8) {
            let name = call
                .field("function")
                .map(|function| last_name(&function))
                .unwrap_or_default();
            let origin = match name.as_str() {
                "Body" => Origin::RequestBody,
                "Form" | "File" => Origin::RequestForm,
                "Query" => Origin::RequestQuery,
                "Path" => Origin::RequestPath,
                "Header" | "Cookie" => Origin::RequestHeader,
                _ => continue,
            };
            return Some(origin);
        }
    }
    None
}

/// The function in `Depends(function)`.
fn dependency(parameter: &Parameter<'_>) -> Option<String> {
    [parameter.default.as_ref(), parameter.annotation.as_ref()]
        .into_iter()
        .flatten()
        .flat_map(|node| node.dfs().collect::<Vec<_>>())
        .filter(|inner| inner.kind() == "call")
        .find(|call| {
            call.field("function").is_some_and(|function| {
                matches!(last_name(&function).as_str(), "Depends" | "Security")
            })
        })
        .map(|call| {
            crate::fit::arguments(&call)
                .first()
                .map(|argument| argument.value.text().into_owned())
                .unwrap_or_else(|| "Depends()".to_string())
        })
}

/// The name of a type without `Optional[...]`, `| None` and its module.
fn base_type(annotation: &str) -> String {
    let mut text = annotation.trim().trim_matches(['"', '\'']);
    for wrapper in [
        "typing.Optional[",
        "Optional[",
        "typing.Annotated[",
        "Annotated[",
    ] {
        if let Some(inner) = text.strip_prefix(wrapper) {
            text = inner.trim_end_matches(']');
        }
    }
    let first = text
        .split(['|', ','])
        .map(str::trim)
        .find(|part| *part != "None")
        .unwrap_or_default();
    let outer = first.split('[').next().unwrap_or_default();
    outer.rsplit('.').next().unwrap_or_default().to_string()
}

/// Handlers that are methods of view classes (`def get(self, id)`), and Django views (`def view(request, id)`).
fn method_view(
    tracer: &mut Tracer<'_>,
    function: &Node<'_>,
    parameter: &Parameter<'_>,
) -> Option<Origin> {
    let parameters = scope::parameters(function);
    let name = function.field("name")?.text().into_owned();
    let in_class = place::class_of_method(function).is_some_and(|class| {
        class.field("superclasses").is_some_and(|bases| {
            ["View", "Resource", "Endpoint", "Handler"]
                .iter()
                .any(|part| bases.text().contains(part))
        })
    });
    let handler = in_class
        && matches!(
            name.as_str(),
            "get" | "post" | "put" | "patch" | "delete" | "dispatch_request"
        );
    let django = tracer.case.input.capsule.has_framework("django")
        && parameters
            .iter()
            .take(2)
            .any(|known| known.name == "request");
    if !(handler || django) || matches!(parameter.name.as_str(), "self" | "cls" | "request") {
        return None;
    }
    tracer.say(format!(
        "`{}` is a part of the request's path.",
        parameter.name
    ));
    Some(Origin::RequestPath)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parameters_of_both_notations_are_read() {
        assert_eq!(names_in_path("/orders/<int:id>/items/<sku>"), ["id", "sku"]);
        assert_eq!(names_in_path("/files/{name:path}/{n}"), ["name", "n"]);
        assert!(names_in_path("/plain").is_empty());
    }

    #[test]
    fn the_base_of_an_annotation_is_its_first_type() {
        assert_eq!(base_type("Optional[int]"), "int");
        assert_eq!(base_type("int | None"), "int");
        assert_eq!(base_type("dict[str, Any]"), "dict");
        assert_eq!(base_type("schemas.Order"), "Order");
        assert_eq!(base_type("Annotated[str, x]"), "str");
    }
}
