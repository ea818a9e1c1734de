"""Reads source files for capsules: the hash of a file and single lines of it; it keeps a small cache and imports nothing of the program."""

import os
import sys
from hashlib import sha256
# Not the built-in name, which the program may have given to something else.
from io import open

MAX_FILE = 4 << 20
MAX_CACHED = 500
MAX_KEPT_FILES = 16
MAX_KEPT_FILE = 256 << 10

_hashes = {}
_swapped_hashes = {}
_rows = {}


def complete(exceptions):
    """Add `text` and `source_sha256` to the frames of these exceptions."""
    stamps = {}
    for error in exceptions:
        for frame in error["frames"]:
            path = frame["file"]
            if frame["text"] or path.startswith("<"):
                continue
            swapped = _swapped(path)
            if swapped is not None:
                rows, frame["source_sha256"] = swapped
                number = frame["line"]
                frame["text"] = rows[number - 1].strip()[:1000] if 0 < number <= len(rows) else ""
                continue
            stamp = None
            if frame["in_app"]:
                if path not in stamps:
                    stamps[path] = _stamp(path)
                stamp = stamps[path]
                if stamp is None:
                    continue
                frame["source_sha256"] = _hash(path, stamp)
            # Packages do not change under a running program, so their lines need no stamp.
            frame["text"] = _line(path, stamp, frame["line"])


def _swapped(path):
    """(lines, hash) of code that a swap put in place: the file on disk may still be, or be again, another one."""
    if "homeostasis_agent.swap" not in sys.modules:
        return None
    entry = sys.modules["linecache"].cache.get(path) if "linecache" in sys.modules else None
    # Only what was not read from a file has no time; see `_refresh_lines` of the swap.
    if entry is None or len(entry) != 4 or entry[1] is not None:
        return None
    known = _swapped_hashes.get(path)
    if known is None or known[0] is not entry:
        if len(_swapped_hashes) > MAX_CACHED:
            _swapped_hashes.clear()
        known = _swapped_hashes[path] = (entry, sha256("".join(entry[2]).encode("utf-8", "replace")).hexdigest())
    return entry[2], known[1]


def _stamp(path):
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status.st_size <= MAX_FILE else None


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError:
        return None


def _hash(path, stamp):
    known = _hashes.get(path)
    if known is None or known[0] != stamp:
        data = _read(path)
        if len(_hashes) > MAX_CACHED:
            _hashes.clear()
        known = _hashes[path] = (stamp, sha256(data).hexdigest() if data is not None else None)
    return known[1]


def _line(path, stamp, number):
    if not number:
        return ""
    known = _rows.get(path)
    if known is None or known[0] != stamp:
        data = _read(path)
        if data is None or len(data) > MAX_FILE:
            data = b""
        known = (stamp, data.split(b"\n"))
        # Few files fail at a time; what is kept of them stays small.
        if len(data) <= MAX_KEPT_FILE:
            if len(_rows) >= MAX_KEPT_FILES:
                del _rows[next(iter(_rows))]
            _rows[path] = known
    rows = known[1]
    return rows[number - 1].strip().decode("utf-8", "replace")[:1000] if number <= len(rows) else ""
