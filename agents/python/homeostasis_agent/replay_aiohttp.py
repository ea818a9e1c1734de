"""Plays recorded requests to a server of aiohttp, as the bytes of a connection that leads nowhere; it opens no socket and judges nothing."""

import asyncio
import gzip
import sys
import zlib
from base64 import b64decode
from http.client import HTTPException, HTTPResponse, IncompleteRead
from io import BytesIO
from urllib.parse import quote

from . import credentials
from .replay import arrive, begin

SECONDS = 600.0


def play(application, requests, done):
    """What Gunicorn was given: an application, or a coroutine function that makes one or its runner."""
    asyncio.run(_play(application, requests, done))


async def _play(application, requests, done):
    from aiohttp.web_runner import AppRunner

    if asyncio.iscoroutinefunction(application):
        application = await application()
    runner = application if isinstance(application, AppRunner) else AppRunner(application)
    await runner.setup()
    await play_within(runner.server, requests, done)
    await runner.cleanup()


async def play_within(server, requests, done):
    """`server` makes the protocol of a connection, and has been set up."""
    files = sys.modules.get("aiohttp.web_fileresponse")
    if files is not None:
        # There is no socket that the kernel could send a file to.
        files.NOSENDFILE = True
    for request in requests:
        await _exchange(server, request, done)


class _Connection(asyncio.Transport):
    """The far end of a connection: keeps what is written, and stays until it is closed."""

    def __init__(self, protocol, extra):
        asyncio.Transport.__init__(self, extra)
        self.protocol = protocol
        self.written = bytearray()
        self.is_handled = asyncio.Event()
        self.homeostasis_handled = self.is_handled.set
        self._is_closing = False

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self._is_closing

    def close(self):
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def get_protocol(self):
        return self.protocol

    def set_protocol(self, protocol):
        self.protocol = protocol

    def is_reading(self):
        return True

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def get_write_buffer_size(self):
        return 0

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def can_write_eof(self):
        return False


async def _exchange(server, request, done):
    arrive(request)
    data = _bytes_of(request)
    client, address = request.get("client"), request.get("server")
    extra = {"peername": tuple(client) if client else None, "sockname": tuple(address) if address else None}
    if request["scheme"] == "https":
        extra["sslcontext"] = object()
    protocol = server()
    connection = _Connection(protocol, extra)
    protocol.connection_made(connection)
    began = begin()
    protocol.data_received(data)
    await asyncio.wait_for(connection.is_handled.wait(), SECONDS)
    status, headers, body = _parsed(bytes(connection.written), request["method"])
    done(began, status, headers, body, None)
    connection.close()
    await asyncio.sleep(0)


def _bytes_of(request):
    body = b64decode(request["body"]["data"])
    lines = []
    has_length = False
    for name, value in credentials.remade(request):
        if name == "transfer-encoding":
            continue
        if name == "content-encoding":
            body = _encoded(body, value)
        if name == "content-length":
            has_length = True
            continue
        lines.append("%s: %s" % (name, value))
    if body or has_length:
        lines.append("content-length: %d" % len(body))
    query = request["query"]
    target = quote(request["path"], safe="/:@!$&'()*+,;=~-._%") + ("?" + query if query else "")
    first = "%s %s HTTP/%s" % (request["method"], target, request.get("http_version") or "1.1")
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1", "replace") + body


def _encoded(body, encoding):
    """The server has recorded a body that it had already decoded."""
    if encoding.strip().lower() == "gzip":
        return gzip.compress(body)
    return zlib.compress(body) if encoding.strip().lower() == "deflate" else body


class _Written:
    """What was written, as the socket that `http.client` reads from."""

    def __init__(self, data):
        self._data = data

    def makefile(self, mode):
        return BytesIO(self._data)


def _parsed(data, method):
    """Status, headers and body of the answer, as far as it came; a connection without one was broken off."""
    response = HTTPResponse(_Written(data), method=method)
    try:
        response.begin()
    except (HTTPException, OSError):
        return 500, [], b""
    headers = [[name.lower(), value] for name, value in response.getheaders()]
    try:
        body = response.read()
    except IncompleteRead as broken:
        body = broken.partial
    return response.status, headers, body
