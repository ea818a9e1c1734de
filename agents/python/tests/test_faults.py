"""Whatever the program does to itself, it behaves under the agent exactly as without it; what the server does is tested in `test_fail_open`."""

import re
import subprocess
import sys
import time

import pytest
from conftest import AGENT, without_warnings_of_fork
from peer import Peer
from running import environment


@pytest.fixture
def same(folder, peer, tmp_path):
    """Runs a program without the agent, with it, and with it and no server; what it says and how it ends must be the same."""

    def run(code, seconds=60, says_the_same=True, **more):
        path = folder / "program.py"
        path.write_text(code)
        ended = []
        for socket_path in (None, peer.path, str(tmp_path / "nobody")):
            variables = environment(folder, socket_path, **more)
            if socket_path is None:
                del variables["PYTHONPATH"]
            ended.append(
                subprocess.run(
                    [sys.executable, "-X", "faulthandler", str(path)], cwd=folder, env=variables, capture_output=True, text=True,
                    timeout=seconds,
                )
            )
        bare = ended[0]
        for other in ended[1:]:
            assert (other.returncode, other.stdout) == (bare.returncode, bare.stdout)
            assert not says_the_same or plain(other.stderr) == plain(bare.stderr)
        return bare

    return run


def plain(text):
    """Without addresses, and without the order in which threads came to write."""
    return sorted(re.sub("0x[0-9a-f]+|Thread-[0-9]+", "", text).splitlines())


LOCALS = """
class Ran(Exception):
    pass

def refuse(self, *arguments):
    print("ran")
    raise Ran

class Hostile:
    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __getattr__ = refuse

class Broken(Exception):
    __str__ = __repr__ = refuse

def fail(kind):
    first, second, third = Hostile(), [Hostile()], {1: Hostile()}
    raise kind("why", 5)
"""


@pytest.mark.parametrize("kind", ["ValueError", "Broken", "KeyboardInterrupt", "SystemExit", "GeneratorExit", "MemoryError", "RecursionError"])
def test_an_end_by_any_exception_with_hostile_locals_is_the_same(kind, same):
    same(LOCALS + "\nfail(%s)\n" % kind)


@pytest.mark.parametrize("kind", ["ValueError", "Broken", "KeyboardInterrupt", "SystemExit", "MemoryError"])
def test_a_thread_that_ends_by_any_exception_is_the_same(kind, same):
    same(LOCALS + "\nimport threading\nt = threading.Thread(target=fail, args=(%s,))\nt.start(); t.join(); print('on')\n" % kind)


def test_an_exception_in_a_destructor_is_the_same(same, peer):
    same(
        "import gc\n"
        "class Left:\n"
        "    def __del__(self):\n        raise ValueError('in the destructor')\n"
        "def fail(thing):\n    raise KeyError('x')\n"
        "try:\n    fail(Left())\nexcept KeyError:\n    pass\n"
        "gc.collect()\n"
        "fail(Left())\n"
    )
    assert peer.wait("event")[0]["capsule"]["exceptions"][0]["type"] == "KeyError"


@pytest.mark.parametrize("limit", [1000, 20000])
def test_a_deep_recursion_ends_the_same_and_is_captured(limit, same, peer):
    same(
        "import sys, threading\n"
        "sys.setrecursionlimit(%d)\nsys.tracebacklimit = 3\nthreading.stack_size(512 << 20)\n"
        "def down(n):\n    return down(n + 1) + 1\n"
        "thread = threading.Thread(target=down, args=(0,))\nthread.start()\nthread.join()\nprint('on')\n" % limit
    )
    event = peer.wait("event")[0]
    assert event["capsule"]["exceptions"][0]["type"] == "RecursionError"
    assert len(event["capsule"]["exceptions"][0]["frames"]) == 60


def test_an_exception_near_the_end_of_the_stack_goes_on(same):
    """Wherever the recursion ends, in the program's code or while the agent looks at it, the program catches what it would have caught."""
    same(
        "import flask, sys\n"
        "app = flask.Flask(__name__)\n"
        "app.logger.disabled = True\n"
        "@app.get('/')\ndef fail():\n    raise LookupError('x')\n"
        "client = app.test_client()\n"
        "def down(n):\n"
        "    if n:\n        return down(n - 1)\n"
        "    return client.get('/').status_code\n"
        "sys.setrecursionlimit(400)\n"
        "print({down(n) for n in range(0, 100, 7)})\n"
        "def deepest(n):\n"
        "    try:\n        return deepest(n + 1)\n"
        "    except RecursionError:\n        return 'caught'\n"
        "print(deepest(0))\n"
    )


HUGE = """
import threading, time, resource
def fail(kind):
    if kind == "bytes":
        whole = b"x" * (1 << 30)
    elif kind == "text":
        whole = "x" * (1 << 30)
    elif kind == "list":
        whole = list(range(2 * 10**7))
    elif kind == "dict":
        whole = dict.fromkeys(range(2 * 10**6), "x")
    else:
        whole = [b"x" * (1 << 20) for _ in range(1000)]
    raise KeyError(len(whole))
threading.excepthook = lambda arguments: None
from homeostasis_agent import failures, hooks
hooks.patch_threading(threading)
spent = 0.0
report = failures.report
def timed(*told):
    global spent
    began = time.thread_time()
    report(*told)
    spent += time.thread_time() - began
failures.report = timed
thread = threading.Thread(target=fail, args=("%s",))
thread.start(); thread.join()
time.sleep(0.5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, spent * 1000)
"""


@pytest.mark.parametrize("kind", ["bytes", "text", "list", "dict", "many"])
def test_locals_of_a_gigabyte_are_captured_in_no_time_and_no_memory(kind, script, peer, folder):
    (folder / "program.py").write_text(HUGE % kind)
    measured = []
    for hears in ("print('not heard')", "hooks.patch_threading(threading)"):
        (folder / "program.py").write_text((HUGE % kind).replace("hooks.patch_threading(threading)", hears))
        ended = script("program.py", seconds=60)
        assert ended.returncode == 0, ended.stderr
        size, milliseconds = ended.stdout.split()[-2:]
        measured.append((int(size), float(milliseconds)))
    (size, time_spent), (size_captured, time_captured) = measured
    assert size_captured - size < 60, measured
    # To visit all of it takes many seconds; how fast the machine is today does not matter.
    assert time_captured < 2000, measured
    frame = peer.wait("event")[0]["capsule"]["exceptions"][0]["frames"][-1]
    assert frame["locals"]["whole"]["len"] >= 1000


def test_memory_that_is_used_up_ends_the_same(same):
    same(
        "import resource\n"
        "def fail():\n"
        "    kept = []\n"
        "    while True:\n        kept.append(bytearray(1 << 20))\n"
        "limit = 1 << 30\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "for _ in range(5):\n"
        "    try:\n        fail()\n    except MemoryError:\n        print('caught')\n"
        "import threading\n"
        "thread = threading.Thread(target=fail)\nthread.start()\nthread.join()\nprint('on')\n"
        "fail()\n",
        # Without room for a thread of its own the agent has none.
        seconds=120,
        # Without memory the interpreter tells of its own troubles, each time of others.
        says_the_same=False,
    )


THREADS = """
import sys, threading, time
threading.stack_size(256 << 10)
gate = threading.Event()
threading.excepthook = lambda arguments: None
from homeostasis_agent import hooks
hooks.patch_threading(threading)

def work(number):
    gate.wait()
    return 1 // (number - number)

threads = []
try:
    for number in range(10000):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        threads.append(thread)
except RuntimeError:
    # The machine allows no more.
    pass
gate.set()
for thread in threads:
    thread.join()
time.sleep(1.5)
print(len(threads))
"""


def test_ten_thousand_threads_that_fail_at_once_are_all_counted(script, peer):
    ended = script("-c", THREADS, seconds=120)
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    started = int(ended.stdout)
    assert started > 500
    peer.wait("event")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        told = len(peer.of("event")) + sum(item["count"] for message in peer.of("repeats") for item in message["items"])
        if told == started:
            break
        time.sleep(0.1)
    assert told == started


SIGNAL = """
import signal, sys, threading
sys.path.insert(0, %r)
from homeostasis_agent import capture, failures, guard, settings, values

settings.root = %r
settings.agent_folder = "/nowhere"
fired = caught = lost = rounds = 0

class Timeout(Exception):
    pass

def ring(number, frame):
    global fired
    fired += 1
    raise Timeout

def fail(depth, things):
    if depth:
        return fail(depth - 1, things)
    return things["missing"]

try:
    fail(30, {"a": [[[list(range(50))] * 20] * 20]})
except KeyError as error:
    failure = error

def ignored(told):
    # What is raised in a callback of the interpreter itself reaches nobody, with or without us.
    global lost
    lost += told.exc_type is Timeout

sys.unraisablehook = ignored
signal.signal(signal.SIGALRM, ring)
while caught < 300:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.00005 + (rounds %% 40) * 0.00005, 0.05)
        failures.rearm()
        failure.__dict__.pop(failures.MARK, None)
        failures.report(failure, "test")
        while True:
            # Where the report was over before the signal came, it comes here.
            pass
    except Timeout:
        caught += 1
    rounds += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(fired == caught + lost, caught == rounds, guard.enabled)
"""


def test_a_signal_whose_handler_raises_during_a_capture_reaches_the_program(script, folder):
    ended = script("-c", SIGNAL % (AGENT, str(folder)), socket_path=None)
    assert ended.stdout == "True True True\n", ended.stdout + ended.stderr


REPLACED = {
    "sys.excepthook": "import sys\nsys.excepthook = lambda *told: print('mine', told[0].__name__)\n",
    "an excepthook that goes on": (
        "import sys\nold = sys.excepthook\ndef mine(*told):\n    print('mine')\n    old(*told)\nsys.excepthook = mine\n"
    ),
    "an excepthook that raises": "import sys\ndef mine(*told):\n    raise RuntimeError('in the hook')\nsys.excepthook = mine\n",
    "the original excepthook": "import sys\nsys.excepthook = sys.__excepthook__\n",
    "threading.excepthook": "import threading\nthreading.excepthook = lambda told: print('mine', told.exc_type.__name__)\n",
    "sys.meta_path": (
        "import sys\nsys.meta_path[:] = [one for one in sys.meta_path if 'homeostasis' not in getattr(one, '__module__', '')]\n"
        "import importlib, decimal, wave\nimportlib.invalidate_caches()\n"
    ),
    "time.time": "import time\ntime.time = lambda: 1 / 0\ntime.monotonic = lambda: 1 / 0\n",
    "json": (
        "import json\njson.dumps = json.loads = json.JSONEncoder = None\nimport json.encoder\n"
        "json.encoder.JSONEncoder.encode = lambda *told: 1 / 0\n"
    ),
    "builtins.open": "import builtins\nbuiltins.open = lambda *told, **named: 1 / 0\n",
    "builtins.__import__": (
        "import builtins\nimported = builtins.__import__\n"
        "def mine(name, *more, **named):\n    return imported(name, *more, **named)\nbuiltins.__import__ = mine\n"
    ),
    "os.write": "import os\nos.write = lambda *told: 1 / 0\n",
    "socket": "import socket\nsocket.socket = None\n",
    "sys.modules": "import sys\nfor name in list(sys.modules):\n    name.startswith('json') and sys.modules.pop(name)\n",
    "the trace function": "import sys\nseen = []\nsys.settrace(lambda *told: seen.append(1))\n",
    "the random state": "import random\nrandom.seed(1)\n",
}
FAIL = """
def fail(n):
    return {}["here"] if n else None
import random
print(random.random() if "seed" in SOURCE else "")
import threading
thread = threading.Thread(target=fail, args=(1,))
thread.start()
thread.join()
fail(2)
"""


@pytest.mark.parametrize("replaced", sorted(REPLACED))
def test_a_program_that_replaces_parts_of_python_behaves_the_same(replaced, same):
    source = REPLACED[replaced]
    same("SOURCE = %r\n" % source + source + FAIL)


@pytest.mark.parametrize("replaced", ["sys.meta_path", "builtins.open", "builtins.__import__", "socket", "an excepthook that goes on"])
def test_what_a_program_replaces_does_not_keep_failures_from_being_told(replaced, script, peer, folder):
    (folder / "program.py").write_text("SOURCE = ''\n" + REPLACED[replaced] + FAIL)
    script("program.py")
    assert peer.wait("event")[0]["capsule"]["exceptions"][0]["type"] == "KeyError"


ENDS = {
    "daemon threads": (
        "import threading, time\n"
        "def fail():\n    while True:\n        try:\n            {}['x']\n        except KeyError as error:\n            report(error)\n"
        "def report(error):\n    import logging\n    logging.disable()\n    logging.exception('x')\n"
        "for _ in range(8):\n    threading.Thread(target=fail, daemon=True).start()\n"
        "time.sleep(0.2)\nprint('end')\n"
    ),
    "an exit handler that fails": "import atexit\natexit.register(lambda: {}['at exit'])\n{}['x']\n",
    "os._exit": "import os, threading\nt = threading.Thread(target=lambda: {}['x'])\nt.start(); t.join(); os._exit(7)\n",
    "a signal": "import os, signal\ntry:\n    {}['x']\nexcept KeyError:\n    os.kill(os.getpid(), signal.SIGTERM)\n",
    "an exit in a thread": "import sys, threading\nt = threading.Thread(target=sys.exit)\nt.start(); t.join(); sys.exit(5)\n",
    "a failure while the interpreter ends": (
        "class Late:\n    def __del__(self):\n        import threading\n        {}['late']\nlate = Late()\n{}['x']\n"
    ),
    "an interrupt": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n",
    "closed output": "import os, sys\nsys.stderr.flush()\nos.close(2)\n{}['x']\n",
}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_the_interpreter_ends_the_same(end, same):
    began = time.monotonic()
    same(ENDS[end])
    assert time.monotonic() - began < 20


FORKS = """
import os, sys, threading
def fail(n):
    filling = ["%s" % n * 3000 for _ in range(40)]
    return {}[n]
def try_it(n):
    thread = threading.Thread(target=fail, args=(n,))
    thread.start()
    thread.join()
# Lines of their own, so that each is a failure of its own.
exec(compile("".join("def fail%d(n):\\n    filling = ['%d' * 3000 for _ in range(40)]\\n    return {}[n]\\n" % (n, n) for n in range(40)), __file__, "exec"))
threading.excepthook = lambda told: None
from homeostasis_agent import hooks
hooks.patch_threading(threading)
for n in range(40):
    thread = threading.Thread(target=globals()["fail%d" % n], args=(n,))
    thread.start()
    thread.join()
    if n % 8 == 0:
        pid = os.fork()
        if pid == 0:
            try_it("child")
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
print("on")
"""


def test_a_fork_in_the_middle_of_sending_harms_neither_side(script, peer, folder):
    (folder / "program.py").write_text(FORKS)
    ended = script("program.py")
    assert ended.returncode == 0 and ended.stdout == "on\n", ended.stderr
    assert without_warnings_of_fork(ended.stderr)
    deadline = time.monotonic() + 10
    # Each line that arrives is whole: the peer gives up a connection on which one is not.
    while len({event["capsule"]["exceptions"][0]["message"] for event in peer.of("event")}) < 41 and time.monotonic() < deadline:
        time.sleep(0.1)
    messages = sorted({event["capsule"]["exceptions"][0]["message"] for event in peer.of("event")})
    assert messages == sorted([str(n) for n in range(40)] + ["'child'"])
    assert len({event["capsule"]["process"]["pid"] for event in peer.of("event")}) == 6


def test_a_server_that_reads_slowly_holds_up_nothing(folder, tmp_path):
    with Peer(tmp_path / "slow", behaviour="slow") as slow:
        (folder / "program.py").write_text(FORKS)
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "program.py"], cwd=folder, env=environment(folder, slow.path), capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 0 and ended.stdout == "on\n", ended.stderr
        assert time.monotonic() - began < 15


def test_the_agent_turns_itself_off_after_errors_of_its_own_and_the_program_goes_on(same):
    same(
        "import sys\n"
        "import flask\n"
        "capture = sys.modules.get('homeostasis_agent.failures')\n"
        "if capture is not None:\n    capture._key = lambda error: 1 / 0\n"
        "app = flask.Flask(__name__)\napp.logger.disabled = True\n"
        "@app.get('/')\ndef fail():\n    raise LookupError('x')\n"
        "print([app.test_client().get('/').status_code for _ in range(30)])\n"
    )

