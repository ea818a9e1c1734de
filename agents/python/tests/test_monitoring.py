"""What a program sets in code and its own middleware: the same is recorded as by injection, never twice, and nothing where nobody watches."""

import json
import sys
import time

import pytest
from conftest import environment, free_port
from reproducing import play_task, ways

FLASK = '''
import logging, os
from flask import Flask
from homeostasis.monitoring import HomeostasisMiddleware, capture_exception, is_active, setup_monitoring

app = Flask("program")
%s

class Expected(Exception):
    pass

@app.get("/ok")
def ok():
    return "active" if is_active() else "not active"

@app.route("/fail/<item>", methods=["GET", "POST"])
def fail(item):
    return {"apple": 3}[item]

@app.get("/expected")
def expected():
    raise Expected()

@app.get("/zero")
def zero():
    return str(1 // 0)

@app.get("/quiet")
def quiet():
    raise LookupError("quiet")

@app.get("/handled/<item>")
def handled(item):
    try:
        return {"apple": 3}[item]
    except KeyError as error:
        return str(capture_exception(error))

@app.get("/current")
def current():
    try:
        raise ValueError("now")
    except ValueError:
        told = [capture_exception(), capture_exception(), capture_exception(ValueError("never raised"))]
    return str(told + [capture_exception()])

@app.get("/later/<item>")
def later(item):
    try:
        {}[item]
    except KeyError:
        capture_exception()
        raise

@app.get("/logged")
def logged():
    try:
        {}["x"]
    except KeyError:
        logging.exception("logged")
    return "logged"
'''
WITH_FLASK = ("flask", "--app", "program", "run", "--port", "PORT")
UVICORN = ("uvicorn", "--port", "PORT", "program:app")


@pytest.fixture
def run(folder, serve, peer):
    """run(source, command, injected): starts the program, watched by injection or only by what it says in code."""

    def start(source, command, injected):
        (folder / "program.py").write_text(source.replace("SOCKET", repr(peer.path)))
        return serve(*command, socket_path=peer.path if injected else None)

    return start


def told(peer, seconds=1.5):
    time.sleep(seconds)
    return [(event["capsule"]["hook"], event["capsule"]["exceptions"][0]["type"]) for event in peer.of("event")]


SETUPS = {
    "setup": 'setup_monitoring(app, socket=SOCKET, exclude_paths="/quiet", exclude_error_types=[ZeroDivisionError, "Expected"])',
    "middleware": 'app.wsgi_app = HomeostasisMiddleware(app.wsgi_app, socket=SOCKET, exclude_paths=["/quiet"], exclude_error_types=["builtins.ZeroDivisionError", "program.Expected"])',
    "config": 'setup_monitoring(app, {"socket": SOCKET, "exclude_paths": ["/nothing"]}, exclude_paths=["/quiet"], exclude_error_types=("ArithmeticError", "Expected"))',
}


@pytest.mark.parametrize("injected", [True, False], ids=["injected", "in code"])
@pytest.mark.parametrize("setup", sorted(SETUPS))
def test_a_flask_program_is_recorded_once_and_without_what_it_leaves_out(setup, injected, run, peer):
    server = run(FLASK % SETUPS[setup], WITH_FLASK, injected)
    assert server.get("/ok") == (200, b"active")
    for path in ("/expected", "/zero", "/quiet"):
        assert server.get(path)[0] == 500
    assert server.get("/fail/pear", b"a=1&password=correct+horse")[0] == 500
    assert told(peer) == [("flask.handle_exception", "KeyError")]
    capsule = peer.of("event")[0]["capsule"]
    assert capsule["request"]["path"] == "/fail/pear" and "correct" not in json.dumps(capsule)
    assert capsule["process"]["role"] == "server"
    routes = {}
    for message in peer.of("traffic"):
        for route in message["routes"]:
            counts = routes.setdefault(route["route"], [0, 0])
            counts[0] += route["requests"]
            counts[1] += route["failed"]
    assert routes["POST /fail/pear"] == [1, 1] and routes["GET /ok"] == [2, 0]
    server.stop()
    assert peer.of("repeats") == []


def test_where_nobody_watches_all_of_it_does_nothing(run, peer):
    server = run(FLASK % 'setup_monitoring(app, exclude_paths=["/quiet"], before_send=print)\napp.wsgi_app = HomeostasisMiddleware(app.wsgi_app)', WITH_FLASK, False)
    assert server.get("/ok") == (200, b"not active")
    assert server.get("/fail/pear")[0] == 500 and server.get("/handled/pear") == (200, b"False")
    server.stop()
    assert peer.messages == [] and "homeostasis: " not in server.output()


def test_importing_it_loads_neither_agent_nor_framework(folder, script):
    ended = script("-c", "import sys, homeostasis.monitoring as m; print(m.is_active(), [n for n in ('flask', 'asyncio', 'homeostasis_agent.channel') if n in sys.modules])", socket_path=None)
    assert ended.stdout.split() == ["False", "[]"], ended.stderr


@pytest.mark.parametrize("options", ["bogus=1", "sample_rate=2", "sample_rate='1'", "before_send=3", "exclude_paths=[1]", "exclude_modules=3", "config={'bogus': 1}", "socket=3"])
def test_what_cannot_be_meant_is_said_at_once(options, script):
    ended = script("-c", "from homeostasis.monitoring import *; setup_monitoring(%s)" % options, socket_path=None)
    assert ended.returncode == 1 and ended.stderr.strip().splitlines()[-1].startswith(("TypeError: ", "ValueError: "))


def test_handled_exceptions_are_reported_once(run, peer, folder, tmp_path):
    server = run(FLASK % "setup_monitoring(app)", WITH_FLASK, True)
    assert server.get("/handled/pear") == (200, b"True")
    assert server.get("/current") == (200, b"[True, True, False, False]")
    assert server.get("/later/pear")[0] == 500
    assert sorted(told(peer, 2.5)) == [("capture_exception", "KeyError"), ("capture_exception", "ValueError"), ("flask.handle_exception", "KeyError")]
    assert peer.of("repeats") == []
    capsule = next(event["capsule"] for event in peer.of("event") if event["capsule"]["hook"] == "capture_exception")
    server.stop()
    task = {
        "schema": 1, "kind": "request", "requests": [capsule["request"]], "answers": [], "recorded_files": False,
        "time": None, "hook": "capture_exception",
    }
    exchange = play_task(folder, WITH_FLASK, tmp_path, task)["exchanges"][0]
    assert exchange["status"] == 200 and ways(exchange["exceptions"]) == ways(capsule["exceptions"])


def test_logged_exceptions_can_be_left_out(run, peer):
    server = run(FLASK % "setup_monitoring(app, capture_logged=False)", WITH_FLASK, True)
    assert server.get("/logged")[0] == 200
    assert told(peer, 2) == []


CHANGING = '''
def before_send(event):
    assert event["type"] == "event" and event["capsule"]["request"]["path"]
    kind = event["capsule"]["exceptions"][0]["type"]
    if kind == "LookupError":
        return None
    if kind == "ZeroDivisionError":
        logging.exception("in before_send")
        raise RuntimeError("my filter is broken")
    if kind == "Expected":
        return "not an event"
    event["capsule"]["exceptions"][0]["message"] = "taken out"
    event["signature"] = "made up"
    event["time"] = object
    return event
setup_monitoring(app, before_send=before_send)
'''


def test_events_are_sent_as_before_send_returns_them(run, peer):
    server = run(FLASK % CHANGING, WITH_FLASK, True)
    for path in ("/quiet", "/zero", "/expected", "/fail/pear", "/zero"):
        assert server.get(path)[0] == 500
    (event,) = peer.wait("event")
    assert event["capsule"]["exceptions"][0]["message"] == "taken out" and event["signature"] != "made up"
    # The others are only counted.
    counted = peer.wait("repeats")
    deadline = time.monotonic() + 5
    while sum(item["count"] for message in counted for item in message["items"]) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
        counted = peer.of("repeats")
    assert sorted(item["count"] for message in counted for item in message["items"]) in ([1, 1, 2], [1, 1, 1, 1])
    server.stop()
    assert len(peer.of("event")) == 1
    assert server.output().count("homeostasis: before_send failed, and events for which it fails are not sent: RuntimeError: my filter is broken") == 1


def test_settings_in_code_go_first_and_lists_add_up(monkeypatch):
    from homeostasis_agent import settings

    for name in ("root", "sample_rate", "exclude_modules", "exclude_error_types", "exclude_paths", "redact_names", "logged", "before_send"):
        monkeypatch.setattr(settings, name, getattr(settings, name))
    for name in ("_in_app", "_told", "_in_code"):
        monkeypatch.setattr(settings, name, {})
    settings.apply_in_code({"sample_rate": 0.25, "exclude_paths": ["/a"], "root": "/srv/code", "capture_logged": False})
    settings.apply({"sample_rate": 0.5, "exclude_paths": ["/b", "/a"], "redact_names": ["iban"], "root": "/srv/told"})
    settings.apply_in_code({"exclude_paths": ["/c"]})
    assert (settings.sample_rate, settings.root, settings.logged) == (0.25, "/srv/code", False)
    assert settings.exclude_paths == ("/b", "/a", "/c") and settings.redact_names == ("iban",)
    settings.apply({})
    assert settings.exclude_paths == ("/a", "/c") and settings.redact_names == ()


FASTAPI = '''
from fastapi import FastAPI, Request
from homeostasis.monitoring import HomeostasisMiddleware, is_active, setup_monitoring
app = FastAPI()
%s

@app.get("/ok")
async def ok():
    return is_active()

@app.post("/fail/{item}")
async def fail(item: str, request: Request):
    return {"apple": 3}[(await request.json())["item"]]
'''

RAW_ASGI = '''
from homeostasis.monitoring import HomeostasisMiddleware, setup_monitoring
setup_monitoring(socket=SOCKET)

async def application(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] != "/ok":
        import json
        {"apple": 3}[json.loads((await receive())["body"])["item"]]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

app = HomeostasisMiddleware(application)
'''

RAW_WSGI = '''
import json, os, sys
from wsgiref.simple_server import make_server
from homeostasis.monitoring import HomeostasisMiddleware

def application(environ, start_response):
    if environ["PATH_INFO"] != "/ok":
        {"apple": 3}[json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["item"]]
    start_response("200 OK", [])
    return [b"ok"]

application = HomeostasisMiddleware(application, socket=SOCKET)
if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
'''


PROGRAMS = {
    "FastAPI, middleware": (FASTAPI % "app.add_middleware(HomeostasisMiddleware, socket=SOCKET)", UVICORN, "/fail/7"),
    "FastAPI, setup": (FASTAPI % "setup_monitoring(app, socket=SOCKET)", UVICORN, "/fail/7"),
    "ASGI": (RAW_ASGI, UVICORN, "/fail/7"),
    "WSGI": (RAW_WSGI, ("program", "PORT"), "/fail/7"),
}


@pytest.mark.parametrize("injected", [False, True], ids=["in code", "injected"])
@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_request_is_recorded_once_with_its_body_and_fails_again(program, injected, run, peer, folder, tmp_path):
    recorded_once(PROGRAMS[program], injected, run, peer, folder, tmp_path)


def recorded_once(program, injected, run, peer, folder, tmp_path):
    source, command, path = program
    server = run(source, command, injected)
    body = b'{"item": "pear"}'
    server.get("/ok")
    assert server.get(path, body, Content_Type="application/json")[0] == 500
    (event,) = peer.wait("event")
    capsule = event["capsule"]
    assert capsule["request"]["body"]["len"] == len(body) and capsule["missing"] == []
    assert capsule["process"]["role"] == "server"
    time.sleep(1.2)
    routes = {}
    for message in peer.of("traffic"):
        for route in message["routes"]:
            counts = routes.setdefault(route["route"], [0, 0])
            counts[0] += route["requests"]
            counts[1] += route["failed"]
    assert routes["POST " + path.replace("7", "*")] == [1, 1] and routes["GET /ok"][1] == 0
    server.stop()
    assert len(peer.of("event")) == 1 and peer.of("repeats") == []
    task = {
        "schema": 1, "kind": "request", "requests": [capsule["request"]], "answers": [], "recorded_files": False,
        "time": None, "hook": capsule["hook"],
    }
    exchange = play_task(folder, command, tmp_path, task)["exchanges"][0]
    assert exchange["status"] == 500 and ways(exchange["exceptions"]) == ways(capsule["exceptions"])
