"""A copy of a patient under `homeostasis run`, and what its API tells; it judges and measures nothing."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

COMMANDS = {
    "shop": ["gunicorn", "-w", "4", "--no-control-socket", "-b", "127.0.0.1:{port}", "shop:app"],
    "api": ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "api:app"],
}
# The model says what is sick; the program's folder must not hold it, so that nobody can say it was read there.
LEFT_OUT = ("expected.toml", "traffic.toml", "data", ".homeostasis", "__pycache__", ".pytest_cache", "*.pyc")
LONGEST_START = 60
LONGEST_END = 10
PAUSE_BETWEEN_LOOKS = 0.05
KEPT_LINES = 8
# No proxy of the user's environment stands between this and loopback.
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Broken(Exception):
    """What went wrong, in plain words."""


def copy(source, to):
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return to


class Program:
    """Ends all that it started when it is left, whatever happens."""

    def __init__(self, homeostasis, patient, venv, root):
        self.root = root
        self.store = root / "store"
        self.log = root / "log"
        self.port = free_port()
        self.base = "http://127.0.0.1:%d" % self.port
        command = [word.format(port=self.port) for word in COMMANDS[patient]]
        command[0] = str(venv / "bin" / command[0])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [homeostasis, "run", "--mode", "propose", "--service", patient, "--store", str(self.store), "--", *command],
                cwd=root / patient, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # Its own process group: what is left at the end can be told from everything else on the machine.
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_problem):
        self.end()

    def serving(self):
        """Waits until the program answers and the API can be reached."""
        end = time.monotonic() + LONGEST_START
        while True:
            self.check_running()
            try:
                self.ask("status")
                LOOPBACK.open(self.base + "/health", timeout=2).close()
                return
            except (OSError, ValueError) as problem:
                if time.monotonic() >= end:
                    raise Broken("the program does not answer within %d seconds: %s" % (LONGEST_START, problem)) from problem
            time.sleep(PAUSE_BETWEEN_LOOKS)

    def check_running(self):
        if self.process.poll() is not None:
            lines = self.log.read_text("utf-8", "replace").splitlines()[-KEPT_LINES:]
            raise Broken("the program ended by itself (%d): %s" % (self.process.returncode, " | ".join(lines)))

    def ask(self, path):
        server = json.loads((self.store / "server.json").read_text())
        request = urllib.request.Request(
            "%s/api/v1/%s" % (server["url"].rstrip("/"), path), headers={"Authorization": "Bearer " + server["token"]}
        )
        with LOOPBACK.open(request, timeout=10) as answer:
            return json.load(answer)

    def end(self):
        """Asks as an operator would: the program first, then Homeostasis. What does not end in time is killed."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(LONGEST_END)
            except subprocess.TimeoutExpired:
                pass
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def left(self):
        """Processes of our group that work in our folder: both must hold, so that nobody else is ever meant."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                # The command's name stands in parentheses and may hold anything, also parentheses.
                group = int((entry / "stat").read_text().rpartition(")")[2].split()[2])
                folder = os.readlink(entry / "cwd")
            except OSError:
                continue
            if group == self.process.pid and Path(folder).is_relative_to(self.root):
                yield int(entry.name)


def environment():
    """The user's variables without those that would lead the interpreter or the binary elsewhere."""
    return {
        name: value for name, value in os.environ.items()
        if not name.startswith(("HOMEOSTASIS", "PYTHON", "SHOP_", "API_")) and name != "VIRTUAL_ENV"
    }


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
