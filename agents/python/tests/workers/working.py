"""What the tests of workers share: a Redis server, worker programs under the agent, and the call of a capsule made again in a fresh process without a network."""

import os
import subprocess
import sys
import time

import pytest
from conftest import free_port
from reproducing import play_task, ways
from running import environment


@pytest.fixture
def redis(tmp_path):
    """The address of a Redis server of this test's own; `redis.stop()` ends it earlier."""
    server = Redis(tmp_path)
    yield server
    server.stop()


class Redis:
    def __init__(self, folder):
        self.port = free_port()
        self.url = "redis://127.0.0.1:%d/0" % self.port
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self):
        import socket

        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


class Program:
    """A worker under the agent; its output is in a file, so that it never waits for a reader."""

    def __init__(self, folder, command, socket_path, **more):
        self.path = folder / ("%s.log" % time.monotonic_ns())
        self.log = open(self.path, "w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment(folder, socket_path, **more),
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )

    def output(self):
        return self.path.read_text()

    def wait_for(self, text, seconds=30):
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert self.process.poll() is None or text in self.output(), self.output()
            assert time.monotonic() < deadline, "%r never came: %s" % (text, self.output())
            time.sleep(0.05)
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, 9)
                self.process.wait()
        self.log.close()


@pytest.fixture
def work(folder, peer, redis):
    """Starts a worker program with the address of Redis in its environment; all are stopped after the test."""
    programs = []

    def start(*command, socket_path=peer.path, **more):
        program = Program(folder, list(command), socket_path, REDIS_URL=redis.url, **more)
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.stop()


@pytest.fixture
def bare(folder, redis):
    """Runs Python code to its end in the project, without the agent; returns what it printed."""

    def run(code):
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("HOMEOSTASIS_", "PYTHON"))}
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=dict(variables, REDIS_URL=redis.url), capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    return run


def call_again(capsule, folder, tmp_path, command, **more):
    """The exchange of the capsule's call, made by the program's own command line without a network."""
    assert capsule["kind"] == "process" and capsule["call"] is not None, capsule["missing"]
    task = {"schema": 1, "kind": "call", "call": capsule["call"], "answers": capsule["answers"], "hook": capsule["hook"], "time": None}
    result = play_task(folder, command, tmp_path, task, **more)
    assert result["ready"], (result["error"], result["stderr"])
    return result["exchanges"][0]


def came_again(capsule, exchange):
    """Asserts that the same exceptions came by the same way, from the called function on."""
    function = capsule["call"]["function"].rpartition(".")[2]
    assert from_call(ways(exchange["exceptions"]), function) == from_call(ways(capsule["exceptions"]), function)
    assert exchange["exceptions"][0]["message"] == capsule["exceptions"][0]["message"]


def from_call(found, function):
    (type_name, way), *rest = found
    names = [name.rpartition(".")[2] for name, _ in way]
    return [(type_name, way[names.index(function) :])] + rest
