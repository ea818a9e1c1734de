"""Failures of aiohttp's server arrive with their request and come again from the capsule alone."""

import base64
import gzip
import json
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from one_piece import in_one_piece  # noqa: E402, F401

PROGRAM = """
import asyncio
from aiohttp import web
PRICES = {"apple": 3}

async def ok(request):
    return web.Response(text="ok")

async def order(request):
    data = await request.json()
    request.app["orders"].append(data)
    return web.json_response({"number": int(request.match_info["number"]), "price": PRICES[data["item"]]})

async def form(request):
    return web.Response(text=(await request.post())["city"])

async def upload(request):
    reader = await request.multipart()
    total = 0
    while True:
        part = await reader.next()
        if part is None:
            return web.Response(text=str(total))
        if part.filename:
            total += sum(int(line.split(",")[1]) for line in (await part.read()).decode().splitlines())

async def streamed(request):
    lines = [line async for line in request.content]
    return web.Response(text=str(10 / (len(lines) - 2)))

async def unread(request):
    raise RuntimeError("before the body was read")

async def place(request):
    return web.Response(text=["first", "second"][int(request.query["number"])])

async def sent(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    raise ValueError("in mid-stream")

async def file(request):
    return web.FileResponse(__file__)

async def answer(request):
    raise {"404": web.HTTPNotFound, "503": web.HTTPServiceUnavailable, "302": lambda: web.HTTPFound("/ok")}[request.match_info["kind"]]()

async def slow(request):
    raise asyncio.TimeoutError

async def inner(request):
    return web.Response(text=str(PRICES["inner"]))

async def socket(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    raise ValueError("in a conversation")

@web.middleware
async def strict(request, handler):
    if request.path == "/strict":
        {"gold": 10}[request.query.get("rank")]
    return await handler(request)

async def start(app):
    app["orders"] = []

def make():
    app = web.Application(middlewares=[strict])
    app.on_startup.append(start)
    app.add_routes([
        web.get("/ok", ok), web.post("/orders/{number}", order), web.post("/form", form), web.post("/upload", upload),
        web.post("/streamed", streamed), web.post("/unread", unread), web.get("/place", place), web.get("/sent", sent),
        web.get("/file", file), web.get("/answer/{kind}", answer), web.get("/slow", slow), web.get("/strict", ok), web.get("/socket", socket),
    ])
    nested = web.Application()
    nested.add_routes([web.get("/broken", inner)])
    app.add_subapp("/inner", nested)
    return app

async def make_later():
    return make()

app = make()

async def serve_by_runner(port):
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()

async def serve_without_application(port):
    async def handle(request):
        return await ok(request) if request.path == "/ok" else web.json_response(PRICES[(await request.json())["item"]])
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()

if __name__ == "__main__":
    import sys
    port = int(sys.argv[1])
    START
"""
RUN_APP = PROGRAM.replace("START", 'web.run_app(app, host="127.0.0.1", port=port)')
SCRIPT = ("program.py", "PORT")
SERVERS = {
    "run_app": (SCRIPT, RUN_APP),
    "run_app of a coroutine": (SCRIPT, PROGRAM.replace("START", 'web.run_app(make_later(), host="127.0.0.1", port=port)')),
    "runner": (SCRIPT, PROGRAM.replace("START", "asyncio.run(serve_by_runner(port))")),
    "without application": (SCRIPT, PROGRAM.replace("START", "asyncio.run(serve_without_application(port))")),
    "python -m aiohttp.web": (("aiohttp.web", "-H", "127.0.0.1", "-P", "PORT", "program:from_arguments"), PROGRAM + "\ndef from_arguments(argv):\n    return make()\n"),
    "gunicorn": (("gunicorn", "-k", "aiohttp.GunicornWebWorker", "-b", "127.0.0.1:PORT", "program:app"), RUN_APP),
    "gunicorn with a factory": (("gunicorn", "-k", "aiohttp.GunicornWebWorker", "-b", "127.0.0.1:PORT", "program:make_later"), RUN_APP),
}
JSON = {"Content_Type": "application/json"}
PEAR = b'{"item": "pear", "password": "correct horse battery"}'
UPLOAD = (
    b'--boundary\r\nContent-Disposition: form-data; name="title"\r\n\r\nsales\r\n'
    b'--boundary\r\nContent-Disposition: form-data; name="table"; filename="t.csv"\r\nContent-Type: text/csv\r\n\r\na,1\nb,many\n\r\n--boundary--\r\n'
)


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_key_that_is_missing_in_a_json_body_fails_again_for_each_way_of_serving(server, reproduce, peer):
    command, source = SERVERS[server]
    reproduction = reproduce(source, "/orders/7?a=%C3%A9", PEAR, command=command, headers=JSON).came_again()
    assert reproduction.status == reproduction.exchange["status"] == 500
    capsule = reproduction.capsule
    request = capsule["request"]
    assert (request["protocol"], request["method"], request["path"], request["query"]) == ("aiohttp", "POST", "/orders/7", "a=%C3%A9")
    assert request["route"] == "POST /orders/*" and request["scheme"] == "http" and request["client"][0] == "127.0.0.1"
    assert json.loads(base64.b64decode(request["body"]["data"])) == {"item": "pear", "password": "xxxxxxx xxxxx xxxxxxx"}
    assert capsule["exceptions"][0]["message"] == "'pear'" and capsule["missing"] == []
    assert capsule["process"]["frameworks"]["aiohttp"][0] == "3"
    assert len(peer.of("event")) == 1


@pytest.mark.parametrize(
    "path, data, headers, error",
    [
        ("/form", b"town=Paris", {"Content_Type": "application/x-www-form-urlencoded"}, "KeyError"),
        ("/form", UPLOAD, {"Content_Type": "multipart/form-data; boundary=boundary"}, "KeyError"),
        ("/upload", UPLOAD, {"Content_Type": "multipart/form-data; boundary=boundary"}, "ValueError"),
        ("/streamed", b"one\ntwo", {"Content_Type": "text/plain"}, "ZeroDivisionError"),
        ("/unread", b"x" * 20000, {"Content_Type": "text/plain"}, "RuntimeError"),
        ("/orders/3", gzip.compress(PEAR), {"Content_Type": "application/json", "Content_Encoding": "gzip"}, "KeyError"),
        ("/place?number=4", None, {}, "IndexError"),
        ("/strict", None, {}, "KeyError"),
        ("/inner/broken", None, {}, "KeyError"),
    ],
    ids=["form", "multipart form", "upload", "lines", "unread", "compressed", "query", "middleware", "inner application"],
)
def test_a_failing_handler_fails_again(path, data, headers, error, in_one_piece, reproduce, peer):  # noqa: F811
    reproduction = reproduce(RUN_APP, path, data, command=SCRIPT, headers=headers).came_again()
    assert reproduction.status == reproduction.exchange["status"] == 500
    assert reproduction.capsule["exceptions"][0]["type"] == error and reproduction.capsule["missing"] == []
    assert len(peer.of("event")) == 1


def test_a_time_that_ran_out_is_a_failure(reproduce):
    assert reproduce(RUN_APP, "/slow", command=SCRIPT).came_again().status == 504


def running(serve, folder):
    (folder / "program.py").write_text(RUN_APP)
    return serve(*SCRIPT)


def test_what_stands_for_an_answer_is_no_failure(serve, folder, peer):
    server = running(serve, folder)
    assert [server.get("/answer/" + kind)[0] for kind in ("404", "503", "302")] == [404, 503, 200]
    assert server.get("/nowhere")[0] == 404
    assert b"serve_by_runner" in server.get("/file")[1]
    until(peer, "GET /nowhere", (1, 0))
    assert peer.of("event") == []


def test_a_failure_in_mid_stream_belongs_to_its_request(serve, folder, peer):
    server = running(serve, folder)
    try:
        server.get("/sent")
    except Exception:
        # The server breaks the connection off; that is its right.
        pass
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["exceptions"][0]["type"] == "ValueError" and capsule["request"]["path"] == "/sent"
    until(peer, "GET /sent", (1, 1))


def test_a_body_that_came_in_chunks_is_kept_whole(serve, folder, peer):
    server = running(serve, folder)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /orders/7 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for place in range(0, len(PEAR), 10):
            part = PEAR[place : place + 10]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            time.sleep(0.02)
        connection.sendall(b"0\r\n\r\n")
        assert b" 500 " in connection.recv(1000)
    capsule = peer.wait("event")[0]["capsule"]
    assert json.loads(base64.b64decode(capsule["request"]["body"]["data"]))["item"] == "pear" and capsule["missing"] == []


def test_several_requests_of_one_connection_are_kept_apart(serve, folder, peer):
    server = running(serve, folder)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for item in (b"apple", b"pear"):
            body = PEAR.replace(b"pear", item)
            connection.sendall(b"POST /orders/7 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            assert (b" 200 " if item == b"apple" else b" 500 ") in connection.recv(1000)
    event = peer.wait("event")[0]
    assert json.loads(base64.b64decode(event["capsule"]["request"]["body"]["data"]))["item"] == "pear"
    assert json.loads(base64.b64decode(event["witnesses"][0]["request"]["body"]["data"]))["item"] == "apple"


def test_what_is_no_http_is_no_failure(serve, folder, peer):
    server = running(serve, folder)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x16\x03\x01 nothing of the kind\r\n\r\n")
        assert b"400" in connection.recv(1000)
    assert server.get("/ok")[0] == 200
    assert peer.of("event") == []


def test_a_conversation_that_fails_says_that_it_was_not_recorded(serve, folder, peer):
    server = running(serve, folder)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in connection.recv(1000)
        capsule = peer.wait("event")[0]["capsule"]
    assert capsule["missing"] == ["request: the conversation of a WebSocket is not recorded"]


def test_healthy_requests_are_witnesses_and_are_answered_again(serve, folder, peer, tmp_path):
    from reproducing import play

    server = running(serve, folder)
    for _ in range(2):
        assert server.get("/orders/5", PEAR.replace(b"pear", b"apple"), **JSON)[0] == 200
    assert server.get("/orders/7", PEAR, **JSON)[0] == 500
    event = peer.wait("event")[0]
    until(peer, "POST /orders/*", (3, 1))
    server.stop()
    witness = event["witnesses"][0]
    assert witness["response"]["status"] == 200
    result = play(folder, SCRIPT, tmp_path, [witness["request"], event["capsule"]["request"]], event["capsule"])
    first, second = result["exchanges"]
    assert first["status"] == 200 and first["body"] == witness["response"]["body"] and first["exceptions"] == []
    assert [name for name, _ in first["headers"]] == [name for name, _ in witness["response"]["headers"]]
    assert second["exceptions"][0]["message"] == "'pear'"


def until(peer, route, expected):
    deadline = time.monotonic() + 10
    while True:
        rows = [row for message in peer.of("traffic") for row in message["routes"] if row["route"] == route]
        if (sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)) == expected:
            return
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)


SECURE = PROGRAM.replace(
    "START",
    """import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("own.pem")
    web.run_app(app, host="127.0.0.1", port=port, ssl_context=context)""",
).replace("async def place(request):", "async def place(request):\n    assert request.secure and request.scheme == 'https'")


def test_a_request_by_tls_is_one_in_the_replay_too(folder, serve, peer, tmp_path):
    import ssl
    import subprocess

    from conftest import Server
    from reproducing import Reproduction, play

    (folder / "program.py").write_text(SECURE)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.pem", "-out", "certificate.pem", "-days", "2", "-subj", "/CN=x"],
        cwd=folder, check=True, capture_output=True,
    )
    (folder / "own.pem").write_text((folder / "own.pem").read_text() + (folder / "certificate.pem").read_text())

    def answer(server, path):
        context = ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", server.port)) as connection, context.wrap_socket(connection) as secure:
            secure.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            return int(secure.recv(1000).split()[1]), b""

    class SecureServer(Server):
        get = answer

    server = SecureServer(folder, list(SCRIPT), peer.path)
    try:
        assert server.get("/place?number=4")[0] == 500
        capsule = peer.wait("event")[0]["capsule"]
    finally:
        server.stop()
    assert capsule["request"]["scheme"] == "https"
    Reproduction(500, capsule, [], play(folder, SCRIPT, tmp_path, [capsule["request"]], capsule)).came_again()
