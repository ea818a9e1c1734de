"""Exceptions of libraries as plain data, and made again from it."""

from .. import calls, settings, values

MAX_ARGUMENTS = 10
MAX_ATTRIBUTES = 40
MAX_LINKS = 3

_dictionary_of = BaseException.__dict__["__dict__"].__get__
_cause_of = BaseException.__dict__["__cause__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__
_is_suppressed = BaseException.__dict__["__suppress_context__"].__get__
_plain = (type(None), bool, int, str)


def bare(error, depth=MAX_LINKS):
    """An exception of the same class with the same content, but without a traceback; of those behind it, what a library raised."""
    class_ = type(error)
    native = next(base for base in values._mro_of(class_) if values._module_of(base) == "builtins")
    try:
        make = native.__new__ if class_ is not native else type.__call__
        again = make(class_, *values._exception_arguments_of(error))
    except Exception:
        again = native.__new__(class_)
        again.args = values._exception_arguments_of(error)
    _dictionary_of(again).update(_dictionary_of(error))
    if depth > 0:
        again.__cause__ = _behind(_cause_of(error), depth)
        again.__context__ = _behind(_context_of(error), depth)
        again.__suppress_context__ = _is_suppressed(error)
    return again


def _behind(error, depth):
    """What a library had caught; exceptions that came through the program are there again when it runs again."""
    return bare(error, depth - 1) if error is not None and _is_of_library(error) else None


def _is_of_library(error):
    entry = error.__traceback__
    while entry is not None:
        if settings.in_app(entry.tb_frame.f_code.co_filename):
            return False
        entry = entry.tb_next
    return True


def described(error, depth=0):
    """Class and arguments; what of them cannot be kept faithfully becomes text, for the message is what programs look at."""
    arguments = []
    for argument in values._exception_arguments_of(error)[:MAX_ARGUMENTS]:
        if isinstance(argument, BaseException):
            arguments.append({"t": "error", "error": described(argument)})
            continue
        try:
            arguments.append(calls.faithful(argument, values.Budget(200)))
        except calls.Unfaithful:
            arguments.append({"t": "str", "v": values.class_name(type(argument)), "len": 0})
    found = {"class": values.class_name(type(error)), "arguments": arguments, "attributes": _attributes(error)}
    for name, other in (("cause", _cause_of(error)), ("context", _context_of(error))):
        kept = other is not None and depth > 0 and _is_of_library(other)
        found[name] = described(other, depth - 1) if kept else None
    found["suppressed"] = _is_suppressed(error)
    return found


def _attributes(error):
    """What libraries wrote on the exception beside its arguments: codes, and names of tables and constraints."""
    found = {}
    for name, value in list(_dictionary_of(error).items())[:MAX_ATTRIBUTES]:
        if type(name) is str and type(value) in _plain and not name.startswith("_homeostasis"):
            try:
                found[name] = calls.faithful(value, values.Budget(2))
            except calls.Unfaithful:
                continue
    return found


def made(error):
    """The exception again; where its class cannot be made from its arguments, it gets them all the same, past its own `__init__`."""
    from ..replay_calls import _named, made as made_value

    arguments = [
        made(argument["error"]) if argument["t"] == "error" else made_value(argument) for argument in error["arguments"]
    ]
    class_ = _named(error["class"])
    # What a capsule says is text from outside: it names exceptions here, and nothing else is called.
    if not (isinstance(class_, type) and issubclass(class_, BaseException)):
        raise TypeError("%s is no exception" % error["class"])
    try:
        again = class_(*arguments)
    except Exception:
        again = class_.__new__(class_)
        again.args = tuple(arguments)
    _dictionary_of(again).update((name, made_value(value)) for name, value in error.get("attributes", {}).items())
    for name in ("cause", "context"):
        if error.get(name) is not None:
            setattr(again, "__%s__" % name, made(error[name]))
    again.__suppress_context__ = error.get("suppressed", False)
    return again
