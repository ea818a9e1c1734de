"""Exceptions of libraries as plain data, and made again from it."""

from .. import calls, values

MAX_ARGUMENTS = 10
MAX_ATTRIBUTES = 40

_dictionary_of = BaseException.__dict__["__dict__"].__get__
_plain = (type(None), bool, int, str)


def bare(error):
    """An exception of the same class with the same content, but without a traceback, cause and context."""
    try:
        again = BaseException.__new__(type(error), *values._exception_arguments_of(error))
    except TypeError:
        # Built-in ones with a state of their own.
        return error
    _dictionary_of(again).update(_dictionary_of(error))
    return again


def described(error):
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
    return {"class": values.class_name(type(error)), "arguments": arguments, "attributes": _attributes(error)}


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
    try:
        again = class_(*arguments)
    except Exception:
        again = class_.__new__(class_)
        again.args = tuple(arguments)
    _dictionary_of(again).update((name, made_value(value)) for name, value in error.get("attributes", {}).items())
    return again
