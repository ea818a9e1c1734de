"""What WSGI and ASGI recordings share: limits, recorded bodies, and their form in the protocol."""

from binascii import b2a_base64

MAX_BODY = 1 << 20
MAX_RESPONSE_BODY = 64 << 10
# A body that is cut is known by the hash of the whole of it, up to this size: beyond it hashing would cost the program too much.
MAX_HASHED = 64 << 20
# Bodies that come in more pieces than this are put together while they come.
MAX_PARTS = 256

# Under this name the recording travels in the WSGI environ or ASGI scope, for nested hooks to find.
KEY = "homeostasis.request"


def body(data, length, truncated, sha256=None):
    described = {"data": b2a_base64(data, newline=False).decode("ascii"), "len": length, "truncated": truncated}
    if sha256 is not None:
        described["sha256"] = sha256
    return described


class Recorded:
    """The first part of a body that passes by, and how long it was as a whole.

    With `hashed`, what is longer than its limit is hashed as a whole.
    """

    __slots__ = ("parts", "kept", "length", "limit", "complete", "hashed", "_hash", "_joined")

    def __init__(self, limit, hashed=False):
        self.parts = []
        self.kept = 0
        self.length = 0
        self.limit = limit
        self.complete = False
        self.hashed = hashed
        self._hash = self._joined = None

    def add(self, data):
        size = len(data)
        self.length += size
        room = self.limit - self.kept
        if size > room and self.hashed:
            self._take_into_hash(data)
        if room > 0 and size:
            part = bytes(data) if size <= room else bytes(data[:room])
            self.parts.append(part)
            self.kept += len(part)
            if len(self.parts) > MAX_PARTS:
                self._join()

    def _join(self):
        if self._joined is None:
            self._joined = bytearray()
        for part in self.parts:
            self._joined += part
        self.parts.clear()

    def _take_into_hash(self, data):
        if self._hash is None:
            from hashlib import sha256

            self._hash = sha256(self.data())
        self._hash.update(data)
        if self.length > MAX_HASHED:
            self.hashed, self._hash = False, None

    def data(self):
        return b"".join(self.parts) if self._joined is None else bytes(self._joined) + b"".join(self.parts)

    def described(self):
        truncated = self.length > self.kept
        known = truncated and self.complete and self._hash is not None
        return body(self.data(), self.length, truncated, self._hash.hexdigest() if known else None)
