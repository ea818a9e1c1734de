//! What names are bound to, read from the tree alone: parameters, assignments in order, imports, definitions, decorators.

use crate::place;
use crate::source::{Node, Source};
use std::collections::BTreeSet;

/// How a parameter takes its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// By position only (before `/`).
    PositionalOnly,
    /// By position or by keyword.
    Plain,
    /// By keyword only (after `*`).
    KeywordOnly,
    /// `*args`.
    Star,
    /// `**kwargs`.
    DoubleStar,
}

/// A parameter of a function.
#[derive(Clone)]
pub struct Parameter<'t> {
    /// Its name, without stars.
    pub name: String,
    /// How it takes arguments.
    pub kind: ParameterKind,
    /// The default value's expression.
    pub default: Option<Node<'t>>,
    /// The annotation.
    pub annotation: Option<Node<'t>>,
    /// The whole parameter.
    pub node: Node<'t>,
}

/// How a name is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// `name = value`.
    Assignment,
    /// A part of `a, b = value`.
    Unpacking,
    /// `name += value`.
    Augmented,
    /// `name: type` without a value; it binds nothing at run time, and makes the name local.
    Declaration,
    /// The target of `for`; the value is the iterable.
    Loop,
    /// The target of a comprehension's `for`; the value is the iterable.
    Comprehension,
    /// `with value as name`.
    With,
    /// `(name := value)`.
    Walrus,
    /// `except E as name`.
    Except,
    /// `import`, `from x import y`.
    Import,
    /// `def`.
    Function,
    /// `class`.
    Class,
    /// A capture of `match`.
    Match,
    /// `del name`.
    Deletion,
}

/// One place where a name is bound.
#[derive(Clone)]
pub struct Binding<'t> {
    /// The name.
    pub name: String,
    /// How.
    pub kind: BindingKind,
    /// The value's expression: what is assigned, iterated, or entered; `None` where there is none to show.
    pub value: Option<Node<'t>>,
    /// The name's own node.
    pub target: Node<'t>,
    /// The statement that binds it.
    pub statement: Node<'t>,
}

/// One imported name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The name it has in this file.
    pub name: String,
    /// The module it comes from, with leading dots when relative.
    pub module: String,
    /// The member of the module; `None` for `import module`.
    pub member: Option<String>,
}

/// The parameters of a `def` or `lambda`, in order.
pub fn parameters<'t>(function: &Node<'t>) -> Vec<Parameter<'t>> {
    let Some(list) = function.field("parameters") else {
        return Vec::new();
    };
    let mut found: Vec<Parameter<'t>> = Vec::new();
    let mut keyword_only = false;
    for node in list.children() {
        match node.kind().as_ref() {
            "keyword_separator" => keyword_only = true,
            "positional_separator" => {
                for earlier in &mut found {
                    earlier.kind = ParameterKind::PositionalOnly;
                }
            }
            "identifier"
            | "default_parameter"
            | "typed_parameter"
            | "typed_default_parameter"
            | "list_splat_pattern"
            | "dictionary_splat_pattern" => {
                let Some(parameter) = parameter(&node, keyword_only) else {
                    continue;
                };
                keyword_only |= parameter.kind == ParameterKind::Star;
                found.push(parameter);
            }
            _ => {}
        }
    }
    found
}

fn parameter<'t>(node: &Node<'t>, keyword_only: bool) -> Option<Parameter<'t>> {
    let named = match node.kind().as_ref() {
        "default_parameter" | "typed_default_parameter" => node.field("name")?,
        "typed_parameter" => node.named_children().next()?,
        _ => node.clone(),
    };
    let kind = match named.kind().as_ref() {
        "list_splat_pattern" => ParameterKind::Star,
        "dictionary_splat_pattern" => ParameterKind::DoubleStar,
        _ if keyword_only => ParameterKind::KeywordOnly,
        _ => ParameterKind::Plain,
    };
    Some(Parameter {
        name: named.text().trim_start_matches('*').to_string(),
        kind,
        default: node.field("value"),
        annotation: node.field("type"),
        node: node.clone(),
    })
}

/// The expressions after the `@` of each decorator of a function or class, in order.
pub fn decorators<'t>(definition: &Node<'t>) -> Vec<Node<'t>> {
    let Some(outer) = definition
        .parent()
        .filter(|parent| parent.kind() == "decorated_definition")
    else {
        return Vec::new();
    };
    outer
        .children()
        .filter(|child| child.kind() == "decorator")
        .filter_map(|decorator| {
            decorator
                .named_children()
                .find(|child| child.kind() != "comment")
        })
        .collect()
}

/// True for `async def`.
pub fn is_async(function: &Node<'_>) -> bool {
    function.children().any(|child| child.kind() == "async")
}

/// True when the function's own body yields, so that calling it runs nothing.
pub fn is_generator(function: &Node<'_>) -> bool {
    own_nodes(function).into_iter().any(|node| {
        node.kind() == "yield"
            && place::function(&node).is_some_and(|f| f.range() == function.range())
    })
}

/// The nodes of a function's or module's own code, without the bodies of functions, classes and lambdas inside it.
pub fn own_nodes<'t>(scope: &Node<'t>) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    // A comprehension has a field of that name too, which leaves out its clauses.
    let body = match scope.kind().as_ref() {
        "function_definition" | "class_definition" | "lambda" => scope.field("body"),
        _ => None,
    }
    .unwrap_or_else(|| scope.clone());
    collect_own(&body, &mut found);
    found
}

fn collect_own<'t>(node: &Node<'t>, into: &mut Vec<Node<'t>>) {
    into.push(node.clone());
    for child in node.children() {
        match child.kind().as_ref() {
            // The definition binds its name here; its decorators and defaults run here too, its body elsewhere.
            "function_definition" | "class_definition" => into.push(child),
            "lambda" => into.push(child),
            _ => collect_own(&child, into),
        }
    }
}

/// Every binding in the own code of a function or module, in the order of the text.
pub fn bindings<'t>(scope: &Node<'t>) -> Vec<Binding<'t>> {
    let mut found = Vec::new();
    for node in own_nodes(scope) {
        bindings_of(&node, &mut found);
    }
    found.sort_by_key(|binding| binding.target.range().start);
    found
}

/// The bindings of one name in the own code of a function or module, in the order of the text.
pub fn bindings_named<'t>(scope: &Node<'t>, name: &str) -> Vec<Binding<'t>> {
    bindings(scope)
        .into_iter()
        .filter(|binding| binding.name == name)
        .collect()
}

/// The last plain binding of a name that ends before a byte, in the order of the text; branches are not followed.
pub fn binding_before<'t>(scope: &Node<'t>, name: &str, byte: usize) -> Option<Binding<'t>> {
    bindings_named(scope, name).into_iter().rfind(|binding| {
        binding.target.range().end <= byte && binding.statement.range().start <= byte
    })
}

fn bindings_of<'t>(node: &Node<'t>, into: &mut Vec<Binding<'t>>) {
    let kind = node.kind();
    match kind.as_ref() {
        "assignment" => {
            let (Some(left), right) = (node.field("left"), node.field("right")) else {
                return;
            };
            let how = if right.is_some() {
                BindingKind::Assignment
            } else {
                BindingKind::Declaration
            };
            // `a = b = value` nests to the right; every target gets the innermost value.
            let mut value = right;
            while let Some(inner) = value.clone().filter(|inner| inner.kind() == "assignment") {
                value = inner.field("right");
            }
            targets(&left, how, value.as_ref(), into);
        }
        "augmented_assignment" => {
            if let Some(left) = node.field("left") {
                targets(
                    &left,
                    BindingKind::Augmented,
                    node.field("right").as_ref(),
                    into,
                );
            }
        }
        "for_statement" => {
            if let Some(left) = node.field("left") {
                targets(&left, BindingKind::Loop, node.field("right").as_ref(), into);
            }
        }
        "for_in_clause" => {
            if let Some(left) = node.field("left") {
                targets(
                    &left,
                    BindingKind::Comprehension,
                    node.field("right").as_ref(),
                    into,
                );
            }
        }
        "named_expression" => {
            if let Some(name) = node.field("name") {
                targets(
                    &name,
                    BindingKind::Walrus,
                    node.field("value").as_ref(),
                    into,
                );
            }
        }
        "as_pattern" => {
            let value = node.named_children().next();
            let how = match node
                .parent()
                .map(|parent| parent.kind().into_owned())
                .as_deref()
            {
                Some("except_clause" | "except_group_clause") => BindingKind::Except,
                Some("case_pattern") => BindingKind::Match,
                _ => BindingKind::With,
            };
            // `case P() as name` has no alias field: the name is the last child.
            let Some(alias) = node.field("alias").or_else(|| node.named_children().last()) else {
                return;
            };
            let inner = alias.named_children().next();
            targets(&inner.unwrap_or(alias), how, value.as_ref(), into);
        }
        "except_clause" | "except_group_clause" => {
            if let Some(alias) = node.field("alias") {
                targets(&alias, BindingKind::Except, None, into);
            }
        }
        "function_definition" | "class_definition" => {
            let how = if kind == "function_definition" {
                BindingKind::Function
            } else {
                BindingKind::Class
            };
            if let Some(name) = node.field("name") {
                push(&name, name.text().into_owned(), how, None, into);
            }
        }
        "import_statement" | "import_from_statement" | "future_import_statement" => {
            for (imported, target) in imported_by(node) {
                push(&target, imported.name, BindingKind::Import, None, into);
            }
        }
        "delete_statement" => {
            for child in node.named_children() {
                targets(&child, BindingKind::Deletion, None, into);
            }
        }
        "case_pattern" => {
            for child in node.named_children() {
                if child.kind() == "dotted_name"
                    && !child.text().contains('.')
                    && child.text() != "_"
                {
                    push(
                        &child,
                        child.text().into_owned(),
                        BindingKind::Match,
                        None,
                        into,
                    );
                }
            }
        }
        _ => {}
    }
}

fn targets<'t>(
    target: &Node<'t>,
    how: BindingKind,
    value: Option<&Node<'t>>,
    into: &mut Vec<Binding<'t>>,
) {
    match target.kind().as_ref() {
        "identifier" => push(
            target,
            target.text().into_owned(),
            how,
            value.cloned(),
            into,
        ),
        "pattern_list"
        | "tuple_pattern"
        | "list_pattern"
        | "list_splat_pattern"
        | "expression_list"
        | "tuple"
        | "list"
        | "parenthesized_expression" => {
            let how = match how {
                BindingKind::Assignment => BindingKind::Unpacking,
                other => other,
            };
            for child in target.named_children() {
                targets(&child, how, value, into);
            }
        }
        _ => {}
    }
}

fn push<'t>(
    target: &Node<'t>,
    name: String,
    kind: BindingKind,
    value: Option<Node<'t>>,
    into: &mut Vec<Binding<'t>>,
) {
    let Some(statement) = place::statement(target) else {
        return;
    };
    into.push(Binding {
        name,
        kind,
        value,
        target: target.clone(),
        statement,
    });
}

/// The names an import statement binds.
pub fn imports_of(statement: &Node<'_>) -> Vec<Imported> {
    imported_by(statement)
        .into_iter()
        .map(|(imported, _)| imported)
        .collect()
}

fn imported_by<'t>(statement: &Node<'t>) -> Vec<(Imported, Node<'t>)> {
    let from = match statement.kind().as_ref() {
        "import_from_statement" => statement
            .field("module_name")
            .map(|module| module.text().into_owned()),
        "future_import_statement" => Some("__future__".to_string()),
        _ => None,
    };
    let named = statement.field_children("name").collect::<Vec<_>>();
    named
        .into_iter()
        .map(|node| {
            let (original, alias) = match node.kind().as_ref() {
                "aliased_import" => (
                    node.field("name").map(|name| name.text().into_owned()),
                    node.field("alias").map(|alias| alias.text().into_owned()),
                ),
                _ => (Some(node.text().into_owned()), None),
            };
            let original = original.unwrap_or_default();
            let imported = match &from {
                Some(module) => Imported {
                    name: alias.unwrap_or_else(|| original.clone()),
                    module: module.clone(),
                    member: Some(original),
                },
                None => Imported {
                    // `import a.b` binds `a`; `import a.b as c` binds `c`.
                    name: alias.unwrap_or_else(|| {
                        original.split('.').next().unwrap_or_default().to_string()
                    }),
                    module: original,
                    member: None,
                },
            };
            (imported, node)
        })
        .collect()
}

/// All names imported anywhere in the file's own code at module level, also inside `try` and `if`.
pub fn module_imports(source: &Source) -> Vec<Imported> {
    own_nodes(&source.root())
        .iter()
        .filter(|node| {
            matches!(
                node.kind().as_ref(),
                "import_statement" | "import_from_statement" | "future_import_statement"
            )
        })
        .flat_map(imports_of)
        .collect()
}

/// All names bound at module level.
pub fn module_names(source: &Source) -> BTreeSet<String> {
    bindings(&source.root())
        .into_iter()
        .filter(|binding| {
            !matches!(
                binding.kind,
                BindingKind::Comprehension | BindingKind::Deletion | BindingKind::Declaration
            )
        })
        .map(|binding| binding.name)
        .collect()
}

/// Names the function declares `global`, and those it declares `nonlocal`.
pub fn declared_outer(function: &Node<'_>) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut global = BTreeSet::new();
    let mut nonlocal = BTreeSet::new();
    for node in own_nodes(function) {
        let into = match node.kind().as_ref() {
            "global_statement" => &mut global,
            "nonlocal_statement" => &mut nonlocal,
            _ => continue,
        };
        for child in node
            .named_children()
            .filter(|child| child.kind() == "identifier")
        {
            into.insert(child.text().into_owned());
        }
    }
    (global, nonlocal)
}

/// The names local to a function: its parameters and whatever it binds, less those it declares global or nonlocal.
pub fn local_names(function: &Node<'_>) -> BTreeSet<String> {
    let (global, nonlocal) = declared_outer(function);
    let bound = bindings(function)
        .into_iter()
        .filter(|binding| binding.kind != BindingKind::Comprehension)
        .map(|binding| binding.name);
    parameters(function)
        .into_iter()
        .map(|parameter| parameter.name)
        .chain(bound)
        .filter(|name| !global.contains(name) && !nonlocal.contains(name))
        .collect()
}

/// The identifiers read or written under a node that stand for names, not attributes or keywords.
pub fn names_in<'t>(node: &Node<'t>) -> Vec<Node<'t>> {
    node.dfs()
        .filter(|inner| inner.kind() == "identifier" && stands_for_a_name(inner))
        .collect()
}

/// False for the attribute of `a.attribute`, the keyword of `f(keyword=1)`, and names in definitions and imports.
pub fn stands_for_a_name(identifier: &Node<'_>) -> bool {
    let Some(parent) = identifier.parent() else {
        return true;
    };
    let is_field = |name: &str| {
        parent
            .field(name)
            .is_some_and(|field| field.range() == identifier.range())
    };
    match parent.kind().as_ref() {
        "attribute" => !is_field("attribute"),
        "keyword_argument" => !is_field("name"),
        "function_definition" | "class_definition" => !is_field("name"),
        "dotted_name" | "aliased_import" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_function(source: &Source) -> Node<'_> {
        place::definitions(source)
            .into_iter()
            .map(|(_, node)| node)
            .find(|node| node.kind() == "function_definition")
            .unwrap()
    }

    #[test]
    fn parameters_have_kinds_defaults_and_annotations() {
        let source =
            Source::python("def f(a, /, b: int, c=1, *args, d: str = 'x', **rest): pass\n")
                .unwrap();
        let shown: Vec<String> = parameters(&first_function(&source))
            .iter()
            .map(|p| {
                format!(
                    "{} {:?} {} {}",
                    p.name,
                    p.kind,
                    p.annotation.as_ref().map_or("-".into(), Node::text),
                    p.default.as_ref().map_or("-".into(), Node::text)
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "a PositionalOnly - -",
                "b Plain int -",
                "c Plain - 1",
                "args Star - -",
                "d KeywordOnly str 'x'",
                "rest DoubleStar - -"
            ]
        );
    }

    #[test]
    fn bindings_are_found_in_every_form_and_in_order() {
        let text = "def f(x):\n    import os.path, json as j\n    a, (b, *c) = x\n    d = e = 1\n    for g in x:\n        h += 1\n    with open(x) as i, z() as (k, l):\n        pass\n    try:\n        if (m := x): pass\n    except E as n:\n        pass\n    def inner(q):\n        hidden = 1\n    class K: other = 2\n    o: int\n    r = [s for s in x]\n    del r\n    match x:\n        case [t, {'k': u}]: pass\n        case P(v) as w: pass\n";
        let source = Source::python(text).unwrap();
        let names: Vec<String> = bindings(&first_function(&source))
            .into_iter()
            .map(|binding| format!("{}:{:?}", binding.name, binding.kind))
            .collect();
        let expected = "os:Import j:Import a:Unpacking b:Unpacking c:Unpacking d:Assignment e:Assignment g:Loop h:Augmented i:With k:With l:With m:Walrus n:Except inner:Function K:Class o:Declaration r:Assignment s:Comprehension r:Deletion t:Match u:Match v:Match w:Match";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn imports_tell_module_member_and_local_name() {
        let source = Source::python("import a.b\nimport c as d\nfrom ..e import f, g as h\nfrom __future__ import annotations\ntry:\n    import i\nexcept ImportError:\n    i = None\n").unwrap();
        let shown: Vec<String> = module_imports(&source)
            .into_iter()
            .map(|i| format!("{}={}:{}", i.name, i.module, i.member.unwrap_or_default()))
            .collect();
        assert_eq!(
            shown.join(" "),
            "a=a.b: d=c: f=..e:f h=..e:g annotations=__future__:annotations i=i:"
        );
        assert!(module_names(&source).contains("i"));
    }

    #[test]
    fn locals_leave_out_global_names_and_decorators_are_expressions() {
        let source = Source::python("@app.get('/x')\n@cached\nasync def f(a):\n    global count\n    count += 1\n    b = [c for c in a]\n").unwrap();
        let function = first_function(&source);
        assert!(is_async(&function));
        let decorators: Vec<_> = decorators(&function)
            .iter()
            .map(|d| d.text().into_owned())
            .collect();
        assert_eq!(decorators, ["app.get('/x')", "cached"]);
        assert_eq!(
            local_names(&function).into_iter().collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn the_binding_before_a_place_is_the_last_one() {
        let source =
            Source::python("def f():\n    a = 1\n    a = 2\n    print(a)\n    a = 3\n").unwrap();
        let at = source.text().find("print").unwrap();
        let binding = binding_before(&first_function(&source), "a", at).unwrap();
        assert_eq!(binding.value.unwrap().text(), "2");
    }
}
