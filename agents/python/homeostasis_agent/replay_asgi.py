"""Plays recorded requests to an ASGI callable within its lifespan; it opens no socket and judges nothing."""

import asyncio
from base64 import b64decode
from urllib.parse import quote

from . import credentials
from .replay import LIFESPAN_SECONDS, arrive, begin, not_ready
from .replay_wsgi import length_of


def play(application, requests, done):
    asyncio.run(play_within(application, requests, done))


class Lifespan:
    """The lifespan of the application, if it has one."""

    def __init__(self, application):
        self.state = {}
        self.events = asyncio.Queue()
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.refusal = None
        self.began = False
        self.application = application
        self.task = None

    async def start(self):
        """Ends when the application has started, or has turned out to have no lifespan; raises when it refused to start."""
        self.events.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.ensure_future(self._run())
        await asyncio.wait_for(self.started.wait(), LIFESPAN_SECONDS)
        if self.refusal is not None:
            not_ready("the program failed before it served: " + self.refusal)
            raise RuntimeError(self.refusal)

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.application(scope, self.events.get, self._send)
        except Exception as error:
            # Applications without a lifespan raise; one that said it failed has told why.
            if self.refusal is not None:
                self.refusal = "%s: %s" % (type(error).__name__, error)
        finally:
            self.started.set()
            self.stopped.set()

    async def _send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self.started.set()
        elif kind == "lifespan.startup.failed":
            self.refusal = (message.get("message") or "startup failed").strip().splitlines()[-1]
        elif kind.startswith("lifespan.shutdown"):
            self.stopped.set()

    async def stop(self):
        if self.task is None or self.task.done():
            return
        self.events.put_nowait({"type": "lifespan.shutdown"})
        try:
            await asyncio.wait_for(self.stopped.wait(), 5.0)
        except asyncio.TimeoutError:
            pass


async def play_within(application, requests, done):
    lifespan = Lifespan(application)
    await lifespan.start()
    try:
        for request in requests:
            await _exchange(application, request, lifespan.state, done)
    finally:
        await lifespan.stop()


async def _exchange(application, request, state, done):
    arrive(request)
    request = credentials.with_variables(request)
    scope = scope_of(request, state)
    body = b64decode(request["body"]["data"])
    answer = {"status": None, "headers": []}
    parts = []
    body_given = False
    answered = asyncio.Event()

    async def receive():
        nonlocal body_given
        if not body_given:
            body_given = True
            return {"type": "http.request", "body": body, "more_body": False}
        # A client stays until it has its answer.
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            answer["status"] = message["status"]
            answer["headers"] = [[_text(name), _text(value)] for name, value in message.get("headers") or ()]
        elif message["type"] == "http.response.body":
            parts.append(bytes(message.get("body") or b""))
            if not message.get("more_body"):
                answered.set()

    failure = None
    began = begin()
    try:
        await application(scope, receive, send)
    except Exception as error:
        failure = error
    status = answer["status"]
    if status is None and failure is not None:
        status = 500
    done(began, status, answer["headers"], b"".join(parts), failure)


def scope_of(request, state):
    root_path = request.get("root_path") or ""
    server, client = request.get("server"), request.get("client")
    headers = []
    has_length = False
    length = length_of(request, b64decode(request["body"]["data"]))
    for name, value in credentials.remade(request):
        if name == "transfer-encoding":
            continue
        if name == "content-length":
            has_length = True
            value = str(length)
        headers.append((name.encode("latin-1"), value.encode("latin-1")))
    if length and not has_length:
        headers.append((b"content-length", str(length).encode("ascii")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.get("http_version") or "1.1",
        "method": request["method"],
        "scheme": request["scheme"],
        "path": request["path"],
        "raw_path": quote(request["path"], safe="/:@!$&'()*+,;=~-._%").encode("ascii"),
        "root_path": root_path,
        "query_string": request["query"].encode("latin-1", "replace"),
        "headers": headers,
        "client": (client[0], client[1] or 0) if client else None,
        # A Unix socket has no port.
        "server": (server[0], server[1]) if server else None,
        "state": state.copy(),
        "extensions": {},
    }


def _text(value):
    return bytes(value).decode("latin-1")
