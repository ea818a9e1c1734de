"""Turns the program's values into plain data of the protocol without running any of the program's code; it hides nothing, redaction comes later."""

import sys
import types
from binascii import b2a_base64
from itertools import islice

from . import guard, texts

MAX_DEPTH = 4
MAX_ITEMS = 50
MAX_CHARACTERS = 4096
MAX_VALUES = 2000
# One local must not use up what the others need.
MAX_VALUES_EACH = 400
# Decimal text of more than 1,000 digits takes more bits than this; longer integers are written in hexadecimal.
MAX_DECIMAL_BITS = 3320
# As many hexadecimal digits as a text has characters.
MAX_INTEGER_BITS = 4 * MAX_CHARACTERS
MAX_KINDS = 1000
# What a value takes in memory beside its text.
BYTES_EACH = 350

NONE = {"t": "none"}
TRUE = {"t": "bool", "v": True}
FALSE = {"t": "bool", "v": False}

# Attributes of a class are read through the descriptors of `type` itself:
# a metaclass of the program may have its own __getattribute__.
_mro_of = type.__dict__["__mro__"].__get__
_own_names_of = type.__dict__["__dict__"].__get__
_module_of = type.__dict__["__module__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__
_is_base_of = type.__dict__["__subclasscheck__"]
_exception_arguments_of = BaseException.__dict__["args"].__get__

# Classes are told apart by identity: even to compare or to hash one may run a method of its metaclass.
_callables = frozenset(map(id, (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)))


class Budget:
    """How many values may still be written, for a whole capsule and for one name in it, and which objects were met."""

    __slots__ = ("left", "each", "met", "ids", "limit", "held")

    def __init__(self, limit=MAX_VALUES):
        self.left = self.limit = limit
        # Characters of texts that are held for as long as what was written.
        self.held = 0
        self.each = MAX_VALUES_EACH
        # By id, what was written for a mutable object and how deep; the object is held, so that its id stays its own.
        self.met = {}
        self.ids = 0

    def next_name(self):
        self.each = min(self.left, MAX_VALUES_EACH)

    def size(self):
        """About how many bytes the values take that were written so far."""
        return (self.limit - self.left) * BYTES_EACH + self.held

    def identify(self, told):
        """The number that tells this object from all others of the capsule."""
        number = told.get("id")
        if number is None:
            self.ids += 1
            number = told["id"] = self.ids
        return number


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
    except Exception as error:
        guard.pass_on(error)
        met = budget.met.get(id(value))
        told = cut(value, type(value))
        if met is not None:
            # References to what could not be read to its end still find it.
            number = met[1].get("id")
            met[1].clear()
            met[1].update(told if number is None else dict(told, id=number))
            return met[1]
        return told


def _captured(value, budget, depth):
    budget.left -= 1
    budget.each -= 1
    class_ = type(value)
    if budget.each < 0 or budget.left < 0:
        return cut(value, class_)
    if class_ is str:
        length = len(value)
        if length > MAX_CHARACTERS:
            budget.held += MAX_CHARACTERS
            return _text(value)
        budget.held += length
        return {"t": "str", "v": value, "len": length}
    if class_ is int:
        return _integer(value)
    if value is None:
        return NONE
    if class_ is bool:
        return TRUE if value else FALSE
    if class_ is float:
        return {"t": "float", "v": float.__repr__(value)}
    if class_ is bytes:
        budget.held += min(bytes.__len__(value), MAX_CHARACTERS)
        return _bytes(value)
    return kind_of(class_).write(value, budget, depth)


def cut(value, class_):
    """Stands for a value that was not kept."""
    return {"t": "cut", "class": class_name(class_), "len": _native_length(value, class_)}


def _text(value):
    length = str.__len__(value)
    text = str.__getitem__(value, slice(None, MAX_CHARACTERS)) if length > MAX_CHARACTERS else str.__str__(value)
    return {"t": "str", "v": text, "len": length}


def _integer(value):
    bits = int.bit_length(value)
    if bits <= MAX_DECIMAL_BITS:
        return {"t": "int", "v": int.__repr__(value)}
    if bits <= MAX_INTEGER_BITS:
        return {"t": "int", "v": int.__format__(value, "#x")}
    return {"t": "cut", "class": "builtins.int", "len": bits}


def _float(value):
    return {"t": "float", "v": float.__repr__(value)}


def _bytes(value):
    part = b2a_base64(bytes.__getitem__(value, slice(None, MAX_CHARACTERS)), newline=False).decode("ascii")
    return {"t": "bytes", "v": part, "len": bytes.__len__(value)}


def _bytearray(value):
    part = bytes(bytearray.__getitem__(value, slice(None, MAX_CHARACTERS)))
    return dict(_bytes(part), len=bytearray.__len__(value))


def _sequence(kind, length_of, iterate, has_identity):
    """The writer of a kind of container; one with an identity is written once and then referred to."""

    def write(value, budget, depth):
        length = length_of(value)
        items = []
        told = {"t": kind, "items": items, "len": length}
        if has_identity:
            reference = _met(value, told, budget, depth)
            if reference is not None:
                return reference
        if depth <= 0 or not length:
            return told
        for item in islice(iterate(value), MAX_ITEMS):
            if budget.each <= 0:
                if has_identity:
                    _forget(value, budget)
                break
            items.append(captured(item, budget, depth - 1))
        return told

    return write


def _mapping(has_identity):
    def write(value, budget, depth):
        length = dict.__len__(value)
        items = []
        told = {"t": "dict", "items": items, "len": length}
        if has_identity:
            reference = _met(value, told, budget, depth)
            if reference is not None:
                return reference
        if depth <= 0 or not length:
            return told
        for key, item in islice(dict.items(value), MAX_ITEMS):
            if budget.each <= 1:
                if has_identity:
                    _forget(value, budget)
                break
            items.append([captured(key, budget, depth - 1), captured(item, budget, depth - 1)])
        return told

    return write


def _met(value, told, budget, depth):
    """A reference, when this object was already written at least as deep; else remembers that it is written now.

    Where it is written again, because there is room for more of it, it keeps its number.
    """
    met = budget.met.get(id(value))
    if met is None:
        budget.met[id(value)] = [value, told, depth]
        return None
    number = budget.identify(met[1])
    if met[2] >= depth:
        return {"t": "ref", "id": number}
    told["id"] = number
    met[1], met[2] = told, depth
    return None


def _forget(value, budget):
    """What the limit of its name cut short is written again where it is met next."""
    budget.met[id(value)][2] = -1


_containers = {
    list: _sequence("list", list.__len__, list.__iter__, True),
    tuple: _sequence("tuple", tuple.__len__, tuple.__iter__, False),
    set: _sequence("set", set.__len__, set.__iter__, True),
    frozenset: _sequence("frozenset", frozenset.__len__, frozenset.__iter__, False),
    dict: _mapping(True),
}

_container_ids = frozenset(map(id, _containers))

# What instances of a subclass hold beside their fields; it has no identity, for what it belongs to has.
_contents = {
    dict: _mapping(False),
    list: _sequence("list", list.__len__, list.__iter__, False),
    tuple: _containers[tuple],
    set: _sequence("set", set.__len__, set.__iter__, False),
    frozenset: _containers[frozenset],
    str: lambda value, budget, depth: _text(value),
    bytes: lambda value, budget, depth: _bytes(value),
    bytearray: lambda value, budget, depth: _bytearray(value),
    int: lambda value, budget, depth: _integer(value),
    float: lambda value, budget, depth: _float(value),
}


class Kind:
    """How the values of a class are written, found out once for each class."""

    __slots__ = ("write", "is_plain_object", "class_")

    def __init__(self, write, class_, is_plain_object=False):
        self.write = write
        self.is_plain_object = is_plain_object
        self.class_ = class_


_kinds = {}


def kind_of(class_):
    known = _kinds.get(id(class_))
    # The class is held, so that its id stays its own.
    if known is None:
        if len(_kinds) >= MAX_KINDS:
            _kinds.clear()
        known = _kinds[id(class_)] = _new_kind(class_)
    return known


def is_one_of(class_, classes):
    return any(class_ is one for one in classes)


def _new_kind(class_):
    if id(class_) in _container_ids:
        return Kind(_containers[class_], class_)
    if id(class_) in _callables:
        return Kind(_callable, class_)
    if isinstance_of_type(class_, type):
        return Kind(_class, class_)
    if class_ is types.ModuleType:
        return Kind(_module, class_)
    text_of = texts.writer_of(class_)
    if text_of is not None:
        return Kind(_writer_of_text(text_of, class_name(class_)), class_)
    from . import objects

    known = objects.writer_of(class_)
    if known is not None:
        return Kind(_writer_of_known(known), class_)
    base = content_base(class_)
    if base is not None:
        return Kind(_writer_with_content(_contents[base]), class_)
    base = texts.base_of(class_)
    if base is not None:
        return Kind(_writer_with_content(_writer_of_text(*reversed(base))), class_)
    return Kind(_object, class_, True)


def isinstance_of_type(class_, base):
    """Does `class_` derive from `base`? Asks the classes, never the instance."""
    return _is_base_of(base, class_)


def content_base(class_):
    """The built-in class whose content an instance of this class has; None when there is none, or its elements have names."""
    for base in _contents:
        if _is_base_of(base, class_):
            return None if base is tuple and _named_fields(class_) is not None else base
    return None


def _callable(value, budget, depth):
    class_ = type(value)
    if class_ is types.MethodType:
        function = types.MethodType.__dict__["__func__"].__get__(value)
        if type(function) is not types.FunctionType:
            return {"t": "callable", "class": class_name(class_), "name": class_name(type(function))}
        value = function
    if class_ is types.BuiltinFunctionType:
        return {"t": "callable", "class": class_name(class_), "name": _name_of_builtin(value)}
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None)
    name = name if type(name) is str else "?"
    if type(module) is str:
        name = module + "." + name
    return {"t": "callable", "class": class_name(class_), "name": name}


def _name_of_builtin(value):
    """Its qualified name would be asked of the class of the object it is bound to, which may have its own idea of that."""
    owner = value.__self__
    if owner is None or type(owner) is types.ModuleType:
        module = value.__module__
        return "%s.%s" % (module, value.__name__) if type(module) is str else value.__name__
    return "%s.%s" % (class_name(owner if isinstance_of_type(type(owner), type) else type(owner)), value.__name__)


def _class(value, budget, depth):
    return {"t": "callable", "class": class_name(type(value)), "name": class_name(value)}


def _module(value, budget, depth):
    name = dict.get(_raw_dictionary(value, types.ModuleType), "__name__")
    return {"t": "module", "name": name if type(name) is str else "?"}


def _writer_of_text(text_of, name):
    def write(value, budget, depth):
        text = text_of(value)
        if len(text) > MAX_CHARACTERS:
            return {"t": "cut", "class": name, "len": len(text)}
        return {"t": "other", "class": name, "text": text}

    return write


def _object(value, budget, depth):
    class_ = type(value)
    told = {"t": "object", "class": class_name(class_), "fields": {}, "len": None}
    reference = _met(value, told, budget, depth)
    if reference is not None:
        return reference
    told["fields"] = fields_of(value, class_, budget, depth)
    if _is_base_of(tuple, class_):
        told["fields"].update(_named_elements(value, class_, budget, depth))
        told["len"] = tuple.__len__(value)
    if budget.each <= 0:
        _forget(value, budget)
    return told


def _writer_with_content(write_content):
    def write(value, budget, depth):
        class_ = type(value)
        told = {"t": "object", "class": class_name(class_), "fields": {}, "len": _native_length(value, class_)}
        reference = _met(value, told, budget, depth)
        if reference is not None:
            return reference
        told["fields"] = fields_of(value, class_, budget, depth)
        told["content"] = write_content(value, budget, depth)
        if budget.each <= 0:
            _forget(value, budget)
        return told

    return write


# Says that the content is that of the built-in class that the object's class derives from.
BUILT_IN = object()


def _writer_of_known(known):
    """For objects whose state is not in fields: `known(value)` gives raw fields, the content as a raw value or None, and the length."""

    def write(value, budget, depth):
        class_ = type(value)
        told = {"t": "object", "class": class_name(class_), "fields": {}, "len": None}
        reference = _met(value, told, budget, depth)
        if reference is not None:
            return reference
        state = known(value)
        if state is None:
            told["t"] = "cut"
            del told["fields"]
            return told
        fields, content, length = state
        told["len"] = length
        if depth > 0:
            for name, field in fields.items():
                if budget.each <= 0:
                    break
                told["fields"][name] = captured(field, budget, depth - 1)
        if content is BUILT_IN:
            told["content"] = _contents[content_base(class_)](value, budget, depth)
        elif content is not None:
            told["content"] = captured(content, budget, depth)
            if length is not None and "len" in told["content"]:
                # Only the first elements were given.
                told["content"]["len"] = length
        if budget.each <= 0:
            _forget(value, budget)
        return told

    return write


def _native_length(value, class_):
    """How many elements an instance of a built-in container or a subclass holds; its own idea of that is not asked."""
    for base in (dict, list, tuple, set, frozenset, str, bytes, bytearray):
        if _is_base_of(base, class_):
            return base.__len__(value)
    return None


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
            fields[name] = cut(field, type(field))
        else:
            fields[name] = captured(field, budget, depth - 1)
    return fields


def stored_fields(value, class_, limit=MAX_ITEMS, whole=False):
    """The first pairs of name and raw value, from the real dictionary and the real slots; slots of a library's own only for `whole`."""
    found = []
    if isinstance_of_type(class_, BaseException):
        found.append(("args", _exception_arguments_of(value)))
    stored = _raw_dictionary(value, class_)
    if stored is not None:
        for name, field in islice(dict.items(stored), limit):
            if type(name) is str:
                found.append((name, field))
    for name, member in _slots_of(class_):
        if name.startswith("__") and not whole:
            continue
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
        if len(_slots) >= MAX_KINDS:
            _slots.clear()
        known = _slots[id(class_)] = ([
            (name, member)
            for base in _mro_of(class_) if "__slots__" in _own_names_of(base)
            for name, member in islice(_own_names_of(base).items(), 200)
            if type(member) is types.MemberDescriptorType
        ], class_)
    return known[0]


def _is_strange_object(class_):
    return id(class_) not in _plain and kind_of(class_).is_plain_object


def _raw_dictionary(value, class_):
    """The instance dictionary, read only where the interpreter itself provides `__dict__`."""
    for base in _mro_of(class_):
        descriptor = _own_names_of(base).get("__dict__")
        if descriptor is not None:
            if not is_one_of(type(descriptor), (types.GetSetDescriptorType, types.MemberDescriptorType)):
                return None
            stored = descriptor.__get__(value, class_)
            return stored if isinstance_of_type(type(stored), dict) else None
    return None


_plain = frozenset(map(id, (str, int, float, bool, bytes, complex, range, *_containers)))


def is_plain(value):
    """Is this plain data: a scalar, or a built-in container (looked at on the outside only)?"""
    class_ = type(value)
    return id(class_) in _plain or texts.writer_of(class_) is not None
