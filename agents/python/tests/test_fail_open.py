"""The server of Homeostasis dies, answers garbage, or never reads: no request of the program fails or waits for it."""

import threading
import time

import pytest
from conftest import FASTAPI_COMMAND, FLASK_COMMAND
from peer import Peer

COMMANDS = {"flask": FLASK_COMMAND, "fastapi": FASTAPI_COMMAND}


class Load:
    """Requests without a pause from four clients; every answer that is not the expected one is kept."""

    def __init__(self, server):
        self.wrong = []
        self.count = 0
        self.slowest = 0.0
        self._ended = False
        self._threads = [threading.Thread(target=self._run, args=(server,)) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, server):
        while not self._ended:
            for path, expected in (("/ok", 200), ("/apology", 503)):
                began = time.monotonic()
                try:
                    status = server.get(path)[0]
                except OSError as error:
                    status = repr(error)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.count += 1
                if status != expected:
                    self.wrong.append(status)

    def end(self):
        self._ended = True
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("framework", sorted(COMMANDS))
def test_no_request_fails_when_the_server_is_killed_under_load(framework, serve, peer):
    server = serve(*COMMANDS[framework])
    peer.wait("hello")
    load = Load(server)
    time.sleep(1.0)
    peer.close()
    time.sleep(1.5)
    with Peer(peer.path) as again:
        hellos = again.wait("hello")
        again.wait("traffic")
        load.end()
    assert load.wrong == [] and load.count > 100
    assert hellos[0]["resumed"]


@pytest.mark.parametrize("framework", sorted(COMMANDS))
@pytest.mark.parametrize("behaviour", ["garbage", "silent", "deaf"])
def test_no_request_fails_when_the_server_misbehaves(framework, behaviour, serve, tmp_path):
    with Peer(tmp_path / "odd", behaviour=behaviour) as odd:
        server = serve(*COMMANDS[framework], socket_path=odd.path)
        load = Load(server)
        time.sleep(2.0)
        load.end()
    assert load.wrong == [] and load.count > 100
    assert load.slowest < 5


def test_a_program_without_any_server_runs_as_ever(serve, tmp_path):
    server = serve(*FLASK_COMMAND, socket_path=tmp_path / "nobody")
    assert server.get("/apology")[0] == 503


def test_a_script_ends_promptly_when_the_server_is_deaf_or_silent(script, tmp_path):
    for behaviour in ("deaf", "silent"):
        with Peer(tmp_path / behaviour, behaviour=behaviour) as odd:
            began = time.monotonic()
            ended = script("-c", "raise ValueError('x' * 100)", socket_path=odd.path)
            assert ended.returncode == 1 and "ValueError" in ended.stderr
            assert time.monotonic() - began < 4
