"""What changed between two sources, as a list of edits, and the reasons why no swap can do the rest; pure."""

import ast

from .scope import attributes_stored, binding_count, bound_by, called_at_import, scopes
from .signature import incompatible, parameters, shape
from .source import OPTIMIZED, own_meaning

_PLAIN_DECORATORS = ("staticmethod", "classmethod", "property")
# Class creation reads these; adding or removing them later is not what a class made with them would be.
_READ_AT_CREATION = {
    "__new__", "__init_subclass__", "__set_name__", "__eq__", "__hash__", "__post_init__", "__slots__", "__del__",
    "__class_getitem__", "__prepare__", "__getattribute__", "__match_args__", "__annotations__",
}


class Difference:
    """`refusals` in plain words; and the edits, each with the scope ("" or the qualified class name) it belongs to."""

    def __init__(self):
        self.refusals = []
        self.imports = []
        self.assignments = []
        self.dropped_names = []
        self.documentation = []
        self.added_functions = []
        self.added_classes = []
        self.removed_functions = []
        self.removed_classes = []
        self.constructors = []


def compare(old, new, alignment, undoing=False, busy=()):
    """The difference of two Sources. With `undoing`, what the new source no longer has is left behind, unused;
    `busy` are the lines of the old source where a module body is still running."""
    difference = Difference()
    _definitions(old, new, alignment, difference)
    _statements(old, new, difference, undoing)
    _added(new, alignment, difference)
    _removed(old, new, alignment, difference, undoing)
    _ran_at_import(old, alignment, difference, busy)
    return difference


def _definitions(old, new, alignment, difference):
    for code in old.codes:
        other = alignment.pairs.get(id(code))
        if other is None or not old.at_import(code):
            continue
        before, after = old.node.get(id(code)), new.node.get(id(other))
        name = old.qualname[id(code)]
        if before is None or after is None:
            continue
        reason = header_change(name, before, after)
        if reason:
            difference.refusals.append(reason)
        elif isinstance(before, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _constructor(name, code, before, after, old, difference)


def header_change(name, before, after):
    """Why the head of a definition cannot be changed in place; None when it did not change or can."""
    if type(before) is not type(after):
        return "%s changed between def, async def and class" % name
    if isinstance(before, ast.Lambda):
        reason = incompatible(before.args, after.args)
        return reason and "a lambda in line %d changed its parameters: %s" % (before.lineno, reason)
    if shape(before.decorator_list) != shape(after.decorator_list):
        return "the decorators of %s changed, and they ran when it was imported" % name
    if shape(getattr(before, "type_params", None)) != shape(getattr(after, "type_params", None)):
        return "the type parameters of %s changed" % name
    if isinstance(before, ast.ClassDef):
        if shape(before.bases) != shape(after.bases) or shape(before.keywords) != shape(after.keywords):
            return "the bases or the metaclass of class %s changed" % name
        return None
    if shape(before.args) == shape(after.args):
        return None
    if before.decorator_list and not _only_plain(before.decorator_list):
        return "the signature of %s changed, and its decorators may have read it when it was imported" % name
    reason = incompatible(before.args, after.args)
    if reason:
        return (
            "the signature of %s changed so that its callers must change with it (%s); "
            "that is safe only while no request is in flight" % (name, reason)
        )
    return None


def _only_plain(decorators):
    return all(isinstance(node, ast.Name) and node.id in _PLAIN_DECORATORS for node in decorators)


def _constructor(name, code, before, after, old, difference):
    parent = old.parent[id(code)]
    if before.name in ("__init__", "__post_init__") and parent is not old.code:
        fresh = attributes_stored(after) - attributes_stored(before)
        if fresh:
            difference.constructors.append((old.qualname[id(parent)], sorted(fresh)))


def _statements(old, new, difference, undoing):
    before, after = scopes(old.tree), scopes(new.tree)
    if _future(old.tree) != _future(new.tree):
        difference.refusals.append("the __future__ imports changed")
    for scope in before:
        if scope not in after:
            continue
        was, now = before[scope], after[scope]
        if [form for form, _ in was.other] != [form for form, _ in now.other]:
            difference.refusals.append(_changed_statement(scope, was.other, now.other))
        if was.documentation != now.documentation:
            difference.documentation.append((scope, was.documentation, now.documentation))
        added = [node for form, node in now.plain.items() if form not in was.plain]
        removed = [node for form, node in was.plain.items() if form not in now.plain]
        rebound = {name for node in added for name in bound_by(node)}
        for node in added:
            _added_statement(scope, node, removed, was.body, now.body, difference)
        for node in removed:
            for name in bound_by(node):
                if name not in rebound:
                    difference.dropped_names.append((scope, name, node))


def _added_statement(scope, node, removed, old_body, new_body, difference):
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        if scope:
            difference.refusals.append("line %d adds an import to class %s" % (node.lineno, scope))
        else:
            difference.imports.append(node)
        return
    if scope and not isinstance(node, ast.Assign):
        difference.refusals.append("line %d adds or changes a declared field of class %s" % (node.lineno, scope))
        return
    names = bound_by(node)
    earlier = [other for other in removed if set(bound_by(other)) & set(names)]
    for name in names:
        if scope and name in _READ_AT_CREATION:
            difference.refusals.append("%s of class %s changed, and the class was made with it" % (name, scope))
        if binding_count(new_body, name) > 1 or binding_count(old_body, name) > 1:
            difference.refusals.append("line %d changes %s, which is bound in several places" % (node.lineno, name))
    difference.assignments.append((scope, node, earlier))


def _future(tree):
    return sorted(
        alias.name for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    )


def _changed_statement(scope, was, now):
    forms = [form for form, _ in was]
    for form, node in now:
        if form not in forms:
            return "line %d (in %s) changed, and it ran when the program started" % (node.lineno, scope or "the module")
    later = [form for form, _ in now]
    for form, node in was:
        if form not in later:
            return "a statement of %s was removed (line %d before), and it ran when the program started" % (
                scope or "the module", node.lineno)
    return "the statements of %s changed their order" % (scope or "the module")


def _direct(source, code):
    """The scope in which a definition stands directly, or None when it stands inside a function or lambda."""
    return source.qualname[id(source.parent[id(code)])] if source.at_import(code) else None


def _added(new, alignment, difference):
    fresh = {id(code) for code in alignment.added}
    for code in alignment.added:
        scope = _direct(new, code)
        if scope is None:
            continue
        node = new.node.get(id(code))
        name = new.qualname[id(code)]
        if node is None:
            if code.co_flags & OPTIMIZED and not code.co_name.startswith("<") and code.co_name != "__annotate__":
                difference.refusals.append("the new definition %s cannot be told apart from another" % name)
            continue
        if id(new.parent[id(code)]) in fresh or isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.ClassDef):
            if scope:
                difference.refusals.append("class %s is new inside another class" % name)
            else:
                difference.added_classes.append((code, node))
            continue
        if not _only_plain(node.decorator_list) or len(node.decorator_list) > 1:
            difference.refusals.append("%s is new and has decorators, which run when a program starts" % name)
        elif scope and node.name in _READ_AT_CREATION:
            difference.refusals.append("%s is new, and classes read it when they are made" % name)
        else:
            difference.added_functions.append((scope, code, node))


def _removed(old, new, alignment, difference, undoing):
    gone = {id(code) for code in alignment.removed}
    defined = {(scope, node.name) for scope, listed in scopes(new.tree).items() for node in listed.defined}
    for code in alignment.removed:
        scope = _direct(old, code)
        node = old.node.get(id(code))
        if scope is None or node is None or isinstance(node, ast.Lambda) or id(old.parent[id(code)]) in gone:
            continue
        name = old.qualname[id(code)]
        if (scope, node.name) in defined:
            difference.refusals.append("%s is defined in another way than before" % name)
        elif isinstance(node, ast.ClassDef):
            if undoing:
                difference.removed_classes.append((scope, node.name))
            else:
                difference.refusals.append("class %s was removed, and objects of it may live" % name)
        elif not _only_plain(node.decorator_list):
            difference.refusals.append("%s was removed, and its decorators may have registered it" % name)
        elif scope and node.name in _READ_AT_CREATION:
            difference.refusals.append("%s was removed, and classes read it when they are made" % name)
        else:
            difference.removed_functions.append((scope, code, node))


def _ran_at_import(old, alignment, difference, busy):
    """A function whose own body changed and that importing called: what it did then cannot be done again."""
    for code in old.codes:
        other = alignment.pairs.get(id(code))
        if other is None or not old.at_import(code) or not code.co_flags & OPTIMIZED:
            continue
        if own_meaning(code) == own_meaning(other) or code.co_name.startswith("<"):
            continue
        name = code.co_name
        parent = old.parent[id(code)]
        if name in ("__init__", "__new__", "__post_init__", "__call__") and parent is not old.code:
            name = parent.co_name
        elif parent is not old.code:
            continue
        line = called_at_import(old.tree, {name}, busy)
        if line:
            difference.refusals.append(
                "%s changed, and line %d used it when the program started; that cannot be done again"
                % (old.qualname[id(code)], line)
            )


def default_changes(before, after):
    """[(parameter of the new signature, its old default or None)] for every parameter with a default."""
    earlier = {parameter.name: parameter.default for parameter in parameters(before)}
    return [(p, earlier.get(p.name)) for p in parameters(after) if p.default is not None]
