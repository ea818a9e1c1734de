//! Adds imports once: not at all when they are there, into an existing `from` import when that is simple, else after
//! the last import of the file's head.

use homeostasis_syntax::{Change, Node, Source, place, scope, style};

/// An import that an edit needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needed {
    /// The module.
    pub(crate) module: String,
    /// Its member; `None` for `import module`.
    pub(crate) member: Option<String>,
    /// Other modules whose member of this name is the same thing.
    pub(crate) same_as: Vec<String>,
}

/// What became of a needed import.
pub(crate) struct Added {
    /// The change of the text, unless the name was there already.
    pub(crate) change: Option<Change>,
    /// The name by which the edit can use it, where it differs from the member's own.
    pub(crate) alias: Option<String>,
}

impl Needed {
    /// Reads `from x import y` or `import x`.
    pub(crate) fn read(statement: &str, same_as: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["from", module, "import", member] => Ok(Self {
                module: (*module).to_string(),
                member: Some((*member).to_string()),
                same_as: same_as.to_vec(),
            }),
            ["import", module] => Ok(Self {
                module: (*module).to_string(),
                member: None,
                same_as: same_as.to_vec(),
            }),
            _ => Err(format!(
                "`{statement}` is not of the form `from x import y` or `import x`"
            )),
        }
    }

    fn name(&self) -> &str {
        match &self.member {
            Some(member) => member,
            None => self.module.split('.').next().unwrap_or(&self.module),
        }
    }
}

/// Makes a name available to code at `used_at`.
pub(crate) fn add(source: &Source, used_at: &Node<'_>, needed: &Needed) -> Result<Added, String> {
    let root = source.root();
    let name = needed.name();
    let shadowed = place::function(used_at)
        .is_some_and(|function| scope::local_names(&function).contains(name));
    let bindings = scope::bindings_named(&root, name);
    let means_the_same = |import: &scope::Imported| match &needed.member {
        Some(member) => {
            import.member.as_ref() == Some(member)
                && (import.module == needed.module || needed.same_as.contains(&import.module))
        }
        None => import.member.is_none() && import.module == needed.module,
    };
    let direct: Vec<Node<'_>> = root
        .named_children()
        .filter(|child| {
            matches!(
                child.kind().as_ref(),
                "import_statement" | "import_from_statement"
            )
        })
        .collect();
    let known = direct
        .iter()
        .flat_map(scope::imports_of)
        .find(|import| means_the_same(import));
    if let Some(known) = known
        && !place::function(used_at).is_some_and(|f| scope::local_names(&f).contains(&known.name))
        && scope::bindings_named(&root, &known.name).len() == 1
    {
        let alias = (known.name != name).then_some(known.name);
        return Ok(Added {
            change: None,
            alias,
        });
    }
    if shadowed || !bindings.is_empty() {
        let Some(member) = &needed.member else {
            return Err(format!("the name `{name}` is taken in this file"));
        };
        let alias = format!("{}_{member}", needed.module.replace('.', "_"));
        if !scope::bindings_named(&root, &alias).is_empty() {
            return Err(format!(
                "the names `{name}` and `{alias}` are taken in this file"
            ));
        }
        let line = format!("from {} import {member} as {alias}", needed.module);
        return Ok(Added {
            change: Some(new_line(source, &direct, &line)?),
            alias: Some(alias),
        });
    }
    if let Some(member) = &needed.member
        && let Some(change) = merge(source, &direct, &needed.module, member)
    {
        return Ok(Added {
            change: Some(change),
            alias: None,
        });
    }
    let line = match &needed.member {
        Some(member) => format!("from {} import {member}", needed.module),
        None => format!("import {}", needed.module),
    };
    Ok(Added {
        change: Some(new_line(source, &direct, &line)?),
        alias: None,
    })
}

/// Appends the member to an existing `from module import ...`.
fn merge(source: &Source, imports: &[Node<'_>], module: &str, member: &str) -> Option<Change> {
    let statement = imports.iter().find(|node| {
        node.kind() == "import_from_statement"
            && node
                .field("module_name")
                .is_some_and(|name| name.text() == module)
            && !node
                .children()
                .any(|child| child.kind() == "wildcard_import")
    })?;
    let names: Vec<Node<'_>> = statement.field_children("name").collect();
    let last = names.last()?;
    let text = source.text();
    let (last_line, _) = source.lines().position(last.range().start);
    let (first_line, _) = source.lines().position(statement.range().start);
    // One name to a line, in parentheses: the new one gets a line of its own.
    if last_line != first_line && style::begins_its_line(source, last) {
        let indentation = style::indentation(source, last);
        let newline = style::line_end(text);
        let after = &text[last.range().end..statement.range().end];
        let (at, comma) = match after.starts_with(',') {
            true => (last.range().end + 1, ","),
            false => (last.range().end, ""),
        };
        let lead = if comma.is_empty() { "," } else { "" };
        // A comment behind the last name would end up behind the new one.
        if text[at..]
            .split(['\n', '\r'])
            .next()
            .is_some_and(|rest| rest.contains('#'))
        {
            return None;
        }
        return Some(Change::insert(
            at,
            format!("{lead}{newline}{indentation}{member}{comma}"),
        ));
    }
    Some(Change::insert(last.range().end, format!(", {member}")))
}

/// A new import line below the last import of the head of the file, the docstring, or at the top.
fn new_line<'s>(source: &'s Source, imports: &[Node<'s>], line: &str) -> Result<Change, String> {
    let text = source.text();
    let newline = style::line_end(text);
    let root = source.root();
    let first_code = root.named_children().find(|child| {
        !matches!(
            child.kind().as_ref(),
            "import_statement" | "import_from_statement" | "future_import_statement" | "comment"
        ) && !is_docstring(child)
    });
    let limit = root
        .named_children()
        .find(|child| {
            matches!(
                child.kind().as_ref(),
                "function_definition" | "class_definition" | "decorated_definition"
            )
        })
        .map_or(text.len(), |child| child.range().start);
    let head = imports
        .iter()
        .rfind(|import| import.range().end <= limit)
        .cloned();
    let above = head.or_else(|| {
        root.named_children()
            .take_while(|child| {
                first_code
                    .as_ref()
                    .is_none_or(|code| child.range().start < code.range().start)
            })
            .filter(|child| child.kind() == "future_import_statement" || is_docstring(child))
            .last()
    });
    if let Some(above) = above {
        let blank = if is_docstring(&above) { newline } else { "" };
        let end = above.range().end;
        let rest = &text[end..];
        let Some(at) = rest.find(['\n', '\r']) else {
            return Ok(Change::insert(
                text.len(),
                format!("{newline}{blank}{line}{newline}"),
            ));
        };
        let width = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        return Ok(Change::insert(
            end + at + width,
            format!("{blank}{line}{newline}"),
        ));
    }
    // Above all code, but below a shebang, an encoding line and other leading comments.
    let at = root
        .named_children()
        .find(|child| child.kind() != "comment")
        .map_or(text.len(), |child| child.range().start);
    Ok(Change::insert(at, format!("{line}{newline}{newline}")))
}

fn is_docstring(node: &Node<'_>) -> bool {
    node.kind() == "expression_statement"
        && node
            .named_children()
            .next()
            .is_some_and(|only| only.kind() == "string" && only.range() == node.range())
}
