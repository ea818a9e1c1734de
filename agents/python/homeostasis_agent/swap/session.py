"""Apply, undo, running and applied: what the agent asks of the hot swap; one at a time, each failing without harm."""

import io
import linecache
import os
import sys
import threading
import time
import tokenize

from . import change, live, plan
from .existing import refit, same_signature
from .identify import indistinguishable, matching
from .planned import FunctionType, Refused, Seen, left_behind
from .source import Source, below, exact, own_meaning

_ATTEMPTS = 8
_DRAIN_SECONDS = 0.3
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class _Record:
    """One applied swap: what undoes it, and the maps that catch functions made by code in flight."""

    def __init__(self, files, made, texts):
        self.paths = [new.filename for _, new in files]
        self.sources = {new.filename: new.sha256 for _, new in files}
        self.changes = made.staged + made.changes
        self.forward = made.forward
        self.backward = made.backward
        self.caches = made.caches
        self.texts = texts


_records = {}
_removals = []
_lock = threading.Lock()


def _after_fork():
    # The thread that held the lock is not in the child; what it was doing was either done whole or not at all.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def applied():
    """Ids of the swaps applied in this process, in the order they were applied."""
    return list(_records)


def apply(swap_id, files):
    """Swaps `files` ({"path", "old": bytes, "new": bytes}) to their new sources; the fields of a `swap_result`."""
    with _lock, live.thawed():
        return _answer(files, lambda pairs: _apply(swap_id, pairs))


def undo(swap_id, files):
    """Takes a swap back, also in a process that started on the new sources; the fields of an `unswap_result`."""
    with _lock, live.thawed():
        return _answer(files, lambda pairs: _undo(swap_id, pairs))


def running(path, sources):
    """(loaded, sha256 or None): which of `sources` ([(sha256, bytes)]) the running code of this file is."""
    with _lock, live.thawed():
        found, _ = live.look([path])
        _sweep(found)
        _finish_removals(found)
        compiled, offered = [], {}
        for sha256, data in sources:
            try:
                source = Source(data, path)
            except _UNREADABLE:
                continue
            offered.setdefault(source.sha256, sha256)
            compiled.append(source)
        here = found[path]
        return here.loaded, offered.get(_identity(here, compiled))


def _answer(files, act):
    """Runs one request; whatever goes wrong becomes an answer."""
    try:
        pairs = []
        for file in files:
            try:
                pairs.append((Source(file["old"], file["path"]), Source(file["new"], file["path"])))
            except _UNREADABLE as error:
                return _result("refused", "%s does not compile: %s" % (file["path"], error), files=_unknown(files))
        return act(pairs)
    except Refused as refusal:
        return _result("refused", str(refusal), files=_where(files))
    except BaseException as error:
        return _result("failed", "%s: %s" % (type(error).__name__, error), files=_where(files))


def _result(state, reason="", functions=0, apply_us=0.0, files=()):
    ok = state in ("applied", "already", "not_loaded", "restored")
    return {
        "ok": ok, "state": state, "reason": reason, "functions": functions, "apply_us": round(apply_us, 1),
        "files": list(files),
    }


def _unknown(files):
    return [{"path": file["path"], "sha256": None} for file in files]


def _where(files):
    """The running source of each file, for an answer about something that did not work."""
    try:
        found, _ = live.look([file["path"] for file in files])
        return [
            {"path": file["path"],
             "sha256": _identity(found[file["path"]], [Source(file["old"], file["path"]), Source(file["new"], file["path"])])}
            for file in files
        ]
    except Exception:
        return _unknown(files)


def _identity(here, sources):
    """The sha256 of the one source that fits, of the swapped one where nothing alive tells them apart, or None."""
    if not here.loaded:
        return None
    fitting = matching(here, sources, left_behind.__contains__)
    for record in reversed(list(_records.values())):
        if here.path in record.sources:
            for source in fitting:
                if source.sha256 == record.sources[here.path]:
                    return source.sha256
            break
    if len(fitting) > 1 and not all(indistinguishable(fitting[0], other) for other in fitting[1:]):
        return None
    return fitting[0].sha256 if fitting else None


# Applying.


def _apply(swap_id, pairs):
    if getattr(sys, "_is_gil_enabled", lambda: True)() is False:
        raise Refused("this interpreter runs without a global lock, so that a swap cannot be done at one instant")
    began = [old for old, _ in pairs]
    if len({os.path.realpath(old.filename) for old in began}) != len(began):
        raise Refused("the same file is named twice")
    return _patiently(lambda seen: _apply_once(swap_id, pairs, seen))


def _patiently(act):
    """Tries again for a moment when the reason for a refusal is something that passes, like a closure in use."""
    seen = Seen()
    for attempt in range(_ATTEMPTS):
        try:
            return act(seen)
        except Refused as refusal:
            if not refusal.passing or attempt == _ATTEMPTS - 1:
                raise
        seen.begun = True
        time.sleep(0.002 * 2 ** attempt)


def _apply_once(swap_id, pairs, seen):
    found, caches = live.look([old.filename for old, _ in pairs])
    _sweep(found)
    _finish_removals(found)
    todo, loaded = [], False
    for old, new in pairs:
        here = found[old.filename]
        if not here.loaded:
            continue
        loaded = True
        if here.importing:
            raise Refused("%s is being imported at this moment" % old.filename, passing=True)
        fitting = matching(here, [old, new], left_behind.__contains__)
        if not fitting:
            raise Refused("the running code of %s is neither the old source nor the new one" % old.filename)
        if old not in fitting or indistinguishable(old, new) or swap_id in _records:
            continue
        todo.append((old, new))
    if not todo:
        state = "already" if loaded else "not_loaded"
        return _result(state, files=_shas(found, pairs))
    made = plan.make(todo, found, caches, seen)
    took = _do(made)
    record = _Record(todo, made, _refresh_lines(todo, made))
    left_behind_before = set(left_behind)
    left_behind.update(made.retired)
    _records[swap_id] = record
    # The functions found before are let go: they would count as alive in the look that verifies.
    del found, caches
    found, _ = live.look([old.filename for old, _ in pairs])
    _sweep(found)
    wrong = [new.filename for _, new in todo if new not in matching(found[new.filename], _both(pairs, new), left_behind.__contains__)]
    if wrong:
        del _records[swap_id]
        for function in made.retired:
            if function not in left_behind_before:
                left_behind.discard(function)
        _take_back(record, at_once=True)
        return _result(
            "failed", "after the swap the running code of %s was not the new source; all was undone" % ", ".join(wrong),
            files=_shas(live.look([old.filename for old, _ in pairs])[0], pairs),
        )
    return _result("applied", "", made.functions, took, _shas(found, pairs))


def _both(pairs, new):
    return next([one, other] for one, other in pairs if other is new)


def _shas(found, pairs):
    return [
        {
            "path": old.filename, "sha256": _identity(found[old.filename], [old, new]),
            "loaded": found[old.filename].loaded,
        }
        for old, new in pairs
    ]


def _do(made):
    try:
        took = change.do(made.changes)
    except BaseException:
        made.unstage()
        raise
    _clear(made.caches)
    return took


def _clear(caches):
    for cache in caches:
        cache.cache_clear()


# Undoing.


def _undo(swap_id, pairs):
    record = _records.get(swap_id)
    if record is not None:
        return _undo_record(swap_id, record, pairs)
    return _patiently(lambda seen: _undo_from_disk(pairs, seen))


def _undo_record(swap_id, record, pairs):
    later = list(_records)[list(_records).index(swap_id) + 1:]
    for other in later:
        if set(_records[other].paths) & set(record.paths):
            return _result("failed", "swap %s came later and changed the same file; undo it first" % other,
                           files=_shas(live.look([old.filename for old, _ in pairs])[0], pairs))
    del _records[swap_id]
    took = _take_back(record)
    found, _ = live.look([old.filename for old, _ in pairs])
    wrong = [
        old.filename for old, new in pairs
        if old.filename in record.paths
        and old not in matching(found[old.filename], [old, new], left_behind.__contains__)
    ]
    functions = sum(1 for item in record.changes if item.name == "__code__")
    if wrong:
        return _result("failed", "after undoing, the running code of %s is not the old source" % ", ".join(wrong),
                       functions, took, _shas(found, pairs))
    return _result("restored", "", functions, took, _shas(found, pairs))


def _take_back(record, at_once=False):
    """Puts every earlier value back; names that the swap added go when no code in flight can need them."""
    added = [item for item in record.changes if item.before is change.ABSENT and item.after is not change.ABSENT]
    rest = [item for item in record.changes if item not in added]
    took = change.undo(rest)
    _clear(record.caches)
    for item in record.changes:
        if not item.of_function:
            _leave_behind(item.after)
        elif item.name == "__code__" and live.target_of(item.after) is not None:
            left_behind.add(live.target_of(item.after))
    _removals.append((record, added))
    deadline = time.monotonic() + (0 if at_once else _DRAIN_SECONDS)
    while True:
        found, _ = live.look(record.paths)
        _finish_removals(found)
        if not _removals or time.monotonic() >= deadline:
            break
        del found
        time.sleep(0.01)
    _restore_lines(record.texts)
    return took


def _leave_behind(value):
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, (type, FunctionType)):
        left_behind.add(value)
        for inner in list(value.__dict__.values()) if isinstance(value, type) else ():
            if not isinstance(inner, type):
                _leave_behind(inner)


def _finish_removals(found):
    """Ends the undoing of swaps: existing closures get their code back, and names that only the undone code knows
    go when no call of it is in flight."""
    for waiting in list(_removals):
        record, added = waiting
        if any(path not in found for path in record.paths):
            continue
        _sweep_with(found, record.backward)
        if any(_of(record.backward, code) for path in record.paths for code in found[path].in_flight):
            continue
        now = [item for item in added if _still(item)]
        change.undo(now)
        _removals.remove(waiting)


def _of(mapping, code):
    return exact(code) in mapping.get(code.co_filename, ())


def _still(item):
    """Whether the value that a change put in place still stands there: a later swap may have put another."""
    owner = item.owner
    if owner is None:
        return False
    there = owner if isinstance(owner, dict) else owner.__dict__
    return there.get(item.name, change.ABSENT) is item.after


def _undo_from_disk(pairs, seen):
    """Undoing in a process that never applied the swap: it started on the new sources, or never loaded the files."""
    found, caches = live.look([old.filename for old, _ in pairs])
    todo, loaded = [], False
    for old, new in pairs:
        here = found[old.filename]
        if not here.loaded:
            continue
        loaded = True
        fitting = matching(here, [old, new], left_behind.__contains__)
        if not fitting:
            return _result("failed", "the running code of %s is neither the old source nor the new one" % old.filename,
                           files=_shas(found, pairs))
        if new in fitting and not indistinguishable(old, new):
            todo.append((new, old))
    if not loaded:
        return _result("not_loaded", files=_shas(found, pairs))
    if not todo:
        return _result("restored", files=_shas(found, pairs))
    try:
        made = plan.make(todo, found, caches, seen, undoing=True)
    except Refused as refusal:
        if refusal.passing:
            raise
        return _result("failed", str(refusal), files=_shas(found, pairs))
    took = _do(made)
    record = _Record(todo, made, _refresh_lines(todo, made))
    left_behind.update(made.retired)
    del found, caches
    found, _ = live.look([old.filename for old, _ in pairs])
    _sweep_with(found, record.forward)
    wrong = [old.filename for new, old in todo if old not in matching(found[old.filename], [old, new], left_behind.__contains__)]
    if wrong:
        _take_back(record, at_once=True)
        return _result("failed", "after undoing, the running code of %s was not the old source; the new one was kept"
                       % ", ".join(wrong), files=_shas(live.look([old.filename for old, _ in pairs])[0], pairs))
    return _result("restored", "", made.functions, took, _shas(found, pairs))


# Functions that code in flight makes after its source was swapped.


def _sweep(found):
    for record in list(_records.values()):
        if any(path in found for path in record.paths):
            _sweep_with(found, record.forward)


def _sweep_with(found, mapping):
    """Gives their replacement to functions that still carry code the mapping replaces; those it does not fit keep it.

    Closures of a call in flight whose own body changed are passed over: they go on with it, and if they outlive it,
    a later sweep meets them.
    """
    changes = []
    for here in found.values():
        prints = {}
        unsettled = _unsettled(here, mapping)
        for function in here.functions:
            code = function.__code__
            replacements = mapping.get(code.co_filename)
            if not replacements or live.target_of(code) is not None or function in left_behind:
                continue
            if id(code) in unsettled:
                continue
            if id(code) not in prints:
                prints[id(code)] = exact(code)
            after = replacements.get(prints[id(code)])
            if after is None:
                continue
            fitted = None
            if same_signature(code, after):
                fitted, _ = refit(function, code, after, None, lambda namespace: None)
            if fitted is None:
                left_behind.add(function)
            else:
                changes.append(fitted)
    change.do(changes)


def _unsettled(here, mapping):
    found = set()
    for code in here.in_flight:
        after = mapping.get(code.co_filename, {}).get(exact(code))
        if after is not None and own_meaning(after) != own_meaning(code):
            found.update(id(inner) for inner in below(code))
    return found


# The lines that tracebacks show.


def _refresh_lines(files, made):
    """Lets tracebacks show the new text, whatever the file says; returns what stood in linecache before."""
    before = []
    for old, new in files:
        for filename in {new.filename} | set(made.forward):
            if os.path.realpath(filename) != os.path.realpath(new.filename):
                continue
            before.append((filename, linecache.cache.get(filename)))
            try:
                text = _decoded(new.data)
            except (SyntaxError, UnicodeDecodeError):
                continue
            linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    return before


def _decoded(data):
    with io.TextIOWrapper(io.BytesIO(data), tokenize.detect_encoding(io.BytesIO(data).readline)[0]) as file:
        return file.read()


def _restore_lines(before):
    for filename, entry in before:
        if entry is None:
            linecache.cache.pop(filename, None)
        else:
            linecache.cache[filename] = entry
