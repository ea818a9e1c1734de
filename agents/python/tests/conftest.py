"""What the tests of the agent share: real programs started under the agent, and a peer at the other end of the wire."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running import AGENT, as_arguments, environment  # noqa: E402

sys.path.insert(0, AGENT)

from peer import Peer  # noqa: E402
from reproducing import reproduce  # noqa: E402, F401

FLASK_COMMAND = ("gunicorn", "-w", "2", "-b", "127.0.0.1:PORT", "shop:app")
FASTAPI_COMMAND = ("uvicorn", "--port", "PORT", "api:app")
PROGRAMS = Path(__file__).resolve().parent / "programs"


@pytest.fixture
def peer(tmp_path):
    with Peer(tmp_path / "socket") as peer:
        yield peer


@pytest.fixture
def folder(tmp_path):
    """A project folder with copies of the programs."""
    project = tmp_path / "project"
    project.mkdir()
    for program in PROGRAMS.glob("*.py"):
        (project / program.name).write_text(program.read_text())
    return project


@pytest.fixture
def script(folder, peer):
    """Runs one Python command to its end under the agent."""

    def run(*arguments, socket_path=peer.path, seconds=30, **more):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment(folder, socket_path, **more),
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    return run


class Server:
    """A server program under the agent, on a port of its own."""

    def __init__(self, folder, command, socket_path, **more):
        self.port = free_port()
        command = [part.replace("PORT", str(self.port)) for part in command]
        self.log = open(folder / "server.log", "w+")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "always::DeprecationWarning", *as_arguments(command)],
            cwd=folder,
            env=environment(folder, socket_path, **more),
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError("the server ended: " + self.output())
            try:
                if self.get("/ok")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer: " + self.output())

    def get(self, path, data=None, **headers):
        request = urllib.request.Request(
            "http://127.0.0.1:%d%s" % (self.port, path),
            data=data,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def output(self):
        return Path(self.log.name).read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, 9)
                self.process.wait()
        self.log.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve(folder, peer):
    """Starts a server program; all are stopped after the test."""
    servers = []

    def start(*command, socket_path=peer.path, **more):
        server = Server(folder, list(command), socket_path, **more)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def without_warnings_of_fork(text):
    return re.search("multi-threaded, use of fork", text) is None
