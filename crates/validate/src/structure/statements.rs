//! Functions as flat lists of statements, each with the branches it stands in; nothing is compared here.

use homeostasis_syntax::{Node, Source};
use std::collections::BTreeMap;

/// A function, or what stands outside of all functions of a class or module.
#[derive(Default)]
pub(super) struct Scope<'t> {
    pub(super) statements: Vec<Statement<'t>>,
    /// Texts of its decorators.
    pub(super) decorators: Vec<String>,
}

/// One simple statement, or the head of a compound one.
#[derive(Clone)]
pub(super) struct Statement<'t> {
    /// Kind of the node; for heads, that of the whole statement or clause.
    pub(super) kind: String,
    /// Text without its layout.
    pub(super) text: String,
    /// The simple statement, or the head's expression where it has one.
    pub(super) node: Option<Node<'t>>,
    /// The whole compound statement or clause, for heads.
    pub(super) whole: Option<Node<'t>>,
    /// From outermost to innermost.
    pub(super) branches: Vec<Branch<'t>>,
}

/// One thing that decides whether, or how often, a statement runs.
#[derive(Clone)]
pub(super) struct Branch<'t> {
    pub(super) kind: BranchKind,
    /// The compound statement.
    pub(super) whole: Node<'t>,
    /// The block of it in which the statement stands.
    pub(super) block: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BranchKind {
    If,
    Else,
    Loop,
    Handler,
    Case,
}

impl Statement<'_> {
    /// The innermost loop, by its place in the text.
    pub(super) fn innermost_loop(&self) -> Option<usize> {
        self.branches
            .iter()
            .rev()
            .find(|branch| branch.kind == BranchKind::Loop)
            .map(|branch| branch.whole.range().start)
    }

    pub(super) fn is_head(&self) -> bool {
        self.whole.is_some()
    }
}

/// All scopes by qualified name; those that share a name are told apart by a number.
pub(super) fn scopes(source: &Source) -> BTreeMap<String, Scope<'_>> {
    let mut scopes = BTreeMap::new();
    let mut walk = Walk {
        scopes: &mut scopes,
        name: "<module>".to_string(),
    };
    walk.open("<module>".to_string(), Vec::new());
    walk.block(&source.root(), &[]);
    scopes
}

/// Text with every run of white space as one space, without comments of its own line.
pub(super) fn plain(node: &Node<'_>) -> String {
    node.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Walk<'s, 't> {
    scopes: &'s mut BTreeMap<String, Scope<'t>>,
    name: String,
}

impl<'t> Walk<'_, 't> {
    fn open(&mut self, wanted: String, decorators: Vec<String>) {
        let mut name = wanted.clone();
        let mut number = 2;
        while self.scopes.contains_key(&name) {
            name = format!("{wanted}#{number}");
            number += 1;
        }
        self.scopes.insert(
            name.clone(),
            Scope {
                statements: Vec::new(),
                decorators,
            },
        );
        self.name = name;
    }

    fn push(&mut self, statement: Statement<'t>) {
        if let Some(scope) = self.scopes.get_mut(&self.name) {
            scope.statements.push(statement);
        }
    }

    fn block(&mut self, block: &Node<'t>, branches: &[Branch<'t>]) {
        let children: Vec<Node<'t>> = block.named_children().collect();
        for child in children {
            self.statement(&child, branches);
        }
    }

    fn statement(&mut self, node: &Node<'t>, branches: &[Branch<'t>]) {
        match node.kind().as_ref() {
            "comment" => {}
            "decorated_definition" => {
                let decorators = node
                    .children()
                    .filter(|child| child.kind() == "decorator")
                    .map(|child| plain(&child))
                    .collect();
                if let Some(definition) = node.field("definition") {
                    self.definition(&definition, decorators);
                }
            }
            "function_definition" | "class_definition" => self.definition(node, Vec::new()),
            "if_statement" | "elif_clause" => self.conditional(node, branches),
            "for_statement" | "while_statement" => self.repeated(node, branches),
            "try_statement" => self.attempted(node, branches),
            "with_statement" => {
                self.head(node, node.child(1), branches);
                self.field(node, "body", branches);
            }
            "match_statement" => self.matched(node, branches),
            kind => self.push(Statement {
                kind: kind.to_string(),
                text: plain(node),
                node: Some(node.clone()),
                whole: None,
                branches: branches.to_vec(),
            }),
        }
    }

    fn definition(&mut self, node: &Node<'t>, decorators: Vec<String>) {
        let outer = self.name.clone();
        let own = node
            .field("name")
            .map(|name| name.text().into_owned())
            .unwrap_or_default();
        let name = match outer.as_str() {
            "<module>" => own,
            outer => format!("{outer}.{own}"),
        };
        self.open(name, decorators);
        self.field(node, "body", &[]);
        self.name = outer;
    }

    fn conditional(&mut self, node: &Node<'t>, branches: &[Branch<'t>]) {
        self.head(node, node.field("condition"), branches);
        if let Some(block) = node.field("consequence") {
            let inner = within(branches, BranchKind::If, node, &block);
            self.block(&block, &inner);
        }
        let alternatives: Vec<Node<'t>> = node.field_children("alternative").collect();
        for alternative in alternatives {
            let inner = within(branches, BranchKind::Else, node, &alternative);
            match alternative.kind().as_ref() {
                "elif_clause" => self.conditional(&alternative, &inner),
                _ => self.field(&alternative, "body", &inner),
            }
        }
    }

    fn repeated(&mut self, node: &Node<'t>, branches: &[Branch<'t>]) {
        let expression = node.field("right").or_else(|| node.field("condition"));
        self.head(node, expression, branches);
        if let Some(block) = node.field("body") {
            let inner = within(branches, BranchKind::Loop, node, &block);
            self.block(&block, &inner);
        }
        if let Some(alternative) = node.field("alternative") {
            self.field(&alternative, "body", branches);
        }
    }

    fn attempted(&mut self, node: &Node<'t>, branches: &[Branch<'t>]) {
        self.head(node, None, branches);
        self.field(node, "body", branches);
        let clauses: Vec<Node<'t>> = node.named_children().collect();
        for clause in clauses {
            let kind = clause.kind().into_owned();
            match kind.as_str() {
                "except_clause" | "except_group_clause" => {
                    self.head(&clause, None, branches);
                    if let Some(block) = block_of(&clause) {
                        let inner = within(branches, BranchKind::Handler, node, &block);
                        self.block(&block, &inner);
                    }
                }
                "else_clause" | "finally_clause" => {
                    if let Some(block) = block_of(&clause) {
                        self.block(&block, branches);
                    }
                }
                _ => {}
            }
        }
    }

    fn matched(&mut self, node: &Node<'t>, branches: &[Branch<'t>]) {
        self.head(node, node.field("subject"), branches);
        let clauses: Vec<Node<'t>> = node
            .dfs()
            .filter(|inner| inner.kind() == "case_clause")
            .filter(|inner| {
                inner
                    .ancestors()
                    .find(|one| one.kind() == "match_statement")
                    .is_some_and(|one| one.range() == node.range())
            })
            .collect();
        for clause in clauses {
            self.head(&clause, None, branches);
            if let Some(block) = clause.field("consequence") {
                let inner = within(branches, BranchKind::Case, node, &block);
                self.block(&block, &inner);
            }
        }
    }

    fn head(&mut self, whole: &Node<'t>, expression: Option<Node<'t>>, branches: &[Branch<'t>]) {
        self.push(Statement {
            kind: whole.kind().into_owned(),
            text: head_text(whole),
            node: expression,
            whole: Some(whole.clone()),
            branches: branches.to_vec(),
        });
    }

    fn field(&mut self, node: &Node<'t>, field: &str, branches: &[Branch<'t>]) {
        if let Some(block) = node.field(field) {
            self.block(&block, branches);
        }
    }
}

/// The block of a clause, which the grammar gives no name.
pub(super) fn block_of<'t>(clause: &Node<'t>) -> Option<Node<'t>> {
    clause.children().find(|child| child.kind() == "block")
}

fn within<'t>(
    branches: &[Branch<'t>],
    kind: BranchKind,
    whole: &Node<'t>,
    block: &Node<'t>,
) -> Vec<Branch<'t>> {
    let mut inner = branches.to_vec();
    inner.push(Branch {
        kind,
        whole: whole.clone(),
        block: block.range().start,
    });
    inner
}

/// What stands before the first block of a compound statement or clause.
fn head_text(whole: &Node<'_>) -> String {
    let start = whole.range().start;
    let end = whole
        .children()
        .find(|child| child.kind() == "block")
        .map_or(whole.range().end, |block| block.range().start);
    let text = whole.text();
    let head = text.get(..end - start).unwrap_or(&text);
    let head = head.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{head} ")
}
