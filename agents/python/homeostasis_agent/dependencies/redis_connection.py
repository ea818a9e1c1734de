"""Records and replays what connections of redis-py send and read, synchronous and asyncio; what is published to subscribers is not given back.

What sets a connection up (AUTH, HELLO, CLIENT, SELECT) and looks after it (PING of the health check) is neither
recorded nor asked for in a replay.
"""

from .. import guard
from . import failing, redis, replaying
from .recording import TOO_LARGE, note

# Estimate for one answer without its bytes, for the limits of recording.
SIZE = 200
MAX_ITEMS = 1000

_plain = frozenset([int, float, bool, type(None)])


def record(module):
    class_ = _prepared(module)
    _wrap(class_, "connect", _recording_connect)
    _wrap(class_, "send_packed_command", _recording_send)
    _wrap(class_, "read_response", _recording_read)


def record_async(module):
    class_ = _prepared(module)
    _wrap(class_, "connect", _recording_connect_async)
    _wrap(class_, "send_packed_command", _recording_send_async)
    _wrap(class_, "read_response", _recording_read_async)


def _prepared(module):
    """The class of connections: what was sent last, whether what is sent now is of our concern, and whom it is to."""
    class_ = module.AbstractConnection
    class_._homeostasis_batch = class_._homeostasis_server = None
    class_._homeostasis_busy = False
    return class_


def _wrap(class_, name, wrapper):
    original = class_.__dict__[name]
    wrapped = wrapper(original)
    wrapped.__name__, wrapped.__qualname__, wrapped.__doc__ = original.__name__, original.__qualname__, original.__doc__
    setattr(class_, name, wrapped)


def _recording_connect(original):
    """Setting a connection up is not recorded, but for its failure: nothing is sent then."""

    def connect(self):
        if self._sock is not None:
            return original(self)
        before, self._homeostasis_busy = self._homeostasis_busy, True
        try:
            return original(self)
        except BaseException as error:
            if not before:
                _note_refusal(self, error)
            raise
        finally:
            self._homeostasis_busy = before

    return connect


def _recording_connect_async(original):
    async def connect(self):
        if self._reader is not None:
            return await original(self)
        before, self._homeostasis_busy = self._homeostasis_busy, True
        try:
            return await original(self)
        except BaseException as error:
            if not before:
                _note_refusal(self, error)
            raise
        finally:
            self._homeostasis_busy = before

    return connect


def _note_refusal(connection, error):
    try:
        if guard.enabled:
            note("redis", (_server(connection), redis.Batch([b"*1\r\n$7\r\nCONNECT\r\n"]), 0), failing.described(error, "connect"), SIZE)
    except Exception:
        guard.failed("redis")


def _server(connection):
    """Whom it is to, as text."""
    known = connection._homeostasis_server
    if known is None:
        path = getattr(connection, "path", None)
        where = path if isinstance(path, str) and path else "%s:%s" % (getattr(connection, "host", ""), getattr(connection, "port", ""))
        known = connection._homeostasis_server = "%s/%s" % (where, getattr(connection, "db", 0) or 0)
    return known


def _recording_send(original):
    def send_packed_command(self, command, check_health=True):
        if self._homeostasis_busy or not guard.enabled:
            return original(self, command, check_health)
        try:
            command, batch = _batch(command)
        except Exception:
            guard.failed("redis")
            return original(self, command, check_health)
        # Within it the connection may be made, and its health be looked after.
        self._homeostasis_busy = True
        try:
            result = original(self, command, check_health)
        except BaseException as error:
            self._homeostasis_batch = None
            _note(self, batch, None, error, "send")
            raise
        finally:
            self._homeostasis_busy = False
        self._homeostasis_batch = batch
        return result

    return send_packed_command


def _recording_send_async(original):
    async def send_packed_command(self, command, check_health=True):
        if self._homeostasis_busy or not guard.enabled:
            return await original(self, command, check_health)
        try:
            command, batch = _batch(command)
        except Exception:
            guard.failed("redis")
            return await original(self, command, check_health)
        self._homeostasis_busy = True
        try:
            result = await original(self, command, check_health)
        except BaseException as error:
            self._homeostasis_batch = None
            _note(self, batch, None, error, "send")
            raise
        finally:
            self._homeostasis_busy = False
        self._homeostasis_batch = batch
        return result

    return send_packed_command


def _batch(command):
    """The command as it can be sent, and its bytes to be kept."""
    if type(command) is not list:
        # It may be an iterator.
        command = [command.encode()] if type(command) is str else [command] if type(command) is bytes else list(command)
    packed = command
    if len(command) > 1 or type(command[0]) is not bytes:
        packed = [part if type(part) is bytes else bytes(part) for part in command]
    return command, redis.Batch(packed)


def _recording_read(original):
    def read_response(self, *arguments, **named):
        batch = self._homeostasis_batch
        if batch is None or self._homeostasis_busy:
            return original(self, *arguments, **named)
        try:
            result = original(self, *arguments, **named)
        except BaseException as error:
            _note(self, batch, None, error, "read")
            raise
        _note(self, batch, result, None, "read")
        return result

    return read_response


def _recording_read_async(original):
    async def read_response(self, *arguments, **named):
        batch = self._homeostasis_batch
        if batch is None or self._homeostasis_busy:
            return await original(self, *arguments, **named)
        try:
            result = await original(self, *arguments, **named)
        except BaseException as error:
            _note(self, batch, None, error, "read")
            raise
        _note(self, batch, result, None, "read")
        return result

    return read_response


def _note(connection, batch, value, error, during):
    """One more command of the batch was answered."""
    try:
        number = batch.answered
        batch.answered = number + 1
        if number + 1 >= batch.most():
            # What comes after it was published, or pushed. And a connection in its pool holds on to nothing.
            connection._homeostasis_batch = None
        question = (_server(connection), batch, number)
        size = SIZE if number else SIZE + batch.size()
        if error is not None:
            note("redis", question, failing.described(error, during), size)
            return
        kind = type(value)
        if kind is bytes or kind is str or value is None:
            note("redis", question, redis.Reply(value), size + len(value or ()))
            return
        room = [MAX_ITEMS, 0]
        reply = _kept(value, room)
        result = redis.Reply(reply) if room[0] >= 0 else TOO_LARGE
        note("redis", question, result, size + room[1])
    except Exception:
        guard.failed("redis")


def _kept(value, room):
    """A copy of what holds other values, for the program may change it; `room` counts elements down and bytes up."""
    kind = type(value)
    if kind is bytes or kind is str:
        room[1] += len(value)
        return value
    if kind in _plain:
        return value
    if isinstance(value, BaseException):
        return redis.Failed(value)
    if kind is list or kind is dict or kind is set:
        room[0] -= len(value)
        room[1] += 40 * len(value)
        if room[0] < 0:
            return None
        if kind is dict:
            return {name: _kept(item, room) for name, item in value.items()}
        return kind([_kept(item, room) for item in value])
    return value


# Replay


def replay(module):
    class_ = _prepared(module)

    def connect(self, *arguments, **named):
        failure = _failure_to_connect(self)
        if failure is not None:
            raise failing.made(failure)

    def check_health(self):
        """Nobody is there whose health could be bad."""

    def can_read(self, timeout=0):
        return False

    def send_packed_command(self, command, check_health=True):
        _send(self, command)

    def read_response(self, *arguments, **named):
        answer = _answer(self, module)
        if "error" in answer:
            raise failing.made(answer)
        return _value(answer, module)

    for function in (connect, check_health, can_read, send_packed_command, read_response):
        setattr(class_, function.__name__, function)
    class_.connect_check_health = connect


def replay_async(module):
    class_ = _prepared(module)

    async def connect(self, *arguments, **named):
        failure = _failure_to_connect(self)
        if failure is not None:
            await failing.happen(failure)

    async def check_health(self):
        """Nobody is there whose health could be bad."""

    async def can_read(self):
        return False

    async def send_packed_command(self, command, check_health=True):
        _send(self, command)

    async def read_response(self, *arguments, **named):
        answer = _answer(self, module)
        if "error" in answer:
            await failing.happen(answer)
        return _value(answer, module)

    for function in (connect, check_health, can_read, send_packed_command, read_response):
        setattr(class_, function.__name__, function)
    # Its name before version 8, and what else connects since version 5.3.
    class_.can_read_destructive = can_read
    class_.connect_check_health = connect


def _failure_to_connect(connection):
    return replaying.failure_to_connect("redis", _server(connection), ("connect",))


def _send(connection, command):
    """Commands wait until their answers are read; in a batch that could not be sent the first stands for all."""
    if type(command) is str:
        command = [command.encode()]
    elif type(command) is bytes:
        command = [command]
    batch = redis.Batch([bytes(part) for part in command])
    if batch.commands():
        failure = replaying.failure_of("redis", _question(connection, batch, 0), ("send",))
        if failure is not None:
            raise failing.made(failure)
    connection._homeostasis_batch = batch


def _question(connection, batch, number):
    return dict(redis.described_question((_server(connection), batch, number)), kind="redis")


def _answer(connection, module):
    batch = connection._homeostasis_batch
    if batch is None or batch.answered >= len(batch.commands()):
        told = replaying.in_vain("redis: what was published is not recorded")
        raise module.ConnectionError("homeostasis: %s" % told)
    number = batch.answered
    batch.answered += 1
    try:
        return replaying.ask(_question(connection, batch, number))
    except replaying.Unanswered as told:
        raise module.ConnectionError("homeostasis: %s" % told) from None


def _value(answer, module):
    value = redis.made(answer["value"])
    if isinstance(value, module.ResponseError):
        raise value
    return value
