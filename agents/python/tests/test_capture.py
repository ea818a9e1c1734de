"""What is captured of exceptions and values, and that no code of the program runs while it is."""

import datetime
import decimal
import enum
import sys
import uuid

import pytest
from homeostasis_agent import capture, failures, frames, settings, values


@pytest.fixture(autouse=True)
def these_tests_are_the_application(monkeypatch):
    import os

    monkeypatch.setattr(settings, "root", os.path.dirname(os.path.abspath(__file__)))
    monkeypatch.setattr(settings, "agent_folder", "/nowhere")
    settings._in_app.clear()
    yield
    settings._in_app.clear()


def value(thing):
    budget = values.Budget()
    budget.next_name()
    return values.captured(thing, budget)


def caught(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def chain_of(error):
    missing = []
    return capture.exceptions(error, missing), missing


@pytest.mark.parametrize(
    "thing, expected",
    [
        (None, {"t": "none"}),
        (True, {"t": "bool", "v": True}),
        (-12, {"t": "int", "v": "-12"}),
        (0.1, {"t": "float", "v": "0.1"}),
        (float("nan"), {"t": "float", "v": "nan"}),
        ("ab", {"t": "str", "v": "ab", "len": 2}),
        (b"ab", {"t": "bytes", "v": "YWI=", "len": 2}),
        ((1,), {"t": "tuple", "items": [{"t": "int", "v": "1"}], "len": 1}),
        ({"a": None}, {"t": "dict", "items": [[{"t": "str", "v": "a", "len": 1}, {"t": "none"}]], "len": 1}),
        (decimal.Decimal("1.50"), {"t": "other", "class": "decimal.Decimal", "text": "1.50"}),
        (datetime.date(2024, 2, 3), {"t": "other", "class": "datetime.date", "text": "2024-02-03"}),
        (uuid.UUID(int=5), {"t": "other", "class": "uuid.UUID", "text": str(uuid.UUID(int=5))}),
        (range(3), {"t": "other", "class": "builtins.range", "text": "range(0, 3)"}),
        (1j, {"t": "other", "class": "builtins.complex", "text": "1j"}),
        (len, {"t": "callable", "class": "builtins.builtin_function_or_method", "name": "builtins.len"}),
        (int, {"t": "callable", "class": "builtins.type", "name": "builtins.int"}),
        (sys, {"t": "module", "name": "sys"}),
        (10**2000, {"t": "int", "v": hex(10**2000)}),
    ],
)
def test_a_value_has_its_form_in_the_protocol(thing, expected):
    assert value(thing) == expected


def test_an_integer_beyond_the_limit_is_cut_with_its_length_in_bits():
    assert value(-(1 << 16383)) == {"t": "int", "v": hex(-(1 << 16383))}
    assert value(1 << 20000) == {"t": "cut", "class": "builtins.int", "len": 20001}


class Colour(enum.IntEnum):
    RED = 1


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a = 1


def test_enums_slots_and_subclasses_are_told_apart():
    assert value(Colour.RED)["text"] == "RED"
    assert value(Slotted())["fields"] == {"a": {"t": "int", "v": "1"}}
    from collections import OrderedDict, deque, namedtuple

    content = {"t": "dict", "items": [[{"t": "str", "v": "a", "len": 1}, {"t": "int", "v": "1"}]], "len": 1}
    told = {"t": "object", "class": "collections.OrderedDict", "fields": {}, "len": 1, "content": content}
    assert value(OrderedDict(a=1)) == told
    assert value(deque([1, 2]))["len"] == 2
    assert value(namedtuple("Point", "x y")(1, 2))["fields"] == {"x": {"t": "int", "v": "1"}, "y": {"t": "int", "v": "2"}}


def test_limits_are_kept_and_cuts_are_marked():
    assert len(value("x" * 10_000)["v"]) == 4096 and value("x" * 10_000)["len"] == 10_000
    long = value(list(range(10**6)))
    assert len(long["items"]) == 50 and long["len"] == 10**6
    deep = value([[[[[[1]]]]]])
    for _ in range(4):
        deep = deep["items"][0]
    assert deep == {"t": "list", "items": [], "len": 1}
    loop = []
    loop.append(loop)
    assert value(loop)["len"] == 1


class Ran(BaseException):
    """Code of the program ran."""


class Hostile:
    """Everything that a careless reader might call raises something that is not even an Exception."""

    ran = []

    def _refuse(self, *arguments):
        Hostile.ran.append(arguments)
        raise Ran

    __repr__ = __str__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __getattr__ = _refuse
    __class__ = property(_refuse)
    __dict__ = property(_refuse)


def test_no_code_of_the_program_runs_while_its_values_are_read():
    # The test runner itself looks at all classes of a module, so these are made here.
    class Meta(type):
        def __getattribute__(cls, name):
            raise Ran

        def __instancecheck__(cls, instance):
            raise Ran

    class OfMeta(metaclass=Meta):
        pass

    class HostileDict(dict):
        items = keys = values = __iter__ = __len__ = __getitem__ = Hostile._refuse

    class HostileError(Exception):
        __str__ = __repr__ = Hostile._refuse

        def __getattribute__(self, name):
            raise Ran

        def __setattr__(self, name, value):
            raise Ran

    Hostile.ran.clear()
    assert value(object.__new__(Hostile))["class"].endswith("Hostile")
    assert value(object.__new__(OfMeta))["t"] == "object"
    assert value(OfMeta)["t"] == "callable"
    assert value(HostileDict(a=1))["len"] == 1
    assert value([object.__new__(Hostile)] * 3)["len"] == 3
    described, _ = chain_of(caught(_raise, HostileError("why", 5)))
    assert described[0]["type"].endswith("HostileError") and described[0]["message"] == "'why', 5"
    assert Hostile.ran == []


def _raise(error):
    raise error


def test_cause_and_context_are_told_apart():
    def cause():
        try:
            {}["a"]
        except KeyError as error:
            raise ValueError("b") from error

    def context():
        try:
            {}["a"]
        except KeyError:
            raise ValueError("b")

    def neither():
        try:
            {}["a"]
        except KeyError:
            raise ValueError("b") from None

    relations = [[one["relation"] for one in chain_of(caught(function))[0]] for function in (cause, context, neither)]
    assert relations == [[None, "cause"], [None, "context"], [None]]


if sys.version_info >= (3, 11):

    def test_the_members_of_a_group_and_notes_are_captured():
        group = ExceptionGroup("two", [KeyError("a"), ValueError("b")])  # noqa: F821
        group.add_note("a note")
        described, _ = chain_of(caught(_raise, group))
        assert [one["type"] for one in described] == ["ExceptionGroup", "KeyError", "ValueError"]
        assert described[0]["notes"] == ["a note"]


def test_the_failing_expression_has_its_position_in_bytes():
    def fail(row):
        return "é", row["a"] + row["b"]

    frame = chain_of(caught(fail, {"a": 1}))[0][0]["frames"][-1]
    assert frame["function"].endswith("fail") and frame["arguments"] == ["row"]
    if sys.version_info >= (3, 11):
        line = open(__file__, "rb").read().splitlines()[frame["line"] - 1]
        assert line[frame["column"] : frame["end_column"]] == b'row["b"]'
    else:
        assert frame["column"] is None


def test_attributes_of_native_exceptions_are_captured():
    assert chain_of(caught(lambda: None.name))[0][0]["type"] == "AttributeError"
    if sys.version_info >= (3, 10):
        attributes = chain_of(caught(lambda: None.name))[0][0]["attributes"]
        assert attributes["name"]["v"] == "name" and attributes["obj"] == {"t": "none"}
    attributes = chain_of(caught(open, "/nowhere/at/all"))[0][0]["attributes"]
    assert attributes["filename"]["v"] == "/nowhere/at/all"


def _recurse(depth):
    return _recurse(depth + 1)


def test_a_recursion_keeps_the_outermost_and_innermost_frames():
    described, missing = chain_of(caught(_recurse, 0))
    assert len(described[0]["frames"]) == 60
    assert described[0]["frames"][0]["function"] == "caught"
    assert any("left out" in one for one in missing)


def test_recursions_of_different_depth_have_one_signature():
    def start_deeper():
        return _recurse(0)

    first = failures._key(caught(_recurse, 0))
    second = failures._key(caught(_recurse, 3))
    assert first == second


def test_a_large_capsule_is_bounded_in_values_and_time():
    import time

    def fail():
        huge = [list(range(100)) for _ in range(10_000)]
        names = {str(number): {"x": number} for number in range(100_000)}
        return huge[len(names)][0] + 1 if False else huge[10**6]

    error = caught(fail)
    began = time.process_time()
    described, _ = chain_of(error)
    assert time.process_time() - began < 0.1
    assert set(described[0]["frames"][-1]["locals"]) == {"huge", "names"}


def test_only_names_that_the_code_reads_from_its_module_are_captured():
    namespace = {"__name__": "made", "rate": 2, "unused": 3, "attribute": 4}
    path = settings.root + "/made.py"
    exec(compile("def fail(x):\n    return x.attribute * rate / 0\n", path, "exec"), namespace)

    class Thing:
        attribute = 1

    frame = chain_of(caught(namespace["fail"], Thing()))[0][0]["frames"][-1]
    assert set(frame["globals"]) == {"rate"}


def test_packages_and_environments_inside_the_project_are_not_the_application():
    root = settings.root
    assert settings.in_app(root + "/shop/views.py")
    assert not settings.in_app(root + "/venv/lib/python3.11/site-packages/flask/app.py")
    assert not settings.in_app("/elsewhere/a.py")
    assert not settings.in_app("<string>")


def test_frames_that_are_not_the_applications_have_no_values():
    import json

    described = chain_of(caught(json.loads, "{"))[0][0]["frames"]
    assert described[-1]["in_app"] is False and described[-1]["locals"] == {}


def test_memory_and_recursion_errors_are_reported_without_harm(monkeypatch):
    heard = []
    monkeypatch.setattr(failures, "recorder", lambda error, hook: heard.append(error))
    for error in (MemoryError(), caught(_recurse, 0)):
        failures.report(error, "test")
    assert len(heard) == 2
    assert frames.argument_names(_recurse.__code__) == ["depth"]
