"""The real servers of the suite: PostgreSQL and Redis of the machine, each with a folder and a port of its own, and the peer."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

LONGEST_START = 30
HERE = Path(__file__).resolve().parent


class Missing(Exception):
    """A server that is not installed; the message says what to do."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that is ended with everything it started."""

    def __init__(self, command, folder, **more):
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **more)

    def wait_for(self, port):
        end = time.monotonic() + LONGEST_START
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise Missing("a server did not start: " + self.log.read_text("utf-8", "replace")[-800:])

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def postgres(folder, password):
    """A cluster with the superuser `postgres`; server and port."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        raise Missing("PostgreSQL is not installed; try: apt-get install postgresql")
    program = programs[-1]
    port = free_port()
    folder.mkdir(parents=True)
    secret = folder / "password"
    secret.write_text(password)
    data = folder / "data"
    # It refuses to be run by root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if user:
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
    made = subprocess.run(
        [*user, program / "initdb", "-D", data, "-U", "postgres", "--pwfile", secret, "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"],
        cwd=folder, capture_output=True, text=True,
    )
    if made.returncode:
        raise Missing("initdb failed: " + made.stderr[-800:])
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F", "-c", "max_connections=300"]
    server = Server([*user, program / "postgres", "-D", data, *options], folder / "run", cwd=folder)
    return server.wait_for(port), port


def redis(folder):
    if shutil.which("redis-server") is None:
        raise Missing("Redis is not installed; try: apt-get install redis-server")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return Server(command, folder).wait_for(port), port


def peer(folder, token):
    port = free_port()
    server = Server([sys.executable, "-B", HERE / "peer.py", str(port)], folder, env=dict(os.environ, PEER_TOKEN=token))
    return server.wait_for(port), port
