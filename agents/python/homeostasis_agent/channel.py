"""The connection to Homeostasis: one sleeping thread, bounded queues, safe across fork; what commands do is in `commands`, what messages say is in `messages`."""

import os
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections import deque
from time import monotonic, sleep

from . import settings

MAX_QUEUED = 256
MAX_QUEUED_BYTES = 16 << 20
MAX_MESSAGE = 8 << 20
FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
TICK = 1.0
WELCOME_SECONDS = 0.3
EXIT_SECONDS = 0.5

# Read on the way of every request. `unsettled`: swaps may have to be applied before the first one is served.
# `asleep`: the thread waits without a time limit and has to be told that there is something to say.
unsettled = False
asleep = False

dropped = 0

_path = os.environ.get("HOMEOSTASIS_SOCKET")
_started = False
_hooked = False
_said_hello = False
_lock = allocate_lock()
_starting = allocate_lock()
# Raw events, to be redacted and written by the thread; then encoded messages with how much of the first was sent.
_events = deque()
# About how many bytes each of those takes.
_event_sizes = deque()
_outgoing = deque()
_outgoing_bytes = 0
_sent_of_first = 0

_socket = None
_welcomed = False
_input = b""
_connecting_since = 0.0
_next_attempt = 0.0
_delay = FIRST_DELAY
_last_tick = 0.0

_thread = 0
_stop = False
_wake_read = _wake_write = -1
_pid = 0


def connect_to(path):
    """Where Homeostasis listens, for a program that was not started by it."""
    global _path
    if not _path:
        _path = path


def start():
    """Begin to talk to Homeostasis from this process; returns at once."""
    global _started, unsettled
    if _started or not _path or "HOMEOSTASIS_REPLAY" in os.environ:
        return
    # Many threads may have their first failure at once; all but one go on, for what they queue is found.
    if not _starting.acquire(False):
        return
    try:
        if _started:
            return
        unsettled = True
        _prepare()
        _open_pipe()
        _started = True
        _start_thread()
    finally:
        _starting.release()


def _prepare():
    """Load what the thread needs here: a thread that waits for an import lock cannot be stopped for a fork."""
    global _hooked
    import json  # noqa: F401
    import select  # noqa: F401

    from . import commands, credentials, failures, messages, redact, sources, traffic  # noqa: F401

    if _hooked:
        return
    _hooked = True
    import atexit

    atexit.register(flush_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
    if sys.version_info >= (3, 12):
        _resume_after_fork_call()


def _resume_after_fork_call():
    """From 3.12 on, fork warns of threads after the at-fork hooks have run, so ours comes back only after the call itself."""
    fork = os.fork

    def resuming_fork():
        pid = fork()
        if pid and _started:
            _resume()
        return pid

    resuming_fork.__name__ = resuming_fork.__qualname__ = "fork"
    resuming_fork.__doc__ = fork.__doc__
    os.fork = resuming_fork


def _open_pipe():
    global _wake_read, _wake_write, _pid
    _wake_read, _wake_write = os.pipe()
    os.set_blocking(_wake_read, False)
    os.set_blocking(_wake_write, False)
    _pid = os.getpid()


def _start_thread():
    global _thread, _stop, asleep
    with _lock:
        if _thread:
            return
        _stop = asleep = False
        _thread = -1
    try:
        _pristine("_thread", "start_new_thread", start_new_thread)(_run, ())
    except RuntimeError:
        # The interpreter is ending, or there is no room for a thread: what is left is flushed at exit.
        _thread = 0


def _pristine(module, name, fallback):
    """The real function where gevent has replaced it: a green thread of ours could be starved, or starve the program."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None:
        return fallback
    try:
        return monkey.get_original(module, name)
    except Exception:
        return fallback


def wake():
    """Tell the thread that there is something to say; never blocks."""
    global asleep
    asleep = False
    if not _thread and _started:
        _resume()
    try:
        os.write(_wake_write, b".")
    except OSError:
        pass


def post(time, signature, capsule, occasion, answers=None):
    """Queue a raw event; the newest is dropped, and False returned, when the queue is full.

    `answers` are those of its dependencies, where they were taken earlier.
    """
    from .dependencies.recording import size_of

    global dropped
    start()
    if len(_events) + len(_outgoing) >= MAX_QUEUED or _outgoing_bytes + sum(list(_event_sizes)) >= MAX_QUEUED_BYTES:
        dropped += 1
        return False
    witnesses = occasion.cell.witnesses if occasion is not None else ()
    if answers is None:
        answers = answers_of(occasion)
    _event_sizes.append(getattr(capsule, "size", 0) + _held_by(occasion) + size_of(answers))
    _events.append((time, signature, capsule, occasion, witnesses, answers))
    wake()
    return True


def answers_of(occasion):
    """What dependencies have answered until now: what is answered from now on belongs to the handling of the failure."""
    from .dependencies.recording import snapshot, snapshot_here

    return snapshot(occasion) if occasion is not None else snapshot_here()


def _held_by(occasion):
    """The recorded body of a request is in memory until its event is sent."""
    tee = getattr(occasion, "tee", None)
    return tee.recorded.kept if tee is not None else 0


def settle():
    """Before the first request: wait briefly for the welcome, then apply the swaps that it named."""
    global unsettled
    deadline = monotonic() + WELCOME_SECONDS
    # Only a connection that exists is worth waiting for.
    while not _welcomed and _thread and monotonic() < deadline:
        if _socket is None and _next_attempt:
            break
        sleep(0.002)
    unsettled = False
    from . import commands

    commands.apply_waiting_swaps()


def send(message):
    """Queue an answer."""
    _queue(_encode(message))
    if _thread != get_ident():
        wake()


# The thread


def _run():
    global _thread, asleep, _stop
    _thread = get_ident()
    try:
        from . import guard

        while not _stop and guard.enabled:
            try:
                _step(_wait_time())
            except OSError:
                _disconnect()
            except Exception:
                guard.failed("channel")
                _disconnect()
        if not guard.enabled:
            _disconnect()
    except MemoryError:
        # Whoever wakes the thread next starts it anew.
        pass
    finally:
        _thread = 0
        # Whatever happens next starts the thread again.
        asleep = True


def _wait_time():
    """How long the thread may sleep, in seconds; None means until something comes."""
    global asleep
    now = monotonic()
    if _socket is None:
        return max(0.0, _next_attempt - now)
    if not _welcomed or not _has_room():
        return None
    if _events:
        return 0.0
    asleep = True
    if _has_counts():
        asleep = False
        return max(0.0, _last_tick + TICK - now)
    return None


def _step(wait):
    """Sleep until there is something to do, then do it once."""
    global asleep
    if _socket is None and wait <= 0:
        _connect()
        wait = 0.0
    readable, writable = _poll(wait)
    asleep = False
    if _socket is None:
        return
    if readable:
        _receive()
    if _socket is None or not _welcomed:
        if _socket is not None:
            _write()
        return
    _collect()
    _write()


def _poll(wait):
    import select

    poll = _pristine("select", "poll", getattr(select, "poll", None))()
    poll.register(_wake_read, select.POLLIN)
    number = -1
    if _socket is not None:
        number = _socket.fileno()
        poll.register(number, select.POLLIN | (select.POLLOUT if _outgoing else 0))
    readable = writable = False
    for descriptor, events in poll.poll(None if wait is None else int(wait * 1000) + (1 if wait > 0 else 0)):
        if descriptor == _wake_read:
            try:
                os.read(_wake_read, 4096)
            except BlockingIOError:
                pass
        elif descriptor == number:
            readable = bool(events & ~select.POLLOUT)
            writable = bool(events & select.POLLOUT)
    return readable, writable


def _connect():
    """One attempt; a Unix socket answers at once, one way or the other."""
    global _socket, _next_attempt, _delay, _said_hello, _sent_of_first, _input, _welcomed
    from . import messages
    import _socket as sockets

    connection = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC, 0)
    try:
        connection.setblocking(False)
        connection.connect(_path)
    except OSError:
        connection.close()
        _postpone()
        return False
    _welcomed = False
    _input = b""
    hello = _encode(messages.hello(_said_hello))
    _said_hello = True
    _outgoing.appendleft(hello)
    _add_bytes(len(hello))
    _sent_of_first = 0
    _socket = connection
    _next_attempt = 0.0
    try:
        _write()
    except OSError:
        _disconnect()
        return False
    return True


def _postpone():
    global _next_attempt, _delay
    _next_attempt = monotonic() + _delay
    _delay = min(_delay * 2, LONGEST_DELAY)


def _disconnect():
    global _socket, _welcomed, _input, _sent_of_first
    connection, _socket = _socket, None
    _welcomed = False
    _input = b""
    if connection is not None:
        try:
            connection.close()
        except OSError:
            pass
    # Hello belongs to the connection that ended. What was cut in the middle was not understood there, and goes again.
    if _outgoing and _outgoing[0].startswith(b'{"type":"hello"'):
        _drop_first()
    _sent_of_first = 0
    _postpone()


def _drop_first():
    if _outgoing:
        _add_bytes(-len(_outgoing.popleft()))


def _add_bytes(count):
    global _outgoing_bytes
    _outgoing_bytes += count


def _receive():
    global _input
    data = _socket.recv(1 << 16)
    if not data:
        _disconnect()
        return
    _input += data
    if len(_input) > MAX_MESSAGE and b"\n" not in _input:
        _disconnect()
        return
    while b"\n" in _input:
        line, _input = _input.split(b"\n", 1)
        if line.strip() and not _handle(line):
            _disconnect()
            return


def _handle(line):
    """Act on one message; False when this is no one we can talk to."""
    global _welcomed, _delay
    from . import commands

    try:
        from json import loads

        message = loads(line)
        kind = message["type"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    try:
        if kind == "welcome":
            commands.welcome(message)
            _welcomed = True
            _delay = FIRST_DELAY
        else:
            # A command may overtake the welcome; its answer waits for it like all that is said.
            commands.handle(kind, message)
    except Exception:
        # A malformed command is the sender's error: it does not count towards turning the agent off.
        return False
    return True


def _collect():
    """Make messages of what has happened since."""
    global _last_tick, dropped
    from . import failures, messages, traffic

    while _events and _has_room():
        event = _events.popleft()
        _event_sizes.popleft()
        _queue_event(messages, event)
    now = monotonic()
    failures.tell_caught()
    if now - _last_tick < TICK or not _has_room():
        return
    _last_tick = now
    news = failures.take_news()
    if news:
        _queue(_encode({"type": "repeats", "items": news}))
    routes = traffic.take_news()
    if routes or dropped:
        count, dropped = dropped, 0
        _queue(_encode(messages.traffic(routes, count)))


def _has_room():
    """Is there room for some more messages? Counts stay where they are until there is."""
    return len(_outgoing) < MAX_QUEUED - 8 and _outgoing_bytes < MAX_QUEUED_BYTES - MAX_MESSAGE


def _queue_event(messages, raw):
    global dropped
    try:
        line = messages.event(raw, MAX_MESSAGE)
    except Exception:
        from . import guard

        guard.failed("event")
        line = None
    if line is None:
        dropped += 1
    elif settings.before_send is not None:
        from . import before_send

        line = before_send.ask(line, MAX_MESSAGE)
    if line is None or not _queue(line):
        from . import failures

        failures.count_dropped(raw[1], raw[0])


def _has_counts():
    from . import failures, traffic

    return dropped or failures.has_news() or traffic.has_news()


def _encode(message):
    from .messages import encoded, json_text

    return encoded(json_text(message))


def _queue(line):
    global dropped
    if len(_outgoing) >= MAX_QUEUED or _outgoing_bytes + len(line) > MAX_QUEUED_BYTES:
        dropped += 1
        return False
    _outgoing.append(line)
    _add_bytes(len(line))
    return True


def _write():
    """Send as much as the socket takes."""
    global _sent_of_first
    while _outgoing:
        line = _outgoing[0]
        try:
            # The interpreter ignores SIGPIPE, but the program may have changed that.
            _sent_of_first += _socket.send(line[_sent_of_first : _sent_of_first + (1 << 18)], _NO_SIGNAL)
        except BlockingIOError:
            return
        if _sent_of_first >= len(line):
            _sent_of_first = 0
            _drop_first()


_NO_SIGNAL = 0x4000 if sys.platform.startswith("linux") else 0


# Fork and exit


def _pause(seconds):
    """Stop the thread and wait until it is gone; what it had to do stays queued."""
    global _stop
    if not _thread or _thread == get_ident():
        return
    _stop = True
    deadline = monotonic() + seconds
    wake_pipe = _wake_write
    try:
        os.write(wake_pipe, b".")
    except OSError:
        pass
    while _thread and monotonic() < deadline:
        sleep(0.0002)
    if sys.version_info >= (3, 12):
        _wait_for_kernel(deadline)


def _wait_for_kernel(deadline):
    """A thread has ended for Python a little before the kernel stops counting it."""
    threading = sys.modules.get("threading")
    expected = threading.active_count() if threading is not None else 1
    deadline = min(deadline, monotonic() + 0.01)
    try:
        while len(os.listdir("/proc/self/task")) > expected and monotonic() < deadline:
            sleep(0.0001)
    except OSError:
        pass


def _resume():
    if _started and not _thread:
        _start_thread()


def _before_fork():
    try:
        _pause(2.0)
    except Exception:
        from . import guard

        guard.failed("fork")


def _after_fork_in_parent():
    if sys.version_info < (3, 12):
        _resume()


def _after_fork_in_child():
    try:
        _begin_anew()
    except Exception:
        from . import guard

        guard.failed("fork")


def _begin_anew():
    """A forked child has its own connection, counts and identity; the parent's are the parent's."""
    global _lock, _starting, _thread, _socket, _outgoing_bytes, _sent_of_first, _welcomed, _input, _delay, _next_attempt
    global dropped, unsettled, asleep, _said_hello
    _starting = allocate_lock()
    if not _started:
        return
    from . import commands, failures, messages, traffic

    _lock = allocate_lock()
    _thread = 0
    asleep = False
    if _socket is not None:
        _socket.close()
        _socket = None
    for descriptor in (_wake_read, _wake_write):
        try:
            os.close(descriptor)
        except OSError:
            pass
    _events.clear()
    _event_sizes.clear()
    _outgoing.clear()
    _outgoing_bytes = _sent_of_first = 0
    _welcomed = _said_hello = False
    _input = b""
    _delay = FIRST_DELAY
    _next_attempt = 0.0
    dropped = 0
    traffic.forget()
    failures.forget()
    messages.forget()
    commands.forget()
    unsettled = True
    _open_pipe()
    # Said here, so that Homeostasis knows of the child before it can do anything; the welcome is awaited before the first request.
    _connect()
    _start_thread()


def flush_at_exit():
    """Give what is queued half a second to get out, from the thread that ends the program."""
    try:
        _flush(EXIT_SECONDS)
    except Exception:
        from . import guard

        guard.failed("exit")


def _flush(seconds):
    global _started
    if not _started or os.getpid() != _pid:
        return
    from . import failures

    deadline = monotonic() + seconds
    failures.tell_caught(True)
    _pause(seconds)
    _started = False
    if _thread:
        return
    nothing_urgent = not _events and not (_outgoing and _welcomed) and not failures.has_news()
    if nothing_urgent and not _welcomed:
        return
    if _socket is None and not _connect():
        return
    _last_words(deadline)


def _last_words(deadline):
    global _last_tick
    collected = False
    while _socket is not None and monotonic() < deadline:
        if _welcomed and not collected:
            collected = True
            _last_tick = 0.0
            _collect()
        _write()
        if collected and not _outgoing:
            break
        readable, _ = _poll(max(0.0, min(0.05, deadline - monotonic())))
        if readable:
            _receive()
    if _socket is not None:
        _socket.close()
