"""Runs recorded requests against the program in a fresh process and writes what happened; how servers are kept from serving is in `replay_servers`."""

import os
import sys
from time import perf_counter

from . import failures

MAX_EXCHANGES = 1000
MAX_BODY = 1 << 20
LIFESPAN_SECONDS = 30.0

_task = None
_result = {"schema": 1, "ready": False, "error": None, "exchanges": []}
_written = False
# Hooks that hear of what leaves the program; in a replay those who play requests catch it themselves.
LEAVING = frozenset(["wsgi", "asgi"])
_LEFT = "left"
# Pairs of exception and hook.
_uncaught = []
_kept = []
_pid = os.getpid()
_primary = True
_end = os._exit


def install():
    """Read the task and get ready; called at interpreter start.

    An error here ends the process: a program that was to be replayed must not begin to serve instead.
    """
    global _task, _primary
    try:
        # Programs that the command line starts take part too, for one of them may be the server;
        # but only the first process may say that nothing was served.
        _primary = os.environ.setdefault("HOMEOSTASIS_REPLAY_PROCESS", str(_pid)) == str(_pid)
        if _primary:
            _remove_old_result()
        _task = _read_task()
        kind = _task.get("kind")
        if kind not in ("request", "process", "call"):
            raise ValueError("its kind is %r, and this agent replays request, process and call" % (kind,))
        if kind == "process" and not _primary:
            return
        import atexit

        from . import effects
        from .dependencies import clock, replaying

        failures.recorder = _heard
        replaying.load_start(_task.get("answers") or ())
        replaying.recorded_files = _task.get("recorded_files") is True
        clock.set_to(_task.get("time"))
        _hook_exit()
        effects.install()
        atexit.register(_leave)
    except BaseException as error:
        end_early("the replay file cannot be used: %s: %s" % (type(error).__name__, error))


def interpreter_is_ready():
    """Called when all is in place for the main module: a call in a program that does not serve is made now, instead of it."""
    if _task is None or _task["kind"] != "call" or _task["call"]["serving"]:
        return
    from . import replay_calls

    _end_with(replay_calls.play_script, _task["call"], exchange_of)


def _end_with(play, *arguments):
    """Let a player do its part, write the result and end the process."""
    try:
        play(*arguments)
        _result["ready"] = True
    except BaseException as error:
        _failed(error)
    _end_written()


def _failed(error):
    _result.update(ready=False, error=_result["error"] or "the replay failed: %s: %s" % (type(error).__name__, error))


def _end_written():
    write()
    _flush_output()
    _end(0)


def _remove_old_result():
    """What is found in the end must be of this run."""
    try:
        os.unlink(os.environ["HOMEOSTASIS_REPLAY_RESULT"])
    except (KeyError, OSError):
        pass


def _read_task():
    import json

    with open(os.environ["HOMEOSTASIS_REPLAY"], encoding="utf-8") as file:
        task = json.load(file)
    if not isinstance(task, dict):
        raise ValueError("it holds no object")
    return task


def _hook_exit():
    """A program that ends by os._exit gives no other chance to write the result."""


    def _exit(status):
        if os.getpid() == _pid:
            _at_exit()
        _end(status)

    os._exit = _exit


def _leave():
    """The last of the exit handlers: the replay as such went well, however the program ended."""
    if os.getpid() == _pid and failures.recorder is not None:
        _at_exit()
        _flush_output()
        _end(0)


def _heard(error, hook):
    if hook in failures.KEPT:
        # What goes on after an exception is no failure of its own, unless it is the one that is looked for.
        # Its traceback may still grow, and its frames may be cleared, so that it is described as it is now.
        if hook == _task.get("hook"):
            _kept.append(_described([error]))
        return
    _add(error, hook)


def _add(error, hook):
    if all(error is not known for known, _ in _uncaught):
        _uncaught.append((error, hook))


def _at_exit():
    if _written or os.getpid() != _pid:
        return
    try:
        _finish_process()
    except Exception as error:
        _result.update(ready=False, error="the agent could not record the end of the program: %r" % (error,))
        write()


def _finish_process():
    """The program came to its end by itself: right for a process, too early for a service."""
    from . import effects
    from .dependencies import replaying

    if _task.get("kind") == "process":
        exchange = {
            "status": None,
            "headers": [],
            "body": _body(b""),
            "exceptions": _kept[0] if _kept else _described(_looked_for()),
            "effects": effects.take(),
            "unanswered": replaying.take_unanswered(),
            "milliseconds": (perf_counter() - _started) * 1000.0,
        }
        _result.update(ready=True, exchanges=[exchange])
    elif _uncaught:
        from traceback import format_exception_only

        error, _ = _uncaught[-1]
        text = "".join(format_exception_only(type(error), error)).strip()
        _result["error"] = "the program failed before it served: " + text[:2000] + _vain(replaying)
        _result["exchanges"] = []
    elif _result["error"] is None:
        _result["error"] = "the program ended before it served a request"
    write()


def _vain(replaying):
    """What was asked in vain is mostly why."""
    return "".join("; " + told for told in replaying.take_unanswered()[:3])


_started = perf_counter()


def end_early(reason):
    _result.update(ready=False, error=reason)
    write()
    _end(0)


def write():
    """Put the result in its place at once or not at all; what cannot be written cannot be told either."""
    global _written
    if _written:
        return
    _written = True
    if not _result["ready"] and not _primary:
        return
    path = os.environ.get("HOMEOSTASIS_REPLAY_RESULT")
    if not path or (not _result["ready"] and os.path.exists(path)):
        return
    from json import dumps

    text = dumps(_result, ensure_ascii=False).encode("utf-8", "replace")
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            while text:
                text = text[os.write(descriptor, text) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError as error:
        try:
            os.write(2, ("homeostasis: the replay result cannot be written to %s: %s\n" % (path, error)).encode())
        except OSError:
            pass


def run(application, protocol):
    """Give the recorded requests to the program's callable, write the result and end the process."""
    _play_call_instead()
    player = _player(protocol)
    # What the program did while it started is not an effect of a request.
    _end_with(player.play, application, _task["requests"][:MAX_EXCHANGES], exchange_of)


def _player(protocol):
    return __import__("homeostasis_agent.replay_" + protocol, None, None, ["play"])


def _play_call_instead():
    """The program has come to the point of serving: where a call is to be played, play it and end."""
    if _task["kind"] == "call":
        from . import replay_calls

        _end_with(replay_calls.play, _task["call"], exchange_of)
    if _task["kind"] != "request":
        end_early("the program began to serve requests, but the replay is of kind %r" % _task["kind"])


def work():
    """The program has come to the point of working off jobs, like `run`."""
    from . import replay_calls

    if _task["kind"] == "call":
        # The modules of jobs may not be imported yet, and are then looked for beside the others.
        _end_with(replay_calls.play_script, _task["call"], exchange_of)
    end_early("the program began to work off jobs, but the replay is of kind %r" % _task["kind"])


def makes_call():
    """Is a call to be made where the program would begin to serve or to work?"""
    return _task["kind"] == "call" and _task["call"]["serving"]


async def run_within(application, protocol="asgi"):
    """Like `run`, for a program that serves within an event loop of its own."""
    if _task["kind"] == "call":
        from threading import Thread

        # The call may want an event loop of its own, and this thread has one.
        thread = Thread(target=_play_call_instead)
        thread.start()
        thread.join()
    _play_call_instead()
    try:
        await _player(protocol).play_within(application, _task["requests"][:MAX_EXCHANGES], exchange_of)
        _result["ready"] = True
    except BaseException as error:
        _failed(error)
    _end_written()


def not_ready(reason):
    """Told by a player when the application refused to start."""
    _result["error"] = reason


def arrive(recorded):
    """A recorded request or call is about to be played: it is its time, and its dependencies answer as they did."""
    from .dependencies import clock, replaying

    replaying.begin(recorded.get("answers") or ())
    clock.set_to(recorded.get("time"))


def begin():
    """One exchange begins: nothing of what came before belongs to it."""
    from . import effects

    effects.take()
    _uncaught.clear()
    _kept.clear()
    return perf_counter()


def exchange_of(began, status, headers, body, error):
    """One exchange has ended; add it to the result."""
    from . import effects
    from .dependencies import replaying

    milliseconds = (perf_counter() - began) * 1000.0
    done = effects.take()
    if error is not None:
        _add(error, _LEFT)
    _result["exchanges"].append(
        {
            "status": status,
            "headers": headers,
            "body": _body(body),
            "exceptions": _kept[0] if _kept else _described(_looked_for()),
            "effects": done,
            "unanswered": replaying.take_unanswered(),
            "milliseconds": milliseconds,
        }
    )


def _looked_for():
    """At most one exception: the first that came by the hook of the one that is to come again, as when an error handler failed in its turn; else the first."""
    hook = _task.get("hook")
    wanted = [error for error, by in _uncaught if by == hook or (by == _LEFT and hook in LEAVING)]
    return (wanted or [error for error, _ in _uncaught])[:1]


def _described(errors):
    if not errors:
        return []
    from . import capture, redact, sources

    chain = capture.exceptions(errors[0], [])
    sources.complete(chain)
    # The sandbox has the variables and files of the program, with the secrets in them.
    return redact.exceptions(chain)


def _body(data):
    from .requests import body

    return body(data[:MAX_BODY], len(data), len(data) > MAX_BODY)


def _flush_output():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # Closed, or never there.
            pass
