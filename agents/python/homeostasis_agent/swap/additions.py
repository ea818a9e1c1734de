"""Makes the functions, methods and classes that are new in a source, as importing it would."""

import abc
import ast
import builtins
import types

from .bindings import bind
from .change import ABSENT, to_class, to_namespace
from .expressions import FUTURE, annotations, default
from .planned import FunctionType, Refused, defined_class, is_left_behind
from .scope import evaluated_at_import, is_pure
from .signature import parameters
from .source import exact


def add_function(part, namespace, scope, code, node):
    kind = defined_class(part, namespace, scope) if scope else None
    own = mangled(scope, node.name)
    existing = kind.__dict__.get(own, ABSENT) if scope else namespace.get(own, ABSENT)
    if existing is not ABSENT and not is_left_behind(existing):
        raise Refused("%s is new in the source, but the running program already has that name" % node.name)
    if scope and dunder(own):
        ordinary(part, kind, scope, own)
    if scope and own in getattr(kind, "__abstractmethods__", ()):
        raise Refused("%s is new and makes the abstract class %s complete" % (node.name, scope))
    function = _make(part, namespace, code, node, kind, scope)
    if node.decorator_list:
        decorator = node.decorator_list[0].id
        if decorator in namespace:
            raise Refused("the name %s means something else in this module" % decorator)
        function = getattr(builtins, decorator)(function)
    part.plan.functions += 1
    if scope:
        part.plan.changes.append(to_class(kind, own, function))
    elif existing is not ABSENT:
        part.plan.changes.append(to_namespace(namespace, own, function))
    else:
        bind(part, namespace, own, function)


def _make(part, namespace, code, node, kind, scope):
    if any(name != "__class__" for name in code.co_freevars):
        raise Refused("%s is new and needs variables of the statement around it" % node.name)
    filename = namespace.get("__file__") or part.old.filename
    if filename in part.versions and filename != part.old.filename:
        code = part.versions[filename][1].by_print[exact(code)]
    positional = [default(part, value, namespace, node.name) for value in node.args.defaults]
    function = FunctionType(
        code, namespace, node.name, tuple(positional) or None, tuple(types.CellType(kind) for _ in code.co_freevars)
    )
    keyword = {
        p.name: default(part, p.default, namespace, node.name)
        for p in parameters(node.args) if p.kind == "keyword" and p.default is not None
    }
    function.__kwdefaults__ = keyword or None
    function.__qualname__ = scope + "." + node.name if scope else node.name
    function.__annotations__ = annotations(part, node, namespace) or {}
    return function


def add_class(part, namespace, node):
    """A new class is made by running its statement, if making it touches nothing but itself."""
    existing = namespace.get(node.name, ABSENT)
    if existing is not ABSENT and not is_left_behind(existing):
        raise Refused("class %s is new in the source, but the running program already has that name" % node.name)
    if node.decorator_list or node.keywords:
        raise Refused("class %s is new and has decorators or a metaclass, which run when a program starts" % node.name)
    names = {item.id for item in evaluated_at_import(ast.Module([node], [])) if isinstance(item, ast.Name)}
    if names & set(part.rebound[id(namespace)]):
        raise Refused("class %s is new and is made with a name that changes in the same swap" % node.name)
    for base in node.bases:
        if not all(isinstance(item, (ast.Name, ast.Attribute, ast.Load)) for item in ast.walk(base)):
            raise Refused("class %s is new and its bases are computed" % node.name)
        kind = eval(compile(ast.Expression(base), part.old.filename, "eval", dont_inherit=True), namespace)
        if type(kind) not in (type, abc.ABCMeta) or isinstance(kind.__init_subclass__, types.MethodType):
            raise Refused("class %s is new and its base %s takes note of its subclasses" % (node.name, kind.__name__))
    for statement in node.body:
        plain = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and all(
            isinstance(decorator, ast.Name) and decorator.id in ("staticmethod", "classmethod", "property")
            for decorator in statement.decorator_list
        ) and all(is_pure(value) for value in statement.args.defaults + [d for d in statement.args.kw_defaults if d])
        constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        assigned = isinstance(statement, (ast.Assign, ast.AnnAssign)) and (statement.value is None or is_pure(statement.value))
        if not (plain or constant or assigned or isinstance(statement, ast.Pass)):
            raise Refused("class %s is new and line %d runs when it is made" % (node.name, statement.lineno))
    filename = namespace.get("__file__") or part.old.filename
    results = {}
    flags = part.new.code.co_flags & FUTURE
    exec(compile(ast.Module([node], []), filename, "exec", flags, dont_inherit=True), namespace, results)
    if existing is not ABSENT:
        part.plan.changes.append(to_namespace(namespace, node.name, results[node.name]))
    else:
        bind(part, namespace, node.name, results[node.name])


def ordinary(part, kind, scope, name):
    node = next((node for code, node in class_nodes(part) if part.new.qualname[id(code)] == scope), None)
    if type(kind) not in (type, abc.ABCMeta) or node is None or node.decorator_list:
        raise Refused("%s of class %s changed, and a decorator or metaclass may have read it" % (name, scope))


def class_nodes(part):
    return [(code, part.new.node[id(code)]) for code in part.new.codes
            if isinstance(part.new.node.get(id(code)), ast.ClassDef)]


def dunder(name):
    return name.startswith("__") and name.endswith("__")


def mangled(scope, name):
    if not scope or not name.startswith("__") or name.endswith("__"):
        return name
    return "_" + scope.rpartition(".")[2].lstrip("_") + name
