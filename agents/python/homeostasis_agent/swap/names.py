"""Plans what happens to names: imports, constants, attributes of classes, and those that the new source no longer has."""

import ast
import builtins

from .additions import add_class, add_function, class_nodes, dunder, mangled, ordinary
from .bindings import bind
from .change import ABSENT, to_class, to_namespace
from .expressions import compiled_documentation
from .identify import class_of, same_value, values_of
from .planned import FunctionType, Refused, defined_class
from .scope import used_at_import


def steps_in(part, namespace):
    """What needs the namespace to evaluate: [(description for people, callable)]."""
    steps = []
    for scope, code, node in part.difference.added_functions:
        steps.append(("making %s" % node.name, lambda s=scope, c=code, n=node: add_function(part, namespace, s, c, n)))
    for node in part.difference.imports:
        steps.append(("the import in line %d" % node.lineno, lambda n=node: _import(part, namespace, n)))
    for scope, node, earlier in part.difference.assignments:
        steps.append(
            ("the assignment in line %d" % node.lineno,
             lambda s=scope, n=node, e=earlier: _assign(part, namespace, s, n, e))
        )
    for _, node in part.difference.added_classes:
        steps.append(("making class %s" % node.name, lambda n=node: add_class(part, namespace, n)))
    for scope, was, now in part.difference.documentation:
        steps.append(("the documentation", lambda s=scope, w=was, n=now: _document(part, namespace, s, w, n)))
    return steps


def drop(part):
    """Names that the new source no longer has stay, because code in flight may still read them,
    unless they hide something that the new source means by the same name."""
    for scope, name, _ in part.difference.dropped_names:
        _drop(part, scope, name)
    for scope, _, node in part.difference.removed_functions:
        _drop(part, scope, node.name)
    for scope, name in part.difference.removed_classes:
        for namespace in part.live.namespaces:
            kind = class_of(namespace, scope + "." + name if scope else name)
            if kind is not None:
                part.plan.retired.append(kind)
                part.plan.retired.extend(
                    value for value in kind.__dict__.values() if type(value) is FunctionType
                )


def _drop(part, scope, name):
    for namespace in part.live.namespaces:
        if not scope:
            if name in namespace and (hasattr(builtins, name) or dunder(name)):
                part.plan.changes.append(to_namespace(namespace, name, ABSENT))
            continue
        kind = defined_class(part, namespace, scope)
        own = mangled(scope, name)
        inherited = any(own in base.__dict__ for base in kind.__mro__[1:])
        if own in kind.__dict__ and (inherited or dunder(name)):
            ordinary(part, kind, scope, name)
            part.plan.changes.append(to_class(kind, own, ABSENT))


def _import(part, namespace, node):
    results = {}
    code = compile(ast.Module([node], []), part.old.filename, "exec", dont_inherit=True)
    exec(code, namespace, results)
    for name, value in results.items():
        bind(part, namespace, name, value)


def _assign(part, namespace, scope, node, earlier):
    overrides = part.rebound[id(namespace)]
    place = namespace
    if scope:
        kind = defined_class(part, namespace, scope)
        place = kind.__dict__
        overrides = dict(overrides, **{key: value for key, value in place.items() if not dunder(key)})
    before = {}
    for other in earlier:
        before.update(values_of(other, namespace, overrides if scope else None))
    for name, value in values_of(node, namespace, overrides).items():
        own = mangled(scope, name)
        if name in before and own in place and not same_value(place[own], before[name]):
            raise Refused("%s was changed by the program itself since it started" % name)
        if name in before and same_value(before[name], value):
            continue
        if scope:
            ordinary(part, kind, scope, name)
            line = used_at_import(ast.Module(_class_body(part, scope), []), name)
            if line:
                raise Refused("%s of class %s changed, and line %d used it when the class was made" % (name, scope, line))
            part.plan.changes.append(to_class(kind, own, value))
        else:
            bind(part, namespace, name, value)


def _class_body(part, scope):
    return next(node.body for code, node in class_nodes(part) if part.new.qualname[id(code)] == scope)


def _document(part, namespace, scope, was, now):
    if not scope:
        if namespace.get("__doc__") == compiled_documentation(was):
            part.plan.changes.append(to_namespace(namespace, "__doc__", compiled_documentation(now)))
        return
    kind = class_of(namespace, scope)
    if kind is not None and kind.__dict__.get("__doc__") == compiled_documentation(was):
        part.plan.changes.append(to_class(kind, "__doc__", compiled_documentation(now)))
