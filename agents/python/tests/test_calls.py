"""A failing call outside of a request is described so that it can be made again elsewhere, and fails there in the same way."""

import sys

import pytest
from test_replay import replay  # noqa: F401

JOBS = '''
import asyncio, dataclasses, datetime, decimal, enum, functools, pathlib, threading, typing, uuid

class Size(enum.Enum):
    SMALL = 1
    LARGE = 2

@dataclasses.dataclass(frozen=True)
class Item:
    name: str
    size: Size
    price: decimal.Decimal

class Pair(typing.NamedTuple):
    left: int
    right: "Item"

class Slotted:
    __slots__ = ("inner", "unset")
    def __init__(self, inner):
        self.inner = inner

def logged(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments, **named)
    return wrapper

class Mailer:
    def __init__(self, table):
        self.table = table

    @logged
    def send(self, order, *more, retries=2, **named):
        return self.table[order["id"]] + retries

    @classmethod
    def all(cls, names):
        return [cls.table_of[name] for name in names]

    @staticmethod
    def one(name):
        return {}[name]

    async def later(self, key):
        await asyncio.sleep(0)
        return self.table[key]

@functools.lru_cache
def cached(key):
    return {}[key]

class Counting:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function, self.count = function, 0
    def __call__(self, *arguments):
        self.count += 1
        return self.function(*arguments)

class Counted:
    @Counting
    def price(key):
        return {}[key]

def everything(values):
    raise LookupError(repr([value.__name__ if value is everything else (type(value), value) for value in values]))

def outer(queue):
    queue.inner = None
    return inner(queue.first, 3)

class Queue:
    def __init__(self, first):
        self.first, self.lock = first, threading.Lock()

def inner(first, second):
    return first / (second - 3)

def assigned(a, b):
    a = a + 1
    return a / b

def generator(n):
    yield 1 / n

def run_generator(n):
    return list(generator(n))

class Plain:
    def __html__(self):
        return self

class Safe(str, Plain):
    __slots__ = ()

class Reader(threading.Thread):
    def __init__(self, table, key):
        super().__init__(daemon=True)
        self.table, self.key = table, key
    def run(self):
        return self.table[self.key if self.daemon and self.name else None]

class Timed(threading.Thread):
    def run(self):
        super().run()

def run_and_wait(thread):
    thread.start()
    thread.join()

EVERYTHING = [
    None, True, 1 << 200, -0.5, float("inf"), "é\\n\\0", b"\\x00\\xff", [1, [2]], (1,), {1}, frozenset([2]), {"a": {(1, 2): 3}},
    decimal.Decimal("1.50"), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3), datetime.time(1, 2),
    datetime.timedelta(days=-1, seconds=2, microseconds=5), datetime.timezone.utc, uuid.UUID(int=5), pathlib.Path("/a/b"), Size.LARGE,
    range(1, 9, 2), 1 + 2j, Item("cup", Size.SMALL, decimal.Decimal(3)), Pair(1, Item("b", Size.SMALL, decimal.Decimal(0))),
    dict, everything, Item, typing, Safe("<b>"),
]
'''

CASES = {
    "a function with a cache around it": "lambda: jobs.cached('x')",
    "a function within an object": "lambda: jobs.Counted.price('x')",
    "a method behind a decorator": "lambda: jobs.Mailer({'a': 1}).send({'id': 'b'}, 5, retries=3, more=None)",
    "a class method": "lambda: jobs.Mailer.all(['x'])",
    "a static method": "lambda: jobs.Mailer.one('x')",
    "a coroutine": "lambda: __import__('asyncio').run(jobs.Mailer({}).later('k'))",
    "all kinds of values": "lambda: jobs.everything(jobs.EVERYTHING)",
    "objects with slots": "lambda: jobs.inner(jobs.Slotted(4), 3)",
    "a thread with a run of its own": "lambda: jobs.run_and_wait(jobs.Reader({'a': 1}, 'b'))",
    "a thread with a run around its target": "lambda: jobs.run_and_wait(jobs.Timed(target=jobs.inner, args=(1, 3)))",
    "a generator within": "lambda: jobs.run_generator(0)",
}


def fail_in_a_thread(script, peer, folder, expression):
    (folder / "jobs.py").write_text(JOBS)
    (folder / "main.py").write_text(
        "import jobs, threading\n"
        "if __name__ == '__main__':\n"
        "    work = threading.Thread(target=lambda: (%s)())\n"
        "    work.start(); work.join()\n" % expression
    )
    script("main.py")
    return peer.wait("event")[-1]["capsule"]


def innermost(exception):
    frame = exception["frames"][-1]
    return exception["type"], exception["message"], frame["function"], frame["line"]


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_call_fails_again_in_a_program_that_only_loads_its_modules(case, script, peer, folder, replay):  # noqa: F811
    capsule = fail_in_a_thread(script, peer, folder, CASES[case])
    assert capsule["call"] is not None, capsule["missing"]
    result = replay(("main.py",), {"schema": 1, "kind": "call", "call": capsule["call"]})
    assert result["error"] is None and result["ready"]
    (exchange,) = result["exchanges"]
    assert exchange["status"] is None
    assert innermost(exchange["exceptions"][0]) == innermost(capsule["exceptions"][0])
    # What the program's own functions did on the way is the same from the call on.
    way = [frame["function"] for frame in capsule["exceptions"][0]["frames"][capsule["call"]["frame"]:]]
    again = [frame["function"] for frame in exchange["exceptions"][0]["frames"]]
    assert [name for name in way if name in again] == way


def test_where_the_outer_function_cannot_be_called_again_an_inner_one_is(script, peer, folder, replay):  # noqa: F811
    capsule = fail_in_a_thread(script, peer, folder, "lambda: jobs.outer(jobs.Queue(7))")
    call = capsule["call"]
    assert (call["module"], call["function"]) == ("jobs", "inner")
    assert [name for name, _ in call["arguments"]] == ["first", "second"]
    result = replay(("main.py",), {"schema": 1, "kind": "call", "call": call})
    assert result["exchanges"][0]["exceptions"][0]["type"] == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("lambda: jobs.assigned(1, 0)", "assigned has assigned its argument a anew"),
        ("lambda: (lambda x: 1 / x)(0)", "is defined inside of another function" if sys.version_info >= (3, 11) else "is not found by its name"),
        ("lambda: jobs.inner(jobs.Queue(1), 3)", "inner was given first, which holds a"),
        ("lambda: list(jobs.generator(0))", "generator is a generator"),
        ("lambda: jobs.inner([0] * 2000, 3)", "which holds too much"),
        ("lambda: jobs.inner('\\ud800', 3)", "which cannot be written as UTF-8"),
    ],
)
def test_a_call_that_cannot_be_made_again_says_why(expression, reason, script, peer, folder):
    capsule = fail_in_a_thread(script, peer, folder, expression)
    assert capsule["call"] is None
    assert any(reason in missing for missing in capsule["missing"]), capsule["missing"]


def test_functions_of_the_script_itself_are_called_without_running_its_main_part(script, peer, folder, replay):  # noqa: F811
    (folder / "job.py").write_text(
        "import threading\n"
        "class Row:\n    def __init__(self): self.n = 0\n"
        "def work(row, password):\n    return 1 // row.n\n"
        "if __name__ == '__main__':\n"
        "    open('ran', 'a').write('x')\n"
        "    thread = threading.Thread(target=work, args=(Row(), 'correct horse'))\n"
        "    thread.start(); thread.join()\n"
    )
    for command in (("job.py",), ("-m", "job")):
        script(*command)
        capsule = peer.wait("event")[-1]["capsule"]
        assert "correct horse" not in str(capsule)
        result = replay(command, {"schema": 1, "kind": "call", "call": capsule["call"]})
        assert result["exchanges"][0]["exceptions"][0]["type"] == "ZeroDivisionError", result
        assert result["exchanges"][0]["exceptions"][0]["frames"][-1]["locals"]["row"]["fields"]["n"]["v"] == "0"
    assert (folder / "ran").read_text() == "xx"


def test_a_thread_of_a_server_fails_again_where_it_would_begin_to_serve(serve, peer, folder, replay):  # noqa: F811
    (folder / "shop.py").write_text(
        (folder / "shop.py").read_text()
        + "\n\nSTATE = {'ready': False}\n"
        "@app.get('/spawn')\n"
        "def spawn():\n"
        "    import threading\n"
        "    thread = threading.Thread(target=refill, args=({'plum': 0},)); thread.start(); thread.join()\n"
        "    return 'spawned'\n"
        "def refill(stock):\n"
        "    return {name: 1 / count for name, count in stock.items()}\n"
    )
    server = serve("gunicorn", "-b", "127.0.0.1:PORT", "shop:app")
    assert server.get("/spawn")[0] == 200
    capsule = peer.wait("event")[-1]["capsule"]
    assert capsule["kind"] == "process" and capsule["call"]["serving"] and capsule["call"]["function"] == "refill"
    result = replay(("-m", "gunicorn", "shop:app"), {"schema": 1, "kind": "call", "call": capsule["call"]})
    assert result["ready"] and result["exchanges"][0]["exceptions"][0]["type"] == "ZeroDivisionError"
    result = replay(("-m", "uvicorn", "--interface", "wsgi", "shop:app"), {"schema": 1, "kind": "call", "call": capsule["call"]})
    assert result["ready"] and result["exchanges"][0]["exceptions"][0]["type"] == "ZeroDivisionError"


def test_an_application_that_a_thread_is_given_is_found_by_its_name(serve, peer, folder, replay):  # noqa: F811
    (folder / "shop.py").write_text(
        (folder / "shop.py").read_text()
        + "\n\n@app.get('/mail')\n"
        "def mail():\n"
        "    import threading\n"
        "    from flask import current_app\n"
        "    thread = threading.Thread(target=send, args=(current_app._get_current_object(), 'x')); thread.start(); thread.join()\n"
        "    return 'sent'\n"
        "def send(app, key):\n"
        "    with app.app_context():\n"
        "        return app.config[key]\n"
    )
    server = serve("gunicorn", "-b", "127.0.0.1:PORT", "shop:app")
    assert server.get("/mail")[0] == 200
    capsule = peer.wait("event")[-1]["capsule"]
    assert capsule["call"]["arguments"][0] == ["app", {"t": "callable", "class": "flask.app.Flask", "name": "shop.app"}]
    result = replay(("-m", "gunicorn", "shop:app"), {"schema": 1, "kind": "call", "call": capsule["call"]})
    assert innermost(result["exchanges"][0]["exceptions"][0]) == innermost(capsule["exceptions"][0])


def test_a_call_whose_function_is_gone_is_told(folder, replay):  # noqa: F811
    (folder / "main.py").write_text("")
    call = {"module": "jobs", "folder": str(folder), "function": "gone", "wrappers": 0, "frame": 0, "serving": False, "arguments": [], "keywords": {}}
    (folder / "jobs.py").write_text(JOBS)
    result = replay(("main.py",), {"schema": 1, "kind": "call", "call": call})
    assert not result["ready"] and "gone" in result["error"]
