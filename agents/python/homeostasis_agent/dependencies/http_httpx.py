"""Records and replays what httpx sends over the network by its own transports; transports within the process are left alone."""

from base64 import b64decode

from .. import calls, guard
from . import failing, http, http_wire, replaying
from .recording import note

# Estimate for one exchange without its bytes, for the limits of recording.
SIZE = 1000


class Exchange:
    """One request with its answer; only references are kept."""

    __slots__ = ("method", "url", "headers", "body", "status", "answer_headers", "extensions", "parts", "size", "complete", "failure", "unseen")

    def __init__(self, request):
        self.method = request.method
        self.url = request.url
        self.headers = request.headers
        self.body = http.Body()
        self.status = None
        self.parts = []
        self.size = 0
        self.complete = False
        self.failure = self.unseen = None

    def begun(self, response):
        self.status = response.status_code
        self.answer_headers = list(response.headers.raw)
        self.extensions = response.extensions

    def got(self, data, answer):
        self.size += len(data)
        if self.unseen is None:
            if self.size > http.MAX_ANSWER_BODY or not answer.has_room(len(data)):
                self.unseen = "is too large"
                self.parts = []
            else:
                self.parts.append(data)

    def failed(self, error, during):
        if self.failure is None:
            self.failure = failing.described(error, during)

    def asked(self):
        url = self.url
        target = url.raw_path.decode("ascii", "replace")
        address = http.url_of(url.scheme, url.host, url.port, target)
        return self.method, address, self.headers.get("content-type", ""), self.body

    def answered(self):
        if self.unseen is not None:
            raise calls.Unfaithful(self.unseen)
        if self.status is None:
            if self.failure is None:
                raise calls.Unfaithful("had not come")
            return self.failure
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.answer_headers]
        version = self.extensions.get("http_version", b"HTTP/1.1").decode("ascii", "replace").rpartition("/")[2]
        reason = self.extensions.get("reason_phrase", b"").decode("latin-1")
        rest = None if self.complete else self.failure or {"unread": True}
        return http_wire.plain_response(self.method, self.status, reason, version, headers, b"".join(self.parts), rest)


def record(module):
    module.HTTPTransport.handle_request = _recording(module, module.HTTPTransport.handle_request)
    module.AsyncHTTPTransport.handle_async_request = _recording_async(module, module.AsyncHTTPTransport.handle_async_request)


def _recording(module, original):
    class Sent(module.SyncByteStream):
        """A body that is made while it is sent."""

        def __init__(self, stream, answer):
            self._stream = stream
            self._answer = answer

        def __iter__(self):
            for part in self._stream:
                _sent(self._answer, part)
                yield part

        def close(self):
            self._stream.close()

    class Answered(module.ResponseStream):
        """The stream of a response, remembering what passes by; made from the one that was there."""

        def __iter__(self):
            # A response is part of a ring of references; it is not to hold on to what was recorded.
            answer, self._homeostasis_answer = self._homeostasis_answer, None
            if answer is None:
                yield from module.ResponseStream.__iter__(self)
                return
            exchange = answer.question
            try:
                for part in module.ResponseStream.__iter__(self):
                    _got(answer, part)
                    yield part
            except GeneratorExit:
                raise
            except BaseException as error:
                _failed(exchange, error)
                raise
            exchange.complete = True

    def handle_request(self, request):
        answer, stream = _begin(request, Sent)
        if answer is None:
            return original(self, request)
        try:
            response = original(self, request)
        except BaseException as error:
            _failed(answer.question, error)
            raise
        finally:
            if stream is not None:
                request.stream = stream
        _watch(response, answer, module.ResponseStream, Answered)
        return response

    return handle_request


def _recording_async(module, original):
    class Sent(module.AsyncByteStream):
        """A body that is made while it is sent."""

        def __init__(self, stream, answer):
            self._stream = stream
            self._answer = answer

        async def __aiter__(self):
            async for part in self._stream:
                _sent(self._answer, part)
                yield part

        async def aclose(self):
            await self._stream.aclose()

    class Answered(module.AsyncResponseStream):
        """The stream of a response, remembering what passes by; made from the one that was there."""

        def __aiter__(self):
            answer, self._homeostasis_answer = self._homeostasis_answer, None
            parts = module.AsyncResponseStream.__aiter__(self)
            return Parts(parts, answer) if answer is not None else parts

    async def handle_async_request(self, request):
        answer, stream = _begin(request, Sent)
        if answer is None:
            return await original(self, request)
        try:
            response = await original(self, request)
        except BaseException as error:
            _failed(answer.question, error)
            raise
        finally:
            if stream is not None:
                request.stream = stream
        _watch(response, answer, module.AsyncResponseStream, Answered)
        return response

    return handle_async_request


class Parts:
    """Iterates beside the program; it is no generator, for one would be closed at another time than the one within."""

    __slots__ = ("_parts", "_answer")

    def __init__(self, parts, answer):
        self._parts = parts
        self._answer = answer

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            part = await self._parts.__anext__()
        except StopAsyncIteration:
            self._answer.question.complete = True
            raise
        except BaseException as error:
            _failed(self._answer.question, error)
            raise
        _got(self._answer, part)
        return part


def _begin(request, sent):
    """The answer that is recorded, and the stream of the request where another one was put in its place for as long as it is sent."""
    if not guard.enabled:
        return None, None
    try:
        exchange = Exchange(request)
        answer = note("http", exchange, exchange, SIZE)
        if answer is None:
            return None, None
        content = request.__dict__.get("_content")
        if content is not None:
            if content:
                _sent(answer, content)
            return answer, None
        stream = request.stream
        request.stream = sent(stream, answer)
        return answer, stream
    except Exception:
        guard.failed("httpx")
        return None, None


def _sent(answer, data):
    try:
        body = answer.question.body
        before = body.length
        body.add(data)
        if before < http.MAX_QUESTION_BODY:
            answer.has_room(min(len(data), http.MAX_QUESTION_BODY))
    except Exception:
        guard.failed("httpx")


def _got(answer, data):
    try:
        answer.question.got(data, answer)
    except Exception:
        guard.failed("httpx")


def _failed(exchange, error):
    try:
        exchange.failed(error, "read")
    except Exception:
        guard.failed("httpx")


def _watch(response, answer, class_, watching):
    try:
        answer.question.begun(response)
        if type(response.stream) is class_:
            response.stream.__class__ = watching
            response.stream._homeostasis_answer = answer
        else:
            answer.question.unseen = "came by a way that cannot be seen"
    except Exception:
        guard.failed("httpx")


# Replay


class Asked:
    """A request in a replay."""

    def __init__(self, request, body):
        self.exchange = Exchange(request)
        for part in body:
            self.exchange.body.add(part)

    def question(self):
        return dict(http.described_question(self.exchange), kind="http")


def replay(module):
    class Again(module.SyncByteStream):
        """The body of a recorded answer, and what came after it."""

        def __init__(self, answer, told):
            self._answer = answer
            self._told = told

        def __iter__(self):
            body = http_wire.body_of(self._answer)
            if body:
                yield body
            failure = _rest(module, self._answer, self._told)
            if failure is not None:
                raise failing.made(failure)

    class AgainAsync(module.AsyncByteStream):
        """The same for coroutines."""

        def __init__(self, answer, told):
            self._answer = answer
            self._told = told

        async def __aiter__(self):
            body = http_wire.body_of(self._answer)
            if body:
                yield body
            failure = _rest(module, self._answer, self._told)
            if failure is not None:
                await failing.happen(failure)

    def handle_request(self, request):
        question = Asked(request, request.stream).question()
        answer = _ask(module, question)
        if "error" in answer:
            raise failing.made(answer)
        return _response(module, answer, Again(answer, http.told(question)))

    async def handle_async_request(self, request):
        question = Asked(request, [part async for part in request.stream]).question()
        answer = _ask(module, question)
        if "error" in answer:
            await failing.happen(answer)
        return _response(module, answer, AgainAsync(answer, http.told(question)))

    module.HTTPTransport.handle_request = handle_request
    module.AsyncHTTPTransport.handle_async_request = handle_async_request


def _ask(module, question):
    try:
        return replaying.ask(question)
    except replaying.Unanswered as told:
        raise module.ConnectError("homeostasis: %s" % told) from None


def _rest(module, answer, told):
    """The failure that ended the body, if any; raises where more is read than was read then."""
    rest = answer.get("rest")
    if rest is None:
        return None
    if "error" in rest:
        return rest
    raise module.ReadError("homeostasis: %s" % replaying.in_vain("%s: more is read than was read when it was recorded" % told))


def _response(module, answer, stream):
    body = b64decode(answer["body"]["data"])
    headers = [
        (name.encode("latin-1"), (str(len(body)) if _is_length(name, answer) else value).encode("latin-1", "replace"))
        for name, value in http_wire.headers_of(answer)
    ]
    extensions = {"http_version": b"HTTP/" + answer["version"].encode("ascii"), "reason_phrase": answer["reason"].encode("latin-1", "replace")}
    return module.Response(status_code=answer["status"], headers=headers, stream=stream, extensions=extensions)


def _is_length(name, answer):
    """The length of what was compressed is another one now, but nobody measures it here."""
    return name.lower() == "content-length" and "coding" not in answer and "rest" not in answer and answer["body"]["len"] > 0
