"""Calls the WSGI or ASGI callable of the program in this process, as a server would; it measures nothing."""

import asyncio
import io
import json
import sys

BODY = json.dumps(
    {"customer": "ada", "items": [{"name": "plum", "quantity": 3}, {"name": "pear", "quantity": 1}, {"name": "fig", "quantity": 12}]}
).encode()
ANSWER = {"customer": "ada", "total": 60 + 35 + 1080}
HEADERS = [
    ("host", "shop.example.org"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-GB,en;q=0.7,fr;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("content-type", "application/json"),
    ("content-length", str(len(BODY))),
    ("origin", "https://shop.example.org"),
    ("referer", "https://shop.example.org/basket"),
    ("cookie", "theme=dark; basket=7f3a9c; consent=1"),
    ("x-request-id", "0b7a2f0e-6a53-4b55-9d3c-0c8b8c5f6f11"),
]


def caller(framework, app):
    """A function of a list of paths that posts to each in turn and gives back the statuses."""
    return _wsgi(app) if framework == "flask" else _asgi(app)


def check(framework, app):
    """Whether the healthy route answers as it should, body included."""
    bodies = []
    statuses = (_wsgi if framework == "flask" else _asgi)(app, bodies)(["/orders"])
    return statuses == [200] and json.loads(bodies[0]) == ANSWER


def _wsgi(app, bodies=None):
    fixed = {"HTTP_" + name.replace("-", "_").upper(): value for name, value in HEADERS if not name.startswith("content-")}
    fixed.update({
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "51234",
        "SERVER_SOFTWARE": "gunicorn/23.0.0", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": True, "wsgi.multiprocess": True,
        "wsgi.run_once": False, "wsgi.input_terminated": True, "wsgi.errors": sys.stderr,
    })
    answered = []

    def start_response(status, headers, exc_info=None):
        answered.append(int(status[:3]))

    def call(paths):
        del answered[:]
        for path in paths:
            environ = dict(fixed, PATH_INFO=path, RAW_URI=path)
            environ["wsgi.input"] = io.BytesIO(BODY)
            result = app(environ, start_response)
            body = b"".join(result)
            if bodies is not None:
                bodies.append(body)
            close = getattr(result, "close", None)
            if close is not None:
                close()
        return list(answered)

    return call


def _asgi(app, bodies=None):
    loop = asyncio.new_event_loop()
    headers = [(name.encode(), value.encode()) for name, value in HEADERS]
    answered = []

    async def receive():
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            answered.append(message["status"])
        elif bodies is not None:
            bodies.append(message.get("body", b""))

    async def post(paths):
        for path in paths:
            scope = {
                "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
                "method": "POST", "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
                "query_string": b"", "headers": list(headers), "client": ("127.0.0.1", 51234),
                "server": ("127.0.0.1", 8000), "state": {},
            }
            try:
                await app(scope, receive, send)
            except KeyError:
                # The answer was sent; the exception goes on so that the server can log it.
                pass

    def call(paths):
        del answered[:]
        loop.run_until_complete(post(paths))
        return list(answered)

    return call
