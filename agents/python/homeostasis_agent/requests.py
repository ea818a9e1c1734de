"""What WSGI and ASGI recordings share: limits, recorded bodies, and their form in the protocol."""

from binascii import b2a_base64

MAX_BODY = 1 << 20
MAX_RESPONSE_BODY = 64 << 10

# Under this name the recording travels in the WSGI environ or ASGI scope, for nested hooks to find.
KEY = "homeostasis.request"


def body(data, length, truncated):
    return {"data": b2a_base64(data, newline=False).decode("ascii"), "len": length, "truncated": truncated}


class Recorded:
    """The first part of a body that passes by, and how long it was as a whole."""

    __slots__ = ("parts", "kept", "length", "limit", "complete")

    def __init__(self, limit):
        self.parts = []
        self.kept = 0
        self.length = 0
        self.limit = limit
        self.complete = False

    def add(self, data):
        size = len(data)
        self.length += size
        room = self.limit - self.kept
        if room > 0 and size:
            part = bytes(data) if size <= room else bytes(data[:room])
            self.parts.append(part)
            self.kept += len(part)

    def data(self):
        return b"".join(self.parts)

    def described(self):
        return body(self.data(), self.length, self.length > self.kept)
