"""How many failures come again in the sandbox from their capsules alone.

Three services, with Flask, FastAPI and Django, run under `homeostasis run --mode observe` beside a real PostgreSQL,
a real Redis and another service. Under 32 concurrent clients every case of `cases.py` succeeds several times and
fails twice. Then the world is taken away: servers are ended, database files emptied. Of every case the newest
capsule is run again (`POST /incidents/{id}/replay`, what `homeostasis capsule replay` asks for), and has to fail with
its fingerprint. What does not is told with its reason.

Every request carries secrets, and so do rows, answers and the environment. All of them are made anew for each run
and searched for in everything that was kept.
"""

import argparse
import base64
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import jwt

import servers
from cases import CASES
from world import NO_PROXY, World

HERE = Path(__file__).resolve().parent
QUICK = os.environ.get("QUICK") == "1"
CLIENTS = 32
HEALTHY_ROUNDS = 2 if QUICK else 8
SICK_ROUNDS = 1 if QUICK else 2
# In a quick run every so-manieth case.
QUICK_EVERY = 4
LONGEST_START = 90
LONGEST_CAPTURE = 30
LONGEST_REPLAY = 180
AIM = 0.95
COMMANDS = {
    "shop": ["gunicorn", "-w", "2", "--threads", "8", "-b", "127.0.0.1:{port}", "app:app"],
    "stock": ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "app:app"],
    "library": ["gunicorn", "-w", "2", "--threads", "8", "-b", "127.0.0.1:{port}", "library.wsgi"],
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--only", default="", help="only cases whose name holds this")
    arguments.add_argument("--keep", action="store_true", help="leave the folder of the run in place")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cases = [case for case in CASES if given.only in case.name]
    if QUICK:
        cases = cases[::QUICK_EVERY]
    root = Path(tempfile.mkdtemp(prefix="reproduction-"))
    # PostgreSQL runs as another user, and has to reach its folder.
    root.chmod(0o755)
    try:
        figures = Suite(root, cases).run()
    finally:
        if given.keep:
            print("kept: %s" % root, file=sys.stderr)
        else:
            shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(figures))
    return 0 if not figures["skipped"] and not figures["secrets_leaked"] and figures["reproduced"] >= AIM * figures["cases"] else 1


class Suite:
    def __init__(self, root, cases):
        self.root = root
        self.cases = cases
        self.world = World(root)
        self.programs = {}

    def run(self):
        try:
            self.world.start()
            self.start_programs()
            self.drive()
            captured = self.wait_for_captures()
            self.end_world()
            return self.replay(captured)
        finally:
            for program in self.programs.values():
                program.end()
            self.end_world()

    def start_programs(self):
        apps = self.root / "apps"
        for name in COMMANDS:
            if not any(case.app == name for case in self.cases):
                continue
            folder = apps / name
            shutil.copytree(HERE / "apps" / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
            if name == "shop":
                self.world.fill_archive(folder)
            if name == "library":
                self.fill_library(folder)
                (folder / "seed.py").unlink()
            self.programs[name] = Program(name, folder, self.root / ("store-" + name), self.world.environment)
        for program in self.programs.values():
            program.wait()

    def fill_library(self, folder):
        seeding = dict(
            self.world.environment, SEED_ANN=self.world.passwords["ann"], SEED_BOB=self.world.passwords["bob"], SEED_PIN=self.world.secrets.make("pin of ann")
        )
        for arguments in (["makemigrations", "books"], ["migrate"], ["migrate", "--database", "maps"]):
            subprocess.run([sys.executable, "manage.py", *arguments], cwd=folder, env=seeding, check=True, stdout=subprocess.DEVNULL)
        with open(folder / "seed.py") as seed:
            subprocess.run([sys.executable, "manage.py", "shell"], cwd=folder, env=seeding, check=True, stdin=seed, stdout=subprocess.DEVNULL)

    def drive(self):
        """All cases at once: healthy requests mixed with failing ones, by many clients."""
        work = [(case, case.fine) for case in self.cases for _ in range(HEALTHY_ROUNDS)]
        random.shuffle(work)
        half = len(work) // 2
        sick = [(case, case.sick) for case in self.cases for _ in range(SICK_ROUNDS)]
        mixed = work[half:] + sick
        random.shuffle(mixed)
        self.unexpected = []
        for part in (work[:half], mixed):
            self.waiting = list(part)
            clients = [threading.Thread(target=self.client) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        if self.unexpected:
            raise SystemExit("the services do not do what the cases say:\n  " + "\n  ".join(sorted(set(self.unexpected))))

    def client(self):
        while True:
            try:
                case, ask = self.waiting.pop()
            except IndexError:
                return
            status = self.send(case.app, ask)
            if (status == 500) != (ask is case.sick and ask is not case.fine) or (ask is case.fine and status >= 400):
                self.unexpected.append("%s: %s answered %d" % (case.name, ask.path, status))

    def send(self, app, ask):
        base = self.programs[app].base
        opener = urllib.request.build_opener(NO_PROXY, urllib.request.HTTPCookieProcessor(CookieJar()))
        headers = {"X-Api-Key": self.world.header, **ask.headers}
        if ask.login and ask.login.startswith("token:"):
            headers["Authorization"] = "Bearer " + self.token(ask.login[len("token:") :])
        elif ask.login:
            who = {"email": ask.login + "@example.org" if ask.login == "ann" else ask.login, "username": ask.login}
            body = json.dumps(dict(who, password=self.world.passwords[ask.login])).encode()
            request = urllib.request.Request(base + "/login", body, {"Content-Type": "application/json"})
            opener.open(request, timeout=30).close()
        body = ask.body
        if ask.json is not None:
            unique = "%08x" % random.getrandbits(32)
            body = json.dumps(dict(ask.json, password=self.world.header)).replace("RANDOM", unique).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(base + ask.path, body, headers, method=ask.method)
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def token(self, name):
        claims = {"sub": name, "profile": {"name": name} if name == "ann" else {}}
        return jwt.encode(claims, self.world.key, algorithm="HS256")

    def wait_for_captures(self):
        """For each case the incident whose latest failure was its request, or None."""
        end = time.monotonic() + LONGEST_CAPTURE
        while True:
            kept = {name: program.failures() for name, program in self.programs.items()}
            found = {case: match(case, kept[case.app]) for case in self.cases}
            if None not in found.values() or time.monotonic() > end:
                return found
            time.sleep(0.3)

    def end_world(self):
        self.world.end()
        for path in (self.root / "apps" / "shop" / "archive.db", self.root / "apps" / "library" / "maps.db"):
            if path.exists():
                with sqlite3.connect(path) as connection:
                    for table in ("books", "books_map"):
                        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                            connection.execute("DELETE FROM " + table)
                connection.close()

    def replay(self, captured):
        reproduced, milliseconds = 0, []
        for case in self.cases:
            incident = captured[case]
            if incident is None:
                tell(case, "not captured", "")
                continue
            answer = self.programs[case.app].replay(incident)
            check = answer["trial"]["checks"][0]
            reproduced += answer["reproduced"]
            milliseconds.append(answer["trial"]["milliseconds"])
            tell(case, "reproduced" if answer["reproduced"] else "not", "" if answer["reproduced"] else check["summary"])
        texts = [text for program in self.programs.values() for text in program.everything_kept()]
        leaked = self.world.secrets.found_in(texts)
        for name in leaked:
            print("LEAKED  %s" % name)
        skipped = sum(incident is None for incident in captured.values())
        cases = len(self.cases)
        print("%d of %d reproduced, %d not captured; %d secrets in %.1f MB kept, %d leaked" % (
            reproduced, cases, skipped, len(self.world.secrets.all), sum(map(len, texts)) / 1e6, len(leaked)))
        return {
            "cases": cases, "reproduced": reproduced, "not_captured": skipped, "skipped": 0,
            "reproduced_low": round(wilson(reproduced, cases)[0], 3), "reproduced_high": round(wilson(reproduced, cases)[1], 3),
            "secrets": len(self.world.secrets.all), "secrets_leaked": len(leaked), "clients": CLIENTS,
            "median_milliseconds": round(statistics.median(milliseconds), 1) if milliseconds else None,
        }


def wilson(good, cases):
    """The 95 % interval of a share, by Wilson (J. Am. Stat. Assoc. 22, 1927)."""
    z, share = 1.959964, good / cases
    middle = share + z * z / (2 * cases)
    width = z * (share * (1 - share) / cases + z * z / (4 * cases * cases)) ** 0.5
    return (middle - width) / (1 + z * z / cases), (middle + width) / (1 + z * z / cases)


def tell(case, result, why):
    print("%-12s %-45s %-50s %s" % (result, case.name, case.about, why[:400]), flush=True)


def match(case, failures):
    """The incident with the failing request of this case; where chance chooses among failures, any of them."""
    path, _, query = case.sick.path.partition("?")
    for incident, event in failures:
        request = event["capsule"]["request"]
        error = event["capsule"]["exceptions"][0]["type"].rpartition(".")[2]
        if request and request["path"] == path and request["query"] == query and request["method"] == case.sick.method:
            if not case.error or error == case.error:
                return incident
    return None


class Program:
    """One service under Homeostasis, and what its API tells."""

    def __init__(self, name, folder, store, variables):
        self.name, self.folder, self.store = name, folder, store
        port = servers.free_port()
        self.base = "http://127.0.0.1:%d" % port
        command = [word.format(port=port) for word in COMMANDS[name]]
        command[0] = str(Path(sys.executable).parent / command[0])
        self.log = folder.parent / (name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["HOMEOSTASIS"], "run", "--mode", "observe", "--service", name, "--store", str(store), "--", *command],
                cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def wait(self):
        end = time.monotonic() + LONGEST_START
        opener = urllib.request.build_opener(NO_PROXY)
        while True:
            try:
                opener.open(self.base + "/health", timeout=5).close()
                return
            except OSError as problem:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("%s does not serve (%s): %s" % (self.name, problem, self.log.read_text("utf-8", "replace")[-2000:]))
            time.sleep(0.1)

    def ask(self, path, body=None):
        server = json.loads((self.store / "server.json").read_text())
        request = urllib.request.Request(
            "%s/api/v1/%s" % (server["url"].rstrip("/"), path), None if body is None else json.dumps(body).encode(),
            {"Authorization": "Bearer " + server["token"], "Content-Type": "application/json"},
        )
        with urllib.request.build_opener(NO_PROXY).open(request, timeout=LONGEST_REPLAY) as answer:
            return json.load(answer)

    def failures(self):
        """Pairs of incident and its newest event."""
        found = []
        for incident in self.ask("incidents"):
            events = self.ask("incidents/%s/events?limit=1" % incident["incident"]["id"])
            found.extend((incident["incident"]["id"], event) for event in events)
        return found

    def replay(self, incident):
        return self.ask("incidents/%s/replay" % incident, {"by": "bench"})

    def everything_kept(self):
        """All that is kept of all failures, as text; what is encoded is decoded as well."""
        for incident in self.ask("incidents"):
            yield json.dumps(incident, ensure_ascii=False)
            for event in self.ask("incidents/%s/events?limit=100" % incident["incident"]["id"]):
                yield json.dumps(event, ensure_ascii=False)
                yield from decoded(event)

    def end(self):
        """Asks as an operator would, the program first; what does not end in time is killed with its group."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def decoded(thing):
    """The texts behind base64 in an event."""
    if isinstance(thing, dict):
        for name, value in thing.items():
            if name in ("data", "v") and isinstance(value, str):
                try:
                    yield base64.b64decode(value, validate=True).decode("latin-1")
                except ValueError:
                    pass
            else:
                yield from decoded(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from decoded(value)


if __name__ == "__main__":
    sys.exit(main())
