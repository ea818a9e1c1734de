"""What recording dependencies costs a loaded service, beside the bare service on the same machine in the same minute.

The shop of bench/reproduction (Flask under one synchronous gunicorn worker) answers one request after the other, as
fast as it can: a query to a real PostgreSQL, a request to another service, a read from a real Redis, in turns. Bare and
watched runs alternate, and each pair gives one ratio. The agent sends what it has to say to a peer that throws it away.
Memory is the worker's own (private pages that were written), at the end of each run.
"""

import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPRODUCTION = HERE.parent / "reproduction"
AGENT = HERE.parents[1] / "agents" / "python"
sys.path.insert(0, str(REPRODUCTION))
import servers  # noqa: E402
from world import NO_PROXY, World  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
PAIRS = 3 if QUICK else 9
SECONDS = 2.0 if QUICK else 6.0
WARM_UP = 200
PATHS = ("/articles/pear/stock", "/rates/EUR", "/carts/ann")
RESAMPLES = 5000
THROUGHPUT_AIM = 0.97
MEMORY_AIM_MB = 30


def main():
    root = Path(tempfile.mkdtemp(prefix="load-"))
    # PostgreSQL runs as another user, and has to reach its folder.
    root.chmod(0o755)
    world = World(root)
    try:
        world.start()
        folder = root / "shop"
        shutil.copytree(REPRODUCTION / "apps" / "shop", folder)
        world.fill_archive(folder)
        with Sink(root / "socket") as sink:
            pairs = [measure_pair(folder, world.environment, sink, number) for number in range(PAIRS)]
    finally:
        world.end()
        shutil.rmtree(root, ignore_errors=True)
    tell(pairs)
    return 0


def measure_pair(folder, variables, sink, number):
    """Bare and watched, in an order that changes from pair to pair."""
    kinds = ["bare", "watched"]
    if number % 2:
        kinds.reverse()
    return {kind: measure(folder, variables if kind == "bare" else watched(variables, sink, folder)) for kind in kinds}


def watched(variables, sink, folder):
    return dict(variables, PYTHONPATH=str(AGENT), HOMEOSTASIS_SOCKET=str(sink.path), HOMEOSTASIS_ROOT=str(folder))


def measure(folder, variables):
    """Requests each second, microseconds of processor time for each, and megabytes of the worker."""
    port = servers.free_port()
    command = [str(Path(sys.executable).parent / "gunicorn"), "-w", "1", "-b", "127.0.0.1:%d" % port, "app:app"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(port, process, folder / "log")
        worker = children(process.pid)[0]
        asks = [request(port, path) for path in PATHS]
        for number in range(WARM_UP):
            asks[number % len(asks)]()
        cpu, began, count = processor_seconds(worker), time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            for ask in asks:
                ask()
            count += len(asks)
        seconds = time.perf_counter() - began
        cpu = processor_seconds(worker) - cpu
        return {"rate": count / seconds, "cpu_us": cpu / count * 1e6, "mb": private_megabytes(worker)}
    finally:
        process.terminate()
        process.wait(20)


def request(port, path):
    opener = urllib.request.build_opener(NO_PROXY)
    url = "http://127.0.0.1:%d%s" % (port, path)

    def ask():
        with opener.open(url, timeout=20) as answer:
            answer.read()

    return ask


def wait_for(port, process, log):
    end = time.monotonic() + 60
    while True:
        try:
            request(port, "/health")()
            return
        except OSError as problem:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit("the service does not serve (%s): %s" % (problem, log.read_text("utf-8", "replace")[-2000:]))
        time.sleep(0.1)


def children(pid):
    return [int(text) for text in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def processor_seconds(pid):
    fields = Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_megabytes(pid):
    for line in Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the kernel does not tell the memory of a process")


class Sink:
    """Greets agents and throws away what they say."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.drain, args=(connection,), daemon=True).start()

    def drain(self, connection):
        welcome = {"type": "welcome", "protocol": 1, "service": "shop", "config": {}, "swaps": []}
        connection.sendall(json.dumps(welcome).encode() + b"\n")
        while connection.recv(1 << 16):
            pass


def tell(pairs):
    figures = {"pairs": len(pairs), "skipped": 0}
    print("%-28s %12s %12s %22s" % ("", "bare", "watched", "ratio (95 % interval)"))
    for name, about in (("rate", "requests each second"), ("cpu_us", "processor time, us"), ("mb", "memory of the worker, MB")):
        bare, seen = (statistics.median(pair[kind][name] for pair in pairs) for kind in ("bare", "watched"))
        low, middle, high = interval([pair["watched"][name] / pair["bare"][name] for pair in pairs])
        print("%-28s %12.1f %12.1f %8.3f (%.3f to %.3f)" % (about, bare, seen, middle, low, high))
        figures[name] = {
            "bare": round(bare, 1), "watched": round(seen, 1), "ratio": round(middle, 4), "low": round(low, 4), "high": round(high, 4),
        }
    figures["added_mb"] = round(figures["mb"]["watched"] - figures["mb"]["bare"], 1)
    print("aims: %.2f of the throughput (%.3f), %d MB (%.1f)" % (
        THROUGHPUT_AIM, figures["rate"]["ratio"], MEMORY_AIM_MB, figures["added_mb"]))
    print(json.dumps(figures))


def interval(ratios):
    """Low, median and high: the median with its 95 % interval by resampling."""
    medians = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], statistics.median(ratios), medians[int(0.975 * RESAMPLES)]


if __name__ == "__main__":
    sys.exit(main())
