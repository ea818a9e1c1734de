"""HTTP/1 as bytes: what a library sent and got, read from the wire when it is described, and written again for a replay; it opens no connection."""

import re
import zlib
from base64 import b64decode

from .. import calls
from . import failing, http

# The head of a request, beside its body.
MAX_HEAD = 64 << 10

_status = re.compile(rb"HTTP/(\d(?:\.\d)?)\s+(\d{3})(?:[ \t]+(.*?))?\s*$")
_without_body = frozenset([204, 304])

# The answer of one who hangs up.
NOTHING = {"error": {"class": "builtins.EOFError", "arguments": []}, "during": "read", "chain": []}


class Exchange:
    """One request with its answer, as bytes; only references are kept, and nothing is read before it is described.

    What counts the bytes is the `Answer` of the recording. It holds the exchange, not the other way round: rings of
    references live on until they are searched for.
    """

    # Defaults, so that little has to be done for each request.
    head = body = failure = unseen = None
    size = failed_with = 0
    ended = is_busy = False

    def __init__(self, scheme, host, port):
        self.scheme = scheme
        self.host = host
        self.port = port
        self.received = []

    def sent(self, data, answer):
        """The next bytes of the request."""
        if self.head is None:
            self.head = data if type(data) is bytes else bytes(data)
            return
        if self.body is None:
            self.body = http.Body()
        before = self.body.length
        self.body.add(data)
        if before < http.MAX_QUESTION_BODY:
            answer.has_room(min(len(data), http.MAX_QUESTION_BODY))

    def got(self, data, answer):
        """The next bytes of the answer; False when there were too many, and none are wanted any more."""
        size = len(data)
        self.size += size
        if self.size > http.MAX_ANSWER_BODY + MAX_HEAD or not answer.has_room(size):
            self.unseen = "is too large"
            self.received = []
            return False
        self.received.append(data)
        return True

    def failed(self, error, during):
        """The exchange ended with this exception; the first of those that tell of it counts."""
        if self.failure is None:
            self.failure = failing.described(error, during)
        self.failed_with = id(error)

    def asked(self):
        head, _, rest = (self.head or b"").partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target = (lines[0].split(" ") + ["", ""])[:2]
        body = http.Body()
        for part in (rest, *(self.body.parts if self.body is not None else ())):
            body.add(part)
        if self.body is not None and self.body.digest is not None:
            body.length, body.digest = self.body.length + len(rest), self.body.digest
        headers = _fields(lines[1:])
        if "chunked" in _value(headers, "transfer-encoding").lower() and body.length <= http.MAX_QUESTION_BODY:
            body = http.Body(_dechunked(b"".join(body.parts))[0])
        url = http.url_of(self.scheme, self.host, self.port, target)
        return method, url, _value(headers, "content-type"), body

    def answered(self):
        if self.unseen is not None:
            raise calls.Unfaithful(self.unseen)
        raw = b"".join(self.received)
        if not raw:
            if self.failure is not None:
                return self.failure
            if not self.ended:
                raise calls.Unfaithful("had not come")
            return dict(NOTHING)
        return read_response(raw, self.asked()[0], self.ended, self.failure)


def read_response(raw, method, ended, failure):
    """The described answer in these bytes."""
    while True:
        status, headers, raw = _head(raw)
        version, code, reason = status
        if not 100 <= code < 200 or code == 101:
            break
    if code == 101:
        raise calls.Unfaithful("goes on in another protocol")
    rest = {"unread": True}
    if failure is not None:
        rest = failure
    elif ended:
        rest = {"ended": True}
    chunked = "chunked" in _value(headers, "transfer-encoding").lower()
    length = _value(headers, "content-length").strip()
    more = {}
    if method == "HEAD" or code in _without_body:
        body, complete = b"", True
    elif chunked:
        body, complete = _dechunked(raw)
    elif length.isdigit():
        body, complete = raw[: int(length)], len(raw) >= int(length)
    else:
        body, complete = raw, ended and failure is None
    if chunked and (complete or "unread" in rest):
        headers = _without(headers, "transfer-encoding")
        more["chunked"] = True
    elif chunked:
        # How it broke off is in the sizes of its chunks.
        body = raw
    return _decoded(code, reason, version, headers, body, None if complete else rest, more)


def plain_response(method, code, reason, version, headers, body, rest):
    """The described answer where the library has taken it out of its chunks already."""
    more = {}
    if "chunked" in _value(headers, "transfer-encoding").lower():
        headers = _without(headers, "transfer-encoding")
        more["chunked"] = True
    return _decoded(code, reason, version, headers, body, rest, more)


def _decoded(code, reason, version, headers, body, rest, more):
    coding = _value(headers, "content-encoding").strip().lower()
    # Some say gzip and send plain text, or nothing at all.
    if coding not in ("", "identity") and body and not (coding.endswith("gzip") and not body.startswith(b"\x1f\x8b")):
        if rest is not None and "unread" not in rest:
            raise calls.Unfaithful("was cut off and is compressed")
        body = decompressed(coding, body, rest is None)
        headers = _without(headers, "content-encoding")
        more["coding"] = coding
    return http.response(code, reason, version, headers, body, rest, **more)


def _head(raw):
    head, mark, rest = raw.partition(b"\r\n\r\n")
    if not mark:
        head, mark, rest = raw.partition(b"\n\n")
    if not mark:
        raise calls.Unfaithful("broke off in its head")
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    status = _status.match(lines[0])
    if status is None:
        raise calls.Unfaithful("is not HTTP")
    version, code, reason = status.groups()
    fields = _fields([line.decode("latin-1") for line in lines[1:]])
    return (version.decode(), int(code), (reason or b"").decode("latin-1")), fields, rest


def _fields(lines):
    found = []
    for line in lines:
        if line.startswith((" ", "\t")) and found:
            found[-1] = (found[-1][0], found[-1][1] + " " + line.strip())
            continue
        name, mark, value = line.partition(":")
        if mark:
            found.append((name.strip(), value.strip()))
    return found


def _value(headers, name):
    return ", ".join(value for other, value in headers if other.lower() == name)


def _without(headers, name):
    return [pair for pair in headers if pair[0].lower() != name]


def _dechunked(raw):
    """What is in the chunks, and whether the last of them is there."""
    parts = []
    at = 0
    while True:
        end = raw.find(b"\n", at)
        if end < 0:
            return b"".join(parts), False
        try:
            size = int(raw[at:end].split(b";")[0].strip(), 16)
        except ValueError:
            raise calls.Unfaithful("is not in chunks as it says") from None
        if not size:
            return b"".join(parts), True
        part = raw[end + 1 : end + 1 + size]
        parts.append(part)
        at = end + 1 + size + 2
        if len(part) < size:
            return b"".join(parts), False


def decompressed(coding, data, complete):
    """Bounded, for a few bytes may hold very many."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise calls.Unfaithful("is coded as %s" % coding[:20])
    for window in (47,) if coding != "deflate" else (15, -15):
        worker = zlib.decompressobj(window)
        try:
            plain = worker.decompress(data, http.MAX_ANSWER_BODY + 1)
        except zlib.error:
            continue
        if len(plain) > http.MAX_ANSWER_BODY:
            raise calls.Unfaithful("is too large")
        if complete and data and not worker.eof or worker.unused_data:
            break
        return plain
    raise calls.Unfaithful("is damaged")


def compressed(coding, data, complete):
    worker = zlib.compressobj(6, zlib.DEFLATED, 15 if coding == "deflate" else 31)
    return worker.compress(data) + worker.flush(zlib.Z_FINISH if complete else zlib.Z_SYNC_FLUSH)


def headers_of(answer):
    """The headers as they were on the wire, as pairs of text."""
    names = answer.get("names") or ()
    headers = [
        (names[number] if number < len(names) else name, value)
        for number, (name, value) in enumerate(answer["headers"])
    ]
    if answer.get("coding"):
        headers.append(("Content-Encoding", answer["coding"]))
    if answer.get("chunked"):
        headers.append(("Transfer-Encoding", "chunked"))
    return headers


def body_of(answer):
    """The body as it was on the wire, but for chunks."""
    body = b64decode(answer["body"]["data"])
    return compressed(answer["coding"], body, "rest" not in answer) if answer.get("coding") else body


def written(answer, method):
    """A recorded answer as bytes again."""
    body = body_of(answer)
    headers = headers_of(answer)
    has_body = method != "HEAD" and answer["status"] not in _without_body
    if "rest" not in answer and has_body:
        # Redaction and another compression may have made it longer or shorter.
        headers = [(name, str(len(body)) if name.lower() == "content-length" else value) for name, value in headers]
    if answer.get("chunked") and has_body:
        framed = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        body = framed if "rest" in answer else framed + b"0\r\n\r\n"
    lines = ["HTTP/%s %d %s" % (answer["version"], answer["status"], answer["reason"])]
    lines.extend("%s: %s" % pair for pair in headers)
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


class Request:
    """A request that is collected in a replay, in however many pieces it comes."""

    def __init__(self, scheme, host, port):
        self.scheme = scheme
        self.host = host
        self.port = port
        self._data = bytearray()
        self._head = None

    def add(self, data):
        self._data += data

    def _parts(self):
        """The first line, the headers, and where the body begins; None before they are there."""
        if self._head is None:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return None
            lines = bytes(self._data[:end]).decode("latin-1").split("\r\n")
            self._head = lines[0].split(" "), _fields(lines[1:]), end + 4
        return self._head

    def is_complete(self):
        parts = self._parts()
        if parts is None:
            return False
        _, headers, begin = parts
        if "chunked" in _value(headers, "transfer-encoding").lower():
            return self._data.endswith(b"0\r\n\r\n")
        length = _value(headers, "content-length").strip()
        return not length.isdigit() or len(self._data) - begin >= int(length)

    def waits_for_leave(self):
        """Does the client want to hear that its body is welcome, and has not sent any of it?"""
        parts = self._parts()
        return parts is not None and "100-continue" in _value(parts[1], "expect").lower() and len(self._data) == parts[2]

    def method(self):
        return self._parts()[0][0] if self._parts() else ""

    def target(self):
        return (self._parts()[0] + [""])[1] if self._parts() else ""

    def asked(self):
        if self._parts() is None:
            return "UNKNOWN", http.url_of(self.scheme, self.host, self.port, ""), "", http.Body()
        _, headers, begin = self._head
        body = http.Body(bytes(self._data[begin:]))
        if "chunked" in _value(headers, "transfer-encoding").lower() and body.length <= http.MAX_QUESTION_BODY:
            body = http.Body(_dechunked(b"".join(body.parts))[0])
        url = http.url_of(self.scheme, self.host, self.port, self.target())
        return self.method(), url, _value(headers, "content-type"), body

    def question(self):
        return dict(http.described_question(self), kind="http")
