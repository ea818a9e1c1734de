"""Drives a patient from its model and counts what its clients see; it neither starts nor heals the patient."""

import argparse
import http.client
import itertools
import json
import random
import re
import sys
import threading
import time
import tomllib
from pathlib import Path
from urllib.parse import urlencode, urlsplit

TIMEOUT = 30
CHECK_ROUNDS = 3
KEPT_EXAMPLES = 3
PAUSE_BETWEEN_LOOKS = 0.05
OUTCOMES = ("as_expected", "sick", "connection_errors", "wrong")

# Seconds in front keep the numbers unique across runs against the same data.
numbers = itertools.count(int(time.time()) * 1_000_000)


def main():
    arguments = parse_arguments()
    bugs, healthy = read_model(arguments.patient)
    if arguments.only:
        unknown = set(arguments.only) - {bug["id"] for bug in bugs}
        if unknown:
            sys.exit(f"{arguments.patient}: there is no bug with the id {', '.join(sorted(unknown))}")
        bugs = [bug for bug in bugs if bug["id"] in arguments.only]
    if arguments.check:
        problems = check(arguments, bugs, healthy)
        print(json.dumps({"check": arguments.check, "cases": len(bugs) + len(healthy), "problems": problems}))
        return 1 if problems else 0
    print(json.dumps(drive(arguments, bugs, healthy)))
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patient", type=Path, help="folder with expected.toml and traffic.toml")
    parser.add_argument("--base", required=True, help="where it listens, like http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--bugs", type=float, default=0.2, help="share of requests that trigger a bug")
    parser.add_argument("--only", action="append", help="id of a bug; leave out all others (may be repeated)")
    parser.add_argument("--check", choices=["sick", "healed"], help="prove the model instead of driving")
    parser.add_argument("--log", type=Path, help="what the server writes, to look for exceptions with --check sick")
    return parser.parse_args()


def read_model(folder):
    bugs = tomllib.loads((folder / "expected.toml").read_text())["bug"]
    healthy = tomllib.loads((folder / "traffic.toml").read_text())["healthy"]
    names = [case["id"] for case in bugs + healthy]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        sys.exit(f"{folder}: these ids are used more than once: {sorted(twice)}")
    for bug in bugs:
        if (bug["must"] == "heal") != ("expect" in bug):
            sys.exit(f"{folder}: {bug['id']}: `expect` belongs to the bugs that must be healed, and to no others")
    return bugs, healthy


# One case, sent once: what did the client see?


def send_case(base, case):
    """Sends a case and returns (outcome, text), where the text says what was seen."""
    case = numbered(case, str(next(numbers)))
    answer = send(base, case["request"])
    seen = describe(answer)
    if "sick" not in case:
        outcome = judge_healthy(answer, case["expect"])
        if outcome == "as_expected":
            return follow_up(base, case, outcome, seen)
        return outcome, seen
    if case["must"] == "refuse":
        if failed_as_told(answer, case["sick"]):
            return follow_up(base, case, "sick", seen)
        return ("connection_errors" if answer["error"] else "wrong"), seen
    if matches(answer, case["expect"]):
        outcome, text = follow_up(base, case, "as_expected", seen)
        # Where the failure comes after the answer, only the second request can tell.
        if outcome == "wrong" and case["sick"]["status"] == answer["status"]:
            return "sick", text
        return outcome, text
    if failed_as_told(answer, case["sick"]):
        return "sick", seen
    return ("connection_errors" if answer["error"] else "wrong"), seen


def follow_up(base, case, outcome, seen):
    """The outcome stands only if the second request of the case, if any, is answered right."""
    if "after" not in case:
        return outcome, seen
    after = case["after"]
    end = time.monotonic() + after.get("within", 0)
    while True:
        answer = send(base, after["request"])
        second = judge_healthy(answer, after["expect"])
        if second == "as_expected" or time.monotonic() >= end:
            break
        time.sleep(PAUSE_BETWEEN_LOOKS)
    if second == "as_expected":
        return outcome, seen
    return second, f"{seen}; afterwards {after['request']['path']}: {describe(answer)}"


def judge_healthy(answer, expect):
    if answer["error"]:
        return "connection_errors"
    if matches(answer, expect):
        return "as_expected"
    return "sick" if answer["status"] >= 500 else "wrong"


def failed_as_told(answer, sick):
    if answer["broken"]:
        return sick["status"] == 0
    return not answer["error"] and answer["status"] >= 500


def matches(answer, expect):
    return (
        not answer["error"]
        and answer["status"] in expect["status"]
        and all(text in answer["body"] for text in expect.get("contains", []))
        and not any(text in answer["body"] for text in expect.get("lacks", []))
    )


def describe(answer):
    if answer["error"]:
        return answer["error"]
    return f"{answer['status']} {answer['body'][:300]}"


def numbered(value, number):
    if isinstance(value, str):
        return value.replace("{n}", number)
    if isinstance(value, list):
        return [numbered(item, number) for item in value]
    if isinstance(value, dict):
        return {key: numbered(item, number) for key, item in value.items()}
    return value


def send(base, request):
    """One request on its own connection; `broken` is an answer that began and did not end."""
    headers = {"Connection": "close", "User-Agent": "patient-client"}
    body = None
    if "json" in request:
        headers["Content-Type"] = "application/json"
        body = json.dumps(request["json"]).encode()
    elif "form" in request:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(request["form"]).encode()
    elif "body" in request:
        body = request["body"].encode()
    if body is not None:
        headers["Content-Length"] = str(len(body))
    headers.update(request.get("headers", {}))

    host = urlsplit(base).netloc
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT)
    status = None
    try:
        connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        status = response.status
        text = response.read().decode("utf-8", "replace")
        return {"status": status, "body": text, "error": None, "broken": False}
    except (OSError, http.client.HTTPException) as error:
        where = "no answer" if status is None else f"the answer ({status}) broke off"
        return {"status": 0, "body": "", "error": f"{where}: {error!r}", "broken": status is not None}
    finally:
        connection.close()


# Many clients for a while.


def drive(arguments, bugs, healthy):
    tallies = {case["id"]: new_tally() for case in bugs + healthy}
    lock = threading.Lock()
    turns = itertools.cycle(bugs)
    weights = [case["weight"] for case in healthy]
    start = time.monotonic()
    end = start + arguments.seconds

    def client(seed):
        chance = random.Random(seed)
        while time.monotonic() < end:
            if bugs and chance.random() < arguments.bugs:
                with lock:
                    case = next(turns)
            else:
                case = chance.choices(healthy, weights)[0]
            outcome, text = send_case(arguments.base, case)
            with lock:
                count(tallies[case["id"]], outcome, text, time.monotonic() - start)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(arguments.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    return {
        "patient": arguments.patient.name,
        "clients": arguments.clients,
        "seconds": round(time.monotonic() - start, 1),
        "requests": sum(tally["requests"] for tally in tallies.values()),
        "healthy_total": total([tallies[case["id"]] for case in healthy]),
        "bugs": {bug["id"]: {"must": bug["must"], **tallies[bug["id"]]} for bug in bugs},
        "healthy": {case["id"]: tallies[case["id"]] for case in healthy},
    }


def new_tally():
    return {"requests": 0, **{outcome: 0 for outcome in OUTCOMES}, "first_as_expected": None, "examples": []}


def count(tally, outcome, text, seconds):
    tally["requests"] += 1
    tally[outcome] += 1
    if outcome == "as_expected" and tally["first_as_expected"] is None:
        tally["first_as_expected"] = round(seconds, 2)
    if outcome in ("wrong", "connection_errors") and len(tally["examples"]) < KEPT_EXAMPLES:
        tally["examples"].append(text)


def total(tallies):
    return {name: sum(tally[name] for tally in tallies) for name in ("requests", *OUTCOMES)}


# The model against the program.


def check(arguments, bugs, healthy):
    """The cases that are not as the model says, as sentences."""
    problems = []
    for _round in range(CHECK_ROUNDS):
        for case in healthy:
            outcome, text = send_case(arguments.base, case)
            if outcome != "as_expected":
                problems.append(f"healthy case «{case['id']}» was {outcome}: {text}")
        for bug in bugs:
            offset = arguments.log.stat().st_size if arguments.log else 0
            outcome, text = send_case(arguments.base, bug)
            right = "as_expected" if arguments.check == "healed" and bug["must"] == "heal" else "sick"
            if outcome != right:
                problems.append(f"bug «{bug['id']}» was {outcome} instead of {right}: {text}")
            elif right == "sick" and arguments.log:
                problems += check_traceback(arguments, bug, offset)
    return problems


def check_traceback(arguments, bug, offset):
    sick = bug["sick"]
    wanted = (sick["exception"], sick["file"], sick["function"])
    seen = None
    end = time.monotonic() + 10
    while seen != wanted and time.monotonic() < end:
        with arguments.log.open("rb") as log:
            log.seek(offset)
            seen = last_traceback(log.read().decode("utf-8", "replace"), arguments.patient.resolve())
        if seen != wanted:
            time.sleep(0.02)
    if seen == wanted:
        return []
    return [f"bug «{bug['id']}» failed with {seen} instead of {wanted}"]


def last_traceback(text, folder):
    """Exception name, file and function of the innermost frame inside the folder."""
    block = text.rpartition("Traceback (most recent call last):\n")[2]
    frame = exception = None
    for line in block.splitlines():
        found = re.match(r'\s+File "(.+)", line \d+, in (.+)$', line)
        if found:
            path = Path(found[1])
            if path.is_relative_to(folder):
                frame = (str(path.relative_to(folder)), found[2])
        elif line and not line[0].isspace():
            exception = re.split(r"[:\s]", line)[0].rpartition(".")[2]
            break
    return (exception, *frame) if frame and exception else None


if __name__ == "__main__":
    sys.exit(main())
