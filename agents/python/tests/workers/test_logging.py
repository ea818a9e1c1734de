"""An exception that the program caught and only logged is a failure: once, where the program itself logged it as an error, and with hook "logging"."""

import json
import sys
import time

import pytest
from reproducing import play_task, ways
from working import call_again, came_again

FLASK = '''
import logging, threading, time
from flask import Flask, abort
from werkzeug.exceptions import NotFound
app = Flask("program")
log = logging.getLogger("program.log")
PRICES = {"apple": 3}

def price(item):
    return PRICES[item]

@app.get("/ok")
def ok():
    return "ok"

@app.get("/logged/<item>")
def logged(item):
    try:
        return str(price(item))
    except KeyError:
        log.exception("no price for %s", item)
        return "0"

@app.get("/raised/<item>")
def raised(item):
    try:
        return str(price(item))
    except KeyError:
        app.logger.error("no price", exc_info=True)
        raise

class Unknown(Exception):
    pass

@app.get("/wrapped/<item>")
def wrapped(item):
    try:
        return str(price(item))
    except KeyError as error:
        logging.exception("no price")
        raise Unknown(item) from error

@app.get("/warned/<item>")
def warned(item):
    try:
        return str(price(item))
    except KeyError:
        log.warning("no price", exc_info=True)
        return "0"

@app.get("/missing")
def missing():
    try:
        raise NotFound("no such thing")
    except NotFound as error:
        log.error("not found", exc_info=error)
        raise

class Refused(Exception):
    pass

@app.errorhandler(Refused)
def refuse(error):
    log.error("refused", exc_info=error)
    return "refused", 422

@app.get("/refused")
def refused():
    raise Refused()

def refill(item, seconds):
    time.sleep(seconds)
    try:
        price(item)
    except KeyError:
        log.exception("no price")

@app.get("/thread/<item>/<wait>")
def thread(item, wait):
    started = threading.Thread(target=refill, args=(item, 0 if wait == "yes" else 0.5))
    started.start()
    if wait == "yes":
        started.join()
    return "started"

@app.get("/twice")
def twice():
    for item in ("a", "b"):
        try:
            price(item)
        except KeyError:
            log.exception("no price")
    return "twice"

@app.get("/two/<item>")
def two(item):
    try:
        price(item)
    except KeyError:
        log.exception("no price")
    return str(1 // 0)
'''

FASTAPI = '''
import asyncio, logging
from fastapi import FastAPI, HTTPException
app = FastAPI()
PRICES = {"apple": 3}
tasks = []

def price(item):
    return PRICES[item]

@app.get("/ok")
async def ok():
    return "ok"

@app.get("/logged/{item}")
def logged(item: str):
    try:
        return price(item)
    except KeyError:
        logging.getLogger("x").exception("no price")
        return 0

async def refill(item):
    await asyncio.sleep(0.2)
    try:
        price(item)
    except KeyError:
        logging.getLogger("x").exception("no price")

@app.get("/later/{item}")
async def later(item: str):
    tasks.append(asyncio.create_task(refill(item)))
    return "later"

class Refused(Exception):
    pass

@app.exception_handler(Refused)
async def refuse(request, error):
    from fastapi.responses import PlainTextResponse
    logging.error("refused", exc_info=error)
    return PlainTextResponse("refused", 422)

@app.get("/refused")
async def refused():
    raise Refused()

@app.get("/missing")
async def missing():
    try:
        raise HTTPException(404)
    except HTTPException:
        logging.exception("missing")
        raise
'''

WITH_FLASK = ("flask", "--app", "program", "run", "--port", "PORT")
WITH_FASTAPI = ("uvicorn", "--port", "PORT", "program:app")


@pytest.fixture
def program(folder, serve):
    def start(source, command):
        (folder / "program.py").write_text(source)
        return serve(*command)

    return start


def again(capsule, folder, tmp_path, command):
    task = {
        "schema": 1, "kind": "request", "requests": [capsule["request"]], "answers": [], "recorded_files": False,
        "time": capsule["request"]["time"], "hook": capsule["hook"],
    }
    return play_task(folder, command, tmp_path, task)["exchanges"][0]


@pytest.mark.parametrize(("source", "command"), [(FLASK, WITH_FLASK), (FASTAPI, WITH_FASTAPI)], ids=["flask", "fastapi"])
def test_what_a_request_logs_fails_again_with_it(source, command, program, peer, folder, tmp_path):
    server = program(source, command)
    assert server.get("/logged/pear")[0] == 200
    capsule = peer.wait("event")[0]["capsule"]
    assert (capsule["kind"], capsule["hook"]) == ("request", "logging")
    assert capsule["exceptions"][0]["frames"][0]["function"] == "logged"
    time.sleep(1.5)
    server.stop()
    routes = [route for message in peer.of("traffic") for route in message["routes"] if route["route"].startswith("GET /logged")]
    assert sum(route["requests"] for route in routes) == sum(route["failed"] for route in routes) == 1
    exchange = again(capsule, folder, tmp_path, command)
    assert exchange["status"] == 200 and ways(exchange["exceptions"]) == ways(capsule["exceptions"])
    assert again(dict(capsule, hook="wsgi"), folder, tmp_path, command)["exceptions"] == []


@pytest.mark.parametrize(("path", "type_name"), [("/raised/pear", "KeyError"), ("/wrapped/pear", "Unknown")])
def test_what_is_logged_and_raised_is_one_failure_and_that_is_not_the_log(path, type_name, program, peer):
    server = program(FLASK, WITH_FLASK)
    assert server.get(path)[0] == 500
    time.sleep(2.5)
    (event,) = peer.of("event")
    assert event["capsule"]["hook"] == "flask.handle_exception" and event["capsule"]["exceptions"][0]["type"] == type_name
    assert peer.of("repeats") == []


def test_a_request_in_which_two_are_logged_has_failed_once_and_is_no_witness(program, peer):
    server = program(FLASK, WITH_FLASK)
    assert server.get("/twice")[0] == 200
    peer.wait("event")
    assert server.get("/twice")[0] == 200
    time.sleep(2.5)
    assert all(event["witnesses"] == [] for event in peer.of("event"))
    routes = [route for message in peer.of("traffic") for route in message["routes"] if route["route"] == "GET /twice"]
    assert sum(route["requests"] for route in routes) == sum(route["failed"] for route in routes) == 2


def test_two_exceptions_of_one_request_are_two_failures(program, peer):
    server = program(FLASK, WITH_FLASK)
    assert server.get("/two/pear")[0] == 500
    assert sorted(event["capsule"]["hook"] for event in peer.wait("event", 2)) == ["flask.handle_exception", "logging"]


@pytest.mark.parametrize(
    ("source", "command", "path", "status"),
    [(FLASK, WITH_FLASK, "/warned/pear", 200), (FLASK, WITH_FLASK, "/missing", 404), (FASTAPI, WITH_FASTAPI, "/missing", 404),
     (FLASK, WITH_FLASK, "/refused", 422), (FASTAPI, WITH_FASTAPI, "/refused", 422)],
    ids=["a warning", "flask 404", "fastapi 404", "flask handler", "fastapi handler"],
)
def test_warnings_and_answers_to_the_client_are_no_failures(source, command, path, status, program, peer):
    server = program(source, command)
    assert server.get(path)[0] == status
    server.stop()
    assert peer.of("event") == [] and peer.of("repeats") == []


@pytest.mark.parametrize(("wait", "kind"), [("yes", "request"), ("no", "process")])
def test_what_a_thread_logs_belongs_to_the_request_only_while_that_goes_on(wait, kind, program, peer, folder, tmp_path):
    server = program(FLASK, WITH_FLASK)
    assert server.get("/thread/pear/" + wait)[0] == 200
    capsule = peer.wait("event")[0]["capsule"]
    assert (capsule["kind"], capsule["hook"]) == (kind, "logging") and capsule["process"]["thread"].endswith("(refill)" if sys.version_info >= (3, 10) else "")
    server.stop()
    if kind == "request":
        assert ways(again(capsule, folder, tmp_path, WITH_FLASK)["exceptions"]) == ways(capsule["exceptions"])
    else:
        came_again(capsule, call_again(capsule, folder, tmp_path, WITH_FLASK))


def test_a_task_that_goes_on_after_its_request_fails_by_itself(program, peer, folder, tmp_path):
    server = program(FASTAPI, WITH_FASTAPI)
    assert server.get("/later/pear")[0] == 200
    capsule = peer.wait("event")[0]["capsule"]
    assert (capsule["kind"], capsule["hook"], capsule["process"]["role"]) == ("process", "logging", "server")
    assert capsule["process"]["task"].startswith("Task-")
    # The function that caught it may be a loop; what it called is called again.
    assert capsule["call"]["function"] == "price"
    server.stop()
    came_again(capsule, call_again(capsule, folder, tmp_path, WITH_FASTAPI))


def test_repeated_logs_are_counted(folder, peer, script):
    (folder / "job.py").write_text(
        "import logging\n"
        "def fail():\n    return {}['x']\n"
        "for number in range(10):\n"
        "    try:\n        fail()\n    except KeyError:\n        logging.exception('failed')\n"
    )
    script("job.py")
    assert len(peer.wait("event", 3)) == 3
    assert sum(item["count"] for message in peer.wait("repeats") for item in message["items"]) == 7


def test_a_script_that_logs_why_it_ends_is_one_failure(folder, peer, script):
    (folder / "job.py").write_text(
        "import logging\n"
        "def fail():\n    return {}['x']\n"
        "def main():\n"
        "    try:\n        fail()\n    except KeyError:\n        logging.exception('failed')\n        raise\n"
        "main()\n"
    )
    assert script("job.py").returncode == 1
    (event,) = peer.wait("event")
    assert event["capsule"]["hook"] == "sys.excepthook" and event["capsule"]["process"]["role"] == "script"
    assert [frame["function"] for frame in event["capsule"]["exceptions"][0]["frames"]] == ["<module>", "main", "fail"]


# The usual way to hand what is logged to another logger: it looks for the caller on the stack.
INTERCEPT = '''
import json, logging, sys

class Intercept(logging.Handler):
    def emit(self, record):
        frame, depth = logging.currentframe(), 0
        while frame and frame.f_code.co_filename == logging.__file__:
            frame, depth = frame.f_back, depth + 1
        print(json.dumps([record.pathname == __file__, record.lineno, record.funcName, frame.f_code.co_name, depth, len(json.dumps(str(record.exc_info)))]))

logging.basicConfig(handlers=[Intercept()], level=0)
class Odd(Exception):
    __slots__ = ()
    def __eq__(self, other):
        raise RuntimeError
    def __getattr__(self, name):
        raise RuntimeError

def caller():
    for error in (KeyError("x"), Odd()):
        try:
            raise error
        except Exception:
            logging.exception("a")
            logging.getLogger("b").log(45, "b", exc_info=True, stacklevel=1)
            logging.LoggerAdapter(logging.getLogger("c"), {}).error("c", exc_info=error)
    try:
        logging.error("d", extra={"message": 1})
    except KeyError as error:
        print(repr(error))
caller()
'''


def test_what_handlers_see_of_the_caller_is_as_without_the_agent(folder, script, peer):
    (folder / "job.py").write_text(INTERCEPT)
    watched = script("job.py")
    bare = script("job.py", HOMEOSTASIS_AGENT="0")
    assert watched.stdout == bare.stdout and watched.stderr == bare.stderr
    assert all(json.loads(line)[:1] == [True] for line in bare.stdout.splitlines()[:6])
    assert len(peer.of("event")) == 2
