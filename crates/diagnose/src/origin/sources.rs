//! Expressions at which a walk ends: requests of the web frameworks, the environment, databases; and functions that pass on.

use super::{At, Tracer};
use crate::case::one_line;
use crate::evaluate::evaluate;
use crate::fit;
use homeostasis_domain::diagnosis::Origin;
use homeostasis_domain::value::Value;
use homeostasis_syntax::{Node, place, scope};

/// The origin of an expression that is itself a source, such as `request.json` or `session.get(...)`.
pub(super) fn recognised<'c>(
    tracer: &mut Tracer<'c>,
    at: At<'c>,
    node: &Node<'c>,
) -> Option<Origin> {
    let path = dotted(node)?;
    if let Some(origin) = request(tracer, node, &path) {
        tracer.say(format!(
            "`{}` is what the client sent ({}).",
            one_line(node, 80),
            origin.name()
        ));
        return Some(origin);
    }
    if is_environment(at, &path) {
        tracer.say(format!("`{}` reads the environment.", one_line(node, 80)));
        return Some(Origin::Environment);
    }
    if node.kind() == "call" && is_database(tracer, at, node, &path) {
        tracer.say(format!("`{}` asks the database.", one_line(node, 80)));
        return Some(Origin::Database);
    }
    None
}

/// The names of a chain of attributes and calls (`request.args.get("a")` gives `request args get`), outermost object first.
fn dotted(node: &Node<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut next = Some(node.clone());
    while let Some(current) = next {
        if names.len() > 24 {
            return None;
        }
        next = match current.kind().as_ref() {
            "attribute" => {
                names.push(current.field("attribute")?.text().into_owned());
                current.field("object")
            }
            "call" => current.field("function"),
            "subscript" => current.field("value"),
            "await" | "parenthesized_expression" => current.named_children().last(),
            "identifier" => {
                names.push(current.text().into_owned());
                names.reverse();
                return Some(names);
            }
            _ => return None,
        };
    }
    None
}

fn request<'c>(tracer: &Tracer<'c>, node: &Node<'c>, path: &[String]) -> Option<Origin> {
    tracer.case.input.capsule.request.as_ref()?;
    let root = path
        .iter()
        .take(2)
        .position(|name| is_request_name(node, name))?;
    let member = path.get(root + 1)?;
    Some(match member.as_str() {
        "json" | "get_json" | "data" | "get_data" | "body" | "stream" | "text" | "read" => {
            Origin::RequestBody
        }
        "form" | "POST" | "files" | "FILES" | "post" => Origin::RequestForm,
        "args" | "GET" | "query_params" | "query_string" | "values" | "params" | "query"
        | "rel_url" => Origin::RequestQuery,
        "view_args" | "path_params" | "match_info" | "resolver_match" | "path" | "full_path" => {
            Origin::RequestPath
        }
        "headers" | "cookies" | "COOKIES" | "META" | "authorization" | "accept_languages"
        | "user_agent" | "content_type" | "mimetype" => Origin::RequestHeader,
        _ => return None,
    })
}

/// True for a name under which frameworks hand out the request, unless it is a parameter of another type.
fn is_request_name(node: &Node<'_>, name: &str) -> bool {
    let annotation = place::outward(node)
        .skip(1)
        .filter(|outer| outer.kind() == "function_definition")
        .find_map(|function| {
            scope::parameters(&function)
                .into_iter()
                .find(|parameter| parameter.name == name)
        })
        .and_then(|parameter| parameter.annotation);
    match annotation {
        Some(annotation) => {
            let text = annotation.text();
            let last = text
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .trim_matches(['"', '\'']);
            matches!(
                last,
                "Request" | "HttpRequest" | "WSGIRequest" | "ASGIRequest" | "HTTPConnection"
            )
        }
        None => matches!(name, "request" | "req"),
    }
}

fn is_environment(at: At<'_>, path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["os", "environ" | "environb" | "getenv", ..] => true,
        ["environ" | "getenv", ..] => {
            let imported = scope::module_imports(at.source);
            imported
                .iter()
                .any(|import| import.name == names[0] && import.module == "os")
        }
        _ => false,
    }
}

fn is_database<'c>(tracer: &Tracer<'c>, at: At<'c>, node: &Node<'c>, path: &[String]) -> bool {
    let Some(method) = node
        .field("function")
        .map(|function| fit::last_name(&function))
    else {
        return false;
    };
    let before = &path[..path.len().saturating_sub(1)];
    let asks = |names: &[&str]| before.iter().any(|part| names.contains(&part.as_str()));
    let handles = &[
        "session",
        "db",
        "query",
        "objects",
        "cursor",
        "conn",
        "connection",
        "cur",
        "database",
        "select",
        "engine",
        "collection",
    ];
    match method.as_str() {
        "fetchone" | "fetchall" | "fetchmany" | "fetchval" | "fetchrow" | "scalars" | "scalar"
        | "scalar_one" | "scalar_one_or_none" | "one_or_none" | "first_or_404" | "get_or_404"
        | "one_or_404" | "find_one" | "filter_by" | "select_related" | "prefetch_related"
        | "get_object_or_404" | "get_or_none" | "mappings" => {
            path.len() > 1 || method == "get_object_or_404"
        }
        "execute" | "executemany" | "exec" => asks(handles),
        "first" | "one" | "all" => {
            path.len() > 1
                && (asks(handles)
                    || asks(&[
                        "execute",
                        "scalars",
                        "filter",
                        "filter_by",
                        "order_by",
                        "where",
                    ]))
        }
        "get" | "query" | "filter" | "order_by" | "where" | "exclude" | "values_list" | "last"
        | "latest" | "earliest" | "refresh" | "merge" | "values" | "join" | "limit" => {
            asks(&["query", "objects", "session"])
                || (asks(&["db"]) && method != "values")
                || handle_value(tracer, at, node)
        }
        _ => false,
    }
}

/// True when the object of a method call was captured as a database session or connection.
fn handle_value<'c>(tracer: &Tracer<'c>, at: At<'c>, node: &Node<'c>) -> bool {
    let object = node
        .field("function")
        .and_then(|function| function.field("object"));
    let (Some(object), Some(frame)) = (object, tracer.frame(at)) else {
        return false;
    };
    match evaluate(&object, &frame) {
        Some(Value::Object { class, .. } | Value::Cut { class, .. }) => {
            let class = class.as_str();
            class.starts_with("sqlalchemy.")
                || class.starts_with("sqlite3.")
                || class.starts_with("psycopg")
                || class.starts_with("sqlmodel.")
        }
        _ => false,
    }
}

/// Functions that give back what they were given in another form: the position of the argument that matters.
pub(super) fn passes_on(name: &str, is_method: bool) -> Option<usize> {
    match name {
        "int" | "float" | "str" | "bool" | "bytes" | "list" | "dict" | "tuple" | "set"
        | "frozenset" | "sorted" | "reversed" | "enumerate" | "zip" | "iter" | "next" | "len"
        | "max" | "min" | "sum" | "abs" | "round" | "getattr" | "vars" | "anext" | "aiter"
        | "repr" | "divmod"
            if !is_method =>
        {
            Some(0)
        }
        "Decimal" | "Fraction" | "UUID" | "deepcopy" | "loads" | "load" | "fromisoformat"
        | "strptime" | "fromtimestamp" | "unquote" | "unquote_plus" | "b64decode" | "parse_qs"
        | "urlparse" | "islice" | "chain" | "from_iterable" | "cast" | "Counter"
        | "OrderedDict" | "model_validate" | "parse_obj" | "from_dict" | "fsum" | "mean"
        | "literal_eval" => Some(0),
        "filter" | "map" if !is_method => Some(1),
        _ => None,
    }
}

/// Methods whose result is a part or another form of the object they are called on.
pub(super) fn reads_its_object(name: &str) -> bool {
    matches!(
        name,
        "get"
            | "pop"
            | "strip"
            | "lstrip"
            | "rstrip"
            | "lower"
            | "upper"
            | "title"
            | "split"
            | "rsplit"
            | "partition"
            | "rpartition"
            | "replace"
            | "items"
            | "values"
            | "keys"
            | "copy"
            | "setdefault"
            | "splitlines"
            | "encode"
            | "decode"
            | "format"
            | "group"
            | "groups"
            | "model_dump"
            | "dict"
            | "to_dict"
            | "popleft"
            | "popitem"
            | "getlist"
            | "casefold"
            | "removeprefix"
            | "removesuffix"
            | "zfill"
            | "json"
            | "read"
            | "first"
            | "last"
            | "all"
            | "one"
            | "filter"
            | "join"
            | "multi_items"
    )
}
