"""Failures of Quart applications arrive with their request and come again from the capsule alone."""

import base64
import json
import re
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from one_piece import in_one_piece  # noqa: E402, F401

PROGRAM = """
import asyncio
from quart import Quart, abort, jsonify, request, session
app = Quart(__name__)
app.secret_key = "only the program knows"
PRICES = {"apple": 3}
started = []

@app.before_serving
async def start():
    started.append(1)

@app.get("/ok")
async def ok():
    return "ok"

@app.post("/orders/<int:number>")
async def order(number):
    data = await request.get_json()
    return jsonify(number=number, price=PRICES[data["item"]], started=started[0])

@app.post("/form")
async def form():
    return (await request.form)["city"]

@app.post("/upload")
async def upload():
    table = (await request.files)["table"].read().decode()
    return str(sum(int(line.split(",")[1]) for line in table.splitlines())) + (await request.form)["title"]

@app.get("/places/<int:number>")
def place(number):
    return ["first", "second"][number]

@app.get("/query")
async def query():
    return str(10 / int(request.args["by"]))

@app.post("/unread")
async def unread():
    raise RuntimeError("before the body was read")

@app.get("/login")
async def login():
    session["user_id"] = 2
    session["gate_token"] = "correct horse battery"
    return "welcome"

@app.get("/secured")
async def secured():
    if "user_id" not in session:
        abort(403)
    return {1: "ada"}[session["user_id"]]

class Mine(Exception):
    pass

@app.errorhandler(Mine)
async def handle(error):
    return "mine", error.args[0]

@app.get("/mine/<int:status>")
async def mine(status):
    raise Mine(status)

@app.get("/later")
async def later():
    async def work(name):
        return PRICES[name]
    app.add_background_task(work, "pear")
    return "soon"

if __name__ == "__main__":
    import sys
    app.run(port=int(sys.argv[1]))
"""
SERVERS = {
    "hypercorn": ("hypercorn", "-b", "127.0.0.1:PORT", "program:app"),
    "uvicorn": ("uvicorn", "--port", "PORT", "program:app"),
    "quart run": ("quart", "--app", "program", "run", "--port", "PORT"),
    "app.run": ("program.py", "PORT"),
    "granian": ("granian", "--host", "127.0.0.1", "--port", "PORT", "--interface", "asgi", "program:app"),
}
JSON = {"Content_Type": "application/json"}
PEAR = b'{"item": "pear", "password": "correct horse battery"}'
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
UPLOAD = (
    b'--boundary\r\nContent-Disposition: form-data; name="title"\r\n\r\nsales\r\n'
    b'--boundary\r\nContent-Disposition: form-data; name="table"; filename="t.csv"\r\nContent-Type: text/csv\r\n\r\na,1\nb,many\n\r\n--boundary--\r\n'
)


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_key_that_is_missing_in_a_json_body_fails_again_for_each_server(server, reproduce, peer):
    reproduction = reproduce(PROGRAM, "/orders/7?a=1", PEAR, command=SERVERS[server], headers=JSON).came_again()
    assert reproduction.status == reproduction.exchange["status"] == 500
    capsule = reproduction.capsule
    request = capsule["request"]
    assert (request["protocol"], request["method"], request["path"], request["query"]) == ("asgi", "POST", "/orders/7", "a=1")
    assert json.loads(base64.b64decode(request["body"]["data"])) == {"item": "pear", "password": "xxxxxxx xxxxx xxxxxxx"}
    assert capsule["exceptions"][0]["message"] == "'pear'" and capsule["missing"] == []
    assert capsule["process"]["frameworks"]["quart"][0] == "0"
    assert len(peer.of("event")) == 1


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
@pytest.mark.parametrize(
    "path, data, headers, error",
    [
        ("/upload", UPLOAD, {"Content_Type": "multipart/form-data; boundary=boundary"}, "ValueError"),
        ("/places/4", None, {}, "IndexError"),
        ("/query?by=0", None, {}, "ZeroDivisionError"),
        ("/unread", b"x" * 3000, {"Content_Type": "text/plain"}, "RuntimeError"),
    ],
    ids=["upload", "path", "query", "unread"],
)
def test_a_failing_view_fails_again(path, data, headers, error, server, in_one_piece, reproduce):  # noqa: F811
    reproduction = reproduce(PROGRAM, path, data, command=SERVERS[server], headers=headers).came_again()
    assert reproduction.capsule["exceptions"][0]["type"] == error and reproduction.capsule["missing"] == []


def logged_in(server):
    with urllib.request.urlopen("http://127.0.0.1:%d/login" % server.port, timeout=20) as answer:
        return {"Cookie": re.match("[^;]*", answer.headers["set-cookie"]).group()}


def test_a_user_who_has_logged_in_fails_again(reproduce, peer):
    reproduction = reproduce(PROGRAM, "/secured", command=SERVERS["hypercorn"], before=[logged_in]).came_again()
    assert reproduction.capsule["exceptions"][0]["message"] == "2"
    assert "correct horse" not in json.dumps(reproduction.capsule)


def test_a_handler_that_answers_5xx_is_a_failure_and_one_that_answers_4xx_is_none(serve, folder, peer):
    (folder / "program.py").write_text(PROGRAM)
    server = serve(*SERVERS["hypercorn"])
    assert server.get("/mine/404")[0] == 404 and server.get("/nowhere")[0] == 404
    assert server.get("/form", b"town=Paris", **FORM)[0] == 400
    assert server.get("/mine/503")[0] == 503
    assert peer.wait("event")[0]["capsule"]["request"]["path"] == "/mine/503"
    assert len(peer.of("event")) == 1


def test_healthy_requests_are_witnesses_and_all_are_counted(serve, folder, peer):
    (folder / "program.py").write_text(PROGRAM)
    server = serve(*SERVERS["hypercorn"])
    for _ in range(2):
        assert server.get("/orders/5", PEAR.replace(b"pear", b"apple"), **JSON)[0] == 200
    assert server.get("/orders/7", PEAR, **JSON)[0] == 500
    witness = peer.wait("event")[0]["witnesses"][0]
    assert json.loads(base64.b64decode(witness["response"]["body"]["data"]))["price"] == 3
    deadline = time.monotonic() + 10
    while True:
        rows = [row for message in peer.of("traffic") for row in message["routes"] if row["route"] == "POST /orders/*"]
        if (sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)) == (3, 1):
            break
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)


def test_a_background_task_that_fails_is_a_failure_outside_of_the_request(serve, folder, peer):
    (folder / "program.py").write_text(PROGRAM)
    server = serve(*SERVERS["hypercorn"])
    assert server.get("/later")[0] == 200
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["kind"] == "process" and capsule["exceptions"][0]["message"] == "'pear'"
