//! Facts about names: imports that are missing, and names that are nearly others.

use super::super::context::Context;
use homeostasis_domain::Value;
use homeostasis_syntax::{Node, literal, place, scope};
use std::collections::BTreeSet;

const LIBRARY: &str = include_str!("../../../../data/python_standard_library.txt");
const BUILTINS: &str = include_str!("../../../../data/python_builtins.txt");
const METHODS: &str = include_str!("../../../../data/python_methods.txt");

/// Members that programs import by name so commonly that the bare name means them.
const BARE_MEMBERS: &[(&str, &str)] = &[
    ("ABC", "abc"),
    ("Any", "typing"),
    ("BytesIO", "io"),
    ("Callable", "typing"),
    ("Counter", "collections"),
    ("Decimal", "decimal"),
    ("Enum", "enum"),
    ("Fraction", "fractions"),
    ("InvalidOperation", "decimal"),
    ("JSONDecodeError", "json"),
    ("NamedTuple", "typing"),
    ("Optional", "typing"),
    ("OrderedDict", "collections"),
    ("Path", "pathlib"),
    ("ROUND_HALF_EVEN", "decimal"),
    ("ROUND_HALF_UP", "decimal"),
    ("StringIO", "io"),
    ("ThreadPoolExecutor", "concurrent.futures"),
    ("UUID", "uuid"),
    ("asdict", "dataclasses"),
    ("attrgetter", "operator"),
    ("ceil", "math"),
    ("contextmanager", "contextlib"),
    ("dataclass", "dataclasses"),
    ("deepcopy", "copy"),
    ("defaultdict", "collections"),
    ("deque", "collections"),
    ("escape", "html"),
    ("floor", "math"),
    ("groupby", "itertools"),
    ("islice", "itertools"),
    ("itemgetter", "operator"),
    ("lru_cache", "functools"),
    ("namedtuple", "collections"),
    ("parse_qs", "urllib.parse"),
    ("partial", "functools"),
    ("quote", "urllib.parse"),
    ("reduce", "functools"),
    ("sqrt", "math"),
    ("suppress", "contextlib"),
    ("timedelta", "datetime"),
    ("timezone", "datetime"),
    ("token_hex", "secrets"),
    ("token_urlsafe", "secrets"),
    ("unquote", "urllib.parse"),
    ("urlencode", "urllib.parse"),
    ("urljoin", "urllib.parse"),
    ("urlparse", "urllib.parse"),
    ("uuid4", "uuid"),
    ("wraps", "functools"),
    ("zip_longest", "itertools"),
];

/// The undefined name is a standard module used as one, a well-known member of one, or a name that the other files of
/// the program import, always alike.
pub(super) fn standard_import(context: &mut Context<'_>) -> Option<()> {
    let node = context.node("NAME")?.clone();
    let name = node.text().into_owned();
    if place::function(&node).is_some_and(|f| scope::local_names(&f).contains(&name))
        || scope::module_names(context.source).contains(&name)
    {
        return None;
    }
    let attribute = node
        .parent()
        .filter(|parent| {
            parent.kind() == "attribute"
                && parent
                    .field("object")
                    .is_some_and(|o| o.range() == node.range())
        })
        .and_then(|parent| parent.field("attribute"))
        .map(|attribute| attribute.text().into_owned());
    let import = imported_elsewhere(context, &name).or_else(|| match &attribute {
        Some(attribute) => used_as_module(&name, attribute),
        None => bare_member(&node, &name),
    })?;
    context.bind("IMPORT", import);
    Some(())
}

/// `json.dumps`, and `datetime.now` where `datetime` is the class.
fn used_as_module(name: &str, attribute: &str) -> Option<String> {
    if members(name).is_some_and(|members| members.contains(attribute)) {
        return Some(format!("import {name}"));
    }
    // Some members of modules carry the module's name, or another's.
    let classes: &[(&str, &str, &[&str])] = &[
        (
            "datetime",
            "datetime",
            &[
                "now",
                "utcnow",
                "today",
                "strptime",
                "fromisoformat",
                "fromtimestamp",
                "utcfromtimestamp",
                "combine",
                "min",
                "max",
            ],
        ),
        (
            "date",
            "datetime",
            &["today", "fromisoformat", "fromtimestamp", "min", "max"],
        ),
        ("timezone", "datetime", &["utc"]),
        ("Path", "pathlib", &["cwd", "home"]),
        ("Decimal", "decimal", &["from_float"]),
    ];
    classes
        .iter()
        .find(|(class, _, members)| *class == name && members.contains(&attribute))
        .map(|(class, module, _)| format!("from {module} import {class}"))
}

fn bare_member(node: &Node<'_>, name: &str) -> Option<String> {
    let (_, module) = BARE_MEMBERS.iter().find(|(member, _)| *member == name)?;
    // Short common words are only taken for the member when they are called.
    let is_called = node.parent().is_some_and(|parent| {
        parent.kind() == "call"
            && parent
                .field("function")
                .is_some_and(|f| f.range() == node.range())
    });
    (is_called
        || name.chars().next()?.is_uppercase()
        || place::outward(node).any(|n| n.kind() == "decorator"))
    .then(|| format!("from {module} import {name}"))
}

/// How the program's other files import this name, when they agree.
fn imported_elsewhere(context: &Context<'_>, name: &str) -> Option<String> {
    let mut found = BTreeSet::new();
    for (path, source) in context.sources {
        if path == context.path {
            continue;
        }
        for import in scope::module_imports(source)
            .into_iter()
            .filter(|import| import.name == name)
        {
            if import.module.starts_with('.') && parent_of(path) != parent_of(context.path) {
                return None;
            }
            found.insert(match import.member {
                Some(member) if member == name => format!("from {} import {member}", import.module),
                None if import.module == name => format!("import {name}"),
                Some(_) | None => return None,
            });
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn members(module: &str) -> Option<BTreeSet<&'static str>> {
    table(LIBRARY, module)
}

fn table(text: &'static str, name: &str) -> Option<BTreeSet<&'static str>> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .map(|names| names.split(' ').collect())
}

/// Exactly one name that can be seen here is close to the undefined one.
pub(super) fn close_name(context: &mut Context<'_>) -> Option<()> {
    let node = context.node("NAME")?.clone();
    let name = node.text().into_owned();
    let mut visible: BTreeSet<String> = scope::module_names(context.source);
    for function in place::outward(&node)
        .skip(1)
        .filter(|n| n.kind() == "function_definition")
    {
        visible.extend(scope::local_names(&function));
    }
    for outer in place::outward(&node).skip(1) {
        if outer.kind().ends_with("comprehension") || outer.kind() == "generator_expression" {
            visible.extend(
                scope::bindings(&outer)
                    .into_iter()
                    .map(|binding| binding.name),
            );
        }
    }
    if let Some(frame) = context.frame() {
        // What is not assigned yet is no help.
        if !frame.locals.is_empty() {
            let function = place::function(&node);
            let local = function
                .as_ref()
                .map(scope::local_names)
                .unwrap_or_default();
            visible.retain(|name| !local.contains(name) || frame.locals.contains_key(name));
        }
    }
    let called = node.parent().is_some_and(|parent| {
        parent.kind() == "call"
            && parent
                .field("function")
                .is_some_and(|f| f.range() == node.range())
    });
    if called {
        visible.extend(BUILTINS.lines().skip(1).map(str::to_string));
        let callable = |candidate: &String| {
            BUILTINS.lines().any(|builtin| builtin == candidate)
                || scope::bindings_named(&context.source.root(), candidate)
                    .iter()
                    .all(|binding| {
                        matches!(
                            binding.kind,
                            scope::BindingKind::Function
                                | scope::BindingKind::Class
                                | scope::BindingKind::Import
                        )
                    })
                    && !scope::bindings_named(&context.source.root(), candidate).is_empty()
        };
        visible.retain(callable);
    }
    visible.remove(&name);
    let intended = closest(&name, visible.iter().map(String::as_str))?;
    context.bind("INTENDED", intended);
    Some(())
}

/// The misspelling stands alone, and differs by one letter from a variable of this function.
pub(super) fn evident_spelling(context: &Context<'_>) -> Option<()> {
    let node = context.node("NAME")?;
    let name = node.text();
    let intended = context.text("INTENDED")?;
    let count = |wanted: &str| {
        scope::names_in(&context.source.root())
            .iter()
            .filter(|n| n.text() == wanted)
            .count()
    };
    let seen_in_function = context
        .function()
        .is_some_and(|function| scope::local_names(&function).contains(&intended));
    let once = count(&name) == 1 && distance(&name, &intended) == 1 && name.len() >= 4;
    (once && seen_in_function && count(&intended) >= 1).then_some(())
}

/// Exactly one attribute of the object is close to the one that is missing.
pub(super) fn close_attribute(context: &mut Context<'_>) -> Option<()> {
    let object = context.node("OBJECT")?.clone();
    let attribute = context.node("ATTRIBUTE")?.text().into_owned();
    let value = context.value(&object)?;
    let known: BTreeSet<String> = match &value {
        Value::None | Value::Cut { .. } | Value::Redacted { .. } => return None,
        Value::Object { class, fields, .. } => {
            let mut names: BTreeSet<String> = fields
                .keys()
                .filter(|name| !name.starts_with('_'))
                .cloned()
                .collect();
            names.extend(class_members(context, class)?);
            names
        }
        Value::Module { name } => match members(name) {
            Some(members) => members.into_iter().map(str::to_string).collect(),
            None => {
                let tail = format!("/{}.py", name.replace('.', "/"));
                let (_, source) = context
                    .sources
                    .iter()
                    .find(|(path, _)| path.ends_with(&tail))?;
                scope::module_names(source)
            }
        },
        other => table(METHODS, other.type_name())?
            .into_iter()
            .map(str::to_string)
            .collect(),
    };
    if known.contains(&attribute) {
        return None;
    }
    let intended = closest(&attribute, known.iter().map(String::as_str))?;
    context.bind("INTENDED", intended);
    Some(())
}

/// Methods, class variables and attributes set on `self` of the class with this qualified name, when it is defined in
/// the program and has no base class elsewhere that could add more.
fn class_members(context: &Context<'_>, qualified: &str) -> Option<BTreeSet<String>> {
    let name = qualified.rsplit('.').next()?;
    let mut found: Option<BTreeSet<String>> = None;
    for source in context.sources.values() {
        for (_, class) in place::definitions(source) {
            if class.kind() != "class_definition"
                || class.field("name").is_none_or(|n| n.text() != name)
            {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(members_of(&class));
        }
    }
    found
}

fn members_of(class: &Node<'_>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = scope::bindings(class)
        .into_iter()
        .map(|binding| binding.name)
        .collect();
    for node in class.dfs().filter(|node| node.kind() == "attribute") {
        let of_self = node
            .field("object")
            .is_some_and(|object| object.text() == "self");
        if of_self && super::reading::is_target(&node) {
            names.extend(node.field("attribute").map(|name| name.text().into_owned()));
        }
    }
    names
}

/// Exactly one key of the mapping is close to the missing one, and the program itself writes that key.
pub(super) fn close_key(context: &mut Context<'_>) -> Option<()> {
    let object = context.node("OBJECT")?.clone();
    let node = context.node("KEY")?.clone();
    let key = literal::string_value(&node)?;
    let Value::Dict { items, len } = context.value(&object)? else {
        return None;
    };
    if items.len() as u64 != len {
        return None;
    }
    let keys: Vec<String> = items
        .iter()
        .filter_map(|(key, _)| key.as_str().map(str::to_string))
        .collect();
    let intended = closest(&key, keys.iter().map(String::as_str))?;
    let written = context
        .sources
        .values()
        .flat_map(|source| {
            source
                .root()
                .dfs()
                .filter_map(|n| literal::string_value(&n))
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>();
    let times = |wanted: &str| written.iter().filter(|text| *text == wanted).count();
    if times(&intended) == 0 || times(&key) > 1 {
        return None;
    }
    let quote = node
        .text()
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))?;
    context.bind("INTENDED", format!("{quote}{intended}{quote}"));
    Some(())
}

/// The one name that is close, where no other is: one letter for short names, two for long ones.
fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let limit = match name.chars().count() {
        0..=2 => return None,
        3..=5 => 1,
        _ => 2,
    };
    let near: Vec<&str> = known
        .filter(|candidate| *candidate != name && candidate.chars().count() >= 3)
        .filter(|candidate| distance(name, candidate) <= limit)
        .collect();
    match near.as_slice() {
        [only] => Some((*only).to_string()),
        _ => None,
    }
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// True when few letters differ, fewer for short names.
pub(super) fn near(a: &str, b: &str) -> bool {
    let limit = if a.len().min(b.len()) <= 4 { 1 } else { 2 };
    distance(a, b) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_close_name_is_found_and_two_are_none() {
        assert_eq!(
            closest("totl", ["total", "items"].into_iter()).unwrap(),
            "total"
        );
        assert_eq!(
            closest("usre", ["user", "rows"].into_iter()).unwrap(),
            "user"
        );
        assert_eq!(closest("item", ["items", "item_"].into_iter()), None);
        assert_eq!(closest("x", ["y"].into_iter()), None);
    }

    #[test]
    fn modules_are_recognised_by_what_is_taken_from_them() {
        assert_eq!(used_as_module("json", "dumps").unwrap(), "import json");
        assert_eq!(
            used_as_module("datetime", "now").unwrap(),
            "from datetime import datetime"
        );
        assert_eq!(
            used_as_module("datetime", "timedelta").unwrap(),
            "import datetime"
        );
        assert_eq!(used_as_module("email", "strip"), None);
    }
}
