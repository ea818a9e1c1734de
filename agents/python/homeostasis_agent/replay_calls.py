"""Calls the failing function of a capsule again with its arguments made anew; how they are written down is in `calls`."""

import os
import sys
import types
from base64 import b64decode
from collections import OrderedDict, defaultdict, deque

from . import calls, texts, values
from .replay import arrive, begin

# What a script is loaded as, so that the part of it that does the work does not run.
SCRIPT = "__homeostasis_script__"


def play(call, done):
    """One exchange: the call."""
    arrive(call)
    function = _function(call)
    maker = Maker([value for _, value in call["arguments"]] + list(call["keywords"].values()))
    arguments = [maker.made(value) for _, value in call["arguments"]]
    keywords = {name: maker.made(value) for name, value in call["keywords"].items()}
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
    """A single value made again."""
    return Maker([value]).made(value)


class Maker:
    """Makes values again that may refer to each other, and to themselves; wherever one object was, there is one object."""

    def __init__(self, values):
        self.described = {}
        self.objects = {}
        for value in values:
            self._index(value)

    def _index(self, value):
        # Objects are not always kept in the order in which they were written, so a reference may come before what it means.
        if type(value) is dict:
            if "id" in value and value.get("t") != "ref":
                self.described[value["id"]] = value
            for inner in value.values():
                self._index(inner)
        elif type(value) is list:
            for inner in value:
                self._index(inner)

    def made(self, value):
        kind = value["t"]
        if kind == "ref":
            if value["id"] not in self.described:
                raise ValueError("an argument refers to what was taken out")
            return self.made(self.described[value["id"]])
        number = value.get("id")
        if number in self.objects:
            return self.objects[number]
        if kind in _containers:
            return self._container(_containers[kind], value, number)
        if kind == "object":
            return self._object(value, number)
        if kind not in _makers:
            raise ValueError("an argument of kind %r cannot be made again" % kind)
        return self._known_as(number, _makers[kind](value))

    def _known_as(self, number, thing):
        if number is not None:
            self.objects[number] = thing
        return thing

    def _container(self, class_, value, number):
        if class_ in (tuple, frozenset):
            return class_([self.made(item) for item in value["items"]])
        # It is known before its elements are made, for they may hold it.
        thing = self._known_as(number, class_())
        self._fill(thing, class_, value)
        return thing

    def _fill(self, thing, class_, value):
        if class_ is dict:
            for key, item in value["items"]:
                dict.__setitem__(thing, self.made(key), self.made(item))
        elif class_ is OrderedDict:
            for key, item in value["items"]:
                OrderedDict.__setitem__(thing, self.made(key), self.made(item))
        elif class_ is set:
            set.update(thing, [self.made(item) for item in value["items"]])
        elif class_ is bytearray:
            bytearray.extend(thing, b64decode(value["v"]))
        else:
            for item in value["items"]:
                class_.append(thing, self.made(item))

    def _object(self, value, number):
        make = _known_objects.get(value["class"])
        if make is not None:
            fields = {name: self.made(field) for name, field in value["fields"].items()}
            content = self.made(value["content"]) if "content" in value else None
            return self._known_as(number, make(fields, content))
        return self._object_of_program(_named(value["class"]), value, number)

    def _object_of_program(self, class_, value, number):
        lineage = values._mro_of(class_)
        fields = dict(value["fields"])
        names = values._named_fields(class_) if tuple in lineage else None
        if names is not None:
            thing = self._known_as(number, tuple.__new__(class_, [self.made(fields.pop(name)) for name in names]))
        elif value.get("content") is None:
            thing = self._known_as(number, object.__new__(class_))
            if calls.is_thread(class_):
                sys.modules["threading"].Thread.__init__(thing)
        else:
            thing = self._with_content(class_, lineage, value, fields, number)
        for name, field in fields.items():
            # Past the program's own __setattr__, which may refuse, as frozen dataclasses do.
            object.__setattr__(thing, name, self.made(field))
        return thing

    def _with_content(self, class_, lineage, value, fields, number):
        content = value["content"]
        for base in (str, bytes, int, float, tuple, frozenset):
            if base in lineage:
                return self._known_as(number, base.__new__(class_, self.made(content)))
        base = next(base for base in _growing if base in lineage)
        thing = self._known_as(number, base.__new__(class_))
        if base is deque:
            deque.__init__(thing, (), self.made(fields.pop("maxlen")))
        elif base is defaultdict:
            defaultdict.__init__(thing, self.made(fields.pop("default_factory")))
        self._fill(thing, dict if base is defaultdict else base, content)
        return thing


_containers = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "dict": dict}
# Classes whose instances get their content after they were made; a subclass stands before its base.
_growing = (OrderedDict, defaultdict, dict, deque, list, set, bytearray)


def _array_of_numpy(fields, content):
    frombuffer = _named("numpy.frombuffer")
    return frombuffer(content, dtype=fields["dtype"]).reshape(fields["shape"]).copy()


def _memoryview(fields, content):
    return memoryview(content if fields["readonly"] else bytearray(content))


_known_objects = {
    "builtins.slice": lambda fields, content: slice(fields["start"], fields["stop"], fields["step"]),
    "builtins.mappingproxy": lambda fields, content: types.MappingProxyType(fields["mapping"]),
    "builtins.memoryview": _memoryview,
    "re.Pattern": lambda fields, content: _named("re.compile")(fields["pattern"], fields["flags"]),
    "functools.partial": lambda fields, content: _named("functools.partial")(fields["func"], *fields["args"], **fields["keywords"]),
    "numpy.ndarray": _array_of_numpy,
}


_single = {"builtins.ellipsis": Ellipsis, "builtins.NotImplementedType": NotImplemented}


def _other(value):
    if value["class"] in _single:
        return _single[value["class"]]
    return texts.made(_named(value["class"]), value["text"])


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
    # Decimal, or hexadecimal with its prefix.
    "int": lambda value: int(value["v"], 0),
    "float": lambda value: float(value["v"]),
    "str": lambda value: value["v"],
    "bytes": lambda value: b64decode(value["v"]),
    "other": _other,
    "callable": lambda value: _named(value["name"]),
    "module": lambda value: _named(value["name"]),
    "redacted": _redacted,
}
