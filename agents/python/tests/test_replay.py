"""A recorded request replayed by the program's own command line fails as it did, without a socket or a worker process."""

import json
import subprocess
import sys

import pytest
from conftest import environment


def request(protocol, path="/orders/7", body=b'{"item": "pear", "quantity": 2}', method="POST"):
    import base64

    return {
        "protocol": protocol, "method": method, "scheme": "http", "path": path, "root_path": "", "query": "a=1",
        "route": "", "http_version": "1.1", "headers": [["host", "shop"], ["content-type", "application/json"]],
        "client": ["127.0.0.1", 5000], "server": ["127.0.0.1", 8000],
        "body": {"data": base64.b64encode(body).decode(), "len": len(body), "truncated": False},
        "time": 1763848800.25, "credentials": [], "answers": [],
    }


@pytest.fixture
def replay(folder, tmp_path):
    def run(command, task, close_output=False):
        (tmp_path / "task.json").write_text(json.dumps(task))
        variables = environment(
            folder, None, HOMEOSTASIS_REPLAY=str(tmp_path / "task.json"),
            HOMEOSTASIS_REPLAY_RESULT=str(tmp_path / "result.json"), PORT_NUMBER="1",
        )
        command = [sys.executable, *command]
        if close_output:
            command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
        ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        assert sorted(path.name for path in tmp_path.glob("result.json*")) == ["result.json"], ended.stderr
        return json.loads((tmp_path / "result.json").read_text())

    return run


WSGI = [
    ("shop.py",),
    ("-m", "flask", "--app", "shop", "run"),
    ("-m", "flask", "--app", "shop", "run", "--debug"),
    ("-m", "gunicorn", "-w", "4", "shop:app"),
    ("-m", "gunicorn", "--preload", "-b", "127.0.0.1:1", "shop:app"),
    ("-c", "from wsgiref.simple_server import make_server; import shop; make_server('', 1, shop.app).serve_forever()"),
]
ASGI = [
    ("-m", "uvicorn", "api:app"),
    ("-m", "uvicorn", "--workers", "2", "--port", "1", "api:app"),
    ("-m", "uvicorn", "--reload", "--port", "1", "api:app"),
    ("-m", "gunicorn", "-k", "uvicorn.workers.UvicornWorker", "api:app"),
    ("-c", "import uvicorn; uvicorn.run('api:app', port=1)"),
    ("-c", "import asyncio, uvicorn, api; asyncio.run(uvicorn.Server(uvicorn.Config(api.app, port=1)).serve())"),
]


@pytest.mark.parametrize("hook, type", [("flask.handle_exception", "ZeroDivisionError"), ("wsgi", "LookupError"), (None, "ZeroDivisionError")])
def test_where_an_error_handler_fails_in_its_turn_the_failure_that_is_looked_for_is_told(hook, type, folder, replay):
    (folder / "apology.py").write_text(
        "from flask import Flask\n"
        "app = Flask(__name__)\n"
        "@app.get('/')\n"
        "def divide():\n"
        "    return str(1 / 0)\n"
        "@app.errorhandler(500)\n"
        "def apologise(error):\n"
        "    raise LookupError('no apology')\n"
    )
    asked = request("wsgi", path="/", body=b"", method="GET")
    result = replay(("-m", "gunicorn", "apology:app"), {"schema": 1, "kind": "request", "hook": hook, "requests": [asked]})
    (exchange,) = result["exchanges"]
    assert exchange["status"] == 500 and exchange["exceptions"][0]["type"] == type


@pytest.mark.parametrize("command", WSGI, ids=" ".join)
def test_a_wsgi_request_fails_again_under_each_launcher(command, replay, folder):
    result = replay(command, {"schema": 1, "kind": "request", "requests": [request("wsgi"), request("wsgi", "/ok", b"", "GET")]})
    assert result["ready"] and result["error"] is None
    failed, fine = result["exchanges"]
    assert failed["status"] == 500 and failed["exceptions"][0]["type"] == "KeyError"
    frame = failed["exceptions"][0]["frames"][-1]
    assert frame["file"] == str(folder / "shop.py") and frame["function"] == "order" and frame["source_sha256"]
    assert fine["status"] == 200 and fine["exceptions"] == []


@pytest.mark.parametrize("command", ASGI, ids=" ".join)
def test_an_asgi_request_fails_again_under_each_launcher(command, replay, folder):
    result = replay(command, {"schema": 1, "kind": "request", "requests": [request("asgi"), request("asgi", "/ok", b"", "GET")]})
    assert result["ready"] and result["error"] is None
    failed, fine = result["exchanges"]
    assert failed["status"] == 500 and failed["exceptions"][0]["type"] == "KeyError"
    assert failed["exceptions"][0]["frames"][-1]["file"] == str(folder / "api.py")
    assert {"kind": "sql", "text": "INSERT INTO orders VALUES ('pear')"} in failed["effects"]
    assert fine["status"] == 200 and fine["exceptions"] == []


def test_a_failure_that_a_handler_answered_is_told(replay):
    for command, protocol in ((WSGI[1], "wsgi"), (ASGI[0], "asgi")):
        result = replay(command, {"schema": 1, "kind": "request", "requests": [request(protocol, "/apology", b"", "GET")]})
        exchange = result["exchanges"][0]
        assert exchange["status"] == 503 and len(exchange["exceptions"]) == 1


def test_it_works_with_closed_output(replay):
    result = replay(WSGI[3], {"schema": 1, "kind": "request", "requests": [request("wsgi")]}, close_output=True)
    assert result["ready"] and result["exchanges"][0]["status"] == 500


def test_a_program_that_never_serves_says_why(replay):
    task = {"schema": 1, "kind": "request", "requests": [request("wsgi")]}
    for command, part in (
        (("-c", "import nowhere_at_all"), "nowhere_at_all"),
        (("-m", "gunicorn", "nowhere_at_all:app"), "nowhere_at_all"),
        (("-m", "uvicorn", "nowhere_at_all:app"), "nowhere_at_all"),
        (("-c", "pass"), "ended before"),
        (("-c", "import os; os._exit(0)"), "ended before"),
    ):
        result = replay(command, task)
        assert result["ready"] is False and part in result["error"], command


def test_a_lifespan_that_fails_says_why(replay, folder):
    (folder / "bad.py").write_text(
        "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def lifespan(app):\n    raise RuntimeError('no database')\n    yield\n"
        "app = FastAPI(lifespan=lifespan)\n"
    )
    result = replay(("-m", "uvicorn", "bad:app"), {"schema": 1, "kind": "request", "requests": [request("asgi")]})
    assert result["ready"] is False and "no database" in result["error"]


def test_a_process_is_run_as_it_is_and_its_exception_and_effects_are_recorded(replay, folder):
    (folder / "job.py").write_text(
        "import sqlite3, subprocess, threading\n"
        "open('out.csv', 'w').close()\n"
        "subprocess.run(['true', 'x'])\n"
        "sqlite3.connect(':memory:').execute('SELECT ?', ('a',))\n"
        "def work(n):\n    return 1 // n\n"
        "work(0)\n"
    )
    result = replay(("job.py",), {"schema": 1, "kind": "process"})
    exchange = result["exchanges"][0]
    assert result["ready"] and exchange["exceptions"][0]["type"] == "ZeroDivisionError"
    assert exchange["exceptions"][0]["frames"][-1]["locals"]["n"]["v"] == "0"
    assert exchange["effects"] == [
        {"kind": "file", "text": str(folder / "out.csv")},
        {"kind": "process", "text": "true x"},
        {"kind": "sql", "text": "SELECT 'a'"},
    ]


def test_an_exception_in_a_thread_of_a_process_is_recorded(replay):
    result = replay(("-c", "import threading; threading.Thread(target=lambda: {}['a']).start()"), {"schema": 1, "kind": "process"})
    assert result["exchanges"][0]["exceptions"][0]["type"] == "KeyError"


def test_an_unreadable_task_does_not_let_the_program_serve(replay):
    result = replay(WSGI[3], {"schema": 1, "kind": "nonsense"})
    assert result["ready"] is False and "nonsense" in result["error"]
