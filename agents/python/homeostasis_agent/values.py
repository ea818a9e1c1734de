"""Turns the program's values into plain data of the protocol without running any of the program's code; it hides nothing, redaction comes later."""

import sys
import types
from binascii import b2a_base64
from itertools import islice

MAX_DEPTH = 4
MAX_ITEMS = 50
MAX_CHARACTERS = 4096
MAX_VALUES = 2000
# One local must not use up what the others need.
MAX_VALUES_EACH = 400
# Decimal text of more than 1,000 digits takes more bits than this.
MAX_INTEGER_BITS = 3320

NONE = {"t": "none"}
TRUE = {"t": "bool", "v": True}
FALSE = {"t": "bool", "v": False}

# Attributes of a class are read through the descriptors of `type` itself:
# a metaclass of the program may have its own __getattribute__.
_mro_of = type.__dict__["__mro__"].__get__
_own_names_of = type.__dict__["__dict__"].__get__
_module_of = type.__dict__["__module__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__
_exception_arguments_of = BaseException.__dict__["args"].__get__

_callables = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)


class Budget:
    """How many values may still be written, for a whole capsule and for one name in it."""

    __slots__ = ("left", "each")

    def __init__(self, limit=MAX_VALUES):
        self.left = limit
        self.each = MAX_VALUES_EACH

    def next_name(self):
        self.each = min(self.left, MAX_VALUES_EACH)


def class_names(class_):
    """Module and qualified name of a class, as text whatever the class did to them."""
    try:
        module = _module_of(class_)
    except Exception:
        module = None
    name = _qualified_name_of(class_)
    return (module if type(module) is str else "?"), name


def class_name(class_):
    module, name = class_names(class_)
    return module + "." + name


def captured(value, budget, depth=MAX_DEPTH):
    """`value` as a protocol value; a thing that cannot be read becomes `cut`, never an error."""
    try:
        return _captured(value, budget, depth)
    except Exception:
        return {"t": "cut", "class": class_name(type(value))}


def _captured(value, budget, depth):
    budget.left -= 1
    budget.each -= 1
    class_ = type(value)
    if budget.each < 0 or budget.left < 0:
        return {"t": "cut", "class": class_name(class_)}
    if class_ is str:
        return _text(value)
    if class_ is int:
        return _integer(value)
    if value is None:
        return NONE
    if class_ is bool:
        return TRUE if value else FALSE
    if class_ is float:
        return {"t": "float", "v": float.__repr__(value)}
    if class_ is bytes:
        return _bytes(value)
    write = _containers.get(class_)
    if write is not None:
        return write(value, budget, depth)
    return _other(value, class_, budget, depth)


def _text(value):
    length = str.__len__(value)
    text = str.__getitem__(value, slice(None, MAX_CHARACTERS)) if length > MAX_CHARACTERS else str.__str__(value)
    return {"t": "str", "v": text, "len": length}


def _integer(value):
    if int.bit_length(value) > MAX_INTEGER_BITS:
        return {"t": "cut", "class": "builtins.int"}
    return {"t": "int", "v": int.__repr__(value)}


def _bytes(value):
    part = b2a_base64(value[:MAX_CHARACTERS], newline=False).decode("ascii")
    return {"t": "bytes", "v": part, "len": len(value)}


def _sequence(kind, length_of, iterate):
    def write(value, budget, depth):
        length = length_of(value)
        if depth <= 0 and length:
            return {"t": kind, "items": [], "len": length}
        items = []
        for item in islice(iterate(value), MAX_ITEMS):
            if budget.each <= 0:
                break
            items.append(captured(item, budget, depth - 1))
        return {"t": kind, "items": items, "len": length}

    return write


def _dictionary(value, budget, depth):
    length = dict.__len__(value)
    if depth <= 0 and length:
        return {"t": "dict", "items": [], "len": length}
    items = []
    for key, item in islice(dict.items(value), MAX_ITEMS):
        if budget.each <= 1:
            break
        items.append([captured(key, budget, depth - 1), captured(item, budget, depth - 1)])
    return {"t": "dict", "items": items, "len": length}


_containers = {
    list: _sequence("list", list.__len__, list.__iter__),
    tuple: _sequence("tuple", tuple.__len__, tuple.__iter__),
    set: _sequence("set", set.__len__, set.__iter__),
    frozenset: _sequence("frozenset", frozenset.__len__, frozenset.__iter__),
    dict: _dictionary,
}


def _other(value, class_, budget, depth):
    if class_ in _callables:
        return _callable(value, class_)
    if isinstance_of_type(class_, type):
        return {"t": "callable", "class": class_name(class_), "name": class_name(value)}
    if class_ is types.ModuleType:
        name = _raw_dictionary(value, class_).get("__name__")
        return {"t": "module", "name": name if type(name) is str else "?"}
    text = _telling_text(value, class_)
    if text is not None:
        return {"t": "other", "class": class_name(class_), "text": text[:MAX_CHARACTERS]}
    if class_ is bytearray:
        return dict(_bytes(bytes(islice(value, MAX_CHARACTERS))), len=len(value))
    return _subclass_or_object(value, class_, budget, depth)


def isinstance_of_type(class_, base):
    """Does `class_` derive from `base`? Asks the classes, never the instance."""
    return base in _mro_of(class_)


def _callable(value, class_):
    if class_ is types.MethodType:
        function = types.MethodType.__dict__["__func__"].__get__(value)
        if type(function) is not types.FunctionType:
            return {"t": "callable", "class": class_name(class_), "name": class_name(type(function))}
        value = function
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None)
    name = name if type(name) is str else "?"
    if type(module) is str:
        name = module + "." + name
    return {"t": "callable", "class": class_name(class_), "name": name}


def _telling_text(value, class_):
    """The text of known immutable types whose text says all, else None."""
    if class_ is complex or class_ is range:
        return class_.__repr__(value)
    module = _module_of(class_)
    if module == "decimal":
        if class_ is sys.modules["decimal"].Decimal:
            return class_.__str__(value)
    elif module == "datetime":
        datetime = sys.modules["datetime"]
        if class_ is datetime.date or class_ is datetime.timedelta:
            return class_.__str__(value)
        if class_ is datetime.datetime or class_ is datetime.time:
            # A time zone may be of the program's making; only known ones are asked.
            if value.tzinfo is None or _known_zone(value.tzinfo, datetime):
                return class_.isoformat(value)
            return class_.isoformat(value.replace(tzinfo=None))
        if class_ is datetime.timezone:
            return class_.__str__(value)
    elif module == "uuid":
        if class_ is sys.modules["uuid"].UUID:
            return class_.__str__(value)
    elif type(module) is str and module.startswith("pathlib"):
        pathlib = sys.modules.get("pathlib")
        if class_ in (pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath):
            return class_.__str__(value)
    enum = sys.modules.get("enum")
    if enum is not None and isinstance_of_type(type(class_), enum.EnumMeta):
        name = _raw_dictionary(value, class_).get("_name_")
        return str.__str__(name) if type(name) is str else "?"
    return None


def _known_zone(zone, datetime):
    zoneinfo = sys.modules.get("zoneinfo")
    return type(zone) is datetime.timezone or (zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo)


def _subclass_or_object(value, class_, budget, depth):
    fields = fields_of(value, class_, budget, depth)
    if tuple in _mro_of(class_):
        fields.update(_named_elements(value, class_, budget, depth))
    return {
        "t": "object",
        "class": class_name(class_),
        "fields": fields,
        "len": _native_length(value, class_),
    }


def _native_length(value, class_):
    """How many elements an instance of a subclass of a built-in container holds; its own idea of that is not asked."""
    lineage = _mro_of(class_)
    for base in (dict, list, tuple, set, frozenset, str, bytes):
        if base in lineage:
            return base.__len__(value)
    collections = sys.modules.get("collections")
    return class_.__len__(value) if collections is not None and class_ is collections.deque else None


def _named_elements(value, class_, budget, depth):
    """The elements of a named tuple by their names."""
    names = _named_fields(class_)
    if names is None or depth <= 0:
        return {}
    return {
        name: captured(element, budget, depth - 1)
        for name, element in islice(zip(names, tuple.__iter__(value)), MAX_ITEMS)
        if type(name) is str and budget.each > 0
    }


def _named_fields(class_):
    """The names of the elements of a named tuple's class; None for other classes."""
    for base in _mro_of(class_):
        names = _own_names_of(base).get("_fields")
        if names is not None:
            return names if type(names) is tuple else None
    return None


def fields_of(value, class_, budget, depth):
    """The fields of an object that are really stored in it, as values."""
    stored = stored_fields(value, class_)
    if depth <= 0:
        return {}
    fields = {}
    for name, field in stored:
        if budget.each <= 0:
            break
        if name.startswith("_") and _is_strange_object(type(field)):
            # Private objects are the machinery of libraries, and large.
            budget.each -= 1
            budget.left -= 1
            fields[name] = {"t": "cut", "class": class_name(type(field))}
        else:
            fields[name] = captured(field, budget, depth - 1)
    return fields


def stored_fields(value, class_, limit=MAX_ITEMS):
    """The first pairs of name and raw value, from the real dictionary and the real slots."""
    found = []
    if isinstance_of_type(class_, BaseException):
        found.append(("args", _exception_arguments_of(value)))
    stored = _raw_dictionary(value, class_)
    if stored is not None:
        for name, field in islice(dict.items(stored), limit):
            if type(name) is str:
                found.append((name, field))
    for name, member in _slots_of(class_):
        try:
            found.append((name, types.MemberDescriptorType.__get__(member, value, class_)))
        except AttributeError:
            continue
    return found[:limit]


_slots = {}


def _slots_of(class_):
    known = _slots.get(id(class_))
    # The class is held, so that its id stays its own; slots never change once a class is made.
    if known is None:
        if len(_slots) >= 1000:
            _slots.clear()
        known = _slots[id(class_)] = ([
            (name, member)
            for base in _mro_of(class_) if "__slots__" in _own_names_of(base)
            for name, member in islice(_own_names_of(base).items(), 200)
            if type(member) is types.MemberDescriptorType and not name.startswith("__")
        ], class_)
    return known[0]


def _is_strange_object(class_):
    return class_ not in _simple_classes and class_ not in _containers


_simple_classes = {str, int, float, bool, bytes, type(None)}


def _raw_dictionary(value, class_):
    """The instance dictionary, read only where the interpreter itself provides `__dict__`."""
    for base in _mro_of(class_):
        descriptor = _own_names_of(base).get("__dict__")
        if descriptor is not None:
            if type(descriptor) not in (types.GetSetDescriptorType, types.MemberDescriptorType):
                return None
            stored = descriptor.__get__(value, class_)
            return stored if isinstance_of_type(type(stored), dict) else None
    return None


_plain = frozenset([str, int, float, bool, bytes, complex, range])


def is_plain(value):
    """Is this plain data: a scalar, or a built-in container (looked at on the outside only)?"""
    class_ = type(value)
    if class_ in _plain or class_ in _containers:
        return True
    return class_ not in _callables and _module_of(class_) in ("decimal", "datetime", "uuid", "pathlib") and (
        _telling_text(value, class_) is not None
    )
