"""What the tests of dependencies share: a program fails under the agent beside a real server, then the server is gone and the failure comes again from the capsule alone."""

import json
import os
import subprocess
import sys

import pytest

from running import as_arguments, environment

FLASK = ("flask", "--app", "program", "run", "--port", "PORT")
UVICORN = ("uvicorn", "--port", "PORT", "program:app")


class Reproduction:
    """One failure in production, and what came of it in the sandbox."""

    def __init__(self, status, capsule, witnesses, result):
        self.status = status
        self.capsule = capsule
        self.witnesses = witnesses
        self.result = result

    @property
    def exchange(self):
        assert self.result["ready"], self.result["error"]
        return self.result["exchanges"][-1]

    @property
    def recorded(self):
        return self.capsule["request"]["answers"] + self.capsule["answers"]

    def came_again(self):
        """Asserts that the same exceptions came by the same way, with all questions answered."""
        assert self.exchange["unanswered"] == [], self.exchange["unanswered"]
        assert ways(self.exchange["exceptions"]) == ways(self.capsule["exceptions"]), told(self.exchange["exceptions"])
        assert told(self.capsule["exceptions"])[0] == told(self.exchange["exceptions"])[0]
        return self


def ways(exceptions):
    """Types of a chain with the program's own frames: what a fingerprint is made of."""
    return [
        (error["type"], [(frame["function"], frame["line"]) for frame in error["frames"] if frame["in_app"]])
        for error in exceptions
    ]


def told(exceptions):
    return ["%s: %s" % (error["type"], error["message"]) for error in exceptions]


@pytest.fixture
def reproduce(folder, serve, peer, tmp_path):
    """reproduce(source, path, ..., gone=callable): runs the program, makes the request fail, ends the server with `gone`, and replays.

    `files` are further files of the program; what is callable in `before` is given the server, and may answer headers for the request.
    """

    def run(source, path, data=None, command=FLASK, before=(), gone=lambda: None, recorded_files=True, headers=None, files=None, **more):
        for name, text in {"program.py": source, **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        server = serve(*command, **more)
        headers = dict(headers or {})
        for earlier in before:
            if callable(earlier):
                headers.update(earlier(server) or {})
            else:
                server.get(*earlier) if isinstance(earlier, tuple) else server.get(earlier)
        status, _ = server.get(path, data, **headers)
        event = peer.wait("event")[0]
        server.stop()
        gone()
        capsule = event["capsule"]
        result = play(folder, command, tmp_path, [capsule["request"]], capsule, recorded_files, **more)
        return Reproduction(status, capsule, event["witnesses"], result)

    return run


def play(folder, command, tmp_path, requests, capsule, recorded_files=True, **more):
    """The result of these requests in a fresh process without a network."""
    task = {
        "schema": 1, "kind": "request", "requests": requests, "answers": capsule["answers"],
        "recorded_files": recorded_files, "time": requests[0]["time"],
    }
    return play_task(folder, command, tmp_path, task, **more)


def play_task(folder, command, tmp_path, task, **more):
    (tmp_path / "task.json").write_text(json.dumps(task))
    variables = environment(
        folder, None, HOMEOSTASIS_REPLAY=str(tmp_path / "task.json"), HOMEOSTASIS_REPLAY_RESULT=str(tmp_path / "result.json"), **more
    )
    command = [sys.executable, *as_arguments(part.replace("PORT", "1") for part in command)]
    # In a network namespace of its own not even the loopback is up.
    isolated = ["unshare", "--net", *command] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net", *command]
    ended = subprocess.run(isolated, cwd=folder, env=variables, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    result["stderr"] = ended.stderr
    return result
