"""The other end of the wire for tests: listens on a Unix socket, greets agents and keeps what they say; it heals nothing."""

import base64
import hashlib
import json
import os
import socket
import threading
import time


class Peer:
    """Speaks the protocol. `swaps` and `config` go into each welcome; `behaviour` may be `speak`, `garbage`, `silent`, `deaf` or `slow`."""

    def __init__(self, path, swaps=(), config=None, behaviour="speak"):
        self.path = str(path)
        self.swaps = list(swaps)
        self.config = config or {}
        self.behaviour = behaviour
        self.messages = []
        self.wire = []
        self.connections = []
        self._changed = threading.Condition()
        self._closed = False
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """End at once, as a killed server would: listener and all connections."""
        self._closed = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def _accept(self):
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.behaviour == "garbage":
                connection.sendall(b"\x00\xffHTTP/1.1 400 Bad Request\r\n\r\n" * 100)
                connection.recv(1)
                return
            if self.behaviour == "deaf":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                self._send(connection, self._welcome())
                while not self._closed:
                    time.sleep(0.05)
                return
            if self.behaviour == "slow":
                self._send(connection, self._welcome())
                while not self._closed and connection.recv(100):
                    time.sleep(0.02)
                return
            for line in connection.makefile("rb"):
                self.wire.append(line)
                message = json.loads(line)
                message["_connection"] = connection
                with self._changed:
                    self.messages.append(message)
                    self._changed.notify_all()
                if message["type"] == "hello" and self.behaviour == "speak":
                    self._send(connection, self._welcome())
        except OSError:
            pass

    def _welcome(self):
        return {"type": "welcome", "protocol": 1, "service": "tested", "config": self.config, "swaps": self.swaps}

    def _send(self, connection, message):
        connection.sendall(json.dumps(message).encode() + b"\n")

    def say(self, message):
        """Send to every process that is connected."""
        for connection in list(self.connections):
            try:
                self._send(connection, message)
            except OSError:
                pass

    def of(self, kind):
        with self._changed:
            return [message for message in self.messages if message["type"] == kind]

    def wait(self, kind, count=1, seconds=15, where=lambda message: True):
        """The messages of this kind, as soon as there are `count` of them."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = [one for one in self.messages if one["type"] == kind and where(one)]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        "waited for %d %s, got %d; all: %s"
                        % (count, kind, len(found), [message["type"] for message in self.messages])
                    )
                self._changed.wait(left)


def swap(name, path, old, new):
    """A swap command for one file."""
    return {
        "type": "swap",
        "swap": name,
        "files": [
            {
                "path": str(path),
                "old": base64.b64encode(old).decode(),
                "new": base64.b64encode(new).decode(),
                "old_sha256": hashlib.sha256(old).hexdigest(),
                "new_sha256": hashlib.sha256(new).hexdigest(),
            }
        ],
    }
