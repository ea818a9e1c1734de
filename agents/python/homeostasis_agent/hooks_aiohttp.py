"""Puts the recording around the requests of aiohttp's server, which speaks neither WSGI nor ASGI."""

from functools import wraps
from time import time

from . import asgi, channel, guard, settings, traffic
from .dependencies.recording import in_flight, snapshot, size_of
from .failures import report, was_caught_in
from .requests import MAX_BODY, MAX_RESPONSE_BODY, Recorded
from .traffic import FIRST_ATTEMPTS

# Bodies of requests in flight, by the id of the stream that they come by.
_bodies = {}
_stream_class = None


def patch_runner(module):
    runner = module.BaseRunner
    setup = runner.setup

    @wraps(setup)
    async def hooked_setup(self):
        settings.serving = True
        return await setup(self)

    runner.setup = hooked_setup
    channel.start()


def patch_protocol(module):
    """Applications, and handlers without one, are called here."""
    original = module.RequestHandler._handle_request

    @wraps(original)
    async def _handle_request(self, request, start_time, request_handler):
        occasion = None
        try:
            if guard.enabled and request._message is not module.ERROR:
                occasion = _arrived(request, request_handler)
        except Exception:
            guard.failed("aiohttp")
        if occasion is None:
            return await original(self, request, start_time, request_handler)
        try:
            answer = await original(self, request, start_time, watched(request_handler, occasion))
        except Exception as error:
            # Nothing else is raised here but while the answer is sent.
            if not isinstance(error, ConnectionError):
                report(error, "aiohttp.response", occasion)
            raise
        finally:
            occasion.ended = True
            _bodies.pop(id(request._payload), None)
        try:
            _answered(occasion, answer[0])
        except Exception:
            guard.failed("aiohttp")
        return answer

    module.RequestHandler._handle_request = _handle_request


def watched(handler, occasion):
    """The handler of a request, whose failures are heard of; exceptions that stand for an answer are none."""

    async def handle(request):
        try:
            return await handler(request)
        except Exception as error:
            if not _is_answer(error) and not _is_gone(error, request):
                report(error, "aiohttp.handler", occasion)
            raise

    return handle


def _is_answer(error):
    from aiohttp.web_exceptions import HTTPException

    return isinstance(error, HTTPException)


def _is_gone(error, request):
    """Has the client left, so that nothing can be written to it or read from it?"""
    if not isinstance(error, ConnectionError):
        return False
    transport = request._protocol.transport
    return transport is None or transport.is_closing()


def _arrived(request, request_handler):
    message = request._message
    url = message.url
    method, path = message.method, url.raw_path
    try:
        cell = traffic.cells[method, path]
    except KeyError:
        cell = traffic.find(method, path, url.path)
    began = time()
    transport = request._protocol.transport
    server = transport.get_extra_info("sockname") if transport is not None else None
    occasion = Occasion((message, request._transport_sslcontext, request._transport_peername, server), cell, began)
    in_flight.set(occasion)
    if channel.unsettled:
        channel.settle()
    payload = request._payload
    if type(payload) is _stream_class_of_aiohttp():
        occasion.tee = _bodies[id(payload)] = Body(payload)
        payload.__class__ = _stream_class
    occasion.sampled = (cell.samples < FIRST_ATTEMPTS or began >= traffic.next_sample) and traffic.take_sample(cell, began)
    return occasion


def _answered(occasion, response):
    if not occasion.failed:
        occasion.cell.requests += 1
        occasion.counted = True
        if occasion.sampled:
            _keep(occasion, response)
    if channel.asleep:
        channel.wake()


def _keep(occasion, response):
    """Only answers that are whole in memory are kept."""
    from aiohttp.web_response import Response

    if not isinstance(response, Response) or not 200 <= response.status < 400 or was_caught_in(occasion):
        return
    body = getattr(response, "_compressed_body", None) or response._body
    if body is not None and type(body) not in (bytes, bytearray):
        return
    missing = []
    occasion.finish_body(missing)
    request = occasion.request(missing)
    if missing:
        return
    recorded = Recorded(MAX_RESPONSE_BODY)
    recorded.add(body or b"")
    headers = [[str(name).lower(), str(value)] for name, value in response.headers.items()]
    answers = snapshot(occasion)
    size = recorded.kept + len(request["body"]["data"]) + size_of(answers) + 1000
    traffic.keep(occasion.cell, (request, response.status, headers, recorded, answers), size)


class Occasion(asgi.Occasion):
    """The same as of an ASGI request, in the same form, which is made when it is asked for."""

    __slots__ = ("sampled", "_scope")

    protocol = "aiohttp"

    @property
    def received(self):
        if type(self._scope) is tuple:
            self._scope = _scope_of(*self._scope)
        return self._scope

    @received.setter
    def received(self, received):
        self._scope = received

    def finish_body(self, missing):
        """All that was received is known already, whether the handler has read it or not."""
        if self.tee is not None:
            self.tee.recorded.complete = self.tee.stream.is_eof()

    def request(self, missing):
        if any(name.lower() == b"upgrade" and value.lower() == b"websocket" for name, value in self.received["headers"]):
            missing.append("request: the conversation of a WebSocket is not recorded")
        return asgi.Occasion.request(self, missing)


def _scope_of(message, secure, peer, server):
    url = message.url
    return {
        "type": "http",
        "method": message.method,
        "scheme": "http" if secure is None else "https",
        "path": url.path,
        "query_string": url.raw_query_string.encode("utf-8", "replace"),
        "http_version": "%d.%d" % (message.version[0], message.version[1]),
        "headers": message.raw_headers,
        "client": peer if type(peer) is tuple else None,
        "server": server if type(server) is tuple else None,
    }


class Body:
    """The body of one request, with the stream that it comes by."""

    __slots__ = ("recorded", "stream")

    def __init__(self, stream):
        self.stream = stream
        self.recorded = Recorded(MAX_BODY)
        for part in stream._buffer:
            self.recorded.add(part)


def _stream_class_of_aiohttp():
    """The class of streams; with it goes one like it that tells what it is fed. It has no field of its own, so that a stream can become one."""
    global _stream_class
    from aiohttp.streams import StreamReader

    if _stream_class is None:

        class RecordedStreamReader(StreamReader):
            __slots__ = ()

            def feed_data(self, data, *size):
                body = _bodies.get(id(self))
                if body is not None:
                    body.recorded.add(data)
                return StreamReader.feed_data(self, data, *size)

        RecordedStreamReader.__name__ = RecordedStreamReader.__qualname__ = "StreamReader"
        RecordedStreamReader.__module__ = StreamReader.__module__
        _stream_class = RecordedStreamReader
    return StreamReader


def patch_protocol_for_replay(module):
    """Hear of exceptions, and tell the player when a request has been handled."""
    original = module.RequestHandler._handle_request

    @wraps(original)
    async def _handle_request(self, request, start_time, request_handler):
        try:
            return await original(self, request, start_time, watched(request_handler, None))
        except Exception as error:
            if not isinstance(error, ConnectionError):
                report(error, "aiohttp.response")
            raise
        finally:
            handled = getattr(self.transport, "homeostasis_handled", None)
            if handled is not None:
                handled()

    module.RequestHandler._handle_request = _handle_request
