"""Plays recorded requests to a WSGI callable; it opens no socket and judges nothing."""

import io
import sys
from base64 import b64decode
from urllib.parse import quote

from . import credentials
from .replay import arrive, begin


class _Errors(io.TextIOBase):
    """`wsgi.errors` that works when standard error is closed."""

    def write(self, text):
        try:
            return sys.stderr.write(text)
        except Exception:
            return len(text)

    def flush(self):
        try:
            sys.stderr.flush()
        except Exception:
            pass


def play(application, requests, done):
    for request in requests:
        _exchange(application, request, done)


def _exchange(application, request, done):
    arrive(request)
    request = credentials.with_variables(request)
    environ = environ_of(request)
    answer = {"status": None, "headers": []}
    written = []

    def start_response(status, headers, exc_info=None):
        answer["status"] = int(status.split(" ", 1)[0])
        answer["headers"] = [[str(name), str(value)] for name, value in headers]
        return written.append

    failure = None
    result = None
    began = begin()
    try:
        result = application(environ, start_response)
        for part in result:
            written.append(part)
    except Exception as error:
        failure = error
    try:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    except Exception as error:
        failure = failure or error
    status = answer["status"]
    if failure is not None and (status is None or not written):
        # The server would have answered this itself.
        status = 500
    done(began, status, answer["headers"], b"".join(written), failure)


def environ_of(request):
    body = b64decode(request["body"]["data"])
    server = request.get("server") or ["127.0.0.1", 80]
    client = request.get("client") or ["127.0.0.1", 0]
    path = request["path"]
    query = request["query"]
    raw = quote((request.get("root_path") or "") + path, safe="/:@!$&'()*+,;=~-._%") + ("?" + query if query else "")
    environ = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": _wsgi_text(request.get("root_path") or ""),
        "PATH_INFO": _wsgi_text(path),
        "QUERY_STRING": query,
        "RAW_URI": raw,
        "REQUEST_URI": raw,
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": "HTTP/" + (request.get("http_version") or "1.1"),
        "SERVER_SOFTWARE": "homeostasis-replay",
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1] or 0),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": _Errors(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in credentials.remade(request):
        key = name.upper().replace("-", "_")
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[key] = value
        elif key != "TRANSFER_ENCODING":
            key = "HTTP_" + key
            environ[key] = environ[key] + "," + value if key in environ else value
    if body or "CONTENT_LENGTH" in environ:
        environ["CONTENT_LENGTH"] = str(length_of(request, body))
    return environ


def length_of(request, body):
    """The length to announce: of what was recorded, with what had been announced and was never seen."""
    announced = dict(request["headers"]).get("content-length", "")
    unseen = int(announced) - request["body"]["len"] if announced.isdigit() else 0
    return len(body) + max(0, unseen)


def _wsgi_text(text):
    return text.encode("utf-8").decode("latin-1")
