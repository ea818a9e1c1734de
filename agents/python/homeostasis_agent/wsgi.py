"""Records WSGI requests as they were received, and samples successful exchanges; which callables it is put around is decided elsewhere."""

from time import time

from . import channel, guard, traffic
from .dependencies.recording import in_flight, snapshot, size_of
from .failures import report, was_caught_in
from .requests import KEY, MAX_BODY, MAX_RESPONSE_BODY, Recorded
from .traffic import FIRST_ATTEMPTS

_cells = traffic.cells


def recording(original):
    """`original(self, environ, start_response)` with the recording around it; errors of the application go on as they are."""
    def __call__(self, environ, start_response):
        if not guard.enabled or KEY in environ:
            return original(self, environ, start_response)
        try:
            try:
                cell = _cells[environ["REQUEST_METHOD"], environ["PATH_INFO"]]
            except KeyError:
                path = environ.get("PATH_INFO", "")
                cell = traffic.find(environ.get("REQUEST_METHOD", ""), path, _text(path))
            began = time()
            environ[KEY] = occasion = Occasion(environ.copy(), cell, began)
            in_flight.set(occasion)
            if channel.unsettled:
                channel.settle()
            if environ.get("CONTENT_LENGTH", "0") not in ("0", "") or "HTTP_TRANSFER_ENCODING" in environ:
                occasion.tee = environ["wsgi.input"] = Tee(environ["wsgi.input"])
            sampled = (cell.samples < FIRST_ATTEMPTS or began >= traffic.next_sample) and traffic.take_sample(cell, began)
        except Exception:
            guard.failed("wsgi")
            return original(self, environ, start_response)
        try:
            if sampled:
                result = _sampled(original, self, environ, start_response, occasion)
            else:
                result = original(self, environ, start_response)
        except Exception as error:
            report(error, "wsgi", occasion)
            occasion.ended = True
            raise
        occasion.ended = True
        if not occasion.failed:
            cell.requests += 1
            occasion.counted = True
        if channel.asleep:
            channel.wake()
        return result

    return __call__


def _call_application(entry, environ, start_response):
    return entry.application(environ, start_response)


class Entry:
    """A WSGI callable with the recording around it, for servers that hold the callable themselves."""

    __slots__ = ("application",)

    def __init__(self, application):
        self.application = application

    __call__ = recording(_call_application)

    def __getattr__(self, name):
        return getattr(self.application, name)


class WatchedEntry(Entry):
    """The same for servers that say nothing of what happens while the answer is sent."""

    __slots__ = ()

    def __call__(self, environ, start_response):
        result = Entry.__call__(self, environ, start_response)
        occasion = environ.get(KEY)
        if type(result) in (list, tuple) or occasion is None or _is_file(result, environ):
            return result
        return Watched(result, occasion)


class Watched:
    """A response that is made while it is sent: an exception in mid-stream belongs to its request."""

    __slots__ = ("result", "iterator", "occasion")

    def __init__(self, result, occasion):
        self.result = result
        self.occasion = occasion
        self.iterator = iter(result)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self.iterator)
        except StopIteration:
            raise
        except Exception as error:
            report(error, "wsgi.response", self.occasion, True)
            raise

    def close(self):
        close = getattr(self.result, "close", None)
        if close is not None:
            close()


class Tee:
    """`wsgi.input` that remembers what is read from it, by whatever method, until its request has failed."""

    def __init__(self, stream):
        self._stream = stream
        self.recorded = Recorded(MAX_BODY, hashed=True)
        # Set when the request has failed and the rest was looked at.
        self._ended = False

    def _pass(self, data, size=()):
        if self._ended:
            return data
        if data:
            try:
                self.recorded.add(data)
            except Exception:
                guard.failed("tee")
        if not size or size[0] is None or size[0] < 0 or (not data and size[0]):
            self.recorded.complete = True
        return data

    def read(self, *size):
        return self._pass(self._stream.read(*size), size)

    def read1(self, *size):
        return self._pass(self._stream.read1(*size), size or (1,))

    def readline(self, *size):
        return self._pass(self._stream.readline(*size), (1,))

    def readlines(self, *hint):
        lines = self._stream.readlines(*hint)
        self._pass(b"".join(lines), hint)
        return lines

    def readinto(self, buffer):
        return self._fill(buffer, "readinto", self._stream.read)

    def readinto1(self, buffer):
        return self._fill(buffer, "readinto1", getattr(self._stream, "read1", self._stream.read))

    def _fill(self, buffer, name, read):
        fill = getattr(self._stream, name, None)
        if fill is not None:
            count = fill(buffer)
            if count is not None and len(buffer):
                self._pass(bytes(memoryview(buffer)[:count]), (1,))
            return count
        data = self._pass(read(len(buffer)), (len(buffer),))
        buffer[: len(data)] = data
        return len(data)

    def __iter__(self):
        return self

    def __next__(self):
        return self._pass(next(iter(self._stream)), (1,))

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _sampled(original, application, environ, start_response, occasion):
    """Call the application with its response recorded too; kept as a witness when it was a success."""
    answer = {}

    def recording_start_response(status, headers, *more):
        answer["status"], answer["headers"] = status, headers
        return start_response(status, headers, *more)

    result = original(application, environ, recording_start_response)
    try:
        class_ = type(result)
        if class_ is list or class_ is tuple:
            recorded = Recorded(MAX_RESPONSE_BODY)
            for part in result:
                recorded.add(part)
            keep(occasion, answer, recorded)
            return result
        if _is_file(result, environ):
            return result
        return Exchange(result, occasion, answer)
    except Exception:
        guard.failed("witness")
        return result


def _is_file(result, environ):
    """The server sends such files without reading them; so do we."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(result, wrapper)


class Exchange:
    """A response that is recorded while the server takes it."""

    __slots__ = ("result", "iterator", "occasion", "answer", "recorded", "ended")

    def __init__(self, result, occasion, answer):
        self.result = result
        self.occasion = occasion
        self.answer = answer
        self.recorded = Recorded(MAX_RESPONSE_BODY)
        self.ended = False
        self.iterator = iter(result)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            part = next(self.iterator)
        except StopIteration:
            self.ended = True
            raise
        try:
            self.recorded.add(part)
        except Exception:
            guard.failed("witness")
        return part

    def close(self):
        close = getattr(self.result, "close", None)
        if close is not None:
            close()
        if self.ended:
            try:
                keep(self.occasion, self.answer, self.recorded)
            except Exception:
                guard.failed("witness")


def keep(occasion, answer, recorded):
    """Remember an exchange as a witness, if it was a success and all of it is known."""
    status = int(answer.get("status", "0")[:3])
    if not 200 <= status < 400 or occasion.failed or was_caught_in(occasion):
        return
    headers = [[str(name).lower(), str(value)] for name, value in answer["headers"]]
    missing = []
    request = occasion.request(missing)
    if missing:
        return
    answers = snapshot(occasion)
    exchange = (request, status, headers, recorded, answers)
    traffic.keep(occasion.cell, exchange, recorded.kept + len(request["body"]["data"]) + size_of(answers) + 1000)


class Occasion:
    """One request as it was received: a copy of the environ before anyone changed it, and what is known since."""

    # `counted` is there once the request was counted as completed.
    # `ended`: the program has returned its answer, which may still be made while it is sent.
    __slots__ = ("received", "cell", "began", "tee", "failed", "answers", "counted", "ended")

    protocol = "wsgi"

    def __init__(self, received, cell, began):
        self.received = received
        self.cell = cell
        self.began = began
        self.tee = self.answers = None
        self.failed = self.ended = False

    def path(self):
        return _text(self.received.get("PATH_INFO", ""))

    def count_failure(self, was_counted=False):
        """Count this request as failed, and as a request unless that was done when its answer began."""
        if not self.failed:
            self.failed = True
            self.cell.failed += 1
            if not was_counted and not hasattr(self, "counted"):
                self.cell.requests += 1
            if channel.asleep:
                channel.wake()

    def finish_body(self, missing):
        """Look at what the application left unread; what it reads from now on, while it apologises, is not recorded again."""
        tee = self.tee
        if tee is None or tee._ended:
            return
        recorded = tee.recorded
        announced = self.received.get("CONTENT_LENGTH") or ""
        left = int(announced) - recorded.length if announced.isdigit() else None
        tee._ended = True
        if recorded.complete or left is not None and left <= 0:
            recorded.complete = True
            return
        if recorded.length > MAX_BODY:
            return
        from . import bodies

        rest, is_all = bodies.unread(tee._stream, self.received, left)
        recorded.add(rest)
        recorded.complete = is_all

    def request(self, missing):
        received = self.received
        path = self.path()
        return {
            "protocol": "wsgi",
            "method": str(received.get("REQUEST_METHOD", "GET")),
            "scheme": str(received.get("wsgi.url_scheme", "http")),
            "path": path,
            "root_path": _text(received.get("SCRIPT_NAME", "")),
            "query": str(received.get("QUERY_STRING", "")),
            "route": self.cell.route if self.cell.route != traffic.OTHER else traffic.route_of(
                str(received.get("REQUEST_METHOD", "GET")), path
            ),
            "http_version": str(received.get("SERVER_PROTOCOL", "HTTP/1.1")).rpartition("/")[2],
            "headers": _headers(received),
            "client": _address(received.get("REMOTE_ADDR"), received.get("REMOTE_PORT")),
            "server": _address(received.get("SERVER_NAME"), received.get("SERVER_PORT")),
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
        expected = self.received.get("CONTENT_LENGTH") or ""
        if expected.isdigit():
            if recorded.length < int(expected):
                missing.append("request.body: %d of %s bytes were read" % (recorded.length, expected))
            else:
                recorded.complete = True
        elif not recorded.complete:
            missing.append("request.body: may be longer, its length was not announced")
        return recorded.described()


def _headers(environ):
    found = []
    for name, value in environ.items():
        if type(name) is not str or not isinstance(value, str):
            continue
        if name.startswith("HTTP_"):
            found.append([name[5:].replace("_", "-").lower(), value])
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            found.append([name.replace("_", "-").lower(), value])
    return found


def _text(value):
    """WSGI carries the bytes of a path as if they were Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except (UnicodeError, AttributeError):
        return str(value)


def _address(host, port):
    if not isinstance(host, str) or not host:
        return None
    text = str(port) if port is not None else ""
    return [host, int(text) if text.isdigit() else 0]


def current_occasion():
    """The occasion of the request that this thread or task serves."""
    occasion = in_flight.get()
    return occasion if type(occasion) is Occasion else None


def occasion_of_traceback(error):
    """The occasion of the request through whose serving this exception came, for servers that only tell the exception."""
    entry = error.__traceback__
    while entry is not None:
        environ = entry.tb_frame.f_locals.get("environ")
        if type(environ) is dict and type(environ.get(KEY)) is Occasion:
            return environ[KEY]
        entry = entry.tb_next
    return None
