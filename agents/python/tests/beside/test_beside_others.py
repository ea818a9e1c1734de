"""Beside sentry-sdk, OpenTelemetry and ddtrace, whichever comes first: their events still come, ours do, and the program answers as ever."""

import os
import subprocess
import sys

import pytest
from running import AGENT, environment

for needed in ("sentry_sdk", "opentelemetry.instrumentation.flask", "ddtrace"):
    pytest.importorskip(needed, reason="tests/beside/requirements.txt is not installed")

FLASK = """
from flask import Flask
app = Flask(__name__)
app.logger.disabled = True

@app.get("/ok")
def ok():
    return "fine"

@app.get("/fail")
def fail():
    row = {"a": 1}
    return row["here"]

@app.errorhandler(ZeroDivisionError)
def apologise(error):
    return "sorry", 503

@app.get("/apology")
def apology():
    return str(1 / 0)

def status_of(path):
    answer = app.test_client().get(path)
    return answer.status_code, answer.get_data(as_text=True)[:40]
"""

FASTAPI = """
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
app = FastAPI()

@app.get("/ok")
async def ok():
    return "fine"

@app.get("/fail")
async def fail():
    row = {"a": 1}
    return row["here"]

@app.exception_handler(ZeroDivisionError)
async def apologise(request, error):
    return PlainTextResponse("sorry", 503)

@app.get("/apology")
async def apology():
    return str(1 / 0)

def status_of(path):
    from starlette.testclient import TestClient
    answer = TestClient(app, raise_server_exceptions=False).get(path)
    return answer.status_code, answer.text[:40]
"""

SENTRY = """
import sentry_sdk
from sentry_sdk.transport import Transport
SEEN = []
class Kept(Transport):
    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event:
            SEEN.append([(one["type"], len(one["stacktrace"]["frames"]) > 0) for one in event["exception"]["values"]])
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Kept)
"""

OPENTELEMETRY = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
SEEN = []
class Kept(SpanExporter):
    def export(self, spans):
        for span in spans:
            SEEN.append((span.name, span.status.status_code.name, sorted(
                (event.name, str(event.attributes.get("exception.type"))) for event in span.events)))
        return SpanExportResult.SUCCESS
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Kept()))
trace.set_tracer_provider(provider)
"""

DDTRACE = """
import os
from ddtrace.trace import TraceFilter, tracer
SEEN = []
class Kept(TraceFilter):
    def process_trace(self, trace):
        SEEN.extend((span.name, span.error, span.get_tag("error.type")) for span in trace)
        return None
tracer.configure(trace_processors=[Kept()])
"""

# What each says, before the framework is imported and after the application was made.
SETUPS = {
    "sentry first": (SENTRY, ""),
    "sentry last": ("", SENTRY),
    "OpenTelemetry first": (
        OPENTELEMETRY + "from opentelemetry.instrumentation.flask import FlaskInstrumentor\nFlaskInstrumentor().instrument()\n"
        "from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor\nFastAPIInstrumentor().instrument()\n",
        "",
    ),
    "OpenTelemetry last": (
        "",
        OPENTELEMETRY + "if type(app).__name__ == 'Flask':\n"
        "    from opentelemetry.instrumentation.flask import FlaskInstrumentor\n    FlaskInstrumentor().instrument_app(app)\n"
        "else:\n"
        "    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor\n    FastAPIInstrumentor.instrument_app(app)\n",
    ),
    "ddtrace first": ("import ddtrace.auto\n" + DDTRACE, ""),
    "ddtrace last": ("", "import ddtrace\nddtrace.patch(flask=True, fastapi=True)\n" + DDTRACE),
    "all three": (
        "import ddtrace.auto\n" + DDTRACE.replace("SEEN", "TRACED") + SENTRY.replace("SEEN", "SENT") + OPENTELEMETRY
        + "from opentelemetry.instrumentation.flask import FlaskInstrumentor\nFlaskInstrumentor().instrument()\n"
        "from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor\nFastAPIInstrumentor().instrument()\n",
        "SEEN = [TRACED, SENT, SEEN]\n",
    ),
}

END = """
for path in ("/ok", "/fail", "/apology", "/ok"):
    print(path, status_of(path))
# Some come when their spans end.
print("seen", sorted(map(repr, SEEN)))
import sys, threading
def work(number):
    return 1 // number
thread = threading.Thread(target=work, args=(0,))
thread.start()
thread.join()
print("seen", len(SEEN))
work(0)
"""


def variables(folder, socket_path, **more):
    found = environment(folder, socket_path, DD_TRACE_AGENT_URL="http://127.0.0.1:9", DD_INSTRUMENTATION_TELEMETRY_ENABLED="false", **more)
    found.update(DD_REMOTE_CONFIGURATION_ENABLED="false", DD_TRACE_STARTUP_LOGS="false", DD_CRASHTRACKING_ENABLED="false")
    return found


def run(folder, peer, command=(sys.executable,), prefix="", source=None):
    """The program without the agent and with it; what it said must be the same, and is given back."""
    (folder / "program.py").write_text(source)
    said = []
    for agent in ("0", "1"):
        environ = variables(folder, peer.path, HOMEOSTASIS_AGENT=agent)
        environ["PYTHONPATH"] += prefix
        ended = subprocess.run([*command, "program.py"], cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
        traceback = [line for line in ended.stderr.splitlines() if "ZeroDivisionError" in line or "homeostasis" in line]
        said.append((ended.returncode, ended.stdout, traceback))
    assert said[0] == said[1], ended.stderr
    assert said[1][0] == 1, ended.stderr
    return said[1][1]


def check_ours(peer):
    events = peer.wait("event", 4)
    types = sorted((event["capsule"]["kind"], event["capsule"]["exceptions"][0]["type"]) for event in events)
    assert types == [
        ("process", "ZeroDivisionError"), ("process", "ZeroDivisionError"), ("request", "KeyError"), ("request", "ZeroDivisionError"),
    ]
    failed = next(event for event in events if event["capsule"]["exceptions"][0]["type"] == "KeyError")
    assert failed["capsule"]["request"]["path"] == "/fail"
    frame = [frame for frame in failed["capsule"]["exceptions"][0]["frames"] if frame["in_app"]][-1]
    assert frame["function"] == "fail" and "row" in frame["locals"]


@pytest.mark.parametrize("framework", ["flask", "fastapi"])
@pytest.mark.parametrize("setup", sorted(SETUPS))
def test_each_sees_what_it_would_see_alone(setup, framework, folder, peer):
    before, after = SETUPS[setup]
    output = run(folder, peer, source=before + {"flask": FLASK, "fastapi": FASTAPI}[framework] + after + END)
    assert "/ok (200" in output and "/fail (500" in output and "/apology (503" in output
    assert "KeyError" in output.partition("seen")[2], output
    check_ours(peer)


@pytest.mark.parametrize("order", ["ddtrace around us", "we around ddtrace"])
def test_both_are_injected_by_the_start_of_the_interpreter(order, folder, peer):
    import ddtrace

    bootstrap = os.path.join(os.path.dirname(ddtrace.__file__), "bootstrap")
    source = DDTRACE + FLASK + END
    if order == "ddtrace around us":
        output = run(folder, peer, command=(os.path.join(os.path.dirname(sys.executable), "ddtrace-run"), sys.executable), source=source)
    else:
        output = run(folder, peer, prefix=os.pathsep + bootstrap, source=source)
    assert "flask.request" in output and "KeyError" in output
    check_ours(peer)
    assert AGENT
