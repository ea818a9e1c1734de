"""Values of the standard library and of libraries in depth, aliasing and cycles, and that hostile classes are never called while they are read."""

import array
import asyncio
import collections
import datetime
import enum
import fractions
import functools
import io
import ipaddress
import random
import re
import socket
import sys
import threading
import traceback
import types
import uuid
import zoneinfo

import pytest
from homeostasis_agent import calls, capture, failures, replay_calls, values


def value(thing, budget=None):
    budget = budget or values.Budget()
    budget.next_name()
    return values.captured(thing, budget)


def text(thing):
    return {"t": "str", "v": thing, "len": len(thing)}


def integer(thing):
    return {"t": "int", "v": str(thing)}


# Aliasing and cycles


def test_the_same_object_at_two_places_is_a_reference_to_the_first():
    row = {"a": 1}
    told = value([row, row, {"a": 1}])
    assert told["items"][0] == {"t": "dict", "items": [[text("a"), integer(1)]], "len": 1, "id": 1}
    assert told["items"][1] == {"t": "ref", "id": 1}
    assert told["items"][2]["t"] == "dict" and "id" not in told["items"][2]


def test_what_is_met_once_and_what_cannot_change_has_no_number():
    pair = (1, 2)
    assert "id" not in str(value([pair, pair, [], [], "a", "a", b"a", frozenset([1])]))


class Node:
    def __init__(self):
        self.next = None


def test_cycles_end_in_references():
    loop = []
    loop.append(loop)
    assert value(loop) == {"t": "list", "items": [{"t": "ref", "id": 1}], "len": 1, "id": 1}
    first, second = Node(), Node()
    first.next, second.next = second, first
    told = value(first)
    assert told["id"] == 1 and told["fields"]["next"]["fields"]["next"] == {"t": "ref", "id": 1}
    table = collections.OrderedDict()
    table["self"] = table
    assert value(table)["content"]["items"][0][1] == {"t": "ref", "id": 1}


def test_what_was_told_less_deep_is_told_again_under_its_number():
    inner = [1]
    deep = [[[[inner]]]]
    budget = values.Budget()
    first, again, third = value(deep, budget), value(inner, budget), value({"x": inner}, budget)
    for _ in range(4):
        first = first["items"][0]
    assert first == {"t": "list", "items": [], "len": 1, "id": 1}
    assert again == {"t": "list", "items": [integer(1)], "len": 1, "id": 1}
    assert third["items"][0][1] == {"t": "ref", "id": 1}


def test_what_the_limit_of_a_name_cut_short_is_told_again():
    wide = [[number] * 40 for number in range(40)]
    budget = values.Budget()
    value([wide], budget)
    budget.next_name()
    again = values.captured(wide, budget)
    assert again["t"] == "list" and len(again["items"]) > 1


def test_an_alias_is_told_across_the_frames_of_a_failure(monkeypatch):
    from homeostasis_agent import settings

    monkeypatch.setattr(settings, "root", __file__.rpartition("/")[0])
    monkeypatch.setattr(settings, "agent_folder", "/nowhere")
    settings._in_app.clear()

    def outer(order):
        inner(order)

    def inner(order):
        raise LookupError

    try:
        outer({"a": 1})
    except LookupError as error:
        frames = capture.exceptions(error, [])[0]["frames"]
    finally:
        settings._in_app.clear()
    assert frames[-1]["locals"]["order"]["id"] == 1 and frames[-2]["locals"]["order"] == {"t": "ref", "id": 1}


def test_an_alias_with_a_secret_name_hides_its_content_at_its_other_place_too():
    from homeostasis_agent import redact

    budget = values.Budget()
    shared = {"reader": "correct horse battery"}
    frame = {"locals": {"x": value(shared, budget), "secret": value(shared, budget)}, "globals": {}, "text": ""}
    error = {"attributes": {}, "frames": [frame], "message": "of correct horse battery", "notes": []}
    capsule = {"request": None, "call": None, "answers": [], "exceptions": [error], "process": {}}
    redact.event(capsule, [], lambda capsule, witnesses: str(capsule))
    assert "correct horse" not in str(capsule)
    assert frame["locals"]["secret"] == {"t": "redacted", "kind": "dict", "len": 1}


# Values as text


class Colour(enum.Enum):
    RED = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
HOUR = datetime.timedelta(hours=1)


class Strange(datetime.tzinfo):
    def utcoffset(self, when):
        raise AssertionError("the program's own zone was asked")


@pytest.mark.parametrize(
    "thing, expected",
    [
        (fractions.Fraction(-3, 4), "-3/4"),
        (datetime.datetime(2024, 7, 1, 12, tzinfo=BERLIN), "2024-07-01T12:00:00+02:00[Europe/Berlin]"),
        (datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN), "2024-10-27T02:30:00+01:00[Europe/Berlin]"),
        (datetime.datetime(2024, 7, 1, tzinfo=datetime.timezone(HOUR, "home")), "2024-07-01T00:00:00+01:00[=home]"),
        (datetime.datetime(2024, 7, 1, tzinfo=datetime.timezone.utc), "2024-07-01T00:00:00+00:00"),
        (datetime.time(1, 2, tzinfo=BERLIN), "01:02:00[Europe/Berlin]"),
        (datetime.timezone(HOUR), "UTC+01:00"),
        (datetime.timezone(HOUR, "home"), "UTC+01:00[=home]"),
        (BERLIN, "Europe/Berlin"),
        (datetime.timedelta(days=-1, microseconds=1), "-1 day, 0:00:00.000001"),
        (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
        (ipaddress.ip_network("2001:db8::/32"), "2001:db8::/32"),
        (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Colour.RED, "RED"),
        (Right.READ | Right.WRITE, None),
        (range(0, 9, 3), "range(0, 9, 3)"),
        (1 + 2j, "(1+2j)"),
        (..., "Ellipsis"),
    ],
)
def test_a_value_as_text_says_all_and_is_made_again(thing, expected):
    told = value(thing)
    assert told["t"] == "other" and expected in (None, told["text"])
    again = replay_calls.made(calls.faithful(thing, values.Budget()))
    assert again == thing and type(again) is type(thing)
    assert getattr(again, "tzinfo", None) == getattr(thing, "tzinfo", None)
    assert getattr(again, "fold", 0) == getattr(thing, "fold", 0)


def test_a_zone_of_the_program_is_not_asked_and_such_a_time_is_no_whole_value():
    thing = datetime.datetime(2024, 7, 1, tzinfo=Strange())
    assert value(thing)["text"] == "2024-07-01T00:00:00[?]"
    with pytest.raises(calls.Unfaithful):
        calls.faithful(thing, values.Budget())


def test_a_subclass_of_a_time_has_the_time_as_its_content():
    class Moment(datetime.datetime):
        isoformat = utcoffset = property(lambda self: 1 / 0)

    told = value(Moment(2024, 7, 1, tzinfo=BERLIN))
    assert told["content"] == {"t": "other", "class": "datetime.datetime", "text": "2024-07-01T00:00:00+02:00[Europe/Berlin]"}
    class_ = type("Span", (datetime.timedelta,), {"__str__": None})
    assert value(class_(days=2))["content"]["text"] == "2 days, 0:00:00"


def test_a_class_that_only_calls_itself_decimal_is_not_taken_for_it():
    class Liar:
        def __str__(self):
            raise AssertionError("the program's own code ran")

    Liar.__module__, Liar.__qualname__ = "decimal", "Decimal"
    assert value(Liar())["t"] == "object"


# Objects whose state is not in fields


def suspended():
    yield 1


async def waiting():
    pass


class Basket(dict):
    def __init__(self):
        dict.__init__(self, pear=1)
        self.owner = "Ada"


class Name(str):
    pass


class Count(int):
    pass


def test_subclasses_of_built_in_classes_have_fields_and_content():
    told = value(Basket())
    assert told["fields"] == {"owner": text("Ada")} and told["len"] == 1
    assert told["content"]["items"] == [[text("pear"), integer(1)]]
    assert value(Name("abc"))["content"] == text("abc")
    assert value(Count(5))["content"] == integer(5)
    assert value(collections.Counter("aab"))["content"]["items"][0] == [text("a"), integer(2)]
    told = value(collections.defaultdict(list, a=1))
    assert told["fields"]["default_factory"]["name"] == "builtins.list" and told["content"]["len"] == 1
    told = value(collections.deque(range(100), maxlen=200))
    assert told["fields"] == {"maxlen": integer(200)} and told["len"] == told["content"]["len"] == 100
    assert len(told["content"]["items"]) == 50
    assert value(collections.ChainMap({"a": 1}))["fields"]["maps"]["items"][0]["len"] == 1
    assert value(types.MappingProxyType({"a": 1}))["content"]["len"] == 1
    assert value({"a": 1}.items())["content"]["items"][0]["items"] == [text("a"), integer(1)]


def test_bytes_of_all_kinds_have_their_content():
    assert value(bytearray(b"ab"))["content"] == {"t": "bytes", "v": "YWI=", "len": 2}
    told = value(memoryview(b"abcd")[1:3])
    assert told["content"] == {"t": "bytes", "v": "YmM=", "len": 2}
    released = memoryview(b"a")
    released.release()
    assert value(released)["t"] == "object"
    assert value(array.array("i", [1, 2]))["content"]["items"] == [integer(1), integer(2)]
    assert len(value(bytearray(10**6))["content"]["v"]) < 6000 and value(bytearray(10**6))["len"] == 10**6


def test_what_is_suspended_says_where():
    generator = suspended()
    next(generator)
    fields = value(generator)["fields"]
    assert fields["function"] == text("suspended") and fields["file"] == text(__file__)
    assert fields["line"] == integer(suspended.__code__.co_firstlineno + 1)
    list(generator)
    assert value(generator)["fields"]["line"] == {"t": "none"}
    coroutine = waiting()
    assert value(coroutine)["fields"]["function"] == text("waiting")
    coroutine.close()


def test_a_task_says_its_name():
    async def main():
        task = asyncio.create_task(waiting(), name="refill")
        told = value(task)
        await task
        return told

    assert asyncio.run(main())["fields"]["name"] == text("refill")


def test_open_files_say_their_names_and_nothing_is_read(tmp_path):
    path = str(tmp_path / "a.txt")
    with open(path, "w") as file:
        file.write("content")
    with open(path) as file:
        file.read(2)
        before = file.tell()
        told = value(file)
        assert file.tell() == before
    assert told["fields"]["name"] == text(path) and told["fields"]["mode"] == text("rb")
    assert "content" not in str(told)
    with open(path, "rb") as file:
        assert value(file)["fields"]["name"] == text(path)
    assert value(file)["fields"]["closed"] == {"t": "bool", "v": True}
    assert value(io.StringIO("secret"))["fields"] == {}


def test_locks_and_sockets_are_cut():
    with socket.socket() as connection:
        for thing in (threading.Lock(), threading.RLock(), connection):
            assert value(thing)["t"] == "cut"


def test_slices_patterns_and_partials_have_their_parts():
    assert value(slice(1, None))["fields"] == {"start": integer(1), "stop": {"t": "none"}, "step": {"t": "none"}}
    assert value(re.compile("a+"))["fields"]["pattern"] == text("a+")
    assert value(functools.partial(int, base=2))["fields"]["func"]["name"] == "builtins.int"


def test_what_is_cut_says_how_long_it_was():
    budget = values.Budget(4)
    budget.next_name()
    assert values.captured({(1, 2, 3): [4, 5]}, budget)["items"][0][1] == {"t": "cut", "class": "builtins.list", "len": 2}


# Whole values


class Tree:
    def __init__(self):
        self.children, self.parent = [], None


def again(thing):
    return replay_calls.made(calls.faithful(thing, values.Budget(10000)))


def test_aliasing_and_cycles_are_made_again():
    row = {"a": 1}
    made = again([row, row])
    assert made == [row, row] and made[0] is made[1]
    tree, child = Tree(), Tree()
    tree.children.append(child)
    child.parent = tree
    made = again(tree)
    assert made.children[0].parent is made and type(made) is Tree
    loop = {}
    loop["self"] = (loop, [loop])
    made = again(loop)
    assert made["self"][0] is made and made["self"][1][0] is made


def test_a_reference_may_come_before_what_it_refers_to():
    inner = {"t": "list", "items": [integer(1)], "len": 1, "id": 1}
    maker = replay_calls.Maker([{"t": "ref", "id": 1}, inner])
    first, second = maker.made({"t": "ref", "id": 1}), maker.made(inner)
    assert first == [1] and first is second


class Keyed(collections.OrderedDict):
    pass


def test_known_objects_are_made_again():
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    for thing in (
        ordered, Keyed(a=1), collections.Counter("aab"), collections.deque([1, 2], maxlen=3), collections.defaultdict(int, a=1),
        Basket(), Name("x"), Count(3), bytearray(b"ab"), slice(1, 2), re.compile("a", re.I), {1: {2}}, 10**5000, -(1 << 100000),
        types.MappingProxyType({"a": 1}), memoryview(b"abc"), (Tree, 1), Right.READ | Right.WRITE,
    ):
        made = again(thing)
        assert type(made) is type(thing) and made == thing
        assert getattr(made, "__dict__", None) == getattr(thing, "__dict__", None)
        assert getattr(made, "maxlen", None) == getattr(thing, "maxlen", None)
    assert list(again(ordered)) == ["b", "a"]
    assert again(collections.defaultdict(int))["missing"] == 0
    assert again(functools.partial(int, base=2))("11") == 3


# Hostile classes


CALLS = []
KEPT = []


def hostile(name):
    def method(*arguments, **named):
        CALLS.append(name)
        raise BaseException("the program's own code ran: " + name)

    method.__name__ = name
    return method


METHODS = (
    "__repr__ __str__ __eq__ __ne__ __lt__ __hash__ __len__ __iter__ __next__ __bool__ __getattr__ __getattribute__ __getitem__ __contains__ "
    "__format__ __reversed__ __length_hint__ __index__ __int__ __float__ __complex__ __bytes__ __buffer__ __enter__ __exit__ __call__ "
    "__get__ __set__ __del_ignored__ __instancecheck__ __subclasscheck__ __sizeof__ __dir__ __reduce__ __reduce_ex__ __copy__ __deepcopy__ "
    "__getstate__ __fspath__ __array__ __array_interface__ __dataframe__ __iter__ keys items values get __missing__ __await__ "
    "__html__ __json__ __missing__ __round__ isoformat utcoffset tzname fromutc item tolist dtype shape _fields _mgr _data"
).split()


class Descriptor:
    def __get__(self, instance, owner):
        CALLS.append("descriptor")
        raise BaseException("the program's own descriptor ran")

    def __set__(self, instance, value):
        CALLS.append("descriptor")
        raise BaseException("the program's own descriptor ran")


def hostile_metaclass(chance, base):
    own = {name: hostile("metaclass " + name) for name in METHODS if name not in ("__get__", "__set__", "__call__") and chance.random() < 0.8}
    return type("Meta", (type(base),), own)


BASES = (
    object, dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex, collections.OrderedDict, collections.deque,
    collections.defaultdict, datetime.datetime, datetime.date, datetime.timedelta, datetime.tzinfo, Exception, KeyError, OSError,
    UnicodeDecodeError, types.SimpleNamespace, types.ModuleType, io.StringIO, io.BytesIO, uuid.UUID, fractions.Fraction, threading.local,
)
SAMPLES = {
    str: ("text",), bytes: (b"bytes",), int: (5,), float: (0.5,), datetime.datetime: (2024, 1, 2), datetime.date: (2024, 1, 2),
    tuple: ([1, 2],), list: ([1],), dict: ({"a": 1},), types.ModuleType: ("made",), uuid.UUID: ("0" * 32,),
    UnicodeDecodeError: ("utf-8", b"x", 0, 1, "why"), OSError: (2, "gone"),
}


def hostile_object(chance):
    """An instance of a class that records whatever is called of it."""
    base = chance.choice(BASES)
    own = {name: hostile(name) for name in METHODS if chance.random() < 0.8}
    for name in ("__class__", "__dict__", "__slots__x", "__module__x", "lazy", "__doc__"):
        if chance.random() < 0.5:
            own[name] = Descriptor()
    if chance.random() < 0.2 and base in (object, Exception, list, dict):
        own["__slots__"] = ("slotted", "unset")
        own.pop("__dict__", None)
    metaclass = hostile_metaclass(chance, base) if chance.random() < 0.5 else type(base)
    class_ = type.__new__(metaclass, "Hostile", (base,), own)
    arguments = SAMPLES.get(base, ())
    made = base.__new__(class_, *arguments)
    try:
        base.__init__(made, *arguments)
    except BaseException:
        # Some classes already need their own methods to be made; what came out of `__new__` will do.
        pass
    # The interpreter asks some objects again when they go.
    KEPT.append(made)
    if base is collections.deque:
        collections.deque.append(made, 1)
    for name in ("slotted", "stored", "_private"):
        try:
            object.__setattr__(made, name, [1, "two"])
        except BaseException:
            pass
    return made


def nested(chance, thing):
    """The object in other places that are looked into."""
    places = (
        lambda: thing, lambda: [thing, thing], lambda: (thing,), lambda: {"key": thing}, lambda: types.SimpleNamespace(inner=thing),
        lambda: collections.deque([thing]), lambda: slice(thing, None), lambda: functools.partial(print, thing),
        lambda: types.MappingProxyType({"a": thing}), lambda: ValueError(thing), lambda: type(thing), lambda: [type(thing)],
        lambda: types.MethodType(print, thing), lambda: collections.defaultdict(None, a=thing),
        lambda: {"a": {"b": [thing]}}.values(), lambda: OSError(2, "gone", thing), lambda: KeyError(thing), lambda: StopIteration(thing),
    )
    return chance.choice(places)()


@pytest.mark.parametrize("seed", range(400))
def test_nothing_of_a_hostile_class_is_ever_called(seed):
    # pytest shows what is at hand when a test fails, so nothing hostile may be at hand here.
    assert called_of_hostile(seed) == []


def called_of_hostile(seed):
    """What was called, and where from, in words."""
    chance = random.Random(seed)
    thing = nested(chance, hostile_object(chance))
    CALLS.clear()
    try:
        value(thing)
        try:
            calls.faithful(thing, values.Budget(1000))
        except calls.Unfaithful:
            pass
        called = list(CALLS)
        is_error = type.__dict__["__subclasscheck__"](BaseException, type(thing))
        return called + called_while_captured(thing if is_error else KeyError(thing))
    except BaseException as error:
        return CALLS + [repr(type(error))[:60], str(error)[:90]] + ["%s:%d" % (entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]


def called_while_captured(error):
    """The hostile thing among the locals of a frame; that the interpreter itself asks while it raises is its own affair."""
    try:
        raise error
    except BaseException as caught:
        CALLS.clear()
        capture.exceptions(caught, [])
        failures._key(caught)
        failures._new_record(caught)
    return list(CALLS)


def test_a_method_of_a_hostile_object_is_named_without_asking_its_class():
    class Meta(type):
        __getattribute__ = hostile("metaclass")

    class Bag(dict, metaclass=Meta):
        pass

    bag = Bag()
    CALLS.clear()
    assert value(dict.get.__get__(bag))["name"].endswith("Bag.get")
    assert CALLS == []


def test_a_text_of_an_exception_asks_no_part_of_it():
    class Path:
        __repr__ = __str__ = __fspath__ = hostile("path")

    CALLS.clear()
    assert capture.message(OSError(2, "gone", Path())) == "2, 'gone'"
    broken = UnicodeDecodeError("utf-8", b"x", 0, 1, "why")
    broken.reason = Path()
    capture.message(broken)
    assert CALLS == []
    assert capture.message(OSError(2, "gone", "/a")) == "[Errno 2] gone: '/a'"


