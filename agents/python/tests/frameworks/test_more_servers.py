"""Programs of several kinds under many servers: a failure arrives with its request and comes again; what cannot be watched works all the same."""

import base64
import json
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from one_piece import in_one_piece  # noqa: E402, F401

FLASK = """
from flask import Flask, request
app = Flask(__name__)
PRICES = {"apple": 3}

@app.get("/ok")
def ok():
    return "ok"

@app.post("/orders/<int:number>")
def order(number):
    return {"number": number, "price": PRICES[request.get_json()["item"]]}

@app.post("/unread")
def unread():
    raise RuntimeError("before the body was read")

if __name__ == "__main__":
    import sys
    START
"""

FASTAPI = """
from fastapi import FastAPI
from pydantic import BaseModel
app = FastAPI()
PRICES = {"apple": 3}

class Order(BaseModel):
    item: str

@app.get("/ok")
async def ok():
    return {}

@app.post("/orders/{number}")
async def order(number: int, order: Order):
    return {"number": number, "price": PRICES[order.item]}
"""

# Callables of no framework.
WSGI = """
import json
PRICES = {"apple": 3}

def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    path = environ["PATH_INFO"]
    if path.startswith("/orders/"):
        answer = json.dumps({"number": int(path.rpartition("/")[2]), "price": PRICES[json.loads(body)["item"]]})
    else:
        answer = "ok"
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    if path == "/stream":
        return lines()
    return [answer.encode()]

def lines():
    yield b"o"
    raise ValueError("in mid-stream")

if __name__ == "__main__":
    import sys
    START
"""

ASGI = """
import json
PRICES = {"apple": 3}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"].startswith("/orders/"):
        answer = json.dumps({"number": int(scope["path"].rpartition("/")[2]), "price": PRICES[json.loads(body)["item"]]})
    else:
        answer = "ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": answer.encode()})
"""

WSGIREF = 'from wsgiref.simple_server import make_server; make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()'
WAITRESS = 'import waitress; waitress.serve(app, listen="127.0.0.1:" + sys.argv[1])'
GEVENT = 'from gevent.pywsgi import WSGIServer; WSGIServer(("127.0.0.1", int(sys.argv[1])), app).serve_forever()'
MONKEY = "from gevent import monkey; monkey.patch_all()\n"

HYPERCORN = ("hypercorn", "-b", "127.0.0.1:PORT", "program:app")
GRANIAN = ("granian", "--host", "127.0.0.1", "--port", "PORT", "--interface", "KIND", "program:app")


def granian(kind, *more):
    return tuple(part.replace("KIND", kind) for part in GRANIAN[:-1]) + more + GRANIAN[-1:]


SERVED = {
    "hypercorn fastapi": (HYPERCORN, FASTAPI),
    "hypercorn asgi": (HYPERCORN, ASGI),
    "hypercorn flask": (HYPERCORN, FLASK),
    "hypercorn wsgi": (HYPERCORN[:-1] + ("wsgi:program:app",), WSGI),
    "hypercorn no workers": (HYPERCORN[:1] + ("-w", "0") + HYPERCORN[1:], FASTAPI),
    "granian fastapi": (granian("asgi"), FASTAPI),
    "granian asgi": (granian("asgi"), ASGI),
    "granian asginl asyncio": (granian("asginl", "--task-impl", "asyncio"), FASTAPI),
    "granian flask": (granian("wsgi"), FLASK),
    "granian wsgi": (granian("wsgi"), WSGI),
    "gunicorn gevent flask": (("gunicorn", "-k", "gevent", "-b", "127.0.0.1:PORT", "program:app"), FLASK),
    "gunicorn gevent wsgi": (("gunicorn", "-k", "gevent", "-b", "127.0.0.1:PORT", "program:app"), WSGI),
    "gunicorn gevent_pywsgi flask": (("gunicorn", "-k", "gevent_pywsgi", "-b", "127.0.0.1:PORT", "program:app"), FLASK),
    "gunicorn gthread flask": (("gunicorn", "-k", "gthread", "--threads", "4", "-b", "127.0.0.1:PORT", "program:app"), FLASK),
    "gunicorn wsgi": (("gunicorn", "-b", "127.0.0.1:PORT", "program:app"), WSGI),
    "waitress-serve wsgi": (("waitress", "--listen", "127.0.0.1:PORT", "program:app"), WSGI),
    "waitress flask": (("program.py", "PORT"), FLASK.replace("START", WAITRESS)),
    "wsgiref wsgi": (("program.py", "PORT"), WSGI.replace("START", WSGIREF)),
    "wsgiref flask": (("program.py", "PORT"), FLASK.replace("START", WSGIREF)),
    "gevent wsgi": (("program.py", "PORT"), MONKEY + WSGI.replace("START", GEVENT)),
    "gevent flask": (("program.py", "PORT"), MONKEY + FLASK.replace("START", GEVENT)),
    "flask run": (("flask", "--app", "program", "run", "--port", "PORT"), FLASK),
    "flask run debug": (("flask", "--app", "program", "run", "--debug", "--port", "PORT"), FLASK),
    "uvicorn reload": (("uvicorn", "--reload", "--port", "PORT", "program:app"), FASTAPI),
    "uvicorn wsgi": (("uvicorn", "--interface", "wsgi", "--port", "PORT", "program:app"), FLASK),
    "daphne asgi": (("daphne", "-p", "PORT", "program:app"), ASGI.replace('if scope["type"] == "lifespan"', "if False")),
}
PEAR = b'{"item": "pear", "password": "correct horse battery"}'
APPLE = PEAR.replace(b"pear", b"apple")
JSON = {"Content_Type": "application/json"}


@pytest.mark.parametrize("server", sorted(SERVED))
def test_a_failure_comes_again_for_each_server(server, reproduce, peer):
    command, source = SERVED[server]
    reproduction = reproduce(source, "/orders/7?a=%C3%A9", PEAR, command=command, headers=JSON).came_again()
    assert reproduction.status == reproduction.exchange["status"] == 500
    request = reproduction.capsule["request"]
    assert (request["method"], request["path"], request["query"]) == ("POST", "/orders/7", "a=%C3%A9")
    assert json.loads(base64.b64decode(request["body"]["data"]))["item"] == "pear"
    assert reproduction.capsule["missing"] == [] and len(peer.of("event")) == 1
    assert reproduction.capsule["exceptions"][0]["message"] == "'pear'"


# Uvicorn does not close the answers of WSGI applications, so that their end is not known.
@pytest.mark.parametrize("server", sorted(SERVED.keys() - {"uvicorn wsgi"}))
def test_requests_are_counted_once_and_healthy_ones_kept(server, serve, folder, peer):
    command, source = SERVED[server]
    (folder / "program.py").write_text(source)
    program = serve(*command)
    for _ in range(2):
        status, answer = program.get("/orders/5", APPLE, **JSON)
        assert status == 200 and json.loads(answer) == {"number": 5, "price": 3}
    assert program.get("/orders/7", PEAR, **JSON)[0] == 500
    event = peer.wait("event")[0]
    assert event["witnesses"][0]["request"]["path"] == "/orders/5" and event["witnesses"][0]["response"]["status"] == 200
    assert json.loads(base64.b64decode(event["witnesses"][0]["response"]["body"]["data"])) == {"number": 5, "price": 3}
    deadline = time.monotonic() + 10
    while counted(peer, "POST /orders/*") != (3, 1):
        assert time.monotonic() < deadline, counted(peer, "POST /orders/*")
        time.sleep(0.05)
    assert len(peer.of("event")) == 1


def counted(peer, route):
    rows = [row for message in peer.of("traffic") for row in message["routes"] if row["route"] == route]
    return sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)


@pytest.mark.parametrize("server", ["gunicorn wsgi", "gunicorn gevent wsgi", "waitress-serve wsgi", "wsgiref wsgi", "gevent wsgi", "hypercorn wsgi", "granian wsgi"])
def test_a_failure_in_mid_stream_belongs_to_its_request(server, serve, folder, peer):
    command, source = SERVED[server]
    (folder / "program.py").write_text(source)
    program = serve(*command)
    try:
        program.get("/stream")
    except Exception:
        # The server breaks the connection off; that is its right.
        pass
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["exceptions"][0]["type"] == "ValueError" and capsule["request"]["path"] == "/stream"


@pytest.mark.parametrize("server", ["waitress flask", "wsgiref flask", "gunicorn gevent flask", "hypercorn flask"])
def test_a_body_that_was_not_read_is_kept(server, in_one_piece, serve, folder, peer):  # noqa: F811
    command, source = SERVED[server]
    (folder / "program.py").write_text(source)
    program = serve(*command)
    assert program.get("/unread", b"x" * 3000, Content_Type="text/plain")[0] == 500
    capsule = peer.wait("event")[0]["capsule"]
    assert base64.b64decode(capsule["request"]["body"]["data"]) == b"x" * 3000 and capsule["missing"] == []
    assert program.get("/ok")[0] == 200


# Each request draws for itself, waits, and draws again: what it drew must not be among the draws of another.
DRAWING = """
import asyncio, random, time, uuid
from fastapi import FastAPI
app = FastAPI()

@app.get("/ok")
async def ok():
    return {}

@app.get("/draw/{name}")
async def draw(name: str):
    drawn = []
    for _ in range(5):
        drawn.append(str(uuid.uuid4()))
        await asyncio.sleep(0.02)
    raise KeyError(name + ":" + ",".join(drawn))
"""
DRAWING_FLASK = DRAWING.replace("from fastapi import FastAPI", "from flask import Flask").replace("FastAPI()", "Flask(__name__)").replace(
    "async def", "def").replace("await asyncio.sleep", "time.sleep").replace("{name}", "<name>").replace("name: str", "name")


@pytest.mark.parametrize(
    "command, source",
    [
        (HYPERCORN, DRAWING),
        (granian("asgi"), DRAWING),
        (granian("asgi", "--task-impl", "asyncio"), DRAWING),
        (granian("wsgi", "--blocking-threads", "3"), DRAWING_FLASK),
        (("gunicorn", "-k", "gevent", "-b", "127.0.0.1:PORT", "program:app"), DRAWING_FLASK),
        (("gunicorn", "-k", "gthread", "--threads", "3", "-b", "127.0.0.1:PORT", "program:app"), DRAWING_FLASK),
        (("waitress", "--listen", "127.0.0.1:PORT", "--threads", "3", "program:app"), DRAWING_FLASK),
        (("uvicorn", "--port", "PORT", "program:app"), DRAWING),
    ],
    ids=["hypercorn", "granian", "granian asyncio", "granian wsgi", "gevent", "gthread", "waitress", "uvicorn"],
)
def test_what_requests_draw_at_the_same_time_is_kept_apart(command, source, serve, folder, peer):
    (folder / "program.py").write_text(source)
    program = serve(*command)
    with ThreadPoolExecutor(3) as clients:
        assert list(clients.map(lambda name: program.get("/draw/" + name)[0], ["one", "two", "three"])) == [500] * 3
    for event in peer.wait("event", 3):
        capsule = event["capsule"]
        name, _, drawn = capsule["exceptions"][0]["message"].strip("'").partition(":")
        assert capsule["request"]["path"] == "/draw/" + name
        recorded = [value for answer in capsule["request"]["answers"] for _, value in answer.get("draws", ())]
        assert recorded == drawn.split(",")


METRICS = FLASK.replace("app = Flask", """import os, prometheus_client
prometheus_client.start_http_server(int(os.environ["METRICS"]), addr="127.0.0.1")
app = Flask""")


def test_a_server_of_metrics_is_not_what_the_program_serves(reproduce, peer):
    from conftest import free_port

    port = free_port()

    def scraped(server):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=20) as answer:
            assert b"python_info" in answer.read()

    command = SERVED["flask run"][0]
    reproduction = reproduce(METRICS, "/orders/7", PEAR, command=command, headers=JSON, before=[scraped], METRICS=str(port)).came_again()
    assert reproduction.capsule["exceptions"][0]["message"] == "'pear'"
    assert not any(row["route"].endswith("/metrics") for message in peer.of("traffic") for row in message["routes"])


RSGI = """
class App:
    async def __rsgi__(self, scope, proto):
        if scope.path == "/fail":
            {}["missing"]
        proto.response_str(200, [("content-type", "text/plain")], "ok")

app = App()
"""


def test_what_granian_serves_by_its_own_interface_works_unwatched(serve, folder, peer, tmp_path):
    from reproducing import play_task

    (folder / "program.py").write_text(RSGI)
    program = serve(*granian("rsgi"))
    assert program.get("/ok") == (200, b"ok") and program.get("/fail")[0] == 500
    assert peer.of("event") == []
    program.stop()
    result = play_task(folder, granian("rsgi"), tmp_path, {"schema": 1, "kind": "request", "requests": []})
    assert not result["ready"] and "RSGI" in result["error"]


# A server that nobody has heard of.
UNKNOWN = WSGI.replace("START", """
    from http.server import BaseHTTPRequestHandler, HTTPServer
    import io
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            environ = {"REQUEST_METHOD": self.command, "PATH_INFO": self.path, "QUERY_STRING": "", "wsgi.input": io.BytesIO()}
            answer = b"".join(app(environ, lambda status, headers: None))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""".strip())


def test_a_server_that_is_not_known_works_unwatched(serve, folder, peer):
    (folder / "program.py").write_text(UNKNOWN)
    program = serve("program.py", "PORT")
    assert program.get("/ok") == (200, b"ok")
    assert peer.of("event") == []
