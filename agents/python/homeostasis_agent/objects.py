"""The state of objects of the standard library that is not in fields; what libraries keep elsewhere is in `objects_of_libraries`.

Each writer takes an object of a class written in C and gives back its state by name, its content, of which the first
elements will do, and its length; or None for a thing that has no state worth telling.
"""

import gc
import io
import sys
import types
import _thread
from collections import OrderedDict, defaultdict, deque
from itertools import islice

from . import values

# What is read of a content is what is written of it.
MAX_ITEMS = values.MAX_ITEMS


def writer_of(class_):
    """The function that tells the state of objects of this class; None where fields and built-in content say all."""
    known = _writers.get(id(class_))
    if known is not None:
        return known
    lineage = values._mro_of(class_)
    for base, write in _writers_of_bases.items():
        if values.isinstance_of_type(class_, base):
            return write
    module, name = values.class_names(class_)
    late = _late_writers.get((module, name))
    if late is not None:
        loaded = sys.modules.get(module)
        if type(loaded) is types.ModuleType and loaded.__dict__.get(name) is class_:
            return late
    if len(lineage) > 1 or module.partition(".")[0] not in sys.builtin_module_names:
        from . import objects_of_libraries

        return objects_of_libraries.writer_of(class_, lineage)
    return None


def native(class_, name):
    """What a class or one of its bases has under this name, where that is not written in Python; else None."""
    for base in values._mro_of(class_):
        found = values._own_names_of(base).get(name)
        if found is not None:
            return found if values.is_one_of(type(found), _native_attributes) else None
    return None


def read(value, name):
    """An attribute that is not written in Python; None where there is none."""
    descriptor = native(type(value), name)
    return descriptor.__get__(value) if values.is_one_of(type(descriptor), _native_fields) else None


_native_fields = (types.GetSetDescriptorType, types.MemberDescriptorType)
_native_attributes = _native_fields + (types.MethodDescriptorType, types.WrapperDescriptorType)


def _stored(value):
    return dict(values.stored_fields(value, type(value)))


def _deque(value):
    fields = _stored(value)
    fields["maxlen"] = deque.__dict__["maxlen"].__get__(value)
    return fields, list(islice(deque.__iter__(value), MAX_ITEMS)), deque.__len__(value)


def _defaultdict(value):
    fields = _stored(value)
    fields["default_factory"] = defaultdict.__dict__["default_factory"].__get__(value)
    return fields, values.BUILT_IN, dict.__len__(value)


def _proxy(value):
    # The mapping itself, whatever class it is of, without asking it for anything.
    held = [thing for thing in gc.get_referents(value) if values.isinstance_of_type(type(thing), dict)]
    return ({}, held[0], dict.__len__(held[0])) if held else ({}, None, None)


def _view(value):
    return {}, list(islice(value, MAX_ITEMS)), len(value)


def _memoryview(value):
    try:
        fields = {"format": value.format, "shape": value.shape, "readonly": value.readonly}
    except ValueError:
        # It was released.
        return {}, None, None
    content = None
    if value.c_contiguous:
        with value.cast("B") as flat, flat[: values.MAX_CHARACTERS] as first:
            content = bytes(first)
    return fields, content, value.nbytes


def _slice(value):
    return {"start": value.start, "stop": value.stop, "step": value.step}, None, None


def _pattern(value):
    return {"pattern": value.pattern, "flags": value.flags}, None, None


def _partial(value):
    return {"func": value.func, "args": value.args, "keywords": value.keywords}, None, None


def _suspended(code, frame):
    """Where something that can go on later stands now."""

    def write(value):
        running = getattr(value, frame)
        fields = {
            "function": value.__qualname__,
            "file": getattr(value, code).co_filename,
            "line": running.f_lineno if running is not None else None,
        }
        return fields, None, None

    return write


def _task(value):
    return {"name": value.get_name(), "coroutine": value.get_coro()}, None, None


def _array(value):
    return {"typecode": value.typecode}, value[:MAX_ITEMS].tolist(), len(value)


def _nothing(value):
    return None


def _file(value):
    """Name and mode of an open file, from the innermost layer; none of the program's layers is asked, and nothing is read."""
    fields = {}
    layer = value
    if type(layer) is io.TextIOWrapper:
        fields["encoding"] = read(layer, "encoding")
        layer = _inner(layer, "buffer")
    if values.is_one_of(type(layer), (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)):
        layer = _inner(layer, "raw")
    if type(layer) is io.FileIO:
        stored = values._raw_dictionary(layer, io.FileIO)
        fields["name"] = dict.get(stored, "name") if stored is not None else None
        fields["mode"] = read(layer, "mode")
        fields["closed"] = read(layer, "closed")
    return fields, None, None


def _inner(layer, name):
    try:
        return read(layer, name)
    except ValueError:
        # It was detached.
        return None


_writers = {id(class_): write for class_, write in (
    (types.MappingProxyType, _proxy),
    (type({}.keys()), _view),
    (type({}.values()), _view),
    (type({}.items()), _view),
    (memoryview, _memoryview),
    (slice, _slice),
    (types.GeneratorType, _suspended("gi_code", "gi_frame")),
    (types.CoroutineType, _suspended("cr_code", "cr_frame")),
    (types.AsyncGeneratorType, _suspended("ag_code", "ag_frame")),
    (io.TextIOWrapper, _file),
    (io.BufferedReader, _file),
    (io.BufferedWriter, _file),
    (io.BufferedRandom, _file),
    (io.FileIO, _file),
    (_thread.LockType, _nothing),
    (_thread.RLock, _nothing),
)}

_writers_of_bases = {deque: _deque, defaultdict: _defaultdict}

# Classes of modules that the program may not have loaded.
_late_writers = {
    ("re", "Pattern"): _pattern,
    ("functools", "partial"): _partial,
    ("_asyncio", "Task"): _task,
    ("array", "array"): _array,
}
