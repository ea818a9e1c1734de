"""Writes the messages that the agent sends, as plain data; it sends none of them."""

import os
import sys
# Not the built-in name, which the program may have given to something else.
from io import open
from time import time

from . import PROTOCOL, VERSION, frames, settings

_started = time()
_frameworks = None
_argv = None
_write_json = None
_traffic_since = time()

_known_frameworks = (
    "flask", "werkzeug", "fastapi", "starlette", "pydantic", "gunicorn", "uvicorn", "sqlalchemy", "django", "rest_framework",
    "quart", "aiohttp", "hypercorn", "granian", "waitress", "gevent", "daphne",
    "celery", "rq", "apscheduler",
)
# What is installed under another name than it is imported by.
_distributions = {"rest_framework": "djangorestframework"}


def hello(resumed):
    from . import commands, redact

    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "agent": {"language": "python", "version": VERSION},
        "pid": os.getpid(),
        "parent_pid": os.getppid(),
        "started": _started,
        "argv": redact.command_line(argv()),
        "executable": _executable(),
        "cwd": _folder(),
        "runtime": runtime(),
        "prefixes": list(dict.fromkeys([sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix])),
        "search_path": _search_path(),
        "swaps": commands.applied_swaps(),
        "resumed": resumed,
    }


def argv():
    """The command line as the kernel saw it."""
    global _argv
    if _argv is None:
        try:
            with open("/proc/self/cmdline", "rb") as file:
                raw = file.read()
            _argv = [os.fsdecode(part) for part in raw.split(b"\0")[:-1]]
        except OSError:
            _argv = list(getattr(sys, "orig_argv", None) or [sys.executable] + sys.argv)
    return list(_argv)


def runtime():
    name = sys.implementation.name
    return {
        "name": "CPython" if name == "cpython" else name,
        "version": "%d.%d.%d" % sys.version_info[:3],
    }


def _executable():
    return os.path.abspath(sys.executable) if sys.executable else ""


def _folder():
    try:
        return os.getcwd()
    except OSError:
        return settings.started_in


def _search_path():
    found = []
    for entry in sys.path:
        if isinstance(entry, str):
            path = os.path.normpath(os.path.join(settings.started_in, entry))
            if path != settings.agent_folder and path not in found:
                found.append(path)
    return found


def traffic(routes, dropped):
    global _traffic_since
    since, _traffic_since = _traffic_since, time()
    return {"type": "traffic", "since": since, "until": _traffic_since, "dropped": dropped, "routes": routes}


def event(raw, limit):
    """One failure as an encoded line, complete and redacted; None when it cannot be made small enough."""
    from . import credentials, redact, sources
    from .dependencies import recording

    when, signature, capsule, occasion, kept, answers = raw
    missing = capsule["missing"]
    sources.complete(capsule["exceptions"])
    if occasion is not None:
        request = capsule["request"] = occasion.request(missing)
        request["credentials"] = credentials.described(request)
        request["answers"] = recording.described(answers, "request.answers", missing)
    elif capsule["call"] is not None:
        capsule["call"]["answers"] = recording.described(answers, "call.answers", missing)
    capsule["answers"] = recording.described_start(missing)
    capsule["process"].update(
        argv=argv(), cwd=_folder(), executable=_executable(), runtime=runtime(), frameworks=frameworks()
    )
    witnesses = [_witness(one) for one in kept]

    def write(capsule, witnesses):
        return _event_text({"type": "event", "time": when, "signature": signature}, capsule, witnesses)

    line = encoded(redact.event(capsule, witnesses, write))
    if len(line) > limit and witnesses:
        missing.append("witnesses: too large to send")
        witnesses = []
        line = encoded(write(capsule, witnesses))
    if len(line) > limit:
        missing.append("answers: too large to send")
        for part in (capsule, capsule["request"], capsule["call"]):
            if part is not None:
                part["answers"] = []
        line = encoded(write(capsule, witnesses))
    return line if len(line) <= limit else None


def encoded(text):
    """One line of the protocol from JSON text; a lone surrogate has no form in UTF-8 and becomes a question mark."""
    return text.encode("utf-8", "replace") + b"\n"


def _event_text(head, capsule, witnesses):
    """The event as JSON; frames of libraries were written before and are only put in their places."""
    exceptions = []
    for error in capsule["exceptions"]:
        exceptions.append(_with(error, "frames", [_frame_text(frame) for frame in error["frames"]]))
    capsule = _with(capsule, "exceptions", exceptions)
    return "%s,\"capsule\":%s,\"witnesses\":%s}" % (json_text(head)[:-1], capsule, json_text(witnesses))


def _with(plain, name, texts):
    """`plain` as JSON, with the member `name`, put last, as a list of these texts."""
    rest = json_text({key: value for key, value in plain.items() if key != name})
    return "%s,\"%s\":[%s]}" % (rest[:-1], name, ",".join(texts))


def _frame_text(frame):
    if type(frame) is not frames.LibraryFrame:
        return json_text(frame)
    if frame.encoded is None:
        frame.encoded = json_text(frame)
    return frame.encoded


def json_text(value):
    global _write_json
    if _write_json is None:
        from json import JSONEncoder

        # The values come from us and hold no cycles.
        _write_json = JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
    return _write_json(value)


def _witness(exchange):
    """A copy that may be redacted while the original stays for the next event."""
    from . import credentials

    from .dependencies.recording import described

    request, status, headers, recorded, answers = exchange
    copied = dict(request, headers=[list(pair) for pair in request["headers"]], body=dict(request["body"]))
    copied["credentials"] = credentials.described(request)
    copied["answers"] = described(answers, "answers", [])
    return {
        "request": copied,
        "response": {"status": status, "headers": [list(pair) for pair in headers], "body": recorded.described()},
    }


def frameworks():
    """Versions of the frameworks that are loaded, from the names of their metadata folders: importlib.metadata is slow to load."""
    global _frameworks
    if _frameworks is None:
        found = {}
        for name in _known_frameworks:
            module = sys.modules.get(name)
            path = getattr(module, "__file__", None) if module is not None else None
            if path:
                found[name] = _version(_distributions.get(name, name), os.path.dirname(os.path.dirname(path)))
        _frameworks = found
    return dict(_frameworks)


def _version(name, folder):
    try:
        for entry in os.listdir(folder):
            if entry.lower().startswith(name + "-") and entry.endswith(".dist-info"):
                return entry[len(name) + 1 : -len(".dist-info")]
    except OSError:
        pass
    return "unknown"


def forget():
    """Begin anew in a forked child."""
    global _started, _traffic_since
    _started = _traffic_since = time()
