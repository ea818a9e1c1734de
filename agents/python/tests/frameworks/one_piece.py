"""A fixture of the tests of frameworks: requests whose bodies are there at once."""

from http.client import HTTPConnection

import pytest


@pytest.fixture
def in_one_piece(monkeypatch):
    """Requests of this test are sent with their bodies at once, so that all of a body is there when its request fails."""

    def send(self, message_body=None, encode_chunked=False):
        message = b"\r\n".join([*self._buffer, b"", b""])
        del self._buffer[:]
        self.send(message + (message_body or b""))

    monkeypatch.setattr(HTTPConnection, "_send_output", send)
