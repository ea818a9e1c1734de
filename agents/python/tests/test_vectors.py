"""The agent against the conformance vectors of the protocol: it takes what the server says, and what it says has their shape; what it means by it is tested elsewhere."""

import base64
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import pytest
from conftest import FASTAPI_COMMAND, FLASK_COMMAND
from peer import Peer, swap
from test_replay import request
from test_replay import replay  # noqa: F401

VECTORS = Path(__file__).resolve().parents[3] / "lib" / "protocol" / "vectors"

# Objects whose keys are names of the watched program's making.
MAPS = ("attributes", "locals", "globals", "fields", "frameworks")


def vector(name):
    return json.loads((VECTORS / (name + ".json")).read_text(encoding="utf-8"))


def vectors(prefix):
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(VECTORS.glob(prefix + "*.json"))]
    assert found, prefix
    return found


# Fields that are left out where they would say nothing.
OPTIONAL = {"id", "content", "sha256"}

# Parts that have one form in all kinds of messages and files.
SHARED = ("exceptions", "headers", "client", "server", "body")


def variant(example):
    """Questions to dependencies have the fields of their kind, and of whether they were answered."""
    if not isinstance(example, dict) or "kind" not in example or not {"answer", "draws"} & set(example):
        return None
    return "answer", example["kind"], tuple(sorted(example.get("answer", ())))


class Shape:
    """What some examples have in common: the fields of objects, the elements of lists, and the types of all else.

    `parts` holds the shapes of what is the same in all messages: captured values by their `t`, and the fields in SHARED.
    """

    def __init__(self, parts):
        self.parts = parts
        self.types = set()
        self.fields = None
        self.elements = None

    def learn(self, example, name=None):
        if name in SHARED and self is not self._part(name):
            self._part(name).learn(example, name)
        elif isinstance(example, dict) and "t" in example:
            self.types.add("value")
            self._part(("value", example["t"]))._learn_fields(example)
        elif isinstance(example, dict) and name in MAPS:
            self._learn_elements("map", example.values())
        elif variant(example):
            self.types.add("answer")
            self._part(variant(example))._learn_fields(example)
        elif isinstance(example, dict):
            self._learn_fields(example)
        elif isinstance(example, list):
            self._learn_elements("list", example)
        else:
            self.types.add(type(example).__name__)

    def _part(self, key):
        return self.parts.setdefault(key, Shape(self.parts))

    def _learn_elements(self, kind, examples):
        self.types.add(kind)
        self.elements = self.elements or Shape(self.parts)
        for example in examples:
            self.elements.learn(example)

    def _learn_fields(self, example):
        self.types.add("object")
        if self.fields is None:
            self.fields = {name: Shape(self.parts) for name in example}
        differing = set(self.fields) ^ set(example)
        assert differing <= OPTIONAL, "the vectors themselves disagree about %s" % sorted(example)
        for name, field in example.items():
            self.fields.setdefault(name, Shape(self.parts))
            self.fields[name].learn(field, name)

    def differences(self, found, place="", name=None):
        """Where `found` is not of this shape, as text for people."""
        if name in SHARED and self is not self._part(name):
            return self._part(name).differences(found, place, name)
        if isinstance(found, dict) and "t" in found:
            known = self.parts.get(("value", found["t"]))
            if "value" not in self.types or known is None:
                return ["%s: a value of kind %s is not expected" % (place, found["t"])]
            return known._differences_of_fields(found, place)
        if variant(found):
            return self._part(variant(found))._differences_of_fields(found, place)
        if isinstance(found, dict) and name in MAPS:
            return self._differences_of_elements("map", found.items(), place)
        if isinstance(found, dict):
            return self._differences_of_fields(found, place)
        if isinstance(found, list):
            return self._differences_of_elements("list", enumerate(found), place)
        if type(found).__name__ not in self.types:
            return ["%s: %s, not %s" % (place, type(found).__name__, sorted(self.types))]
        return []

    def _differences_of_fields(self, found, place):
        if "object" not in self.types:
            return ["%s: an object is not expected" % place]
        if not (set(found) ^ set(self.fields)) <= OPTIONAL & set(self.fields):
            return ["%s: %s on one side only" % (place, sorted(set(found) ^ set(self.fields)))]
        return [
            difference
            for name, field in found.items()
            for difference in self.fields[name].differences(field, place + "." + name, name)
        ]

    def _differences_of_elements(self, kind, items, place):
        if kind not in self.types:
            return ["%s: a %s is not expected" % (place, kind)]
        return [
            difference
            for name, element in items
            for difference in self.elements.differences(element, "%s[%s]" % (place, name))
        ]


def shape_of(prefix):
    """The shape of the vectors of one kind; parts that all kinds share are learned from all vectors."""
    parts = {}
    for one in vectors(""):
        Shape(parts).learn(one)
    shape = Shape(parts)
    for one in vectors(prefix):
        shape.learn(one)
    return shape


def check(messages, prefix):
    shape = shape_of(prefix)
    assert messages
    for message in messages:
        message = {name: field for name, field in message.items() if name != "_connection"}
        assert shape.differences(message) == []


def check_all_that_was_said(peer):
    said = {message["type"] for message in peer.messages}
    for kind in said:
        check(peer.of(kind), kind)
    return said


def test_the_comparison_finds_what_differs():
    shape = shape_of("event")
    for change, words in (
        (lambda event: event.pop("witnesses"), "witnesses"),
        (lambda event: event["capsule"].update(extra=1), "extra"),
        (lambda event: event["capsule"]["process"].update(pid="1"), "pid: str"),
        (lambda event: event["capsule"]["exceptions"][4].update(notes=[1]), r"notes\[0\]: int"),
        (lambda event: event["capsule"]["exceptions"][0]["frames"][0].pop("text"), "text"),
        (lambda event: event["capsule"]["exceptions"][2]["frames"][0]["locals"].update(x={"t": "str", "v": "a"}), "len"),
        (lambda event: event["capsule"]["exceptions"][2]["frames"][0]["locals"].update(x={"t": "new"}), "new"),
        (lambda event: event["capsule"]["exceptions"][2]["frames"][0]["locals"].update(x=3), r"locals\[x\]: int"),
        (lambda event: event["capsule"]["request"].update(client="127.0.0.1"), "client: str"),
        (lambda event: event["witnesses"][0]["response"]["headers"].append("a"), "headers"),
    ):
        event = vector("event_request")
        assert shape.differences(event) == []
        change(event)
        assert re.search(words, "; ".join(shape.differences(event))), words


WAITING = """
import threading, sys
threading.Thread(target=lambda: {}["begin"]).start()
sys.stdin.readline()
"""


@pytest.fixture
def waiting(folder, tmp_path):
    """A program that has connected, and waits until it is told to end."""
    import subprocess

    from conftest import environment

    started = []

    def start(peer, code=WAITING):
        path = folder / "program.py"
        path.write_text(code)
        program = subprocess.Popen(
            [sys.executable, str(path)], cwd=folder, env=environment(folder, peer.path), stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        )
        started.append(program)
        peer.wait("hello")
        return path

    yield start
    for program in started:
        program.communicate("\n", timeout=20)
        assert program.returncode == 0


def test_every_message_of_the_server_is_taken(tmp_path, waiting):
    welcome = vector("welcome")
    with Peer(tmp_path / "socket", swaps=welcome["swaps"], config=dict(welcome["config"], root=str(tmp_path))) as peer:
        waiting(peer)
        for name in ("welcome", "welcome_defaults", "rearm", "swap", "unswap", "report"):
            peer.say(dict(vector(name), newer={"field": [None]}))
        peer.say({"type": "drain", "seconds": 3})
        peer.say(dict(vector("report"), request_id="last"))
        state = peer.wait("state", 2)
        assert [one["request_id"] for one in state] == [vector("report")["request_id"], "last"]
        # The vectors' file is not loaded in this program.
        assert state[0]["files"] == [{"path": vector("report")["files"][0]["path"], "sha256": None, "loaded": False}]
        assert [one["state"] for one in peer.wait("unswap_result")] == ["not_loaded"]
        assert [one["state"] for one in peer.of("swap_result")] == ["not_loaded"]
        peer.wait("event")
        # No message was taken amiss: the agent never had to connect again.
        assert len(peer.of("hello")) == 1
        assert {"hello", "event", "state", "swap_result", "unswap_result"} <= check_all_that_was_said(peer)


def test_the_settings_of_a_welcome_are_taken_over(monkeypatch):
    from homeostasis_agent import settings

    for name in ("root", "sample_rate", "exclude_modules", "exclude_error_types", "exclude_paths", "redact_names", "redact_patterns"):
        monkeypatch.setattr(settings, name, getattr(settings, name))
    monkeypatch.setattr(settings, "_in_app", {})
    settings.apply(vector("welcome")["config"])
    assert (settings.root, settings.sample_rate) == ("/srv/shop", 0.5)
    assert settings.exclude_modules == ("shop.legacy",) and settings.exclude_paths == ("/health",)
    assert settings.exclude_error_types == ("shop.errors.Expected",) and settings.redact_names == ("iban",)
    assert [pattern.pattern for pattern in settings.redact_patterns] == ["ACME-\\d{6}"]


OLD = b"def price(sku):\n    return {'apple': 3}[sku]\n"
NEW = b"def price(sku):\n    return {'apple': 3, 'pear': 4}[sku]\n"


def test_the_answers_to_real_swaps_have_the_shape_of_the_vectors(peer, folder, waiting):
    path = folder / "priced.py"
    path.write_bytes(OLD)
    waiting(peer, "import priced\n" + WAITING)
    there, missing = swap("swap-1", path, OLD, NEW), swap("swap-2", folder / "unknown.py", OLD, NEW)
    foreign = swap("swap-3", path, b"def other(): pass\n", b"def other(): return 1\n")
    unreadable = swap("swap-4", path, OLD, b"def price(:\n")
    malformed = dict(there, swap="swap-5", files=[{"path": str(path)}])
    answers = []
    for command, kind in (
        (there, "swap"), (there, "swap"), (missing, "swap"), (foreign, "swap"), (unreadable, "swap"), (malformed, "swap"),
        (unreadable, "unswap"), (missing, "unswap"), (foreign, "unswap"), (malformed, "unswap"), (there, "unswap"),
    ):
        peer.say(dict(command, type=kind))
        told = kind + "_result"
        answers.append(peer.wait(told, sum(1 for one in answers if one["type"] == told) + 1)[-1])
    assert [one["state"] for one in answers] == [
        "applied", "already", "not_loaded", "refused", "refused", "failed",
        "failed", "not_loaded", "failed", "failed", "restored",
    ]
    assert [file["loaded"] for one in answers for file in one["files"]] == [
        True, True, False, True, True, True, False, True, True,
    ]
    allowed = {kind: {one["state"] for one in vectors(kind)} for kind in ("swap_result", "unswap_result")}
    assert all(one["state"] in allowed[one["type"]] for one in answers)
    for command in (there, foreign):
        peer.say({"type": "report", "request_id": "r", "files": [
            {"path": str(path), "sources": [{"sha256": hashlib.sha256(OLD).hexdigest(), "source": base64.b64encode(OLD).decode()}]},
            {"path": str(folder / "unknown.py"), "sources": []},
        ]})
    assert [one["sha256"] is None for one in peer.wait("state", 2)[-1]["files"]] == [False, True]
    assert {"hello", "swap_result", "unswap_result", "state"} <= check_all_that_was_said(peer)


FAILING = r"""
import collections, datetime, decimal, enum, json, sys, threading

RATES = {"apple": 3}

class Colour(enum.Enum):
    RED = 1

class Order:
    def __init__(self):
        self.id, self.customer = 7, None

class Lines(list):
    class Refused(Exception):
        pass

def price(sku):
    return RATES[sku]

def fail():
    nothing, yes, count, huge, rate, name = None, True, 10 ** 40, 10 ** 5000, 1e-9, "Zo\u00eb \x00"
    letter, raw, pair, seen, fixed = "x" * 5000, b"\xff", (1, [2]), {3}, frozenset()
    line, order, lines = {"sku": "pear", 1: {}}, Order(), Lines([1])
    again, shared, counted, beyond = line, [line, line], collections.Counter("aab"), 1 << 99999
    total, day, view, codec, password, colour = decimal.Decimal("1.50"), datetime.date(2024, 2, 29), fail, json, "correct horse", Colour.RED
    deep, point = [[[[[[1]]]]]], collections.namedtuple("Point", "x y")(1, float("inf"))
    try:
        try:
            price("pear")
        except KeyError:
            None.stock
    except AttributeError as error:
        raise Lines.Refused("order 7", 409) from error

def loop():
    open("/nowhere/at/all")

for number in range(6):
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
thread = threading.Thread(target=loop)
thread.start()
thread.join()
if sys.version_info >= (3, 11):
    group = eval("ExceptionGroup('two', [KeyError('a'), ValueError('b')])")
    group.add_note("a note")
    raise group
fail()
"""


def test_failures_of_a_real_process_have_the_shape_of_the_vectors(peer, folder, script):
    (folder / "job.py").write_text(FAILING)
    assert script("job.py").returncode == 1
    events = peer.wait("event", 5)
    check(events, "event")
    kinds = set()
    for event in events:
        for frame in event["capsule"]["exceptions"][0]["frames"]:
            kinds.update(one["t"] for one in frame["locals"].values())
    assert kinds == {key[1] for key in shape_of("event").parts if key[0] == "value"}
    assert {"hello", "event", "repeats"} <= check_all_that_was_said(peer)


@pytest.mark.parametrize("command", [FLASK_COMMAND, FASTAPI_COMMAND], ids=["flask", "fastapi"])
def test_failures_of_real_requests_have_the_shape_of_the_vectors(command, peer, serve):
    server = serve(*command)
    for body in (b'{"item": "apple", "quantity": 2}', b'{"item": "pear", "quantity": 2, "password": "correct horse"}'):
        for number in range(9):
            server.get("/orders/%d?token=abcdefgh" % number, body, Content_Type="application/json", Authorization="Bearer abcdefgh")
    peer.wait("traffic", where=lambda message: any(route["failed"] for route in message["routes"]))
    peer.wait("repeats")
    events = peer.wait("event")
    assert any(event["witnesses"] for event in events)
    assert {"hello", "event", "traffic", "repeats"} <= check_all_that_was_said(peer)


def test_results_of_real_replays_have_the_shape_of_the_vectors(replay, folder):  # noqa: F811
    (folder / "job.py").write_text("open('out.csv', 'w').close()\ndef work(n):\n    return 1 // n\nwork(0)\n")
    asked = dict(vector("replay_input_request"), requests=[request("wsgi"), request("wsgi", "/ok", b"", "GET")])
    assert shape_of("replay_input_request").differences(asked) == []
    results = [
        replay(("-m", "flask", "--app", "shop", "run"), asked),
        replay(("-m", "flask", "--app", "shop", "run"), vector("replay_input_request")),
        replay(("-m", "uvicorn", "api:app"), dict(asked, requests=[request("asgi")])),
        replay(("job.py",), vector("replay_input_process")),
        replay(("job.py",), vector("replay_input_request")),
        replay(("job.py",), vector("replay_input_call")),
    ]
    assert [one["ready"] for one in results] == [True, True, True, True, False, False]
    assert results[3]["exchanges"][0]["effects"] == [{"kind": "file", "text": os.path.join(str(folder), "out.csv")}]
    check(results, "replay_result")
