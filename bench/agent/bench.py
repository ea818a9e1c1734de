"""CPU time per request of a program that is bare, and under the agent, sentry-sdk and OpenTelemetry, side by side in interleaved rounds.

Each variant of each framework is a process of its own that lives for the whole run. In every round each of them is
asked in turn for a batch of successful requests, of failures never seen before, and of failures seen often; the order
turns from round to round, so that a busy moment of the machine falls on all alike. CPU time is that of the whole
process, threads included, until it has settled: what a variant puts off is counted, too; what of it the thread of the
request itself spends, which is what a client waits for, is told beside it. What the agent adds is the median over the
rounds of its difference to the bare process of the same round.

The agent is injected as in production, by PYTHONPATH and HOMEOSTASIS_SOCKET alone. The other ends count what they
get: a variant that did not report what it should makes the benchmark fail.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import program

HERE = os.path.dirname(os.path.abspath(__file__))
AGENT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "agents", "python")
FRAMEWORKS = ("flask", "fastapi")
VARIANTS = ("bare", "homeostasis", "sentry-sdk", "opentelemetry")
PHASES = ("success", "first capture", "repeated")
AIMS = {"success": 5.0, "first capture": 500.0, "repeated": 20.0}
# The agent captures the first three occurrences whole; from then on it counts, but for one in a minute.
WARM = 5
OFTEN = 5

QUICK = os.environ.get("QUICK") == "1"
ROUNDS = 4 if QUICK else 9
SUCCESSES = 500 if QUICK else 1500
FIRSTS = 15 if QUICK else 20
REPEATS = 200 if QUICK else 400
# The agent tells its counts at most once a second.
SETTLE_SECONDS = 1.2
LIMIT = time.monotonic() + (55 if QUICK else 900)


class Worker:
    """One measured process."""

    def __init__(self, framework, variant, folder, port):
        self.framework = framework
        self.variant = variant
        environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("HOMEOSTASIS_", "SENTRY_", "OTEL_", "PYTHON"))
        }
        sink = "http://key@127.0.0.1:%d/%d" % (port, 1 + FRAMEWORKS.index(framework))
        if variant == "homeostasis":
            environment["PYTHONPATH"] = AGENT
            environment["HOMEOSTASIS_SOCKET"] = os.path.join(folder, framework + ".sock")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "worker.py"), framework, variant,
             os.path.join(folder, framework + "_shop.py"), sink],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log(folder), "w"), text=True,
        )
        self.times = {phase: [] for phase in PHASES}
        self.own = {phase: [] for phase in PHASES}
        self.wrong = 0

    def log(self, folder):
        return os.path.join(folder, "%s-%s.log" % (self.framework, self.variant))

    def ask(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError("the process ended")
        return json.loads(line)

    def call(self, paths, status):
        answer = self.ask(do="call", paths=paths, status=status)
        self.wrong += answer["wrong"] + abs(answer["answers"] - len(paths))
        return answer


def main():
    # A socket's path may have no more than some hundred bytes.
    folder = tempfile.mkdtemp(prefix="bench-agent-", dir="/tmp")
    sinks = None
    workers = []
    try:
        failing = OFTEN + WARM + ROUNDS * FIRSTS
        for framework in FRAMEWORKS:
            program.write(framework, failing, folder)
        sinks = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "sinks.py"), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        port = json.loads(sinks.stdout.readline())["port"]
        skipped = []
        for framework in FRAMEWORKS:
            for variant in VARIANTS:
                worker = Worker(framework, variant, folder, port)
                workers.append(worker)
        for worker in list(workers):
            try:
                if not worker.hear()["ready"]:
                    raise EOFError("it does not answer as it should")
            except (EOFError, ValueError) as problem:
                workers.remove(worker)
                worker.process.kill()
                with open(worker.log(folder)) as file:
                    reason = (file.read().strip().splitlines() or [str(problem)])[-1]
                skipped.append("%s %s: %s" % (worker.framework, worker.variant, reason))
        rounds = measure(workers)
        failures = verify(workers, sinks, rounds)
        return report(workers, rounds, skipped, failures)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
        if sinks is not None:
            sinks.kill()
            sinks.wait()
        shutil.rmtree(folder)


def measure(workers):
    """Runs the rounds; how many were done, which in a bounded run on a slow machine may be fewer."""
    often = ["/failing/%d" % number for number in range(OFTEN)]
    warm = ["/failing/%d" % number for number in range(OFTEN, OFTEN + WARM)]
    for worker in workers:
        worker.call(["/orders"] * 200, 200)
        worker.call(often * 5 + warm, 500)
        worker.ask(do="settle")
    time.sleep(SETTLE_SECONDS)
    done = 0
    for turn in range(ROUNDS):
        began = time.monotonic()
        first = OFTEN + WARM + turn * FIRSTS
        batches = {
            "success": (["/orders"] * SUCCESSES, 200),
            "first capture": (["/failing/%d" % number for number in range(first, first + FIRSTS)], 500),
            "repeated": (often * (REPEATS // OFTEN), 500),
        }
        order = workers[turn % len(workers):] + workers[: turn % len(workers)]
        for phase, (paths, status) in batches.items():
            starts = {worker: worker.call(paths, status) for worker in order}
            time.sleep(SETTLE_SECONDS)
            for worker in order:
                ended = worker.ask(do="settle")["cpu"]
                worker.times[phase].append((ended - starts[worker]["began"]) / len(paths) * 1e6)
                worker.own[phase].append(starts[worker]["own"] / len(paths) * 1e6)
        done += 1
        if time.monotonic() + (time.monotonic() - began) > LIMIT:
            break
    return done


def verify(workers, sinks, rounds):
    """What went wrong, in plain words: answers that were not as they should be, and reports that did not arrive."""
    time.sleep(SETTLE_SECONDS)
    sinks.stdin.write("\n")
    sinks.stdin.flush()
    counts = json.loads(sinks.stdout.readline())
    failures = []
    failed = 5 * OFTEN + WARM + rounds * (FIRSTS + REPEATS // OFTEN * OFTEN)
    successful = 201 + rounds * SUCCESSES
    for worker in workers:
        name = "%s %s" % (worker.framework, worker.variant)
        if worker.wrong:
            failures.append("%s: %d answers were not as they should be" % (name, worker.wrong))
        if worker.variant == "homeostasis":
            got = counts.get("homeostasis " + worker.framework, {})
            events, repeats = got.get("events", 0), got.get("repeats", 0)
            if got.get("incomplete events") or got.get("dropped"):
                failures.append("%s: events without values or dropped: %s" % (name, got))
            if events < 3 * OFTEN + WARM + rounds * FIRSTS or events + repeats != failed:
                failures.append("%s: %d events and %d repeats for %d failures" % (name, events, repeats, failed))
            if got.get("requests") != failed + successful:
                failures.append("%s: %s requests told of %d" % (name, got.get("requests"), failed + successful))
        elif worker.variant == "sentry-sdk":
            events = counts.get("sentry-sdk %d" % (1 + FRAMEWORKS.index(worker.framework)), {}).get("events", 0)
            # Its queue holds a hundred events and drops the rest; that is its default, and told here.
            worker.note = "%d of %d failures sent" % (events, failed)
            if events < rounds * FIRSTS:
                failures.append("%s: %s" % (name, worker.note))
        elif worker.variant == "opentelemetry":
            spans = worker.ask(do="spans")["spans"]
            if spans < rounds * FIRSTS:
                failures.append("%s: %d spans exported" % (name, spans))
    return failures


def report(workers, rounds, skipped, failures):
    print("CPU microseconds per request, median of %d rounds (min to max); Python %s" % (rounds, platform.python_version()))
    added = {phase: {} for phase in PHASES}
    own = {phase: 0.0 for phase in PHASES}
    for phase in PHASES:
        print("\n%s" % phase)
        for framework in FRAMEWORKS:
            bare = next((w for w in workers if w.framework == framework and w.variant == "bare"), None)
            for worker in workers:
                if worker.framework != framework:
                    continue
                times = worker.times[phase]
                line = "  %-8s %-14s %8.1f  (%.1f to %.1f)  own thread %.1f" % (
                    framework, worker.variant, statistics.median(times), min(times), max(times),
                    statistics.median(worker.own[phase]))
                if bare is not None and worker is not bare:
                    differences = [one - other for one, other in zip(times, bare.times[phase])]
                    added[phase][framework, worker.variant] = statistics.median(differences)
                    if worker.variant == "homeostasis":
                        pairs = zip(worker.own[phase], bare.own[phase])
                        own[phase] = max(own[phase], statistics.median(one - other for one, other in pairs))
                    line += "  %+8.1f  x%.2f" % (
                        statistics.median(differences), statistics.median(times) / statistics.median(bare.times[phase]))
                print(line)
    print("\nwhat each adds, the worse of Flask and FastAPI (aim of the agent)")
    worst = {}
    for variant in VARIANTS[1:]:
        worst[variant] = {
            phase: max((value for key, value in added[phase].items() if key[1] == variant), default=None) for phase in PHASES
        }
        print("  %-14s " % variant + "   ".join(
            "%s %s us%s" % (phase, "-" if value is None else "%.1f" % value, " (%g)" % AIMS[phase] if variant == "homeostasis" else "")
            for phase, value in worst[variant].items()))
    for worker in workers:
        if getattr(worker, "note", None):
            print("  %s %s: %s" % (worker.framework, worker.variant, worker.note))
    for line in skipped:
        print("skipped: " + line)
    for line in failures:
        print("failed: " + line)
    figures = {"success": "success_us", "first capture": "first_capture_us", "repeated": "repeated_us"}
    rounded = {
        variant: {figures[phase]: value and round(value, 1) for phase, value in values.items()} for variant, values in worst.items()
    }
    result = dict(rounded["homeostasis"])
    result["in_request_thread"] = {figures[phase]: round(value, 1) for phase, value in own.items()}
    result["peers"] = {variant: rounded[variant] for variant in VARIANTS[2:]}
    result.update(rounds=rounds, cases=len(workers) * len(PHASES), skipped=len(skipped) * len(PHASES), failures=len(failures))
    print(json.dumps(result))
    return 1 if skipped or failures else 0


if __name__ == "__main__":
    sys.exit(main())
