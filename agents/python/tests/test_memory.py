"""A million requests leave the process no larger than its stated bound, with a server that listens, one that hears nothing, and none."""

import pytest
from peer import Peer

# What docs/capsules.md says.
BOUND = 64

PROGRAM = """
import io, resource, threading, time
from homeostasis_agent import channel, guard, wsgi
from homeostasis_agent.dependencies import recording, sql

def application(environ, start_response):
    path = environ["PATH_INFO"]
    number = int(path.rpartition("/")[2])
    body = environ["wsgi.input"].read()
    if number % 7 == 0:
        result = sql.Result([("a", None)])
        result.rows.append((number, "x" * 100))
        recording.note("sql", ("sqlite3", ":memory:", "SELECT ?", (number,)), result, 200)
    if number % 1000 == 0:
        LINES[number // 1000 % len(LINES)](number, body)
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"x" * 100]

# Functions of their own, so that failures have many signatures.
exec(compile("".join(
    "def fail%d(number, body):\\n    rows = [[number] * 50 for _ in range(50)]\\n    return {}[number]\\n" % n for n in range(600)
), __file__, "exec"))
LINES = [globals()["fail%d" % n] for n in range(600)]
LARGE = b"x" * (1 << 18)
entry = wsgi.Entry(application)

def serve(numbers):
    for number in numbers:
        environ = {
            "REQUEST_METHOD": "POST", "PATH_INFO": "/a%d/orders/%d" % (number % 700, number), "SCRIPT_NAME": "", "QUERY_STRING": "q=%d" % number,
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(LARGE if number % 1000 == 0 else b"0123456789"),
            "CONTENT_LENGTH": str(len(LARGE)) if number % 1000 == 0 else "10",
        }
        try:
            entry(environ, lambda *told: None)
        except KeyError:
            pass

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() >> 20

channel.start()
began = time.monotonic()
serve(range(1, 2000))
before = resident()
serve(range(2000, TOTAL))
grown = resident() - before
# What waits is told before the end, where somebody listens.
deadline = time.monotonic() + 30
while LISTENS and (channel._events or channel._outgoing or channel._has_counts()) and time.monotonic() < deadline:
    time.sleep(0.1)
print(grown, int(time.monotonic() - began), threading.active_count(), guard.errors)
"""


@pytest.mark.parametrize("behaviour", ["speak", "deaf", "nobody"])
def test_a_million_requests_stay_within_the_bound(behaviour, script, folder, tmp_path):
    (folder / "program.py").write_text(PROGRAM.replace("TOTAL", "1000000").replace("LISTENS", str(behaviour == "speak")))
    with Peer(tmp_path / "odd", behaviour="silent" if behaviour == "nobody" else behaviour) as odd:
        ended = script("program.py", socket_path="/nowhere/at/all" if behaviour == "nobody" else odd.path, seconds=300)
        assert ended.returncode == 0, ended.stderr
        grown, seconds, threads, errors = map(int, ended.stdout.split())
        print(behaviour, grown, "MiB in", seconds, "seconds")
        assert grown < BOUND
        assert threads == 1 and errors == 0
        if behaviour == "speak":
            told = sum(route["requests"] for message in odd.of("traffic") for route in message["routes"])
            assert told == 999_999
