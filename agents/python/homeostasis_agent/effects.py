"""Notes what a replayed program does to the world outside: statements, files, connections, processes; it hinders nothing."""

import os
import sys

MAX_EFFECTS = 2000
MAX_TEXT = 4096

_effects = []
_own_folder = os.path.dirname(os.path.abspath(__file__))


def install():
    sys.addaudithook(_hear)


def take():
    """What was noted since the last call, in order."""
    taken = _effects[:]
    del _effects[:]
    return taken


def note(kind, text):
    if len(_effects) < MAX_EFFECTS:
        _effects.append({"kind": kind, "text": text[:MAX_TEXT]})


def _hear(event, arguments):
    """An audit hook: it is called for everything, and an exception in it would stop the program."""
    heard = _heard.get(event)
    if heard is None:
        return
    try:
        heard(arguments)
    except Exception:
        pass


_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _open(arguments):
    path, mode, flags = arguments
    writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool((flags or 0) & _WRITE_FLAGS)
    if not writes or isinstance(path, int):
        return
    path = os.path.abspath(os.fsdecode(path))
    # The interpreter's own cache of compiled modules is not the program's doing.
    if path == "/dev/null" or "/__pycache__/" in path:
        return
    note("file", path)


def _moved(arguments):
    for path in arguments[:2]:
        if isinstance(path, (str, bytes)):
            note("file", os.path.abspath(os.fsdecode(path)))


def _removed(arguments):
    if isinstance(arguments[0], (str, bytes)) and "/__pycache__/" not in os.fsdecode(arguments[0]):
        note("file", os.path.abspath(os.fsdecode(arguments[0])))


def _rename(arguments):
    if "/__pycache__/" not in os.fsdecode(arguments[1]):
        _moved(arguments)


def _connect(arguments):
    address = arguments[1]
    if isinstance(address, tuple) and len(address) >= 2:
        note("connect", "%s:%s" % (address[0], address[1]))
    else:
        note("connect", os.fsdecode(address) if isinstance(address, (str, bytes)) else str(address))


def _popen(arguments):
    executable, command = arguments[0], arguments[1]
    if isinstance(command, (str, bytes)):
        note("process", os.fsdecode(command))
    else:
        note("process", " ".join(os.fsdecode(part) for part in command) if command else os.fsdecode(executable))


def _system(arguments):
    note("process", os.fsdecode(arguments[0]))


def _exec(arguments):
    note("process", " ".join(os.fsdecode(part) for part in arguments[1]))


_heard = {
    "open": _open,
    "os.remove": _removed,
    "os.rename": _rename,
    "os.mkdir": _removed,
    "os.rmdir": _removed,
    "os.truncate": _removed,
    "socket.connect": _connect,
    "socket.sendto": _connect,
    "subprocess.Popen": _popen,
    "os.system": _system,
    "os.exec": _exec,
    "os.posix_spawn": _exec,
}
