"""Many failures of one program in one run: all of them in production first, then, with what they depended on gone, all again from their capsules."""

import re

from conftest import Server
from peer import Peer
from reproducing import FLASK, play, told, ways

_addresses = re.compile(r"0x[0-9a-f]{6,}")


class Run:
    """What became of each failing path."""

    def __init__(self, capsules, exchanges):
        self.capsules = capsules
        self.exchanges = exchanges

    def came_again(self, path):
        """Asserts that the same exceptions came by the same way with the same words, and with all questions answered."""
        capsule, exchange = self.capsules[path], self.exchanges[path]
        assert exchange["unanswered"] == [], exchange["unanswered"]
        assert exchange["exceptions"], "nothing failed; status %s, body %s" % (exchange["status"], exchange["body"])
        before, again = capsule["exceptions"], exchange["exceptions"]
        assert ways(before) == ways(again), (ways(before), ways(again), told(before), told(again))
        assert plain(before) == plain(again)
        return capsule, exchange

    def answers(self, path):
        return self.capsules[path]["request"]["answers"]


def plain(exceptions):
    """The words of a chain; where things were in memory is another place each time."""
    return [_addresses.sub("0x", text) for text in told(exceptions)]


def run_all(folder, source, paths, gone, command=FLASK, before=(), **more):
    """Make each path fail once in a program under the agent, end what it depends on, and replay all in a fresh process."""
    project = folder / "project"
    project.mkdir()
    (project / "program.py").write_text(source)
    with Peer(folder / "socket") as peer:
        server = Server(project, list(command), peer.path, **more)
        try:
            for path in before:
                server.get(path)
            capsules = {}
            for path in paths:
                status, _ = server.get(path)
                assert status == 500, (path, status)
                event = peer.wait("event", len(capsules) + 1)[-1]
                capsules[path] = event["capsule"]
        finally:
            server.stop()
            output = server.output()
    assert "homeostasis agent," not in output, output[output.index("homeostasis agent,") :][:3000]
    gone()
    requests = [capsules[path]["request"] for path in paths]
    start = capsules[paths[0]]
    result = play(project, command, folder, requests, start, **more)
    assert result["ready"], (result["error"], result["stderr"])
    assert "homeostasis agent," not in result["stderr"], result["stderr"]
    return Run(capsules, dict(zip(paths, result["exchanges"])))
