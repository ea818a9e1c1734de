"""Exceptions of libraries as plain data, and made again from it."""

from .. import calls, values

MAX_ARGUMENTS = 10


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
    return {"class": values.class_name(type(error)), "arguments": arguments}


def made(error):
    """The exception again; where its class cannot be made from its arguments, it gets them all the same, past its own `__init__`."""
    from ..replay_calls import _named, made as made_value

    arguments = [
        made(argument["error"]) if argument["t"] == "error" else made_value(argument) for argument in error["arguments"]
    ]
    class_ = _named(error["class"])
    try:
        return class_(*arguments)
    except Exception:
        again = class_.__new__(class_)
        again.args = tuple(arguments)
        return again
