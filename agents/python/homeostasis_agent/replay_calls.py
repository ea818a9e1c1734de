"""Calls the failing function of a capsule again with its arguments made anew; how they are written down is in `calls`."""

import os
import sys
import types
from base64 import b64decode

from . import calls, values
from .replay import arrive, begin

# What a script is loaded as, so that the part of it that does the work does not run.
SCRIPT = "__homeostasis_script__"


def play(call, done):
    """One exchange: the call."""
    arrive(call)
    function = _function(call)
    arguments = [made(value) for _, value in call["arguments"]]
    keywords = {name: made(value) for name, value in call["keywords"].items()}
    failure = None
    began = begin()
    try:
        result = function(*arguments, **keywords)
        if isinstance(result, types.CoroutineType):
            import asyncio

            asyncio.run(result)
    except Exception as error:
        failure = error
    done(began, None, [], b"", failure)


def play_script(call, done):
    """The same, for a program that does not serve: its modules are loaded, its main part is not run."""
    folder = call["folder"]
    if folder not in sys.path:
        sys.path.insert(0, folder)
    play(call, done)


def _function(call):
    thing = _named(call["module"] + "." + call["function"])
    for _ in range(call["wrappers"]):
        thing = calls.unwrapped(thing)
    return thing


def _named(name):
    """What has this full name; its module is imported when it is not loaded."""
    parts = name.split(".")
    if parts[0] == "__main__":
        _load_script()
        parts[0] = SCRIPT
    for split in range(len(parts), 0, -1):
        module = _imported(".".join(parts[:split]))
        if module is None:
            continue
        thing = module
        for part in parts[split:]:
            thing = calls.plain_function(thing.__dict__[part])
        return thing
    raise LookupError("there is no %s any more" % name)


def _imported(name):
    if name in sys.modules:
        return sys.modules[name]
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        # Only the name itself, or a package on the way to it, may be missing.
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise
        return None
    return sys.modules[name]


def _load_script():
    """The file of the command line as a module of another name; where a server has already loaded it, that one."""
    if SCRIPT in sys.modules:
        return
    main = sys.modules.get("__main__")
    if getattr(main, "__file__", None) is not None:
        sys.modules[SCRIPT] = main
        return
    from importlib.util import module_from_spec, spec_from_file_location

    spec = _module_spec() if sys.argv[0] == "-m" else spec_from_file_location(SCRIPT, os.path.abspath(sys.argv[0]))
    if spec is None:
        raise LookupError("the script of the command line was not found")
    module = module_from_spec(spec)
    module.__name__ = SCRIPT
    sys.modules[SCRIPT] = module
    spec.loader.exec_module(module)


def _module_spec():
    """The module that `python -m` runs; it has to be read from the command line, for it is not in `sys.argv` yet."""
    from importlib.util import find_spec, spec_from_file_location

    from .messages import argv

    command = argv()
    name = command[command.index("-m") + 1]
    found = find_spec(name)
    if found is not None and found.submodule_search_locations is not None:
        name += ".__main__"
        found = find_spec(name)
    if found is None:
        return None
    # Relative imports need its package; its loader checks the name it is asked for.
    parent = name.rpartition(".")[0]
    spec = spec_from_file_location(parent + "." + SCRIPT if parent else SCRIPT, found.origin)
    return spec


def made(value):
    kind = value["t"]
    if kind in _makers:
        return _makers[kind](value)
    raise ValueError("an argument of kind %r cannot be made again" % kind)


def _items(value):
    return [made(item) for item in value["items"]]


def _object(value):
    class_ = _named(value["class"])
    fields = {name: made(field) for name, field in value["fields"].items()}
    names = values._named_fields(class_) if tuple in values._mro_of(class_) else None
    if names is not None:
        thing = tuple.__new__(class_, [fields.pop(name) for name in names])
    else:
        thing = object.__new__(class_)
        if calls.is_thread(class_):
            sys.modules["threading"].Thread.__init__(thing)
    for name, field in fields.items():
        # Past the program's own __setattr__, which may refuse, as frozen dataclasses do.
        object.__setattr__(thing, name, field)
    return thing


def _other(value):
    name, text = value["class"], value["text"]
    class_ = _named(name)
    module = name.rpartition(".")[0]
    if name == "builtins.complex":
        return complex(text)
    if name == "builtins.range":
        return range(*map(int, text[len("range(") : -1].split(",")))
    if module == "datetime":
        if class_.__name__ == "timedelta":
            return _timedelta(text)
        if class_.__name__ == "timezone":
            return _timezone(text)
        # Before 3.11 the last letter of UTC is not understood.
        return class_.fromisoformat(text)
    if module in ("decimal", "uuid") or module.startswith("pathlib"):
        return class_(text)
    if str in values._mro_of(class_) and "_member_map_" not in class_.__dict__:
        return str.__new__(class_, text)
    # The members of an enumeration, by name.
    members = class_.__dict__["_member_map_"]
    return members[text]


def _timedelta(text):
    from datetime import timedelta

    days, _, clock = text.rpartition(", ")
    hours, minutes, seconds = clock.split(":")
    return timedelta(days=int(days.split()[0]) if days else 0, hours=int(hours), minutes=int(minutes)) + timedelta(seconds=1) * float(seconds)


def _timezone(text):
    from datetime import datetime, timezone

    if text == "UTC":
        return timezone.utc
    return datetime.fromisoformat("2000-01-01T00:00:00" + text[len("UTC") :]).tzinfo


def _redacted(value):
    """A placeholder of the same kind and length."""
    length = value["len"]
    placeholders = {"str": "x" * length, "bytes": b"x" * length, "int": 0, "float": 0.0, "list": [], "tuple": (), "dict": {}, "set": set(), "frozenset": frozenset()}
    if value["kind"] not in placeholders:
        raise ValueError("an argument of kind %r was redacted" % value["kind"])
    return placeholders[value["kind"]]


_makers = {
    "none": lambda value: None,
    "bool": lambda value: value["v"],
    "int": lambda value: int(value["v"]),
    "float": lambda value: float(value["v"]),
    "str": lambda value: value["v"],
    "bytes": lambda value: b64decode(value["v"]),
    "list": _items,
    "tuple": lambda value: tuple(_items(value)),
    "set": lambda value: set(_items(value)),
    "frozenset": lambda value: frozenset(_items(value)),
    "dict": lambda value: {made(key): made(item) for key, item in value["items"]},
    "object": _object,
    "other": _other,
    "callable": lambda value: _named(value["name"]),
    "module": lambda value: _named(value["name"]),
    "redacted": _redacted,
}
