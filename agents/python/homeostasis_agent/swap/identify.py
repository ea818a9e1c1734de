"""Which of several sources the running code of a file is, judged by its live code objects and namespaces, never by memory."""

import abc
import ast

from .live import nested_in_flight, target_of
from .scope import binding_count, bound_by, is_pure, is_pure_assignment, scopes, statements_in
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
    """What importing this source certainly binds, up to where a body still runs, is bound in every module of the file."""
    reached = min((line for _, line in live.bodies), default=float("inf"))
    deleted = {
        part.id for node in statements_in(source.tree.body) if isinstance(node, ast.Delete)
        for part in node.targets if isinstance(part, ast.Name)
    }
    for scope, statements in scopes(source.tree).items():
        if statements.decorated:
            continue
        names = {node.name for node in statements.defined if node.lineno < reached}
        for node in statements.plain.values():
            if node.lineno < reached:
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
    """Leaves out the sources whose constants or defaults differ from those that live."""
    listed = [{**_constants(source), **_defaults(source)} for source in sources]
    names = {key for values in listed for key in values}
    differing = [key for key in names if len({_text(values.get(key)) for values in listed}) > 1]
    by_code = {}
    for function in live.functions:
        by_code.setdefault(exact(function.__code__), []).append(function)
    return [
        source for source, values in zip(sources, listed)
        if all(_agrees(live, by_code, key, values.get(key)) for key in differing)
    ]


def _text(value):
    return value if value is None or isinstance(value, str) else ast.dump(value)


def _constants(source):
    """{(scope, name): assignment} of the names that only this assignment binds; others say nothing by their value."""
    found = {}
    variable = {
        name for node in ast.walk(source.tree) if isinstance(node, ast.Global) for name in node.names
    }
    for scope, statements in scopes(source.tree).items():
        for node in statements.plain.values():
            if is_pure_assignment(node):
                for name in bound_by(node):
                    if name not in variable and binding_count(statements.body, name) == 1:
                        found[scope, name] = node
    return found


def _defaults(source):
    """{print of a function: the text of its defaults}, where these are literals; one key per function, as its code
    does not show them."""
    found = {}
    for code in source.codes:
        node = source.node.get(id(code))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            values = node.args.defaults + [part for part in node.args.kw_defaults if part is not None]
            if all(is_pure(part) and not any(isinstance(item, ast.Name) for item in ast.walk(part)) for part in values):
                found[exact(code)] = repr([ast.unparse(part) for part in values])
    return found


def _agrees(live, by_code, key, value):
    if isinstance(key, bytes):
        return value is None or all(_has_defaults(function, value) for function in by_code.get(key, ()))
    scope, name = key
    for namespace in live.namespaces:
        place = members(namespace, scope)
        if place is None or value is None:
            continue
        try:
            expected = values_of(value, namespace)[name]
        except Exception:
            continue
        there = place.get(name)
        if type(there) is not type(expected) or not same_value(there, expected):
            return False
    return True


def _has_defaults(function, text):
    """`text` lists literals and arithmetic on them, checked before: evaluating them runs nothing of the program."""
    expected = [eval(part, {"__builtins__": {}}) for part in ast.literal_eval(text)]
    actual = list(function.__defaults__ or ()) + list((function.__kwdefaults__ or {}).values())
    # A mutable default may hold more by now than the literal it began as.
    return len(expected) == len(actual) and all(
        type(one) is type(other) and (same_value(one, other) or type(one) in (list, dict, set))
        for one, other in zip(expected, actual)
    )


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
