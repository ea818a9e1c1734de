"""Plans the new code, defaults and descriptions of the functions that exist, closures and rerouted methods included."""

import ast
import functools
import types

from . import trampoline
from .change import Change, to_function
from .difference import default_changes, header_change
from .expressions import annotations, default, documentation
from .identify import class_of
from .live import target_of
from .planned import FunctionType, Refused
from .signature import parameters, same_parameters, shape
from .source import OPTIMIZED, below, children, exact, meaning, own_meaning


def steps_of(part):
    """[(description for people, callable)] for every function object whose definition changed."""
    steps, prints, redefined = [], {}, {}
    unsettled = _unsettled(part)
    for function in part.live.functions:
        code = function.__code__
        if id(code) in unsettled:
            _in_use(part, function, unsettled[id(code)])
            continue
        target = target_of(code)
        compiled = target.__code__ if target is not None else code
        filename = compiled.co_filename
        if id(compiled) not in prints:
            prints[id(compiled)] = exact(compiled)
        old, new, alignment = part.version(filename)
        if filename not in redefined:
            redefined[filename] = _redefined(old, new, alignment)
        before = old.by_print.get(prints[id(compiled)])
        if before is None:
            continue
        if target is None:
            _remember_original(part, filename, code)
        if id(before) in alignment.unclear:
            raise Refused(
                "%s lives and cannot be told apart from others of its name in the new source"
                % old.qualname[id(before)], passing=not old.at_import(before)
            )
        after = alignment.pairs.get(id(before))
        if after is None:
            part.plan.retired.append(function)
        elif exact(after) != prints[id(compiled)] or id(before) in redefined[filename]:
            steps.append((
                "the new definition of %s" % old.qualname[id(before)],
                functools.partial(_function, part, function, target, before, after, old, new),
            ))
    for filename, (old, new, alignment) in part.versions.items():
        _remember_pairs(part, filename, old, new, alignment)
    return steps


def _unsettled(part):
    """{identity of a nested code object: qualified name of its call} for the calls in flight whose own body
    changes: their closures go on with them as they are."""
    found = {}
    for code in part.live.in_flight:
        old, _, alignment = part.version(code.co_filename)
        before = old.by_print.get(exact(code))
        after = before and alignment.pairs.get(id(before))
        if after is not None and own_meaning(after) != own_meaning(before):
            found.update((id(inner), old.qualname[id(before)]) for inner in below(code))
    return found


def _in_use(part, function, name):
    """Closures of a call in flight end with it. One that outlives several looks may be held by others."""
    if function in part.seen or not part.seen.begun:
        part.seen.add(function)
        raise Refused("a call of %s in flight uses functions it has made, and they change with it" % name, passing=True)


def _remember_original(part, filename, code):
    known = part.plan.backward.setdefault(filename, {}).setdefault("original", {})
    pending = [code]
    while pending:
        code = pending.pop()
        if known.setdefault(exact(code), code) is code:
            pending.extend(children(code))


def _remember_pairs(part, filename, old, new, alignment):
    backward = part.plan.backward.setdefault(filename, {})
    original = backward.pop("original", {})
    forward = part.plan.forward.setdefault(filename, {})
    for code in old.codes:
        after = alignment.pairs.get(id(code))
        if after is None or not code.co_flags & OPTIMIZED:
            continue
        one, other = exact(code), exact(after)
        if one != other:
            if one not in new.by_print:
                forward[one] = after
            if other not in old.by_print:
                backward[other] = original.get(one, code)


def _function(part, function, target, before, after, old, new):
    name = old.qualname[id(before)]
    one, other = old.node.get(id(before)), new.node.get(id(after))
    defaults = None
    if one is not None and other is not None and not isinstance(one, ast.ClassDef):
        if not old.at_import(before):
            reason = header_change(name, one, other)
            if reason:
                raise Refused(reason, passing=True)
        if target is not None and not same_parameters(one.args, other.args):
            raise Refused("the signature of %s changed, and an earlier swap has rerouted it" % name)
        if shape(one.args) != shape(other.args):
            defaults = _defaults(part, function, one.args, other.args, name, old.at_import(before))
    elif not same_signature(before, after):
        raise Refused("the signature of %s changed and its definition is not clear" % name)
    described = _described(part, function, before, after, one, other)
    if target is None:
        _code(part, function, before, after, defaults, name)
        if meaning(before) != meaning(after):
            part.plan.functions += 1
    if defaults is not None:
        for attribute, value in zip(("__defaults__", "__kwdefaults__"), defaults):
            part.plan.changes.append(to_function(function, attribute, value))
    part.plan.changes.extend(described)


def _code(part, function, before, after, defaults, name):
    if exact(before) == exact(after):
        return
    change, reason = refit(function, before, after, defaults, _owner_of(part, name))
    if change is None:
        raise Refused("%s: %s" % (name, reason), passing="<locals>" in name)
    part.plan.changes.append(change)


def _owner_of(part, name):
    scope = name.rpartition(".")[0]
    return lambda namespace: class_of(namespace, scope) if scope and "<locals>" not in scope else None


def _defaults(part, function, old, new, name, at_import):
    """(__defaults__, __kwdefaults__) for the new signature: the live value where the text did not change."""
    listed = parameters(old)
    places = [p.name for p in listed if p.kind in ("positional", "either") and p.default is not None]
    given = function.__defaults__ or ()
    if len(given) != len(places) or any(
        p.name not in (function.__kwdefaults__ or {}) for p in listed if p.kind == "keyword" and p.default is not None
    ):
        raise Refused("the defaults of %s were changed by the program itself" % name)
    live = dict(zip(places, given))
    live.update(function.__kwdefaults__ or {})
    positional, keyword = [], {}
    for parameter, earlier in default_changes(old, new):
        if earlier is not None and shape(earlier) == shape(parameter.default):
            value = live[parameter.name]
        else:
            value = default(part, parameter.default, function.__globals__, name, at_import)
        if parameter.kind == "keyword":
            keyword[parameter.name] = value
        else:
            positional.append(value)
    return tuple(positional) or None, keyword or None


def _described(part, function, before, after, one, other):
    """Changes of the documentation and the annotations."""
    changes = []
    was, now = documentation(before), documentation(after)
    if was != now and function.__doc__ == was:
        changes.append(to_function(function, "__doc__", now))
    if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
        # From 3.14 on a function of their own makes the annotations when asked for; asking might fail.
        maker = getattr(function, "__annotate__", None)
        live = function.__annotations__ if maker is None else None
        found = annotations(part, other, function.__globals__, one, live)
        if found is not None:
            # Setting the annotations drops their maker, so that undoing, last change first, must give it back last.
            if maker is not None:
                changes.append(Change(function, "__annotate__", maker, None))
            changes.append(Change(function, "__annotations__", live, found))
    return changes


def _redefined(old, new, alignment):
    """Code objects whose definition has other parameters, defaults or annotations, which the code need not show."""
    found = set()
    for code in old.codes:
        one, other = old.node.get(id(code)), new.node.get(id(alignment.pairs.get(id(code))))
        if one is None or other is None or isinstance(one, ast.ClassDef) or type(one) is not type(other):
            continue
        if shape(one.args) != shape(other.args) or shape(getattr(one, "returns", None)) != shape(getattr(other, "returns", None)):
            found.add(id(code))
    return found


def refit(function, before, after, defaults, owner):
    """(Change, None) that makes the function run `after` instead of `before`, or (None, reason)."""
    if after.co_freevars == before.co_freevars:
        return to_function(function, "__code__", after), None
    cells = dict(zip(before.co_freevars, function.__closure__ or ()))
    if "__class__" in after.co_freevars and "__class__" not in cells:
        kind = owner(function.__globals__)
        if kind is not None:
            cells["__class__"] = types.CellType(kind)
    missing = [name for name in after.co_freevars if name not in cells]
    if missing:
        return None, "an existing closure would need %s of a call that has ended" % ", ".join(missing)
    closure = tuple(cells[name] for name in after.co_freevars)
    target = FunctionType(after, function.__globals__, function.__name__, None, closure)
    target.__defaults__, target.__kwdefaults__ = defaults or (function.__defaults__, function.__kwdefaults__)
    target.__qualname__ = function.__qualname__
    code = trampoline.build(after, len(before.co_freevars), target)
    if code is None:
        return None, "an asynchronous generator cannot get other free variables while it lives"
    return to_function(function, "__code__", code), None


def same_signature(one, other):
    return _signature(one) == _signature(other)


def _signature(code):
    count = code.co_argcount + code.co_kwonlyargcount
    return code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x0C, code.co_varnames[:count]
