"""Records ASGI requests as they were received, and samples successful exchanges; which callables it is put around is decided elsewhere."""

from time import time

from . import channel, guard, traffic
from .dependencies.recording import in_flight, snapshot, size_of
from .failures import report, was_caught_in
from .requests import KEY, MAX_BODY, MAX_RESPONSE_BODY, Recorded
from .traffic import FIRST_ATTEMPTS

_cells = traffic.cells
_without_body = ("GET", "HEAD", "OPTIONS")


def recording(original, hears_lifespan=False):
    """`original(self, scope, receive, send)` with the recording around it; errors of the application go on as they are."""

    async def __call__(self, scope, receive, send):
        if not guard.enabled or KEY in scope:
            return await original(self, scope, receive, send)
        if scope["type"] != "http":
            # Applications without a lifespan raise when asked for one, and servers expect that.
            if scope["type"] == "lifespan" and not hears_lifespan:
                return await original(self, scope, receive, send)
            return await _serve_other(original, self, scope, receive, send)
        try:
            try:
                cell = _cells[scope["method"], scope["path"]]
            except KeyError:
                cell = traffic.find(scope["method"], scope["path"])
            began = time()
            scope[KEY] = occasion = Occasion(scope.copy(), cell, began)
            in_flight.set(occasion)
            if channel.unsettled:
                channel.settle()
            for name, value in scope["headers"]:
                if name == b"content-length" and value != b"0" or name == b"transfer-encoding":
                    has_body = True
                    break
            else:
                # Later versions of HTTP need not announce a body.
                has_body = scope["method"] not in _without_body and scope.get("http_version", "1.1")[:1] != "1"
            if has_body:
                occasion.tee = tee = Tee(receive, send, scope)
                receive = tee.receive
                send = tee.send
            if (cell.samples < FIRST_ATTEMPTS or began >= traffic.next_sample) and traffic.take_sample(cell, began):
                exchange = Exchange(send)
                send = exchange.send
            else:
                exchange = None
        except Exception:
            guard.failed("asgi")
            return await original(self, scope, receive, send)
        try:
            result = await original(self, scope, receive, send)
        except Exception as error:
            report(error, "asgi", occasion)
            occasion.ended = True
            raise
        occasion.ended = True
        if not occasion.failed:
            cell.requests += 1
            occasion.counted = True
            if exchange is not None:
                exchange.keep(occasion)
            # Connections that were opened on the way live longer, and with them the context they were opened in.
            occasion.answers = None
        if channel.asleep:
            channel.wake()
        return result

    return __call__


async def _call_application(entry, scope, receive, send):
    return await entry.application(scope, receive, send)


class Entry:
    """An ASGI 3 callable with the recording around it, for servers that hold the callable themselves."""

    __slots__ = ("application",)

    def __init__(self, application):
        self.application = application

    __call__ = recording(_call_application)

    def __getattr__(self, name):
        return getattr(self.application, name)


async def _serve_other(original, application, scope, receive, send):
    """WebSockets and the lifespan: failures are seen, the conversation is not recorded."""
    kind = scope["type"]
    occasion = None
    if kind == "websocket":
        try:
            scope[KEY] = occasion = Occasion(scope.copy(), traffic.find("WEBSOCKET", scope["path"]), time())
            in_flight.set(occasion)
            if channel.unsettled:
                channel.settle()
        except Exception:
            guard.failed("asgi")
    try:
        return await original(application, scope, receive, send)
    except Exception as error:
        report(error, "asgi." + kind, occasion)
        raise


class Tee:
    """The server's `receive` and `send` of one request, remembering the body that passes by."""

    __slots__ = ("_receive", "_send", "_scope", "_ahead", "_asked", "recorded")

    def __init__(self, receive, send, scope):
        self._receive = receive
        self._send = send
        self._scope = scope
        self._ahead = []
        self._asked = False
        self.recorded = Recorded(MAX_BODY, hashed=True)

    async def receive(self):
        if self._ahead:
            # It was recorded when it was looked at.
            return self._ahead.pop(0)
        self._asked = True
        message = await self._receive()
        try:
            self.take(message)
        except Exception:
            guard.failed("tee")
        return message

    def take(self, message):
        if message["type"] == "http.request":
            self.recorded.add(message.get("body") or b"")
            if not message.get("more_body"):
                self.recorded.complete = True

    async def send(self, message):
        # Once the answer has begun, servers no longer hand out the body: this is the last chance to see it.
        if message["type"] == "http.response.start" and message["status"] >= 500 and not self.recorded.complete:
            try:
                self.read_what_is_there()
            except Exception:
                guard.failed("tee")
        await self._send(message)

    def read_what_is_there(self):
        """Take the messages that the server already holds, without waiting for the network, and keep them for the application.

        The server's coroutine is driven by hand: if it returns at once there was a message,
        if it wants to wait it is closed, which cancels nothing but its own waiting.
        """
        if not self._asked and any(name == b"expect" for name, _ in self._scope["headers"]):
            # To ask would tell the client to send its body, which the application did not want.
            return
        while not self.recorded.complete and self.recorded.length <= MAX_BODY:
            waiting = self._receive()
            if not hasattr(waiting, "send"):
                return
            try:
                waiting.send(None)
            except StopIteration as done:
                self._ahead.append(done.value)
                if done.value["type"] != "http.request":
                    return
                self.take(done.value)
            else:
                waiting.close()
                return


class Exchange:
    """The answer of one sampled request."""

    __slots__ = ("_send", "status", "headers", "recorded", "complete")

    def __init__(self, send):
        self._send = send
        self.status = 0
        self.headers = ()
        self.recorded = Recorded(MAX_RESPONSE_BODY)
        self.complete = False

    async def send(self, message):
        try:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = message.get("headers") or ()
            elif message["type"] == "http.response.body":
                self.recorded.add(message.get("body") or b"")
                self.complete = not message.get("more_body")
        except Exception:
            guard.failed("witness")
        await self._send(message)

    def keep(self, occasion):
        try:
            if not self.complete or not 200 <= self.status < 400 or was_caught_in(occasion):
                return
            headers = [[_latin(name).lower(), _latin(value)] for name, value in self.headers]
            missing = []
            request = occasion.request(missing)
            if not missing:
                answers = snapshot(occasion)
                size = self.recorded.kept + len(request["body"]["data"]) + size_of(answers) + 1000
                traffic.keep(occasion.cell, (request, self.status, headers, self.recorded, answers), size)
        except Exception:
            guard.failed("witness")


class Occasion:
    """One request as it was received: a copy of the scope before anyone changed it, and what is known since."""

    # `counted` is there once the request was counted as completed.
    # `ended`: the program is done with it. What it started meanwhile may go on, and carries it on.
    __slots__ = ("received", "cell", "began", "tee", "failed", "answers", "counted", "ended")

    protocol = "asgi"

    def __init__(self, received, cell, began):
        self.received = received
        self.cell = cell
        self.began = began
        self.tee = self.answers = None
        self.failed = self.ended = False

    def path(self):
        return str(self.received.get("path", ""))

    def count_failure(self, was_counted=False):
        if not self.failed:
            self.failed = True
            self.cell.failed += 1
            if not was_counted and not hasattr(self, "counted"):
                self.cell.requests += 1
            if channel.asleep:
                channel.wake()

    def finish_body(self, missing):
        """The rest of the body was taken when the answer began; there is nothing left to read here."""

    def request(self, missing):
        received = self.received
        method = str(received.get("method", "GET"))
        if received["type"] == "websocket":
            missing.append("request: the conversation of a WebSocket is not recorded")
        return {
            "protocol": self.protocol,
            "method": method,
            "scheme": str(received.get("scheme", "http")),
            "path": self.path(),
            "root_path": str(received.get("root_path", "")),
            "query": _latin(received.get("query_string", b"")),
            "route": self.cell.route if self.cell.route != traffic.OTHER else traffic.route_of(method, self.path()),
            "http_version": str(received.get("http_version", "1.1")),
            "headers": [[_latin(name).lower(), _latin(value)] for name, value in received.get("headers") or ()],
            "client": _address(received.get("client")),
            "server": _address(received.get("server")),
            "time": self.began,
            "body": self._body(missing),
        }

    def _body(self, missing):
        tee = self.tee
        if tee is None:
            return Recorded(0).described()
        recorded = tee.recorded
        if recorded.length > recorded.kept:
            missing.append("request.body: cut at %d bytes" % MAX_BODY)
        if not recorded.complete:
            missing.append("request.body: only %d bytes were read" % recorded.length)
        return recorded.described()


def occasion_of_scope(scope):
    """The occasion of the request that this scope, or a copy of it in a nested application, belongs to."""
    occasion = scope.get(KEY)
    return occasion if type(occasion) is Occasion else None


def _latin(value):
    return bytes(value).decode("latin-1")


def _address(value):
    try:
        return [str(value[0]), int(value[1]) if value[1] is not None else None] if value else None
    except (TypeError, ValueError, IndexError):
        return None
