"""Records and replays what `http.client` is asked for, and with it urllib, urllib3, requests and botocore; connections that are made by hand are not replayed.

While recording, the bytes of the answer are kept as they come from the socket. In a replay a stand-in for the socket
takes the request and gives those bytes back, so that all that libraries do above it is done by themselves.
"""

import io
import re
import socket

from .. import guard
from . import failing, http, http_wire, replaying
from .recording import note

# Estimate for one exchange without its bytes, for the limits of recording.
SIZE = 500

# What `http.client` says when a proxy did not do as it was told.
_refusal = re.compile(r"Tunnel connection failed: (\d{3} .*)")

# Between the call for a response and its making: the answer that is recorded, by the id of the socket.
_awaiting = {}


def record(module):
    """For `http.client`."""
    connection, response = module.HTTPConnection, module.HTTPResponse
    # Attributes, for whoever touches the dictionary of an object makes all its attributes slower from then on.
    connection._homeostasis_answer = connection._homeostasis_refused = None
    connection.putrequest = _recording_request(connection.putrequest)
    connection.send = _recording_send(connection.send)
    connection.getresponse = _recording_getresponse(connection.getresponse)
    connection.connect = _recording_connect(connection.connect)
    response.__init__ = _recording_response(response.__init__)


def record_urllib3(module):
    """For `urllib3.connection`, whose classes connect in ways of their own."""
    for name in ("HTTPConnection", "HTTPSConnection"):
        class_ = getattr(module, name)
        if "connect" in class_.__dict__:
            class_.connect = _recording_connect(class_.connect)


def _recording_request(original):
    def putrequest(self, method, url, skip_host=False, skip_accept_encoding=False):
        original(self, method, url, skip_host, skip_accept_encoding)
        if not guard.enabled:
            return
        try:
            exchange = http_wire.Exchange(*_origin(self))
            self._homeostasis_answer = note("http", exchange, exchange, SIZE + len(url))
        except Exception:
            guard.failed("http")

    putrequest.__doc__ = original.__doc__
    return putrequest


def _origin(connection):
    scheme = "https" if connection.default_port == 443 else "http"
    tunnel = connection._tunnel_host
    if tunnel:
        return scheme, tunnel, connection._tunnel_port
    return scheme, connection.host, connection.port


def _recording_send(original):
    def send(self, data):
        answer = self._homeostasis_answer
        # Within it a connection may be made, by way of a proxy even.
        if answer is None or answer.question.is_busy:
            return original(self, data)
        exchange = answer.question
        try:
            exchange.is_busy = True
            data = _sent(answer, data)
        except Exception:
            guard.failed("http")
        try:
            return original(self, data)
        except BaseException as error:
            if exchange.failed_with != id(error):
                _failed(exchange, error, "send")
            raise
        finally:
            exchange.is_busy = False

    send.__doc__ = original.__doc__
    return send


def _sent(answer, data):
    if type(data) is bytes or isinstance(data, (bytearray, memoryview)):
        answer.question.sent(data, answer)
    elif isinstance(data, str) or isinstance(data, io.TextIOBase) or not hasattr(data, "read"):
        answer.question.unseen = "belongs to a request that could not be seen"
    else:
        return Read(data, answer)
    return data


class Read:
    """A file that is sent, remembering what is read from it."""

    def __init__(self, file, answer):
        self._file = file
        self._answer = answer

    def read(self, *size):
        data = self._file.read(*size)
        try:
            if data:
                self._answer.question.sent(data, self._answer)
        except Exception:
            guard.failed("http")
        return data

    def __getattr__(self, name):
        return getattr(self._file, name)


def _failed(exchange, error, during):
    try:
        exchange.failed(_cause(error), during)
        exchange.failed_with = id(error)
    except Exception:
        guard.failed("http")


def _cause(error):
    """What the operating system said: libraries make errors of their own from it, and will do so again."""
    link = error
    for _ in range(failing.MAX_LINKS):
        if isinstance(link, OSError):
            return link
        link = link.__cause__ or link.__context__
        if link is None:
            break
    return error


def _recording_connect(original):
    def connect(self):
        # Where it failed, a connection forgets whom it was for.
        origin, tunnel = _origin(self), self._tunnel_host
        try:
            return original(self)
        except Exception as error:
            try:
                if guard.enabled:
                    _note_refusal(self, error, origin, tunnel or getattr(self, "proxy", None))
            except Exception:
                guard.failed("http")
            raise

    connect.__doc__ = original.__doc__
    return connect


def _note_refusal(connection, error, origin, proxy):
    """A connection did not come about; classes that inherit from each other tell of it twice."""
    if connection._homeostasis_refused == id(error):
        return
    connection._homeostasis_refused = id(error)
    cause = _cause(error)
    during = _stage(cause)
    answer = connection._homeostasis_answer
    if answer is not None and not proxy:
        _failed(answer.question, error, during)
        return
    scheme, host, port = origin
    if proxy and during == "connect":
        host, port = connection.host, connection.port
    attempt = http.Connecting(http.url_of(scheme, host, port, ""), failing.described(cause, during))
    note("http", attempt, attempt, SIZE)


def _stage(error):
    """How far it had come, as the functions tell that the exception went through."""
    entry = error.__traceback__
    while entry is not None:
        name = entry.tb_frame.f_code.co_name
        if name in ("wrap_socket", "ssl_wrap_socket"):
            return "tls"
        if name == "_tunnel":
            return "tunnel"
        entry = entry.tb_next
    return "connect"


def _recording_getresponse(original):
    def getresponse(self):
        answer = self._homeostasis_answer
        if answer is None:
            return original(self)
        # From here on only the response knows of it, so that it goes when the response goes.
        self._homeostasis_answer = None
        key = id(self.sock)
        _awaiting[key] = answer
        try:
            return original(self)
        finally:
            _awaiting.pop(key, None)

    getresponse.__doc__ = original.__doc__
    return getresponse


def _recording_response(original):
    def __init__(self, sock, *arguments, **named):
        original(self, sock, *arguments, **named)
        answer = _awaiting.pop(id(sock), None) if _awaiting else None
        if answer is not None:
            try:
                _watch(self.fp, answer)
            except Exception:
                guard.failed("http")

    return __init__


def _watch(file, answer):
    raw = getattr(file, "raw", None)
    if type(raw) is not socket.SocketIO:
        answer.question.unseen = "came by a way that cannot be seen"
        return
    raw.__class__ = Watched
    raw._homeostasis_answer = answer


class Watched(socket.SocketIO):
    """The file of a socket, remembering what comes from it; made from the one that was there."""

    def readinto(self, buffer):
        try:
            count = socket.SocketIO.readinto(self, buffer)
        except BaseException as error:
            _failed(self._homeostasis_answer.question, error, "read")
            raise
        try:
            answer = self._homeostasis_answer
            if count:
                if answer.question.unseen is None:
                    answer.question.got(bytes(buffer[:count]), answer)
            elif count == 0:
                answer.question.ended = True
        except Exception:
            guard.failed("http")
        return count


# Replay


def replay(module):
    """For `http.client`."""
    connection = module.HTTPConnection
    original = connection.connect

    def connect(self):
        self._create_connection = connected
        return original(self)

    connection.connect = connect


def replay_urllib3(module):
    """For `urllib3.util.connection`."""
    module.create_connection = connected


def replay_ssl(module):
    """For `ssl`: a stand-in needs no encryption."""
    original = module.SSLContext.wrap_socket

    def wrap_socket(self, sock, *arguments, **named):
        if isinstance(sock, StandIn):
            return sock.encrypted(self)
        return original(self, sock, *arguments, **named)

    module.SSLContext.wrap_socket = wrap_socket


def connected(address, timeout=None, source_address=None, socket_options=None, **more):
    """Like `socket.create_connection`: a socket that is connected to the recorded answers."""
    host, port = address
    for scheme in ("http", "https"):
        failure = replaying.failure_to_connect("http", http.origin(http.url_of(scheme, host, port, "")), ("connect",))
        if failure is not None:
            raise failing.made(failure)
    return StandIn(host, port)


class StandIn(socket.socket):
    """A socket at whose other end are the recorded answers; it has a true file number, for libraries ask whether there is something to read."""

    def __init__(self, host, port):
        ours, self._other_end = socket.socketpair()
        socket.socket.__init__(self, fileno=ours.detach())
        self._scheme, self._host, self._port = "http", host, port
        self._context = None
        self._request = None
        self._reader = None

    # What is asked

    def sendall(self, data, *flags):
        if self._request is None:
            self._request = http_wire.Request(self._scheme, self._host, self._port)
            self._reader = None
        self._request.add(data)
        failure = replaying.failure_of("http", self._request.question(), ("send",))
        if failure is not None:
            raise failing.made(failure)

    def send(self, data, *flags):
        self.sendall(data)
        return len(data)

    # What is answered

    def makefile(self, mode="r", buffering=None, **more):
        raw = Reader(self)
        if buffering == 0:
            return raw
        buffered = io.BufferedReader(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, **more)

    def recv_into(self, buffer, size=0, *flags):
        view = memoryview(buffer)
        return self.next_answer().readinto(view[:size] if size else view)

    def recv(self, size, *flags):
        return self.next_answer().read(size)

    read = recv

    def next_answer(self):
        """Where the answer to what was sent is read from."""
        if self._reader is None:
            request, self._request = self._request, None
            self._reader = Answer(b"", None) if request is None else self._answer_to(request)
        return self._reader

    def _answer_to(self, request):
        if request.method() == "CONNECT":
            return self._through_proxy(request)
        question = request.question()
        try:
            answer = replaying.ask(question)
        except replaying.Unanswered as told:
            raise ConnectionResetError(104, "homeostasis: %s" % told) from None
        finally:
            # Each request makes a connection of its own, as it cannot be known whether it did when it was recorded.
            self._other_end.close()
        if "error" in answer:
            return Answer(b"", answer)
        return Answer(http_wire.written(answer, question["method"]), answer.get("rest"), http.told(question))

    def _through_proxy(self, request):
        host, _, port = request.target().rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        failure = replaying.failure_to_connect("http", http.origin(http.url_of("https", self._host, self._port, "")), ("tunnel",))
        status = "200 Connection established"
        if failure is not None:
            error = failing.made(failure)
            refusal = _refusal.search(str(error))
            if refusal is None:
                raise error
            status = refusal.group(1)
        return Answer(b"HTTP/1.1 %s\r\n\r\n" % status.encode("latin-1", "replace"), None)

    # What else is asked of sockets

    def setsockopt(self, *arguments):
        """Options of another family."""

    def getpeername(self):
        return (self._host, self._port)

    def getsockname(self):
        return ("127.0.0.1", 0)

    def close(self):
        self._other_end.close()
        socket.socket.close(self)

    # What is asked of encrypted sockets

    def encrypted(self, context):
        origin = http.origin(http.url_of("https", self._host, self._port, ""))
        failure = replaying.failure_to_connect("http", origin, ("tls",))
        if failure is not None:
            raise failing.made(failure)
        self._scheme, self._context = "https", context
        return self

    @property
    def context(self):
        return self._context

    def version(self):
        return "TLSv1.3"

    def cipher(self):
        return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

    def selected_alpn_protocol(self):
        return "http/1.1"

    def pending(self):
        return 0

    def do_handshake(self, *block):
        """Nothing is encrypted here."""

    def unwrap(self):
        return self

    def getpeercert(self, binary_form=False):
        if binary_form:
            return b""
        kind = "IP Address" if self._host.replace(".", "").isdigit() or ":" in self._host else "DNS"
        return {"subject": ((("commonName", self._host),),), "subjectAltName": ((kind, self._host),)}


class Answer:
    """The bytes of an answer, and what comes after them."""

    def __init__(self, data, rest, told=""):
        self._file = io.BytesIO(data)
        self._rest = rest
        self._told = told

    def readinto(self, buffer):
        return self._file.readinto(buffer) or self._end()

    def read(self, size):
        data = self._file.read(size)
        if not data:
            self._end()
        return data

    def _end(self):
        rest = self._rest
        if rest is not None and "unread" in rest:
            told = replaying.in_vain("%s: more is read than was read when it was recorded" % self._told)
            raise ConnectionResetError(104, "homeostasis: %s" % told)
        if rest is not None and "error" in rest and rest["error"]["class"] != "builtins.EOFError":
            raise failing.made(rest)
        return 0


class Reader(io.RawIOBase):
    """The file of a stand-in."""

    def __init__(self, sock):
        self._sock = sock

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._sock.next_answer().readinto(buffer)

    def fileno(self):
        return self._sock.fileno()
