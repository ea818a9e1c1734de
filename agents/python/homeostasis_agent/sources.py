"""Reads source files for capsules: the hash of a file and single lines of it; it keeps a small cache and imports nothing of the program."""

import os
import sys
from hashlib import sha256

MAX_FILE = 4 << 20
MAX_CACHED = 500

_hashes = {}
_swapped_hashes = {}
_lines = {}


def complete(exceptions):
    """Add `text` and `source_sha256` to the frames of these exceptions."""
    for error in exceptions:
        for frame in error["frames"]:
            path = frame["file"]
            if path.startswith("<"):
                continue
            swapped = _swapped(path)
            if swapped is not None:
                rows, frame["source_sha256"] = swapped
                number = frame["line"]
                frame["text"] = rows[number - 1].strip()[:1000] if 0 < number <= len(rows) else ""
                continue
            stamp = None
            if frame["in_app"]:
                stamp = _stamp(path)
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
    key = (path, stamp, number)
    text = _lines.get(key)
    if text is None:
        text = ""
        data = _read(path) if number else None
        if data is not None and len(data) > MAX_FILE:
            data = None
        if data is not None:
            rows = data.split(b"\n", number)
            if len(rows) >= number:
                text = rows[number - 1].strip().decode("utf-8", "replace")[:1000]
        if len(_lines) > MAX_CACHED * 4:
            _lines.clear()
        _lines[key] = text
    return text
