"""A real PostgreSQL of the tests' own: in a temporary folder, on a free port, ended by its pid."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from glob import glob
from pathlib import Path

import pytest

FOLDERS = sorted(glob("/usr/lib/postgresql/*/bin"))


class PostgresServer:
    """Starts at once; `stop` and `start` may be called in turns, `recreate` begins with an empty database."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.data = self.folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # It refuses to run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", self.data, "-U", "shop", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()

    @property
    def dsn(self):
        return "postgresql://shop:keep-this-password@127.0.0.1:%d/postgres" % self.port

    def _run(self, program, *arguments):
        subprocess.run(
            [*self.user, FOLDERS[-1] + "/" + program, *map(str, arguments)], check=True, capture_output=True, timeout=120, cwd="/"
        )

    def start(self):
        command = [
            *self.user, FOLDERS[-1] + "/postgres", "-D", str(self.data), "-p", str(self.port), "-k", "", "-h", "127.0.0.1",
            "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "timezone=Europe/Berlin",
            "-c", "max_prepared_transactions=5",
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "ab"), cwd="/", start_new_session=True
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            ready = subprocess.run([FOLDERS[-1] + "/pg_isready", "-h", "127.0.0.1", "-p", str(self.port)], capture_output=True)
            if ready.returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError("PostgreSQL does not answer")

    def stop(self):
        if self.process.poll() is None:
            # A fast shutdown: clients are sent away.
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres():
    if not FOLDERS:
        pytest.fail("these tests need PostgreSQL (Debian: postgresql)")
    server = PostgresServer()
    yield server
    server.remove()
