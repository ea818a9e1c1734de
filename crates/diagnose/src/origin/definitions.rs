//! Finds the functions, classes and imported names of the program among its sources, by reading names as Python resolves them.

use crate::case::Case;
use crate::evaluate::{Known, evaluate};
use homeostasis_domain::value::Value;
use homeostasis_syntax::{Node, Source, place, scope};

/// A function of the program.
pub(super) struct Definition<'c> {
    /// Its file.
    pub(super) source: &'c Source,
    /// The `def`.
    pub(super) node: Node<'c>,
}

/// The function of the program that a callee names, if it is one.
pub(super) fn function<'c>(
    case: &'c Case<'c>,
    source: &'c Source,
    callee: &Node<'c>,
    frame: Option<Known<'_>>,
) -> Option<Definition<'c>> {
    match callee.kind().as_ref() {
        "identifier" => {
            let name = callee.text();
            for outer in
                place::outward(callee).filter(|outer| outer.kind() == "function_definition")
            {
                if let Some(node) = directly_in(&outer.field("body")?, "function_definition", &name)
                {
                    return Some(Definition { source, node });
                }
            }
            if let Some(node) = directly_in(&source.root(), "function_definition", &name) {
                return Some(Definition { source, node });
            }
            let (there, member) = imported(case, source, &name)?;
            let node = directly_in(&there.root(), "function_definition", &member)?;
            Some(Definition {
                source: there,
                node,
            })
        }
        "attribute" => {
            let object = callee.field("object")?;
            let name = callee.field("attribute")?.text().into_owned();
            if matches!(object.text().as_ref(), "self" | "cls" | "super()") {
                let class = place::class(callee)?;
                if let Some(node) = directly_in(&class.field("body")?, "function_definition", &name)
                {
                    return Some(Definition { source, node });
                }
                return None;
            }
            if let Some(file) = module_file(case, source, &object.text()) {
                let there = case.source(file)?;
                let node = directly_in(&there.root(), "function_definition", &name)?;
                return Some(Definition {
                    source: there,
                    node,
                });
            }
            if let Some(Value::Object { class, .. }) =
                frame.and_then(|frame| evaluate(&object, &frame))
            {
                let (there, node) = class_named(case, &class)?;
                let node = directly_in(&node.field("body")?, "function_definition", &name)?;
                return Some(Definition {
                    source: there,
                    node,
                });
            }
            let (there, class) = class_of_instance(case, source, &object)?;
            let node = directly_in(&class.field("body")?, "function_definition", &name)?;
            Some(Definition {
                source: there,
                node,
            })
        }
        _ => None,
    }
}

/// The class of an object that is made by calling it (`Users().find`), there or where its name is bound.
fn class_of_instance<'c>(
    case: &'c Case<'c>,
    source: &'c Source,
    object: &Node<'c>,
) -> Option<(&'c Source, Node<'c>)> {
    let (source, made) = match object.kind().as_ref() {
        "call" => (source, object.clone()),
        "identifier" => {
            let name = object.text();
            let bound = |scope_node: &Node<'c>| {
                scope::bindings_named(scope_node, &name)
                    .into_iter()
                    .filter_map(|binding| binding.value)
                    .find(|value| value.kind() == "call")
            };
            let here = place::function(object)
                .and_then(|function| bound(&function))
                .or_else(|| bound(&source.root()));
            match here {
                Some(value) => (source, value),
                None => {
                    let (there, member) = imported(case, source, &name)?;
                    let value = scope::bindings_named(&there.root(), &member)
                        .into_iter()
                        .filter_map(|binding| binding.value)
                        .find(|value| value.kind() == "call")?;
                    (there, value)
                }
            }
        }
        _ => return None,
    };
    let callee = made
        .field("function")
        .filter(|callee| callee.kind() == "identifier")?;
    let name = callee.text();
    if let Some(class) = directly_in(&source.root(), "class_definition", &name) {
        return Some((source, class));
    }
    let (there, member) = imported(case, source, &name)?;
    Some((
        there,
        directly_in(&there.root(), "class_definition", &member)?,
    ))
}

/// The definition of this name that stands directly in a block or module, decorated or not.
pub(super) fn directly_in<'t>(block: &Node<'t>, kind: &str, name: &str) -> Option<Node<'t>> {
    block
        .named_children()
        .filter_map(|child| {
            if child.kind() == "decorated_definition" {
                child.field("definition")
            } else {
                Some(child)
            }
        })
        .filter(|child| child.kind() == kind)
        .find(|child| {
            child
                .field("name")
                .is_some_and(|known| known.text() == name)
        })
}

/// Where an imported name was defined: the other file and the name there.
pub(super) fn imported<'c>(
    case: &'c Case<'c>,
    source: &'c Source,
    name: &str,
) -> Option<(&'c Source, String)> {
    let import = scope::module_imports(source)
        .into_iter()
        .find(|import| import.name == name)?;
    let file = absolute_module(case, source, &import.module)
        .and_then(|module| case.file_of_module(&module))?;
    Some((case.source(file)?, import.member?))
}

/// The file of a module that is known here under a name.
fn module_file<'c>(case: &'c Case<'c>, source: &'c Source, name: &str) -> Option<&'c str> {
    let import = scope::module_imports(source)
        .into_iter()
        .find(|import| import.name == name || (import.member.is_none() && import.module == name))?;
    let module = absolute_module(case, source, &import.module)?;
    match &import.member {
        None => case.file_of_module(&module),
        Some(member) => case.file_of_module(&format!("{module}.{member}")),
    }
}

/// Relative imports are resolved against the file's own folder.
fn absolute_module(case: &Case<'_>, source: &Source, module: &str) -> Option<String> {
    let dots = module.bytes().take_while(|byte| *byte == b'.').count();
    if dots == 0 {
        return Some(module.to_string());
    }
    let file = case
        .input
        .sources
        .iter()
        .find(|(_, text)| {
            std::ptr::eq(text.as_str(), source.text()) || text.as_str() == source.text()
        })?
        .0;
    let mut folders: Vec<&str> = file.split('/').filter(|part| !part.is_empty()).collect();
    for _ in 0..dots {
        folders.pop()?;
    }
    let root: Vec<&str> = case
        .input
        .root
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let below = folders.strip_prefix(root.as_slice()).unwrap_or(&folders);
    let mut parts: Vec<&str> = below.to_vec();
    let rest = &module[dots..];
    if !rest.is_empty() {
        parts.push(rest);
    }
    Some(parts.join("."))
}

/// The class of a captured object among the sources, by its qualified name.
pub(super) fn class_named<'c>(case: &'c Case<'c>, class: &str) -> Option<(&'c Source, Node<'c>)> {
    let (module, name) = class.rsplit_once('.')?;
    let source = match case.file_of_module(module) {
        Some(file) => case.source(file)?,
        // The main module has another name than its file.
        None => {
            let file = case
                .input
                .capsule
                .exceptions
                .iter()
                .flat_map(|exception| &exception.frames)
                .find(|frame| frame.in_app && frame.module == module)
                .map(|frame| frame.file.as_str())?;
            case.source(file)?
        }
    };
    let node = directly_in(&source.root(), "class_definition", name)?;
    Some((source, node))
}

/// True for a class whose instances are rows: it says so in its bases or by how its fields are declared.
pub(super) fn is_mapped_class<'c>(case: &'c Case<'c>, class: &str) -> bool {
    let Some((_, node)) = class_named(case, class) else {
        return false;
    };
    let bases = node
        .field("superclasses")
        .map(|bases| bases.text().into_owned())
        .unwrap_or_default();
    if [
        "db.Model",
        "models.Model",
        "DeclarativeBase",
        "SQLModel",
        "Document",
    ]
    .iter()
    .any(|base| bases.contains(base))
    {
        return !bases.contains("SQLModel")
            || bases.contains("table=True")
            || bases.contains("table = True");
    }
    let body = node
        .field("body")
        .map(|body| body.text().into_owned())
        .unwrap_or_default();
    [
        "__tablename__",
        "mapped_column(",
        "Column(",
        "relationship(",
    ]
    .iter()
    .any(|mark| body.contains(mark))
}

/// True for a class of the program, which as the type of a handler's parameter is the model of the request's body.
pub(super) fn is_own_class<'c>(case: &'c Case<'c>, source: &'c Source, name: &str) -> bool {
    let found = directly_in(&source.root(), "class_definition", name).or_else(|| {
        let (there, member) = imported(case, source, name)?;
        directly_in(&there.root(), "class_definition", &member)
    });
    found.is_some()
}
