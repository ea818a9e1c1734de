"""Which of several sources the running code of a file is, judged by its live code objects and namespaces, never by memory."""

import abc
import ast

from .live import nested_in_flight, target_of
from .scope import bound_by, is_pure_assignment, scopes, statements_in
from .source import exact


def matching(live, sources, left_behind):
    """Those of the sources that the running code of `live` can be, the likeliest ones only.

    More than one is left when nothing that lives tells them apart. `left_behind` says of a function that it belongs
    to no source any more: a swap took it out and only those who held it still do.
    """
    prints = _Prints(live, left_behind)
    fitting = [source for source in sources if prints.all_of(source) and _names_present(live, source)]
    if len(fitting) > 1:
        fitting = _by_values(live, fitting)
    return fitting


def indistinguishable(one, other):
    """True when the two sources make the same program, whatever their texts are."""
    return exact(one.code) == exact(other.code)


class _Prints:
    def __init__(self, live, left_behind):
        self._in_flight = nested_in_flight(live)
        self._codes = {}
        for function in live.functions:
            code = function.__code__
            if target_of(code) is None and not left_behind(function):
                self._codes.setdefault(id(code), code)
        self._prints = {identity: exact(code) for identity, code in self._codes.items()}

    def all_of(self, source):
        """No function contradicts the source, apart from those that a frame still in flight has just made."""
        return all(
            print_ in source.by_print or identity in self._in_flight for identity, print_ in self._prints.items()
        )


def _names_present(live, source):
    """What importing this source certainly binds is bound in every module of the file."""
    deleted = {
        part.id for node in statements_in(source.tree.body) if isinstance(node, ast.Delete)
        for part in node.targets if isinstance(part, ast.Name)
    }
    for scope, statements in scopes(source.tree).items():
        if statements.decorated:
            continue
        names = {node.name for node in statements.defined}
        for node in statements.plain.values():
            names.update(bound_by(node))
        for namespace in live.namespaces:
            place = members(namespace, scope)
            if place is not None and not all(_has(place, name) for name in names - deleted):
                return False
    return True


def members(namespace, scope):
    """The dictionary of a scope: of the module, or of a class that is an ordinary one defined in it; else None."""
    if not scope:
        return namespace
    kind = class_of(namespace, scope)
    if kind is None or type(kind) not in (type, abc.ABCMeta):
        return None
    return kind.__dict__


def class_of(namespace, scope):
    """The class that stands under its qualified name in a module, or None when something else does."""
    place = namespace
    kind = None
    for name in scope.split("."):
        kind = place.get(name)
        if not isinstance(kind, type):
            return None
        place = kind.__dict__
    if kind.__qualname__ != scope or kind.__module__ != namespace.get("__name__"):
        return None
    return kind


def _has(place, name):
    return name in place or (name.startswith("__") and any(key.endswith(name) for key in place))


def _by_values(live, sources):
    """Leaves out the sources whose constants differ from those that live."""
    listed = [_constants(source) for source in sources]
    names = {key for constants in listed for key in constants}
    differing = [
        key for key in names
        if len({ast.dump(constants[key]) if key in constants else "" for constants in listed}) > 1
    ]
    fitting = []
    for source, constants in zip(sources, listed):
        if all(_agrees(live, key, constants.get(key)) for key in differing):
            fitting.append(source)
    return fitting


def _constants(source):
    found = {}
    for scope, statements in scopes(source.tree).items():
        for node in statements.plain.values():
            if is_pure_assignment(node):
                for name in bound_by(node):
                    found[scope, name] = node
    return found


def _agrees(live, key, node):
    scope, name = key
    for namespace in live.namespaces:
        place = members(namespace, scope)
        if place is None or node is None:
            continue
        try:
            value = values_of(node, namespace)[name]
        except Exception:
            continue
        there = place.get(name)
        if type(there) is not type(value) or not same_value(there, value):
            return False
    return True


def values_of(node, namespace, overrides=None):
    """{name: value} that a pure assignment gives when it runs in this namespace; nothing is bound there."""
    results = dict(overrides or {})
    if isinstance(node, ast.AnnAssign):
        node = ast.copy_location(ast.Assign([node.target], node.value, lineno=node.lineno), node)
    exec(compile(ast.Module([node], []), "<homeostasis>", "exec", dont_inherit=True), namespace, results)
    return {name: results[name] for name in bound_by(node)}


def same_value(one, other):
    """Equality of plain data that runs no code of the program; anything else is equal only to itself."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, (bool, int, float, complex, str, bytes, type(None))):
        return type(one).__eq__(one, other) is True
    if type(one) in (tuple, list):
        return len(one) == len(other) and all(same_value(a, b) for a, b in zip(one, other))
    if type(one) in (set, frozenset):
        return all(type(item) in (int, str, bytes, float, bool) for item in one | other) and one == other
    if type(one) is dict:
        plain = all(type(key) in (int, str, bytes, float, bool, tuple) for key in list(one) + list(other))
        return plain and one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return False
