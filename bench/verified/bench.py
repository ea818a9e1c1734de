"""Seconds from a first failure to a verified candidate, beside bare runs of the same test suite on the same machine in the same minute.

Every bug that must be healed gets a fresh copy of its patient, started as its users start it under `homeostasis run`
with an empty store, so that nothing is known from an earlier case. The healthy requests of the model are sent, then
the failing one, once. The time runs from the incident's first event to the entry `judged` of its heal; the clock is
the one that both write into the log. One bare run of the suite goes before the failure and one after the verdict, in
a copy of its own, by the same interpreter, while the program idles; what they take together, halved, is what the
time is divided by. That copy is warm: its first run does not count.

A heal that ends without a verified candidate is a miss and is told as one. A case that could not be measured is a
failure.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from program import Broken, Program, copy, environment

PATIENTS = Path(__file__).resolve().parents[2] / "patients"
sys.path.insert(0, str(PATIENTS))
import drive  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
QUICK_CASES = 3
# A case is not begun after this many seconds; it is then skipped, and the run fails.
LIMIT = 50 if QUICK else 3600
# A worker brings only its own healthy exchanges with a failure, so each of four must have had some of every route.
HEALTHY_ROUNDS = 8
LONGEST_HEAL = 30 if QUICK else 180
LONGEST_SUITE = 120
LOOK_AT_OTHERS = 0.3
PAUSE_BETWEEN_LOOKS = 0.1
RESAMPLES = 10_000
AIM = 2.0
# Which entry of the log ends which part of the way.
PARTS = {
    "opened": "notice", "diagnosed": "diagnose", "reproduced": "reproduce", "proposed": "propose",
    "tried": "try", "judged": "judge",
}
COLUMNS = ("notice", "diagnose", "reproduce", "propose", "try", "judge")


def main():
    arguments = parse_arguments()
    # A run that is stopped ends what it started, and tells what it has.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cases = [(patient, bug, healthy) for patient in ("shop", "api") for bug, healthy in bugs(patient)]
    if QUICK:
        cases = cases[:QUICK_CASES]
    place = Path(tempfile.mkdtemp(prefix="homeostasis-bench-")).resolve()
    try:
        return report(*measure_all(arguments, cases, place))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--homeostasis", required=True, type=lambda path: str(Path(path).resolve()), help="the binary")
    parser.add_argument("--shop", required=True, type=Path, help="virtual environment of the shop")
    parser.add_argument("--api", required=True, type=Path, help="virtual environment of the api")
    return parser.parse_args()


def bugs(patient):
    sick, healthy = drive.read_model(PATIENTS / "python" / patient)
    return [(bug, healthy) for bug in sick if bug["must"] == "heal"]


def measure_all(arguments, cases, place):
    """Rows of what was measured, what was skipped, and failures as sentences."""
    begun = time.monotonic()
    rows, skipped, failures, bare = [], [], [], {}
    stopped = False
    for number, (patient, bug, healthy) in enumerate(cases, 1):
        name = "%s %s" % (patient, bug["id"])
        if stopped or time.monotonic() - begun > LIMIT:
            skipped.append("%s: %s" % (name, "the run was stopped" if stopped else "there was no time left"))
            continue
        venv = getattr(arguments, patient)
        try:
            if patient not in bare:
                folder = copy(PATIENTS / "python" / patient, place / "bare" / patient)
                run_suite(venv, folder)
                bare[patient] = folder
            root = place / str(number)
            row = measure(arguments.homeostasis, patient, bug, healthy, venv, root, bare[patient])
            shutil.rmtree(root, ignore_errors=True)
        except KeyboardInterrupt:
            stopped = True
            skipped.append("%s: the run was stopped" % name)
            continue
        except (Broken, OSError, subprocess.TimeoutExpired) as problem:
            failures.append("%s: %s" % (name, problem))
            print("%2d of %d  %s: %s" % (number, len(cases), name, problem), file=sys.stderr, flush=True)
            continue
        rows.append(row)
        print("%2d of %d  %s: %s, %.2f s" % (number, len(cases), name, row["state"], row["seconds"]), file=sys.stderr, flush=True)
    return rows, skipped, failures, len(cases)


def measure(homeostasis, patient, bug, healthy, venv, root, bare_folder):
    busy = busy_with_others()
    root.mkdir()
    copy(PATIENTS / "python" / patient, root / patient)
    with Program(homeostasis, patient, venv, root) as program:
        program.serving()
        for case in healthy * HEALTHY_ROUNDS:
            outcome, text = drive.send_case(program.base, case)
            if outcome != "as_expected":
                raise Broken("the healthy case «%s» was %s: %s" % (case["id"], outcome, text))
        bare = [run_suite(venv, bare_folder)]
        if program.ask("incidents"):
            raise Broken("there is an incident before anything failed")
        outcome, text = drive.send_case(program.base, bug)
        if outcome != "sick":
            raise Broken("the failing request was %s instead of sick: %s" % (outcome, text))
        incident, heal = decided(program)
        bare.append(run_suite(venv, bare_folder))
    return {**row(patient, bug, incident, heal, bare), "busy": busy}


def decided(program):
    """The incident and its heal once that waits for a person or has ended."""
    end = time.monotonic() + LONGEST_HEAL
    while time.monotonic() < end:
        program.check_running()
        for summary in program.ask("incidents"):
            if summary["phase"] in ("waiting", "closed"):
                explanation = program.ask("incidents/%s/explain" % summary["incident"]["id"])
                return explanation["incident"], explanation["heals"][-1]
        time.sleep(PAUSE_BETWEEN_LOOKS)
    phases = ["%s: %s" % (summary["incident"]["title"], summary["phase"]) for summary in program.ask("incidents")]
    raise Broken("nothing was decided within %d seconds (%s)" % (LONGEST_HEAL, "; ".join(phases) or "no incident"))


def row(patient, bug, incident, heal, bare):
    parts = dict.fromkeys(COLUMNS, 0.0)
    last = first = seconds_of(incident["first_seen"])
    trials = []
    for entry in heal["entries"]:
        at = seconds_of(entry["at"])
        if entry["event"] in PARTS:
            parts[PARTS[entry["event"]]] += at - last
        last = at
        if entry["event"] == "tried":
            trials.append(entry["data"]["trial"])
        if entry["event"] == "judged":
            verdict = entry["data"]["verdict"]
            break
    else:
        verdict = {}
    proven, reason = proof(heal, verdict, trials)
    return {
        "patient": patient, "bug": bug["id"], "verified": proven, "state": "verified" if proven else "not verified",
        "reason": reason, "seconds": last - first, "parts": parts, "tried": len(trials),
        "bare": statistics.mean(bare), "ratio": (last - first) / statistics.mean(bare),
    }


def proof(heal, verdict, trials):
    """Whether a candidate waits with all of its proof, and if not, why."""
    if heal["phase"] != "waiting":
        outcome = heal["outcome"] or {}
        return False, "%s: %s" % (outcome.get("outcome", heal["phase"]), outcome.get("reason") or outcome.get("evidence") or "")
    chosen = next((trial for trial in trials if trial["candidate"] == verdict.get("chosen")), None)
    if chosen is None:
        return False, "it waits without a candidate that was tried"
    passed = {check["name"] for check in chosen["checks"] if check["status"] == "passed"}
    lacking = {"heals", "tests"} - passed
    if lacking:
        return False, "it waits, but these checks did not pass: %s" % ", ".join(sorted(lacking))
    return True, ""


def run_suite(venv, folder):
    """Seconds of one bare run of the suite."""
    begun = time.monotonic()
    done = subprocess.run(
        [venv / "bin" / "python", "-m", "pytest", "-q"], cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST_SUITE, check=False,
    )
    took = time.monotonic() - begun
    if done.returncode != 0:
        lines = done.stdout.decode("utf-8", "replace").splitlines()[-3:]
        raise Broken("the suite did not pass without Homeostasis: %s" % " | ".join(lines))
    return took


def busy_with_others():
    """Share of the machine's time that others use at this moment, when nothing of ours runs; proc(5), /proc/stat."""
    before = processor_times()
    time.sleep(LOOK_AT_OTHERS)
    used = [new - old for old, new in zip(before, processor_times())]
    # The fourth and fifth are idle and waiting for a disk; the first eight do not overlap.
    return 1 - sum(used[3:5]) / max(1, sum(used[:8]))


def processor_times():
    return [int(ticks) for ticks in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]


def seconds_of(text):
    # Timestamps have up to nine digits; `fromisoformat` cuts what is finer than a microsecond.
    return datetime.fromisoformat(text).timestamp()


def report(rows, skipped, failures, cases):
    verified = [one for one in rows if one["verified"]]
    print("Seconds from the first failure to a verified candidate; `busy` is the share of the machine that others used")
    head = "%-5s %-34s %-12s" % ("", "bug", "state") + "".join("%10s" % name for name in COLUMNS)
    print(head + "%6s%9s%7s%7s%7s" % ("tried", "seconds", "bare", "ratio", "busy"))
    for one in rows:
        print("%-5s %-34s %-12s" % (one["patient"], one["bug"], one["state"])
              + "".join("%10.2f" % one["parts"][name] for name in COLUMNS)
              + "%6d%9.2f%7.2f%7.2f%6.0f%%" % (one["tried"], one["seconds"], one["bare"], one["ratio"], 100 * one["busy"]))
    for patient in ("shop", "api"):
        summarise(patient, [one for one in verified if one["patient"] == patient])
    summarise("both", verified)
    for one in rows:
        if not one["verified"]:
            print("not verified: %s %s: %s" % (one["patient"], one["bug"], one["reason"]))
    for line in skipped:
        print("skipped: " + line)
    for line in failures:
        print("failed: " + line)
    ratios = [one["ratio"] for one in verified]
    low, high = interval(ratios)
    print(json.dumps({
        "verified_over_bare_tests": rounded(statistics.median(ratios) if ratios else None),
        "verified_over_bare_tests_min": rounded(min(ratios, default=None)),
        "verified_over_bare_tests_max": rounded(max(ratios, default=None)),
        "verified_over_bare_tests_interval_95": [rounded(low), rounded(high)],
        "median_seconds_to_verified": rounded(statistics.median(one["seconds"] for one in verified) if verified else None),
        "verified": len(verified), "not_verified": len(rows) - len(verified),
        "median_busy_with_others": rounded(statistics.median(one["busy"] for one in rows) if rows else None),
        "cases": cases, "skipped": len(skipped), "failures": len(failures),
    }))
    return 1 if skipped or failures or not verified else 0


def summarise(name, rows):
    if not rows:
        return
    middle = "".join("%10.2f" % statistics.median(one["parts"][part] for one in rows) for part in COLUMNS)
    ratio = statistics.median(one["ratio"] for one in rows)
    print("%-5s %-34s %-12s" % (name, "median of %d verified" % len(rows), "") + middle
          + "%6g%9.2f%7.2f%7.2f  (aim %g)" % (
              statistics.median(one["tried"] for one in rows), statistics.median(one["seconds"] for one in rows),
              statistics.median(one["bare"] for one in rows), ratio, AIM))


def interval(ratios):
    """The 95 % interval of the median, by the percentiles of its bootstrap (Efron 1979)."""
    if not ratios:
        return None, None
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]


def rounded(value):
    return None if value is None else round(value, 2)


if __name__ == "__main__":
    sys.exit(main())
