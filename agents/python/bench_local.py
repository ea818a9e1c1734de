"""Measures what the agent adds to one request, in CPU time of this process, by calling the WSGI or ASGI callable in a loop; it is not the published benchmark, which compares with other agents."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time

REQUESTS = 4000
ROUNDS = 9


def flask_calls():
    from io import BytesIO

    from flask import Flask

    app = Flask("measured")
    app.logger.disabled = True

    @app.get("/orders/<int:number>")
    def order(number):
        return {"number": number}

    @app.get("/broken/<int:number>")
    def broken(number):
        return {"number": number, "price": {}["price"]}

    def call(path):
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost", "HTTP_USER_AGENT": "measure", "HTTP_ACCEPT": "*/*",
            "wsgi.url_scheme": "http", "wsgi.input": BytesIO(b""), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0),
            "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }
        result = app(environ, lambda status, headers, exc_info=None: None)
        b"".join(result)
        result.close()

    return call


def fastapi_calls():
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int):
        return {"number": number}

    @app.get("/broken/{number}")
    async def broken(number: int):
        return {"number": number, "price": {}["price"]}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    loop = asyncio.new_event_loop()
    headers = [(b"host", b"localhost"), (b"user-agent", b"measure"), (b"accept", b"*/*")]

    async def calls(paths):
        for path in paths:
            scope = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
                "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": headers,
                "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
            }
            try:
                await app(scope, receive, send)
            except KeyError:
                pass

    return lambda *paths: loop.run_until_complete(calls(paths))


def measure(framework):
    """Prints microseconds per successful request, per first capture and per repeated failure."""
    call = (flask_calls if framework == "flask" else fastapi_calls)()

    def cost(prefix, count, rounds):
        best = float("inf")
        for _ in range(rounds):
            paths = ["%s/%d" % (prefix, number) for number in range(count)]
            began = time.process_time()
            if framework == "flask":
                for path in paths:
                    call(path)
            else:
                call(*paths)
            best = min(best, (time.process_time() - began) / count)
        return best * 1e6

    cost("/orders", 100, 2)
    success = cost("/orders", REQUESTS, ROUNDS)
    rearm = lambda: None
    channel = sys.modules.get("homeostasis_agent.channel")
    if channel is not None:
        from homeostasis_agent import failures

        rearm = failures.rearm
    cost("/broken", 5, 1)
    first = float("inf")
    for _ in range(20):
        rearm()
        began = time.process_time()
        call("/broken/1")
        # The work of the agent's thread belongs to the capture.
        while channel is not None and channel._events:
            time.sleep(0.001)
        time.sleep(0.005)
        first = min(first, (time.process_time() - began) * 1e6)
    cost("/broken", 20, 1)
    repeated = cost("/broken", 500, ROUNDS)
    print(success, first, repeated)


def run(framework, socket):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMEOSTASIS_")}
    if socket:
        environment["HOMEOSTASIS_SOCKET"] = socket
        environment["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, os.path.abspath(__file__), "--measure", framework]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return [float(part) for part in output.split()]


def main():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "tests"))
    from peer import Peer

    with tempfile.TemporaryDirectory() as folder, Peer(os.path.join(folder, "socket")) as peer:
        for framework in ("flask", "fastapi"):
            without = [run(framework, None) for _ in range(2)]
            with_agent = [run(framework, peer.path) for _ in range(2)]
            added = [min(a[i] for a in with_agent) - min(b[i] for b in without) for i in range(3)]
            print("%-8s success %+.2f us, first capture %+.0f us, repeated failure %+.1f us" % (framework, *added))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main()
