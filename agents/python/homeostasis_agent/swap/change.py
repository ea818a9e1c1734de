"""A list of changes to functions, classes and namespaces, done at once and undone at once; it decides nothing."""

import functools
import gc
import os
import sys
import time
import weakref
from collections import deque

ABSENT = type("Absent", (), {"__slots__": (), "__repr__": lambda self: "absent", "__doc__": "No value at all."})()


class Change:
    """One value replaced: an attribute of a function, an attribute of a class, or an entry of a namespace.

    A function is held weakly: a closure that nobody needs any more must not live because it was once changed.
    """

    __slots__ = ("_owner", "name", "before", "after")

    def __init__(self, owner, name, before, after):
        self._owner = owner if isinstance(owner, dict) else weakref.ref(owner)
        self.name = name
        self.before = before
        self.after = after

    @property
    def owner(self):
        return self._owner if isinstance(self._owner, dict) else self._owner()

    @property
    def of_function(self):
        return not isinstance(self._owner, dict) and not isinstance(self._owner(), type)

    def call(self, value):
        """A call into C that puts this value in place; None when the owner is gone."""
        owner = self.owner
        if owner is None:
            return None
        if isinstance(owner, dict):
            if value is ABSENT:
                return functools.partial(dict.pop, owner, self.name, None)
            return functools.partial(dict.__setitem__, owner, self.name, value)
        if isinstance(owner, type):
            if value is ABSENT:
                if self.name not in owner.__dict__:
                    return None
                return functools.partial(type.__delattr__, owner, self.name)
            return functools.partial(type.__setattr__, owner, self.name, value)
        return functools.partial(setattr, owner, self.name, value)


def to_function(function, name, after):
    return Change(function, name, getattr(function, name), after)


def to_class(kind, name, after):
    return Change(kind, name, kind.__dict__.get(name, ABSENT), after)


def to_namespace(namespace, name, after):
    return Change(namespace, name, namespace.get(name, ABSENT), after)


def do(changes):
    """Does all changes; the microseconds it took. When one fails, all are undone and the error goes on."""
    try:
        return _at_once([change.call(change.after) for change in changes])
    except BaseException:
        undo(changes)
        raise


def undo(changes):
    """Undoes the changes, the last one first; right as well when only some of them were done."""
    return _at_once([change.call(change.before) for change in reversed(changes)])


def _at_once(calls):
    """Runs calls into C one after the other inside a single call into C.

    The interpreter changes threads only between bytecodes, so no other thread sees some of them done. An audit hook
    or a type watcher written in Python would run bytecode in between; the long switch interval is for those.
    """
    calls = [call for call in calls if call is not None]
    _hold()
    try:
        began = time.perf_counter()
        deque(map(functools.partial.__call__, calls), maxlen=0)
        return (time.perf_counter() - began) * 1e6
    finally:
        _release()


_held = []


def _hold():
    _held.append((sys.getswitchinterval(), gc.isenabled()))
    gc.disable()
    sys.setswitchinterval(1.0)


def _release():
    if not _held:
        return
    interval, collecting = _held.pop()
    sys.setswitchinterval(interval)
    if collecting:
        gc.enable()


# A child forked in that very moment has no thread that would give these back.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)
