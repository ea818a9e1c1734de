"""A real Redis for tests, with a folder and a port of its own; it is ended by its pid."""

import shutil
import socket
import subprocess
import time

from conftest import free_port

PASSWORD = "correct-horse-battery"


class RedisServer:
    """redis-server on the loopback."""

    def __init__(self, folder, password=None):
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed"
        self.port = free_port()
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        if password:
            command += ["--requirepass", password]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
