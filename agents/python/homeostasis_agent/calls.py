"""Describes how to call the failing function again, for failures outside of a request; it runs none of the program's code."""

import os
import sys
import types
from collections import OrderedDict, defaultdict, deque
from time import time

from . import frames, settings, texts, values
from .dependencies.recording import in_flight

MAX_DEPTH = 12
MAX_ITEMS = 1000
MAX_CHARACTERS = 1 << 16
MAX_VALUES = 20000
# As many hexadecimal digits as a text may have characters.
MAX_INTEGER_BITS = 4 * MAX_CHARACTERS
MAX_WRAPPERS = 10
MAX_REASONS = 5

_GENERATOR, _ASYNC_GENERATOR = 0x20, 0x200
_VARARGS, _VARKEYWORDS = 4, 8
# What was given to a thread, as against what it has made for itself.
_of_threads = frozenset(["_target", "_args", "_kwargs", "_name", "_daemonic"])
_scalars = (type(None), bool, float)


class Unfaithful(Exception):
    """What stands in the way of calling again with the same arguments, in words."""


def described(traceback, missing, was_caught=False):
    """The outermost function of the program on the way that can be called again; None with the reasons in `missing` when there is none.

    `frame` of it is its place in the frames of the thrown exception. Where the exception `was_caught`, the function that
    caught it comes last: it may be a loop that never ends.
    """
    reasons = []
    kept, _ = frames.entries(traceback)
    places = list(enumerate(kept))
    if was_caught and places:
        places.append(places.pop(0))
    for place, entry in places:
        code = entry.tb_frame.f_code
        if not settings.in_app(code.co_filename):
            continue
        try:
            found = _call(entry.tb_frame, code)
        except Unfaithful as reason:
            reasons.append("%s %s" % (code.co_name, reason))
        except Exception:
            reasons.append("%s could not be described" % code.co_name)
        else:
            found["frame"] = place
            return found
    missing.append("call: " + ("; ".join(reasons[-MAX_REASONS:]) or "no function of the program was on the way"))
    return None


def _call(frame, code):
    if code.co_name == "<module>":
        raise Unfaithful("is the body of a module")
    if code.co_flags & (_GENERATOR | _ASYNC_GENERATOR):
        raise Unfaithful("is a generator")
    module, folder = _module(frame)
    name, wrappers = _name(frame, code)
    positional, keywords = _arguments(frame, code)
    # An object that is in two arguments is one object.
    writer = Writer(values.Budget(MAX_VALUES))
    return {
        "module": module,
        "folder": folder,
        "function": name,
        "wrappers": wrappers,
        "serving": settings.serving or settings.working,
        "time": _time(),
        "arguments": [[name, _faithful(value, name, writer)] for name, value in positional],
        "keywords": {name: _faithful(value, name, writer) for name, value in keywords},
        "answers": [],
    }


def _time():
    """When the job began, or else now."""
    return getattr(in_flight.get(), "began", None) or time()


def _module(frame):
    """The name that the module of a frame is imported by, and the folder it is imported from."""
    known = frame.f_globals
    name, path = known.get("__name__"), known.get("__file__")
    if type(name) is not str or type(path) is not str:
        raise Unfaithful("is in a module without a file")
    folder = os.path.dirname(settings.absolute(path))
    parts = name.count(".") + (os.path.basename(path) == "__init__.py")
    if name == "__main__":
        spec = known.get("__spec__")
        parts = getattr(spec, "name", "").count(".") if spec is not None else 0
    for _ in range(parts):
        folder = os.path.dirname(folder)
    return name, folder


def _name(frame, code):
    """The qualified name of the function with this code, and how many decorators that name their inner function are around it."""
    if "<locals>" in getattr(code, "co_qualname", ""):
        raise Unfaithful("is defined inside of another function")
    for name, thing in _candidates(frame, code):
        wrappers = _wrappers(thing, code)
        if wrappers is not None:
            return name, wrappers
    raise Unfaithful("is not found by its name")


def _candidates(frame, code):
    known = frame.f_globals
    path = getattr(code, "co_qualname", code.co_name)
    thing = known.get(path.split(".")[0])
    for part in path.split(".")[1:]:
        thing = values._own_names_of(thing).get(part) if isinstance(type(thing), type) and values.isinstance_of_type(type(thing), type) else None
    yield path, thing
    if hasattr(code, "co_qualname") or not code.co_argcount:
        return
    # Before 3.11 code does not tell its class; the object that the method was called on does, or else the module is searched.
    first = frame.f_locals.get(code.co_varnames[0])
    class_ = first if values.isinstance_of_type(type(first), type) else type(first)
    others = [thing for thing in known.values() if values.isinstance_of_type(type(thing), type)]
    for base in (*values._mro_of(class_), *others):
        yield "%s.%s" % (values.class_names(base)[1], code.co_name), values._own_names_of(base).get(code.co_name)


def _wrappers(thing, code):
    """How often `__wrapped__` must be followed from this thing to the function with this code; None when it does not lead there."""
    thing = plain_function(thing)
    for count in range(MAX_WRAPPERS):
        if type(thing) is types.FunctionType and thing.__code__ is code:
            return count
        thing = unwrapped(thing)
        if thing is None:
            return None
    return None


def unwrapped(thing):
    """What this thing says it is wrapped around, read without asking it; None when it does not say."""
    celery = sys.modules.get("homeostasis_agent.hooks_celery")
    if celery is not None:
        thing = celery.task_behind(thing)
    if type(thing) is types.FunctionType:
        return thing.__dict__.get("__wrapped__")
    found = (values._raw_dictionary(thing, type(thing)) or {}).get("__wrapped__")
    for base in values._mro_of(type(thing)):
        found = values._own_names_of(base).get("__wrapped__") if found is None else found
    return plain_function(found)


def plain_function(thing):
    """The function in what a class holds under its name."""
    if values.is_one_of(type(thing), (staticmethod, classmethod)):
        return type(thing).__dict__["__func__"].__get__(thing)
    return thing


def _arguments(frame, code):
    """Pairs of name and value, positional and by keyword, as the function was called with them."""
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount + bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)]
    changed = _assigned_names(code)
    known = frame.f_locals
    for name in names:
        if name in changed or name not in known:
            raise Unfaithful("has assigned its argument %s anew" % name)
    positional = [(name, known[name]) for name in names[:count]]
    only = names[count : count + code.co_kwonlyargcount]
    keywords = [(name, known[name]) for name in only]
    rest = list(names[count + len(only) :])
    if code.co_flags & _VARARGS:
        name = rest.pop(0)
        positional.extend((name, value) for value in known[name])
    if code.co_flags & _VARKEYWORDS:
        keywords.extend((name, value) for name, value in known[rest[0]].items() if type(name) is str)
    return positional, keywords


def _assigned_names(code):
    from dis import get_instructions

    found = set()
    for instruction in get_instructions(code):
        name = instruction.opname
        if name.startswith(("STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF")):
            names = instruction.argval
            # Two in one, of which the first is the one stored, or both.
            found.update(names if type(names) is tuple and name == "STORE_FAST_STORE_FAST" else names[:1] if type(names) is tuple else [names])
    return found


def _faithful(value, name, writer):
    try:
        return writer.value(value, MAX_DEPTH)
    except Unfaithful as reason:
        raise Unfaithful("was given %s, which %s" % (name, reason)) from None


def faithful(value, budget):
    """`value` as a protocol value from which an equal one can be made; raises Unfaithful when there is none."""
    return Writer(budget).value(value, MAX_DEPTH)


class Writer:
    """Writes whole values; what is met a second time, inside of itself or elsewhere, becomes a reference to the first."""

    def __init__(self, budget):
        self.budget = budget
        # By id, with the object, so that its id stays its own.
        self.met = {}

    def value(self, value, depth):
        budget = self.budget
        budget.left -= 1
        if budget.left < 0 or depth < 0:
            raise Unfaithful("holds too much")
        class_ = type(value)
        if values.is_one_of(class_, _scalars):
            return values.captured(value, values.Budget(1))
        if class_ is int:
            return _integer(value)
        if class_ is str:
            return _text(value)
        if class_ is bytes:
            return _bytes(value)
        if class_ is tuple or class_ is frozenset:
            return self._sequence(value, class_, depth)
        if id(class_) in values._container_ids:
            known = self._reference(value)
            if known is not None:
                return known
            told = self._remember(value, {"t": class_.__name__})
            told.update(self._content(value, class_, depth))
            return told
        return self._other(value, class_, depth)

    def _reference(self, value):
        known = self.met.get(id(value))
        return {"t": "ref", "id": self.budget.identify(known[1])} if known is not None else None

    def _remember(self, value, told):
        self.met[id(value)] = (value, told)
        return told

    def _content(self, value, base, depth):
        """What an instance of a built-in class, or of a subclass of it, holds."""
        if base is dict:
            return self._mapping(value, depth)
        if base in _sequences:
            return self._sequence(value, base, depth)
        if base is bytearray:
            return _bytes(bytes(bytearray.__getitem__(value, slice(None))))
        return {str: _text, bytes: _bytes, int: _integer, float: values._float}[base](value)

    def _sequence(self, value, base, depth):
        if base.__len__(value) > MAX_ITEMS:
            raise Unfaithful("holds too much")
        items = [self.value(item, depth - 1) for item in list(base.__iter__(value))]
        return {"t": "list" if base is deque else base.__name__, "items": items, "len": len(items)}

    def _mapping(self, value, depth):
        if dict.__len__(value) > MAX_ITEMS:
            raise Unfaithful("holds too much")
        pairs = list(dict.items(value))
        if values.isinstance_of_type(type(value), OrderedDict) and all(type(key) is str or type(key) is int for key, _ in pairs):
            # Its order is its own; asking for it looks at the hashes of keys.
            pairs = [(key, dict.__getitem__(value, key)) for key in list(OrderedDict.__iter__(value))]
        items = [[self.value(key, depth - 1), self.value(item, depth - 1)] for key, item in pairs]
        return {"t": "dict", "items": items, "len": len(items)}

    def _other(self, value, class_, depth):
        met = len(self.met)
        try:
            return self._described(value, class_, depth)
        except Unfaithful:
            name = _global_name(value) if _is_callable(class_) else None
            if name is None:
                raise
            # Nothing may refer to what is left out now.
            while len(self.met) > met:
                self.met.popitem()
            return {"t": "callable", "class": values.class_name(class_), "name": name}

    def _described(self, value, class_, depth):
        if class_ is types.ModuleType or class_ is types.FunctionType or values.isinstance_of_type(class_, type):
            described = values.captured(value, values.Budget(1))
            if find(described["name"]) is not value:
                raise Unfaithful("is a %s without a name to find it by" % class_.__name__)
            return described
        if class_ is types.BuiltinFunctionType:
            described = values.captured(value, values.Budget(1))
            if find(described["name"]) is value:
                return described
        celery = sys.modules.get("homeostasis_agent.hooks_celery")
        name = celery.name_of_task(value, class_) if celery is not None else None
        if name is not None:
            return {"t": "callable", "class": values.class_name(class_), "name": name}
        text_of = texts.writer_of(class_)
        if text_of is not None:
            text = text_of(value)
            if text.endswith(texts.UNKNOWN) or len(text) > MAX_CHARACTERS:
                raise Unfaithful("holds a %s that cannot be written as text" % values.class_name(class_))
            return {"t": "other", "class": values.class_name(class_), "text": text}
        known = self._reference(value)
        if known is not None:
            return known
        name = values.class_name(class_)
        told = self._remember(value, {"t": "object", "class": name, "fields": {}, "len": values._native_length(value, class_)})
        state_of = _states.get(id(class_)) or _state_of_library(class_)
        if state_of is not None:
            fields, content = state_of(value)
        else:
            fields, content = self._state(value, class_, name, depth)
        if len(fields) > MAX_ITEMS:
            raise Unfaithful("holds too much")
        told["fields"].update((field, self.value(inner, depth - 1)) for field, inner in fields)
        if content is not None:
            told["content"] = content if type(content) is dict else self.value(content, depth - 1)
        return told

    def _state(self, value, class_, name, depth):
        """All that an object of a class of the program holds: its fields, and the content of the built-in class that it derives from."""
        if find(name) is not class_ or values.isinstance_of_type(class_, BaseException) or not _is_plain_class(class_):
            raise Unfaithful("holds a %s, whose state cannot be seen" % name)
        fields = values.stored_fields(value, class_, MAX_ITEMS + 1, whole=True)
        if is_thread(class_):
            fields = _without_machinery(fields)
        names = values._named_fields(class_) if values.isinstance_of_type(class_, tuple) else None
        if names is not None:
            if len(names) != tuple.__len__(value):
                raise Unfaithful("holds a %s, whose state cannot be seen" % name)
            return fields + list(zip(names, tuple.__iter__(value))), None
        if values.isinstance_of_type(class_, deque):
            return fields + [("maxlen", deque.__dict__["maxlen"].__get__(value))], self._sequence(value, deque, depth)
        if values.isinstance_of_type(class_, defaultdict):
            fields = fields + [("default_factory", defaultdict.__dict__["default_factory"].__get__(value))]
        base = values.content_base(class_)
        return fields, self._content(value, base, depth) if base is not None else None


_sequences = (list, tuple, set, frozenset)


def _integer(value):
    bits = int.bit_length(value)
    if bits > MAX_INTEGER_BITS:
        raise Unfaithful("is too large")
    return {"t": "int", "v": int.__repr__(value) if bits <= values.MAX_DECIMAL_BITS else int.__format__(value, "#x")}


def _text(value):
    if str.__len__(value) > MAX_CHARACTERS:
        raise Unfaithful("is too large")
    text = str.__str__(value)
    if not text.isascii():
        _check_text(text)
    return {"t": "str", "v": text, "len": len(text)}


def _bytes(value):
    if bytes.__len__(value) > MAX_CHARACTERS:
        raise Unfaithful("is too large")
    part = bytes.__getitem__(value, slice(None))
    return {"t": "bytes", "v": values.b2a_base64(part, newline=False).decode("ascii"), "len": len(part)}


def _check_text(text):
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unfaithful("cannot be written as UTF-8") from None


def _slice(value):
    return [("start", value.start), ("stop", value.stop), ("step", value.step)], None


def _proxy(value):
    from . import objects

    _, content, _ = objects._proxy(value)
    if type(content) is not dict:
        raise Unfaithful("holds a mappingproxy of another mapping")
    return [("mapping", content)], None


def _memoryview(value):
    if value.nbytes > MAX_CHARACTERS or not value.c_contiguous or value.format != "B" or value.ndim != 1:
        raise Unfaithful("holds a memoryview that is too large or not of plain bytes")
    return [("readonly", value.readonly)], _bytes(value.tobytes())


def _array_of_numpy(value):
    from . import objects_of_libraries as libraries

    type_name, shape = libraries._type_name(value), libraries.read(value, "shape")
    # Elements of these kinds are bytes and nothing else.
    if type_name is None or type_name[1:2] not in "biufcSUmM" or libraries.read(value, "nbytes") > MAX_CHARACTERS:
        raise Unfaithful("holds an array of numpy that is too large or holds objects")
    return [("dtype", type_name), ("shape", shape)], _bytes(libraries.native(type(value), "tobytes")(value))


def _state_of_library(class_):
    if values.class_names(class_) == ("numpy", "ndarray") and find("numpy.ndarray") is class_:
        return _array_of_numpy
    if class_ is find("functools.partial"):
        return lambda value: ([("func", value.func), ("args", value.args), ("keywords", value.keywords)], None)
    if class_ is find("re.Pattern"):
        return lambda value: ([("pattern", value.pattern), ("flags", value.flags)], None)
    return None


_states = {
    id(slice): _slice,
    id(types.MappingProxyType): _proxy,
    id(memoryview): _memoryview,
}


def _is_callable(class_):
    return any("__call__" in values._own_names_of(base) for base in values._mro_of(class_))


def _global_name(value):
    """The name of this very thing among the globals of the program's own modules, as of an application; None when it has none."""
    for module_name, module in list(sys.modules.items()):
        if type(module) is not types.ModuleType:
            continue
        path = module.__dict__.get("__file__")
        if type(path) is not str or not settings.in_app(path):
            continue
        for name, thing in list(module.__dict__.items()):
            if thing is value:
                return "%s.%s" % (module_name, name)
    return None


def is_thread(class_):
    threading = sys.modules.get("threading")
    return threading is not None and threading.Thread in values._mro_of(class_)


def _without_machinery(stored):
    """The fields of a thread without its handle, locks and identity, which are made anew with it."""
    names = {name for name, _ in stored}
    # A thread that has run its target has let go of it.
    if not names.issuperset(_of_threads):
        raise Unfaithful("is a thread that has let go of its target")
    bare = sys.modules["threading"].Thread(name="").__dict__
    return [(name, field) for name, field in stored if name in _of_threads or name not in bare]


def _is_plain_class(class_):
    """Is all that an instance of this class holds in its dictionary, its slots or, for a named tuple, its elements?"""
    sees_state = False
    for base in reversed(values._mro_of(class_)):
        own = values._own_names_of(base)
        sees_state = sees_state or "__dict__" in own or "__slots__" in own
        if not sees_state and id(base) not in _seen_through:
            return False
    return True


# Classes of which all content is written down.
_seen_through = frozenset(
    map(id, (object, dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, deque, defaultdict, OrderedDict))
)


def find(name):
    """What a module that is already loaded holds under this full name, read without asking anyone; None when there is nothing."""
    parts = name.split(".")
    if name in sys.modules:
        return sys.modules[name]
    for split in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:split]))
        if type(module) is not types.ModuleType:
            continue
        thing = module.__dict__.get(parts[split])
        for part in parts[split + 1 :]:
            if not values.isinstance_of_type(type(thing), type):
                return None
            thing = values._own_names_of(thing).get(part)
        return plain_function(thing)
    return None
