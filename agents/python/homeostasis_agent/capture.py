"""Builds the capsule of one failure from the exception; it neither decides whether to capture nor sends."""

import builtins

from . import calls, frames, guard, origin, values

MAX_CHAIN = 10
MAX_MESSAGE = 2000

_context_of = BaseException.__dict__["__context__"].__get__
_cause_of = BaseException.__dict__["__cause__"].__get__
_traceback_of = BaseException.__dict__["__traceback__"].__get__
_suppressed = BaseException.__dict__["__suppress_context__"].__get__

MARK = "_homeostasis_reported"


def chain(error):
    """The exception and those behind it, thrown last first: pairs of exception and relation."""
    found = []
    seen = set()
    _follow(error, None, found, seen)
    return found


def _follow(error, relation, found, seen):
    while error is not None and id(error) not in seen and len(found) < MAX_CHAIN:
        seen.add(id(error))
        found.append((error, relation))
        for member in _members(error):
            _follow(member, "cause", found, seen)
        cause = _cause_of(error)
        if cause is not None:
            error, relation = cause, "cause"
        elif not _suppressed(error):
            error, relation = _context_of(error), "context"
        else:
            return


def _members(error):
    """The exceptions in an exception group (3.11 and later), through the interpreter's own field."""
    group = getattr(builtins, "BaseExceptionGroup", None)
    if group is None or not values.isinstance_of_type(type(error), group):
        return ()
    members = group.__dict__["exceptions"].__get__(error)
    return members if type(members) is tuple else ()


def exceptions(error, missing, budget=None):
    """The chain as the protocol describes it; what had to be left out is added to `missing`."""
    budget = budget or values.Budget()
    described = []
    for position, (link, relation) in enumerate(chain(error)):
        described.append(_exception(link, relation, position, budget, missing))
    if budget.left <= 0:
        missing.append("values: cut at %d" % values.MAX_VALUES)
    return described


def _exception(error, relation, position, budget, missing):
    class_ = type(error)
    module, name = values.class_names(class_)
    kept, left_out = frames.entries(_traceback_of(error))
    if left_out:
        missing.append("exceptions[%d].frames: %d in the middle left out" % (position, left_out))
    # The innermost frame matters most, so it is the first to spend from the budget.
    described = [frames.described(entry, budget) for entry in reversed(kept)]
    described.reverse()
    return {
        "type": name,
        "module": module,
        "message": message(error),
        "relation": relation,
        "attributes": _attributes(error, class_, budget),
        "notes": _notes(error, class_),
        "frames": described,
    }


def message(error):
    """What str() would say where that runs only the interpreter's own code, else the same made from the arguments."""
    class_ = type(error)
    try:
        arguments = values._exception_arguments_of(error)
        if all(_is_scalar(argument) for argument in arguments) and _has_native_text(error, class_):
            return str(error)[:MAX_MESSAGE]
        if len(arguments) == 1 and type(arguments[0]) is str:
            return arguments[0][:MAX_MESSAGE]
        return ", ".join(_plain_text(argument) for argument in arguments[:10])[:MAX_MESSAGE]
    except Exception as failure:
        guard.pass_on(failure)
        return ""


def _has_native_text(error, class_):
    for base in values._mro_of(class_):
        own = values._own_names_of(base)
        if "__str__" in own:
            # Some texts are made of more than the arguments.
            if type(own["__str__"]) is not type(object.__str__):
                return False
            parts = _parts_of_text.get(values.class_name(base), ())
            return all(_is_scalar(own[name].__get__(error)) for name in parts)
    return False


_parts_of_text = {
    "builtins.OSError": ("errno", "strerror", "filename", "filename2"),
    "builtins.ImportError": ("msg",),
    "builtins.SyntaxError": ("msg", "filename", "lineno"),
    "builtins.UnicodeDecodeError": ("encoding", "object", "start", "end", "reason"),
    "builtins.UnicodeEncodeError": ("encoding", "object", "start", "end", "reason"),
    "builtins.UnicodeTranslateError": ("object", "start", "end", "reason"),
}


def _is_scalar(value):
    return id(type(value)) in _scalars


_scalars = frozenset(map(id, (str, int, float, bool, bytes, type(None))))


def _plain_text(value):
    class_ = type(value)
    if class_ is str or class_ is bytes:
        return class_.__repr__(value[:MAX_MESSAGE])
    if class_ is int and int.bit_length(value) > values.MAX_DECIMAL_BITS:
        return "<a very large int>"
    if id(class_) in _scalars:
        return class_.__repr__(value)
    return "<" + values.class_name(class_) + ">"


# Fields that the interpreter keeps outside of the dictionary of its exceptions.
_native_fields = {
    AttributeError: ("name", "obj"),
    NameError: ("name",),
    ImportError: ("name", "path"),
    OSError: ("errno", "filename", "filename2"),
    StopIteration: ("value",),
    UnicodeDecodeError: ("encoding", "start", "end", "reason"),
    UnicodeEncodeError: ("encoding", "start", "end", "reason"),
    SyntaxError: ("filename", "lineno", "offset"),
    SystemExit: ("code",),
}


def _attributes(error, class_, budget):
    found = {}
    for base, names in _native_fields.items():
        if not values.isinstance_of_type(class_, base):
            continue
        for name in names:
            descriptor = base.__dict__.get(name)
            if descriptor is not None:
                try:
                    value = descriptor.__get__(error)
                except Exception:
                    continue
                budget.next_name()
                found[name] = values.captured(value, budget, 3)
    for name, value in values.stored_fields(error, class_):
        if name != MARK and name != "__notes__" and name not in found:
            budget.next_name()
            found[name] = values.captured(value, budget, 3)
    return found


def _notes(error, class_):
    stored = values._raw_dictionary(error, class_)
    notes = dict.get(stored, "__notes__") if stored is not None else None
    if type(notes) is not list:
        return []
    return [note[:MAX_MESSAGE] for note in notes[:10] if type(note) is str]


class Capsule(dict):
    """A capsule that waits to be sent, with about how many bytes it takes meanwhile."""

    __slots__ = ("size",)


# What is not values: frames with their positions.
BYTES_OF_CAPSULE = 30 << 10


def capsule(error, kind, hook, missing, where=None):
    """The capsule but for what is added later, off the program's path; `where` is its origin when that is not here."""
    budget = values.Budget()
    call = None
    if kind == "process":
        call = calls.described(_traceback_of(error), missing, was_caught=hook in ("logging", "capture_exception"))
    capsule = Capsule({
        "schema": 1,
        "kind": kind,
        "hook": hook,
        "process": origin.process(where),
        "exceptions": exceptions(error, missing, budget),
        "request": None,
        "call": call,
        "answers": [],
        "redacted": [],
        "missing": missing,
    })
    capsule.size = BYTES_OF_CAPSULE + budget.size()
    return capsule
