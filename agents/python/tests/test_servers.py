"""The agent in real servers: what is captured, how often, and that forks and workers take part; the wire itself is tested in `test_fail_open`."""

import base64
import json
import sys

import pytest
from conftest import without_warnings_of_fork
from peer import swap
from test_bodies import send

FLASK = {
    "gunicorn sync": ("gunicorn", "-w", "4", "-b", "127.0.0.1:PORT", "shop:app"),
    "gunicorn preload": ("gunicorn", "-w", "2", "--preload", "-b", "127.0.0.1:PORT", "shop:app"),
    "gunicorn threads": ("gunicorn", "-k", "gthread", "--threads", "2", "-b", "127.0.0.1:PORT", "shop:app"),
    "flask run": ("flask", "--app", "shop", "run", "-p", "PORT"),
}
FASTAPI = {
    "uvicorn": ("uvicorn", "--port", "PORT", "api:app"),
    "uvicorn workers": ("uvicorn", "--workers", "2", "--port", "PORT", "api:app"),
    "gunicorn uvicorn": ("gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-w", "2", "-b", "127.0.0.1:PORT", "api:app"),
}
BODY = json.dumps({"item": "pear", "quantity": 2, "password": "correct horse battery"}).encode()


def body_of(request):
    return base64.b64decode(request["body"]["data"])


@pytest.mark.parametrize("launcher", sorted(FLASK))
def test_a_flask_failure_arrives_whole_and_once_for_each_launcher(launcher, serve, peer, folder):
    server = serve(*FLASK[launcher])
    assert server.get("/orders/7?a=1", BODY, Content_Type="application/json", Authorization="Bearer abcdefgh12345")[0] == 500
    event = peer.wait("event")[0]
    capsule = event["capsule"]
    assert capsule["kind"] == "request" and capsule["missing"] == []
    request = capsule["request"]
    assert (request["protocol"], request["method"], request["path"], request["query"]) == ("wsgi", "POST", "/orders/7", "a=1")
    assert request["route"] == "POST /orders/*"
    assert ["content-type", "application/json"] in request["headers"]
    assert ["authorization", "Bearer xxxxxxxx00000"] in request["headers"]
    received = json.loads(body_of(request))
    assert received == {"item": "pear", "quantity": 2, "password": "xxxxxxx xxxxx xxxxxxx"}
    error = capsule["exceptions"][0]
    assert (error["type"], error["message"], error["relation"]) == ("KeyError", "'pear'", None)
    frame = error["frames"][-1]
    assert frame["file"] == str(folder / "shop.py") and frame["in_app"] and frame["function"] == "order"
    assert frame["text"].startswith("return {")
    assert frame["locals"]["number"] == {"t": "int", "v": "7"}
    assert frame["locals"]["customer"]["fields"]["name"]["v"] == "Ada"
    assert frame["locals"]["customer"]["fields"]["password"] == {"t": "redacted", "kind": "str", "len": 21}
    assert set(frame["globals"]) == {"PRICES", "LIMIT"}
    assert frame["arguments"] == ["number"]
    if sys.version_info >= (3, 11):
        line = (folder / "shop.py").read_bytes().splitlines()[frame["line"] - 1]
        assert line[frame["column"] : frame["end_column"]] == b'PRICES[data["item"]]'
    traffic = peer.wait("traffic", where=lambda one: any(route["failed"] for route in one["routes"]))[0]
    failed = [route for route in traffic["routes"] if route["failed"]]
    assert failed == [{"route": "POST /orders/*", "requests": 1, "failed": 1}]
    assert len(peer.of("event")) == 1
    server.stop()
    assert without_warnings_of_fork(server.output())
    assert b"correct horse" not in json.dumps([one["capsule"] for one in peer.of("event")]).encode()


@pytest.mark.parametrize("launcher", sorted(FASTAPI))
def test_a_fastapi_failure_arrives_whole_and_once_for_each_launcher(launcher, serve, peer, folder):
    server = serve(*FASTAPI[launcher])
    assert server.get("/orders/7?a=1", BODY, Content_Type="application/json")[0] == 500
    capsule = peer.wait("event")[0]["capsule"]
    request = capsule["request"]
    assert (request["protocol"], request["method"], request["path"], request["query"]) == ("asgi", "POST", "/orders/7", "a=1")
    assert json.loads(body_of(request))["item"] == "pear"
    frame = capsule["exceptions"][0]["frames"][-1]
    assert frame["file"] == str(folder / "api.py") and frame["function"] == "order"
    assert frame["locals"]["order"]["fields"]["quantity"] == {"t": "int", "v": "2"}
    peer.wait("traffic", where=lambda one: {"route": "POST /orders/*", "requests": 1, "failed": 1} in one["routes"])
    assert len(peer.of("event")) == 1
    server.stop()
    assert without_warnings_of_fork(server.output())


def test_each_gunicorn_worker_and_the_master_say_hello(serve, peer):
    server = serve(*FLASK["gunicorn preload"])
    hellos = peer.wait("hello", 3)
    assert len({hello["pid"] for hello in hellos}) == 3
    assert {hello["parent_pid"] for hello in hellos[1:]} == {server.process.pid}
    assert hellos[0]["argv"][-1] == "shop:app" and hellos[0]["runtime"]["name"] == "CPython"
    assert not any(path.endswith("agents/python") for path in hellos[0]["search_path"])


def test_a_body_that_was_not_read_is_read_when_the_request_fails(serve, peer):
    server = serve(*FLASK["gunicorn sync"])
    # In one piece, so that it has come when the request fails: nobody waits for it.
    assert send(server.port, "unread", b"x" * 5000, "plain", (("Content-Type", "text/plain"),)) == 500
    capsule = peer.wait("event")[0]["capsule"]
    assert body_of(capsule["request"]) == b"x" * 5000 and capsule["missing"] == []


def test_an_unread_body_is_taken_from_an_asgi_server_too(serve, peer):
    server = serve(*FASTAPI["uvicorn"])
    server.get("/unread", b"x" * 5000, Content_Type="text/plain")
    capsule = peer.wait("event")[0]["capsule"]
    assert body_of(capsule["request"]) == b"x" * 5000 or capsule["missing"]


@pytest.mark.parametrize("launcher", ["gunicorn sync", "flask run"])
def test_a_body_read_line_by_line_is_recorded(launcher, serve, peer):
    server = serve(*FLASK[launcher])
    server.get("/lines", b"one\ntwo\nthree", Content_Type="text/plain")
    assert body_of(peer.wait("event")[0]["capsule"]["request"]) == b"one\ntwo\nthree"


@pytest.mark.parametrize("launcher", ["gunicorn sync", "gunicorn threads", "flask run"])
def test_a_failure_in_mid_stream_is_captured_with_its_request(launcher, serve, peer):
    server = serve(*FLASK[launcher])
    try:
        server.get("/stream")
    except Exception:
        # The server breaks the connection off; that is its right.
        pass
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["exceptions"][0]["type"] == "ValueError" and capsule["request"]["path"] == "/stream"
    peer.wait("traffic", where=lambda one: {"route": "GET /stream", "requests": 1, "failed": 1} in one["routes"])


@pytest.mark.parametrize("launcher", ["gunicorn sync", "uvicorn"])
def test_a_handler_that_answers_5xx_is_a_failure(launcher, serve, peer):
    server = serve(*(FLASK.get(launcher) or FASTAPI[launcher]))
    assert server.get("/apology")[0] == 503
    assert peer.wait("event")[0]["capsule"]["request"]["path"] == "/apology"


def test_a_handler_that_answers_4xx_is_no_failure(serve, peer):
    server = serve(*FLASK["flask run"])
    assert server.get("/mine")[0] == 404
    peer.wait("traffic", where=lambda one: {"route": "GET /mine", "requests": 1, "failed": 0} in one["routes"])
    assert peer.of("event") == []


def test_a_background_task_and_a_mounted_application_fail_once_each(serve, peer):
    server = serve(*FASTAPI["uvicorn"])
    server.get("/background")
    server.get("/inner/broken")
    events = peer.wait("event", 2)
    assert sorted(event["capsule"]["exceptions"][0]["type"] for event in events) == ["KeyError", "ZeroDivisionError"]
    peer.wait("traffic", where=lambda one: any(route["route"] == "GET /inner/broken" for route in one["routes"]))
    assert len(peer.of("event")) == 2


def test_repeated_failures_are_counted_and_rearm_begins_anew(serve, peer):
    server = serve(*FASTAPI["uvicorn"])
    for _ in range(10):
        server.get("/orders/1", BODY, Content_Type="application/json")
    events = peer.wait("event", 3)
    peer.wait("repeats")
    assert len({event["signature"] for event in events}) == 1
    import time

    deadline = time.monotonic() + 10
    while sum(item["count"] for one in peer.of("repeats") for item in one["items"]) < 7:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    peer.say({"type": "rearm"})
    while len(peer.of("event")) < 4:
        assert time.monotonic() < deadline
        server.get("/orders/1", BODY, Content_Type="application/json")


@pytest.mark.parametrize("launcher", ["flask run", "uvicorn"])
def test_successful_exchanges_of_the_route_come_as_witnesses(launcher, serve, peer):
    server = serve(*(FLASK.get(launcher) or FASTAPI[launcher]))
    good = json.dumps({"item": "apple", "quantity": 2, "password": "correct horse battery"}).encode()
    # An exchange is kept when the server closes the answer, which may be after the client has it all.
    for _ in range(2):
        assert server.get("/orders/5", good, Content_Type="application/json")[0] == 200
    server.get("/orders/6", BODY, Content_Type="application/json")
    event = peer.wait("event")[0]
    witness = event["witnesses"][0]
    assert witness["request"]["path"] == "/orders/5" and witness["response"]["status"] == 200
    assert json.loads(body_of(witness["response"]))["price"] == 6
    assert b"correct horse" not in base64.b64decode(witness["request"]["body"]["data"])


@pytest.mark.parametrize("launcher", ["gunicorn preload", "gunicorn sync", "uvicorn workers"])
def test_swaps_named_in_the_welcome_are_in_place_before_the_first_request(launcher, serve, peer, folder):
    name = "api.py" if "uvicorn" in launcher else "shop.py"
    old = (folder / name).read_bytes()
    new = old.replace(b'"pid": os.getpid()', b'"pid": os.getpid(), "swapped": True')
    assert new != old
    peer.swaps.append(swap("s1", folder / name, old, new))
    server = serve(*(FLASK.get(launcher) or FASTAPI[launcher]))
    assert all(b"swapped" in server.get("/ok")[1] for _ in range(20))
    results = peer.wait("swap_result", where=lambda one: one["state"] == "applied")
    assert results[0]["swap"] == "s1" and results[0]["ok"]


def test_a_swap_reaches_every_worker_and_can_be_undone(serve, peer, folder):
    old = (folder / "shop.py").read_bytes()
    new = old.replace(b'"pid": os.getpid()', b'"pid": os.getpid(), "swapped": True')
    server = serve(*FLASK["gunicorn sync"])
    peer.wait("hello", 5)
    command = swap("s1", folder / "shop.py", old, new)
    peer.say(command)
    peer.wait("swap_result", 5)
    # A worker that has not imported the file yet says so, and takes the swap before its first request.
    states = {one["state"] for one in peer.of("swap_result")}
    assert states <= {"applied", "not_loaded"}, [one["reason"] for one in peer.of("swap_result")]
    assert all(b"swapped" in server.get("/ok")[1] for _ in range(20))
    peer.say(
        {
            "type": "report",
            "request_id": "r1",
            "files": [
                {
                    "path": str(folder / "shop.py"),
                    "sources": [{"sha256": command["files"][0]["new_sha256"], "source": command["files"][0]["new"]}],
                }
            ],
        }
    )
    answers = peer.wait("state", 5)
    assert any(one["files"][0]["sha256"] == command["files"][0]["new_sha256"] for one in answers)
    assert {one["files"][0]["sha256"] for one in answers if one["swaps"]} == {command["files"][0]["new_sha256"]}
    peer.say(dict(command, type="unswap"))
    peer.wait("unswap_result", 5)
    assert {one["state"] for one in peer.of("unswap_result")} == {"restored", "not_loaded"}
    assert not any(b"swapped" in server.get("/ok")[1] for _ in range(20))
