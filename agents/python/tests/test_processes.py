"""The agent in plain programs: uncaught exceptions, threads, children, and the program's own start-up files."""

import subprocess
import sys
import time

import pytest
from conftest import AGENT, environment


def test_an_uncaught_exception_of_a_script_arrives(script, peer, folder):
    (folder / "job.py").write_text("def work(n):\n    return [1, 2][n]\n\nwork(5)\n")
    ended = script("job.py")
    assert ended.returncode == 1 and "IndexError" in ended.stderr
    event = peer.wait("event")[0]
    capsule = event["capsule"]
    assert (capsule["kind"], capsule["hook"], capsule["request"]) == ("process", "sys.excepthook", None)
    frame = capsule["exceptions"][0]["frames"][-1]
    assert frame["file"] == str(folder / "job.py") and frame["locals"]["n"] == {"t": "int", "v": "5"}
    assert capsule["process"]["argv"][-1] == "job.py"
    assert peer.of("hello")[0]["protocol"] == 1


@pytest.mark.parametrize("arguments", [("-m", "job"), ("-c", "import job")])
def test_modules_and_commands_are_watched_too(arguments, script, peer, folder):
    (folder / "job.py").write_text("1 / 0\n")
    script(*arguments)
    assert peer.wait("event")[0]["capsule"]["exceptions"][0]["type"] == "ZeroDivisionError"


def test_a_failure_that_ends_a_thread_arrives_while_the_program_goes_on(script, peer):
    ended = script(
        "-c", "import threading\nt = threading.Thread(target=lambda: {}['a'], name='worker')\nt.start(); t.join(); print('on')"
    )
    assert ended.returncode == 0 and "on" in ended.stdout
    event = peer.wait("event")[0]
    assert event["capsule"]["hook"] == "threading.excepthook"
    assert event["capsule"]["process"]["thread"] == "worker"


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "raise KeyboardInterrupt", "pass"])
def test_an_ordinary_end_is_no_failure_and_needs_no_connection(text, script, peer):
    script("-c", text)
    assert peer.messages == []


def test_the_programs_own_sitecustomize_runs_under_its_own_name(folder, peer, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import builtins\nbuiltins.seen = __name__ + ' ' + __file__\n")
    variables = environment(folder, peer.path)
    variables["PYTHONPATH"] += ":" + str(own)
    command = [sys.executable, "-c", "import sys; print(seen); print(sys.modules['sitecustomize'].__file__); 1 / 0"]
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert ended.stdout.splitlines() == ["sitecustomize %s/sitecustomize.py" % own, "%s/sitecustomize.py" % own]
    peer.wait("event")


def test_a_broken_sitecustomize_of_the_program_is_told_as_ever(folder, peer, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("raise ValueError('broken')\n")
    variables = environment(folder, peer.path)
    variables["PYTHONPATH"] += ":" + str(own)
    ended = subprocess.run([sys.executable, "-c", "print(1)"], cwd=folder, env=variables, capture_output=True, text=True)
    assert ended.stdout == "1\n" and "ValueError: broken" in ended.stderr


def test_the_agent_can_be_turned_off(script, peer):
    script("-c", "1 / 0", HOMEOSTASIS_AGENT="0")
    assert peer.messages == []


def test_children_started_and_forked_are_watched(script, peer):
    script(
        "-c",
        "import os, subprocess, sys\n"
        "import flask\n"
        "subprocess.run([sys.executable, '-c', '1 / 0'], stderr=subprocess.DEVNULL)\n"
        "if os.fork() == 0:\n"
        "    {}['in the child']\n"
        "os.wait()\n",
    )
    events = peer.wait("event", 2)
    assert sorted(event["capsule"]["exceptions"][0]["type"] for event in events) == ["KeyError", "ZeroDivisionError"]
    assert len({event["capsule"]["process"]["pid"] for event in events}) == 2


def test_a_fork_warns_of_no_thread_and_leaks_no_descriptor(script, peer):
    ended = script(
        "-W",
        "error::DeprecationWarning",
        "-c",
        "import flask, os, time\n"
        "time.sleep(0.3)\n"
        "before = len(os.listdir('/proc/self/fd'))\n"
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os._exit(0 if len(os.listdir('/proc/self/fd')) <= before else 9)\n"
        "    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "    time.sleep(0.01)\n"
        "assert len(os.listdir('/proc/self/fd')) <= before\n",
    )
    assert ended.returncode == 0, ended.stderr


def test_starting_costs_a_plain_script_next_to_nothing(folder, peer):
    code = "import sys; print(' '.join(sorted(name for name in sys.modules if not name.startswith('_'))))"
    with_agent = subprocess.run(
        [sys.executable, "-c", code], env=environment(folder, peer.path), capture_output=True, text=True, check=True
    ).stdout.split()
    without = subprocess.run(
        [sys.executable, "-c", code], env=environment(folder, None), capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(with_agent) - set(without) <= {
        "homeostasis_agent", "homeostasis_agent.hooks", "homeostasis_agent.guard", "sitecustomize",
    }
    timing = "import time; t = time.perf_counter(); from homeostasis_agent import hooks; hooks.install(); print(time.perf_counter() - t)"
    seconds = min(
        float(
            subprocess.run(
                [sys.executable, "-c", timing],
                env=environment(folder, peer.path, HOMEOSTASIS_AGENT="0"), capture_output=True, text=True, check=True,
            ).stdout
        )
        for _ in range(5)
    )
    assert seconds < 0.003


def test_a_failing_hook_of_ours_never_reaches_the_program_and_ends_in_silence(script, peer):
    ended = script(
        "-c",
        "import sys\n"
        "sys.path.insert(0, %r)\n"
        "from homeostasis_agent import capture, guard, failures\n"
        "capture.capsule = lambda *a: 1 / 0\n"
        "for number in range(12):\n"
        "    try:\n"
        "        exec('raise ValueError(%%d)' %% number)\n"
        "    except ValueError as error:\n"
        "        failures.rearm(); failures.report(error, 'test')\n"
        "print(guard.enabled, guard.errors)\n" % AGENT,
    )
    assert ended.stdout == "False 10\n" and ended.returncode == 0, ended.stderr
    assert peer.of("event") == []


def test_the_queue_is_bounded_and_what_is_dropped_is_counted(script, peer, tmp_path):
    ended = script(
        "-c",
        "import sys\n"
        "from homeostasis_agent import channel, failures\n"
        "channel.start()\n"
        "for number in range(400):\n"
        "    try:\n"
        "        exec(compile('\\n' * number + 'raise ValueError', 'f', 'exec'))\n"
        "    except ValueError as error:\n"
        "        failures.report(error, 'test')\n"
        "print(channel.dropped, len(channel._events))\n",
        socket_path=tmp_path / "nobody",
    )
    assert ended.stdout == "144 256\n", ended.stderr


def test_excluded_types_modules_and_paths_are_left_out(peer, script, folder):
    peer.config.update(exclude_error_types=["LookupError"], exclude_modules=["left"], root=str(folder))
    (folder / "left.py").write_text("def fail():\n    1 / 0\n")
    ended = script(
        "-c",
        "import flask, time, left, threading\n"
        "time.sleep(0.5)\n"
        "def other(): int('x')\n"
        "for one in (left.fail, lambda: {}['a'], other):\n"
        "    t = threading.Thread(target=one); t.start(); t.join()\n",
    )
    assert ended.returncode == 0
    assert [one["capsule"]["exceptions"][0]["type"] for one in peer.wait("event")] == ["ValueError"]
    time.sleep(0.2)
    assert len(peer.of("event")) == 1
