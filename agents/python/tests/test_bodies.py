"""Bodies of requests are captured byte for byte as they were sent, in whatever form, and fail again in a replay; what is redacted of them is tested elsewhere."""

import base64
import gzip
import hashlib
import json
import socket

import pytest
from reproducing import play

FLASK_HEAD = """
import gzip, json, os
from flask import Flask, request
app = Flask(__name__)

@app.get("/ok")
def ok():
    return "fine"

def whole():
    return request.get_data()

def unpacked():
    return json.loads(gzip.decompress(request.get_data()))

def files():
    return [(name, file.filename, file.read()) for name, file in request.files.items()]

def unread():
    return None

def pieces():
    found = b""
    while True:
        piece = request.stream.read(1000)
        if not piece:
            return found
        found += piece
"""

FLASK_ROUTE = """
@app.route("/{case}", methods=["POST"])
def case_{case}():
    got = {how}()
    raise LookupError("{case}")
"""

FASTAPI_HEAD = """
import gzip, json
from fastapi import FastAPI, Request, UploadFile
app = FastAPI()

@app.get("/ok")
def ok():
    return "fine"

async def whole(request):
    return await request.body()

async def unpacked(request):
    return json.loads(gzip.decompress(await request.body()))

async def files(request):
    form = await request.form()
    return [(name, file.filename, await file.read()) for name, file in form.items()]

async def unread(request):
    return None

async def pieces(request):
    return b"".join([piece async for piece in request.stream()])
"""

FASTAPI_ROUTE = """
@app.post("/{case}")
async def case_{case}(request: Request):
    got = await {how}(request)
    raise LookupError("{case}")
"""

BINARY = bytes(range(256)) * 40
LARGE = BINARY * 300
MULTIPART = (
    b"--limit\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a b.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
    + BINARY + b"\r\n--limit--\r\n"
)
# By name: how the program reads it, the body, how it is sent, and further headers.
CASES = {
    "binary": ("whole", BINARY, "length", ()),
    "invalid_json": ("whole", b'{"item": "pear", ', "length", (("Content-Type", "application/json"),)),
    "multipart": ("files", MULTIPART, "length", (("Content-Type", "multipart/form-data; boundary=limit"),)),
    "compressed": ("unpacked", gzip.compress(b'{"item": "pear"}', mtime=0), "length", (("Content-Encoding", "gzip"),)),
    "chunked": ("whole", BINARY, "chunked", ()),
    "chunked_multipart": ("files", MULTIPART, "chunked", (("Content-Type", "multipart/form-data; boundary=limit"),)),
    "chunked_pieces": ("pieces", BINARY, "chunked", ()),
    "pieces": ("pieces", BINARY, "length", ()),
    "expected": ("whole", b"after the word", "expect", ()),
    "empty": ("whole", b"", "length", ()),
    "left_unread": ("unread", BINARY, "length", ()),
    "left_unread_chunked": ("unread", BINARY, "chunked", ()),
    "large": ("whole", LARGE, "length", ()),
    "large_chunked": ("pieces", LARGE, "chunked", ()),
}

SERVERS = {
    "gunicorn sync": ("gunicorn", "-b", "127.0.0.1:PORT", "program:app"),
    "gunicorn threads": ("gunicorn", "-k", "gthread", "--threads", "2", "-b", "127.0.0.1:PORT", "program:app"),
    "werkzeug": ("flask", "--app", "program", "run", "--port", "PORT"),
    "uvicorn": ("uvicorn", "--port", "PORT", "program:app"),
}
ROUTES = {"uvicorn": (FASTAPI_HEAD, FASTAPI_ROUTE)}


def send(port, path, body, form, headers):
    """Send a request as it is, byte for byte; the status of the answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        return _exchange(connection, path, body, form, headers + (("Connection", "close"),))


def _exchange(connection, path, body, form, headers):
    head = "POST /%s HTTP/1.1\r\nHost: shop\r\n" % path
    head += "Transfer-Encoding: chunked\r\n" if form == "chunked" else "Content-Length: %d\r\n" % len(body)
    head += "Expect: 100-continue\r\n" if form == "expect" else ""
    head += "".join("%s: %s\r\n" % pair for pair in headers)
    head = head.encode() + b"\r\n"
    if form == "chunked":
        pieces = [body[start : start + 3000] for start in range(0, len(body), 3000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    if form == "expect":
        connection.sendall(head)
        head = b""
        assert connection.recv(4096).split(b"\r\n")[0].split(b" ")[1] == b"100"
    try:
        # In one piece, so that it is there when a view fails that does not wait for it.
        connection.sendall(head + body)
    except (BrokenPipeError, ConnectionResetError):
        # An answer may come before all was sent.
        pass
    answer = connection.recv(65536)
    while answer.startswith(b"HTTP/1.1 100 "):
        # Some servers say so twice: once they themselves, and once what they are made of.
        answer = answer.partition(b"\r\n\r\n")[2] or connection.recv(65536)
    return int(answer.split(b" ", 2)[1])


def write_program(folder, server):
    head, route = ROUTES.get(server, (FLASK_HEAD, FLASK_ROUTE))
    (folder / "program.py").write_text(head + "".join(route.format(case=case, how=CASES[case][0]) for case in CASES))


def capsules_by_message(peer, count):
    return {event["capsule"]["exceptions"][0]["message"]: event["capsule"] for event in peer.wait("event", count, 30)}


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_bodies_are_captured_as_they_were_sent_and_fail_again(server, serve, peer, folder, tmp_path):
    write_program(folder, server)
    running = serve(*SERVERS[server])
    for case, (_, body, form, headers) in CASES.items():
        assert send(running.port, case, body, form, headers) == 500, case
    capsules = capsules_by_message(peer, len(CASES))
    running.stop()
    replayed = []
    for case, (_, sent, _, _) in CASES.items():
        capsule = capsules[case]
        body = capsule["request"]["body"]
        kept = base64.b64decode(body["data"])
        if case.startswith("large"):
            assert kept == sent[: 1 << 20] and body["len"] == len(sent) and body["truncated"], case
            assert body["sha256"] == hashlib.sha256(sent).hexdigest(), case
            assert capsule["missing"] == ["request.body: cut at 1048576 bytes"]
            continue
        assert kept == sent and body == {"data": body["data"], "len": len(sent), "truncated": False}, case
        assert capsule["missing"] == [], case
        replayed.append(case)
    result = play(folder, SERVERS[server], tmp_path, [capsules[case]["request"] for case in replayed], capsules[replayed[0]])
    assert result["ready"], result["error"]
    for case, exchange in zip(replayed, result["exchanges"]):
        again, before = exchange["exceptions"][0], capsules[case]["exceptions"][0]
        assert (again["type"], again["message"]) == ("LookupError", case)
        assert again["frames"][-1]["locals"]["got"] == before["frames"][-1]["locals"]["got"], case


def test_a_connection_goes_on_after_a_failure_that_left_the_body_unread(serve, peer, folder):
    write_program(folder, "gunicorn threads")
    running = serve(*SERVERS["gunicorn threads"])
    for form in ("length", "chunked"):
        with socket.create_connection(("127.0.0.1", running.port), 20) as connection:
            case = "left_unread" if form == "length" else "left_unread_chunked"
            assert _exchange(connection, case, BINARY, form, ()) == 500
            connection.settimeout(10)
            connection.sendall(b"GET /ok HTTP/1.1\r\nHost: shop\r\n\r\n")
            rest = b""
            while b"fine" not in rest:
                more = connection.recv(65536)
                assert more, rest
                rest += more
            assert b" 200 " in rest.partition(b"fine")[0]
    capsules_by_message(peer, 2)


def test_an_error_handler_still_reads_the_body_that_the_failing_view_left_unread(serve, peer, folder):
    (folder / "program.py").write_text(
        FLASK_HEAD + "@app.post('/unread')\ndef left():\n    raise LookupError('x')\n"
        "@app.errorhandler(LookupError)\ndef apologise(error):\n    return str(len(request.get_data())), 500\n"
    )
    running = serve(*SERVERS["gunicorn sync"])
    assert running.get("/unread", BINARY) == (500, str(len(BINARY)).encode())
    capsule = peer.wait("event")[0]["capsule"]
    assert base64.b64decode(capsule["request"]["body"]["data"]) == BINARY and capsule["missing"] == []


def test_a_body_that_has_not_come_yet_is_not_waited_for_and_what_came_is_not_lost(serve, peer, folder):
    write_program(folder, "gunicorn sync")
    running = serve(*SERVERS["gunicorn sync"])
    with socket.create_connection(("127.0.0.1", running.port), 20) as connection:
        connection.sendall(b"POST /left_unread HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nbegun")
        capsule = peer.wait("event")[0]["capsule"]
        assert connection.recv(65536).startswith(b"HTTP/1.1 500 ")
    body = capsule["request"]["body"]
    assert base64.b64decode(body["data"]) == b"begun" and body["len"] == 5
    assert capsule["missing"] == ["request.body: 5 of 1000 bytes were read"]


def test_a_client_that_waits_for_the_word_is_not_told_to_send_what_nobody_wants(serve, peer, folder):
    write_program(folder, "uvicorn")
    running = serve(*SERVERS["uvicorn"])
    with socket.create_connection(("127.0.0.1", running.port), 20) as connection:
        connection.sendall(b"POST /left_unread HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 500 ")
    assert peer.wait("event")[0]["capsule"]["missing"] == ["request.body: only 0 bytes were read"]


def test_a_replay_announces_the_length_that_was_announced():
    from homeostasis_agent.replay_wsgi import environ_of

    from test_replay import request

    recorded = request("wsgi", body=b"begun")
    recorded["headers"].append(["content-length", "1000"])
    assert environ_of(recorded)["CONTENT_LENGTH"] == "1000"
    # A masked letter beyond ASCII is shorter than it was.
    recorded["headers"][-1][1] = "7"
    recorded["body"]["len"] = 7
    assert environ_of(recorded)["CONTENT_LENGTH"] == "5"


@pytest.mark.parametrize(
    "raw, left, expected",
    [
        (b"5;note=1\r\nabcde\r\n0\r\n\r\n", 0, (b"abcde", True)),
        (b"de\r\n1\r\nf\r\n0\r\nTrailer: x\r\n\r\n", 2, (b"def", True)),
        (b"5\r\nabc", 0, (b"abc", False)),
        (b"5\r\nabcde\r\n", 0, (b"abcde", False)),
        (b"five\r\n", 0, (b"", False)),
        (b"-5\r\n", 0, (b"", False)),
        (b"", 0, (b"", False)),
    ],
)
def test_chunks_are_read_as_far_as_they_have_come(raw, left, expected):
    from homeostasis_agent import bodies

    assert bodies._dechunked(raw, left) == expected


def test_a_body_in_very_many_pieces_is_kept_as_one():
    from homeostasis_agent.requests import Recorded

    recorded = Recorded(5000, hashed=True)
    whole = bytes(number % 251 for number in range(7000))
    for number in range(7000):
        recorded.add(whole[number : number + 1])
    recorded.complete = True
    assert len(recorded.parts) < 300
    described = recorded.described()
    assert base64.b64decode(described["data"]) == whole[:5000]
    assert described["len"] == 7000 and described["sha256"] == hashlib.sha256(whole).hexdigest()
    assert json.dumps(described)
