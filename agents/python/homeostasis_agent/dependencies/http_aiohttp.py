"""Records and replays what clients of aiohttp ask over the network; WebSockets are not recorded.

While recording, the bytes of requests and answers are kept as they pass the protocol of a connection. In a replay a
stand-in for its transport takes the request and gives those bytes back, to aiohttp's own parser.
"""

import asyncio

from .. import guard
from . import errors, failing, http, http_wire, replaying
from .recording import note

# Estimate for one exchange without its bytes, for the limits of recording.
SIZE = 800
# How often a replay looks whether the program waits for what was not recorded.
POLL = 0.005


class Exchange(http_wire.Exchange):
    """One request with its answer, and the timer of the whole of it."""

    timer = payload_before = None
    given_up = False

    def answered(self):
        if self.failure is None and getattr(self.timer, "_cancelled", False) is True:
            self.failure = {"error": {"class": "asyncio.exceptions.TimeoutError", "arguments": []}, "during": "timer", "chain": []}
        elif self.failure is None and self.given_up and not self.received:
            return {"error": {"class": "asyncio.exceptions.CancelledError", "arguments": []}, "during": "read", "chain": []}
        return http_wire.Exchange.answered(self)


def record_request(module):
    """For `aiohttp.client_reqrep`."""
    original = module.ClientRequest.send
    Writer = module.StreamWriter

    async def send(self, connection):
        _begin(self, connection)
        return await original(self, connection)

    class StreamWriter(Writer):
        """Remembers what is written."""

        def _write(self, chunk):
            _sent(self, chunk)
            Writer._write(self, chunk)

    def _writelines(self, chunks):
        chunks = tuple(chunks)
        for chunk in chunks:
            _sent(self, chunk)
        Writer._writelines(self, chunks)

    # That of older versions comes down to `_write`, and there is none before.
    if "_writelines" in Writer.__dict__ and "_write" not in Writer._writelines.__code__.co_names:
        StreamWriter._writelines = _writelines

    StreamWriter.__name__ = StreamWriter.__qualname__ = Writer.__name__
    module.ClientRequest.send = send
    module.StreamWriter = StreamWriter


def _begin(request, connection):
    if not guard.enabled:
        return
    try:
        protocol = connection.protocol
        url = request.url
        exchange = Exchange(url.scheme, url.raw_host or "", url.port)
        exchange.timer = request._timer
        exchange.payload_before = getattr(protocol, "_payload", None)
        protocol._homeostasis_answer = note("http", exchange, exchange, SIZE)
    except Exception:
        guard.failed("aiohttp")


def _sent(writer, chunk):
    try:
        answer = getattr(writer._protocol, "_homeostasis_answer", None)
        if answer is not None:
            answer.question.sent(chunk, answer)
    except Exception:
        guard.failed("aiohttp")


def record_protocol(module):
    """For `aiohttp.client_proto`."""
    class_ = module.ResponseHandler
    class_._homeostasis_answer = None
    data_received, connection_lost, read_timeout = class_.data_received, class_.connection_lost, class_._on_read_timeout

    def data_received_and_kept(self, data):
        answer = self._homeostasis_answer
        if answer is None:
            return data_received(self, data)
        exchange = answer.question
        try:
            if exchange.unseen is None and data:
                exchange.got(bytes(data), answer)
        except Exception:
            guard.failed("aiohttp")
        result = data_received(self, data)
        payload = self._payload
        if self._upgraded or payload is not None and payload is not exchange.payload_before and payload.is_eof():
            # A connection that waits in its pool holds on to nothing.
            self._homeostasis_answer = None
        return result

    def connection_lost_and_told(self, exc):
        answer = self._homeostasis_answer
        if answer is not None:
            self._homeostasis_answer = None
            exchange = answer.question
            try:
                if exc is not None:
                    exchange.failed(exc, "read")
                elif not exchange.given_up:
                    exchange.ended = True
            except Exception:
                guard.failed("aiohttp")
        return connection_lost(self, exc)

    def _on_read_timeout(self):
        answer = self._homeostasis_answer
        if answer is not None:
            answer.question.failure = {"error": {"class": "aiohttp.client_exceptions.SocketTimeoutError", "arguments": []}, "during": "silence", "chain": []}
        return read_timeout(self)

    def closing(original):
        def close(self):
            answer = self._homeostasis_answer
            if answer is not None:
                answer.question.given_up = True
            return original(self)

        return close

    for name in ("close", "abort"):
        if name in class_.__dict__:
            setattr(class_, name, closing(class_.__dict__[name]))
    class_.data_received = data_received_and_kept
    class_.connection_lost = connection_lost_and_told
    class_._on_read_timeout = _on_read_timeout


def record_connector(module):
    """For `aiohttp.connector`: connections that do not come about."""
    for name in ("TCPConnector", "UnixConnector"):
        class_ = getattr(module, name)
        class_._create_connection = _recording_connection(class_._create_connection)


def _recording_connection(original):
    async def _create_connection(self, req, traces, timeout):
        try:
            return await original(self, req, traces, timeout)
        except BaseException as error:
            try:
                if guard.enabled:
                    during = "timer" if _is_over(req._timer) else "connect"
                    attempt = http.Connecting(_origin(req), failing.described(error, during))
                    note("http", attempt, attempt, SIZE)
            except Exception:
                guard.failed("aiohttp")
            raise

    return _create_connection


def _origin(request):
    url = request.url
    return http.url_of(url.scheme, url.raw_host or "", url.port, "")


def _is_over(timer):
    return getattr(timer, "_cancelled", False) is True


# Replay


def replay_connector(module):
    """For `aiohttp.connector`."""

    async def _create_connection(self, req, traces, timeout):
        failure = replaying.failure_to_connect("http", http.origin(_origin(req)), ("connect", "timer"))
        if failure is not None:
            await _fail_to_connect(module, failure, req)
        protocol = self._factory()
        protocol.connection_made(Transport(protocol, req))
        return protocol

    for name in ("TCPConnector", "UnixConnector"):
        getattr(module, name)._create_connection = _create_connection


async def _fail_to_connect(module, failure, request):
    if failure["during"] == "timer":
        asyncio.get_running_loop().call_soon(request._timer.timeout)
        await asyncio.Event().wait()
    if failing.was_cancelled(failure):
        await failing.happen(failure)
    described = failure["error"]
    class_ = errors.made({"class": described["class"], "arguments": []}).__class__
    if issubclass(class_, (module.ClientConnectorError, module.ClientConnectorCertificateError)):
        # The first of its arguments is of this connection.
        error = class_(request.connection_key, errors.made(described["arguments"][1]["error"]))
    else:
        error = errors.made(described)
    raise failing.with_chain(error, failure)


class Transport(asyncio.Transport):
    """Stands in for a connection: at its other end are the recorded answers."""

    def __init__(self, protocol, request):
        url = request.url
        super().__init__({"peername": (url.host, url.port), "sockname": ("127.0.0.1", 0)})
        self._protocol = protocol
        self._origin = url.scheme, url.raw_host or "", url.port
        self._timer = request._timer
        self._loop = asyncio.get_running_loop()
        self._request = None
        self._is_closing = False

    def write(self, data):
        if self._request is None:
            self._request = http_wire.Request(*self._origin)
        self._request.add(data)
        if self._request.is_complete():
            request, self._request = self._request, None
            # The protocol learns what it is to expect only after it has sent.
            self._loop.call_soon(self._answer, request)
        elif self._request.waits_for_leave():
            self._loop.call_soon(self._protocol.data_received, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, request):
        if self._is_closing:
            return
        question = request.question()
        try:
            answer = replaying.ask(question)
        except replaying.Unanswered as told:
            from aiohttp import ClientConnectionError

            self._protocol.set_exception(ClientConnectionError("homeostasis: %s" % told))
            return
        if "error" in answer:
            self._end(answer, question)
            return
        self._protocol.data_received(http_wire.written(answer, question["method"]))
        rest = answer.get("rest")
        if rest is not None:
            self._end_when_waited_for(rest, question)
        elif self._protocol._payload is not None and not self._protocol._payload.is_eof():
            # Its end is the end of the connection.
            self._lose(None)
        # Each request makes a connection of its own, as it cannot be known whether it did when it was recorded.
        self._protocol.force_close()

    def _end_when_waited_for(self, rest, question):
        """What came is read first, as far as the program reads it."""
        payload = self._protocol._payload
        if self._is_closing or payload is None:
            return
        if payload._waiter is None:
            self._loop.call_later(POLL, self._end_when_waited_for, rest, question)
        else:
            self._end(rest, question)

    def _end(self, rest, question):
        if "unread" in rest:
            from aiohttp import ClientPayloadError

            told = replaying.in_vain("%s: more is read than was read when it was recorded" % http.told(question))
            self._protocol._payload.set_exception(ClientPayloadError("homeostasis: %s" % told))
        elif "ended" in rest or rest["error"]["class"] == http_wire.NOTHING["error"]["class"]:
            self._lose(None)
        elif rest["during"] == "silence":
            self._protocol._on_read_timeout()
        elif rest["during"] == "timer":
            self._timer.timeout()
        elif not failing.was_cancelled(rest):
            self._lose(failing.made(rest))

    def _lose(self, error):
        self._is_closing = True
        self._protocol.connection_lost(error)

    def is_closing(self):
        return self._is_closing

    def close(self):
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def can_write_eof(self):
        return False

    def pause_reading(self):
        """All is there already."""

    def resume_reading(self):
        """All is there already."""

    def is_reading(self):
        return True

    def get_write_buffer_size(self):
        return 0
