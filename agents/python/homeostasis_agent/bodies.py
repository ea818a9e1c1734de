"""The part of a request's body that the program left unread, looked at without taking it from the program or its server, and without waiting."""

import io

from .requests import MAX_BODY

# A chunked body is a little longer on the wire than what it carries.
MAX_RAW = MAX_BODY + (64 << 10)
_PIECE = 64 << 10


def unread(stream, environ, left):
    """What is left of a body behind this `wsgi.input`, as far as it has come, and whether that is all of it.

    `left` is how many bytes were announced and not read yet; None when the length was not announced.
    """
    class_ = type(stream)
    name = (class_.__module__, class_.__name__)
    if class_ is io.BytesIO or class_ is io.BufferedRandom:
        return _of_memory(stream)
    if name == ("gunicorn.http.body", "Body"):
        return _of_gunicorn(stream)
    sock = environ.get("werkzeug.socket")
    if sock is not None and name == ("werkzeug.serving", "DechunkedInput"):
        return _dechunked(_ahead(stream._rfile, sock), stream._len) if not stream._done else (b"", True)
    if name == ("django.core.handlers.wsgi", "LimitedStream"):
        stream = getattr(stream._read, "__self__", None)
    if type(stream) is io.BufferedReader and left is not None:
        # wsgiref, and Django's own server on it, give the file of the socket itself.
        raw = _ahead(stream, sock or getattr(stream.raw, "_sock", None))
        return raw[:left], len(raw) >= left
    return b"", False


def _of_memory(stream):
    place = stream.tell()
    data = stream.read()
    stream.seek(place)
    return data, True


def _of_gunicorn(body):
    """Bytes that are moved from the socket into the buffer of its reader are found there by whoever reads on."""
    reader = body.reader
    ahead = body.buf.getvalue()
    kind = type(reader).__name__
    if kind == "LengthReader":
        raw = _filled(reader.unreader, reader.length)
        return ahead + raw[: reader.length], len(raw) >= reader.length
    if kind == "ChunkedReader":
        ahead += reader.buf.getvalue()
        if reader.parser is None:
            return ahead, True
        # Where it stands within a chunk only the reader knows.
        if reader.parser.gi_frame is None or reader.parser.gi_frame.f_lasti > _first_instruction(reader.parser):
            return ahead, False
        data, is_complete = _dechunked(_filled(reader.req.unreader, MAX_RAW), 0)
        return ahead + data, is_complete
    return ahead, False


def _first_instruction(generator):
    """Where a generator stands that has not begun: from 3.11 on that is not -1."""
    import inspect

    if inspect.getgeneratorstate(generator) == inspect.GEN_CREATED:
        return generator.gi_frame.f_lasti
    return -2


def _filled(unreader, wanted):
    buffer = unreader.buf
    buffer.seek(0, io.SEEK_END)
    sock = getattr(unreader, "sock", None)
    while buffer.tell() < min(wanted, MAX_RAW) and _is_plain(sock) and _is_readable(sock):
        data = sock.recv(_PIECE)
        if not data:
            break
        buffer.write(data)
    return buffer.getvalue()


def _ahead(reader, sock):
    """What a buffered reader of a socket holds, and what waits in the socket behind it."""
    if not _is_plain(sock):
        return b""
    before = sock.gettimeout()
    sock.setblocking(False)
    try:
        raw = bytes(reader.peek())
        if _is_readable(sock):
            from socket import MSG_PEEK

            raw += sock.recv(MAX_RAW, MSG_PEEK)
        return raw
    except BlockingIOError:
        return b""
    finally:
        sock.settimeout(before)


def _is_plain(sock):
    """A socket of the standard library itself: others may wait, or be in the middle of a record."""
    return type(sock).__module__ == "socket" and type(sock).__name__ == "socket"


def _is_readable(sock):
    from select import POLLIN, poll

    poller = poll()
    poller.register(sock.fileno(), POLLIN)
    return bool(poller.poll(0))


def _dechunked(raw, left):
    """The content of chunks, the first of which has `left` bytes to go when it was already begun, and whether the last was among them."""
    parts = []
    if left:
        parts.append(raw[:left])
        # Its end is followed by a line break.
        raw = raw[left + 2 :] if len(raw) >= left + 2 else b""
    while True:
        line, found, rest = raw.partition(b"\r\n")
        if not found:
            return b"".join(parts), False
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            return b"".join(parts), False
        if size <= 0:
            return b"".join(parts), size == 0
        parts.append(rest[:size])
        if len(rest) < size + 2:
            return b"".join(parts), False
        raw = rest[size + 2 :]
