"""The form of commands to Redis and of their answers; the library that sends them is in `redis_connection`.

A question while recording is `(server, batch, number)`: whom the connection is to as text, what was sent at once as a
`Batch`, and which of its commands this is. A result is a `Reply`, or a described failure as a dictionary.
"""

from hashlib import sha256

from .. import calls, redact, values
from . import errors, matching

MAX_TOLD = 200
MAX_PART = calls.MAX_CHARACTERS

_reads = frozenset(
    b"BITCOUNT BITPOS DBSIZE DUMP ECHO EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEOSEARCH GET GETBIT GETRANGE HEXISTS HGET"
    b" HGETALL HKEYS HLEN HMGET HRANDFIELD HSCAN HSTRLEN HVALS INFO KEYS LINDEX LLEN LPOS LRANGE MGET PING PTTL SCAN"
    b" SCARD SDIFF SINTER SISMEMBER SMEMBERS SMISMEMBER SSCAN STRLEN SUNION TIME TTL TYPE XINFO XLEN XRANGE XREVRANGE"
    b" ZCARD ZCOUNT ZMSCORE ZRANGE ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANK ZSCAN ZSCORE".split()
)
# Commands whose answer says how it went, whatever was written.
_writes = frozenset(
    b"EXPIRE EXPIREAT HMSET HSET HSETNX LPUSH PEXPIRE PSETEX PUBLISH RPUSH SADD SET SETEX XADD ZADD".split()
)


class Batch:
    """Packed commands that were sent at once, read only when they are needed."""

    __slots__ = ("packed", "answered", "_commands", "_most")

    def __init__(self, packed):
        self.packed = packed
        self.answered = 0
        self._commands = self._most = None

    def commands(self):
        """Each as a list of its parts; what is no command is left out."""
        if self._commands is None:
            self._commands = read_commands(b"".join(self.packed))
        return self._commands

    def size(self):
        packed = self.packed
        return len(packed[0]) if len(packed) == 1 else sum(map(len, packed))

    def most(self):
        """No more commands than this are in it, found without reading them."""
        if self._most is None:
            self._most = sum(part.count(b"*") for part in self.packed)
        return self._most


def read_commands(data):
    """What is in packed commands, by their form `*parts CRLF, for each: $length CRLF part CRLF`."""
    found = []
    at = 0
    while data[at : at + 1] == b"*":
        end = data.find(b"\r\n", at)
        count, at = int(data[at + 1 : end]), end + 2
        command = []
        for _ in range(count):
            end = data.find(b"\r\n", at)
            length, start = int(data[at + 1 : end]), end + 2
            command.append(data[start : start + length])
            at = start + length + 2
        found.append(command)
    return found


class Reply:
    """What was read, as it was then: the program may change what it was given."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def described_question(question):
    server, batch, number = question
    commands = batch.commands()
    command = commands[number] if number < len(commands) else []
    return {"server": server, "command": [_part(part) for part in command]}


def _part(part):
    if len(part) > MAX_PART:
        return {"t": "other", "class": "builtins.bytes", "text": "%d bytes, sha256 %s" % (len(part), sha256(part).hexdigest())}
    return calls.faithful(part, values.Budget(1))


def described_answer(question, result):
    if type(result) is dict:
        return result
    if question[2] >= len(question[1].commands()):
        raise calls.Unfaithful("came unasked")
    return {"value": _described(result.value, values.Budget(calls.MAX_VALUES))}


def _described(value, budget):
    """A value as it came; errors may be in the answer to a transaction."""
    if type(value) is Failed:
        return {"t": "error", "error": value.described}
    if type(value) is list:
        if len(value) > calls.MAX_ITEMS:
            raise calls.Unfaithful("holds too much")
        return {"t": "list", "items": [_described(item, budget) for item in value], "len": len(value)}
    if type(value) is dict:
        items = [[_described(name, budget), _described(item, budget)] for name, item in value.items()]
        return {"t": "dict", "items": items, "len": len(items)}
    return calls.faithful(value, budget)


class Failed:
    """An error among the values of an answer; the exception itself would hold on to what it went through."""

    __slots__ = ("described",)

    def __init__(self, error):
        self.described = errors.described(error)


def made(value):
    """The value of a recorded answer again."""
    from ..replay_calls import made as made_value

    kind = value["t"]
    if kind == "error":
        return errors.made(value["error"])
    if kind == "list":
        return [made(item) for item in value["items"]]
    if kind == "dict":
        return {made(name): made(item) for name, item in value["items"]}
    return made_value(value)


def heading(question):
    return question["server"]


def alike(recorded, asked):
    one, other = recorded["command"], asked["command"]
    if recorded["server"] != asked["server"] or len(one) != len(other) or not one:
        return matching.NOT
    if one == other:
        return matching.SAME
    if _name(one) != _name(other):
        return matching.NOT
    surest = _parts(one, other)
    if surest == matching.NOT and _name(other) in _writes and "value" in recorded["answer"]:
        if matching.values(one[1], other[1], matching.LEAST_HIDDEN) != matching.NOT:
            return matching.WRITES
    return surest


def _parts(recorded, asked):
    """The key of what is set or read says whether it is a secret, as it did when it was hidden."""
    key = redact._text_of(asked[1]) if len(asked) > 1 else None
    least = 1 if key is not None and redact.is_secret(key) else matching.LEAST_HIDDEN
    surest = matching.SAME
    for number, (one, other) in enumerate(zip(recorded, asked)):
        surest = min(surest, matching.values(one, other, least if number > 1 else matching.LEAST_HIDDEN))
        if surest == matching.NOT:
            break
    return surest


def _name(command):
    from base64 import b64decode

    first = command[0]
    return b64decode(first["v"]).upper() if first["t"] == "bytes" else b""


def is_repeatable(question):
    return _name(question["command"]) in _reads


def told(question):
    return ("redis %s" % _text(question, 3))[:MAX_TOLD]


def effect(question):
    return "redis", _text(question, None)


def _text(question, most):
    from base64 import b64decode

    parts = []
    for part in question["command"][:most]:
        parts.append(b64decode(part["v"]).decode("utf-8", "replace") if part["t"] == "bytes" else part.get("text", part["t"]))
    return " ".join(parts)
