"""What of a source file lives in this process: module namespaces, function objects, caches and frames; changes nothing but the collector's freeze."""

import contextlib
import functools
import gc
import itertools
import os
import sys
import types
import weakref

from .source import OPTIMIZED, below

FunctionType = types.FunctionType
_Cache = type(functools.lru_cache(maxsize=None)(lambda: None))
# Python 3.12 freezes some hundred objects of its own when it starts; a program that freezes, freezes many thousands.
_FROZEN_BY_PROGRAM = 1000
_SUSPENDED = {
    types.GeneratorType: ("gi_code", "gi_frame"),
    types.CoroutineType: ("cr_code", "cr_frame"),
    types.AsyncGeneratorType: ("ag_code", "ag_frame"),
}


class Live:
    """What of one file lives here.

    `namespaces` are the dictionaries of its modules (one file may be loaded twice, as `__main__` and by name),
    `functions` all its function objects, `in_flight` the code objects of frames that run or are suspended,
    `bodies` the frames of a module body that has not ended, `importing` says that an import is under way.
    """

    def __init__(self, path):
        self.path = path
        self.namespaces = []
        self.functions = []
        self.in_flight = []
        self.bodies = []
        self.importing = False

    @property
    def loaded(self):
        return bool(self.namespaces or self.functions)


@contextlib.contextmanager
def thawed():
    """Objects frozen by `gc.freeze` (servers do it before they fork) are invisible to a search; here they are not.

    Freezing again freezes all there is, so young garbage goes first. While it lasts nothing is collected, which
    would write to every page that the processes of a preloading server share.
    """
    if gc.get_freeze_count() < _FROZEN_BY_PROGRAM:
        yield
        return
    collecting = gc.isenabled()
    gc.collect(1)
    gc.disable()
    gc.unfreeze()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def look(paths):
    """One pass over the process for several files: ({path: Live}, [all lru_cache objects])."""
    names = _Names(paths)
    found = {path: Live(path) for path in paths}
    _modules(names, found)
    caches = _objects(names, found)
    _namespaces_of_functions(names, found)
    _stacks(names, found)
    return found, caches


def target_of(code):
    """The function that a trampoline leads to, or None for code that came from a compiler."""
    for constant in code.co_consts:
        if type(constant) is FunctionType:
            return constant
    return None


def nested_in_flight(live):
    """Identities of the code objects that calls in flight may still make functions of."""
    return {id(inner) for code in live.in_flight if code.co_name != "<module>" for inner in below(code)}


class _Names:
    """Which of the files a name recorded in a code object or a module means, however it is spelled."""

    def __init__(self, paths):
        self._exact = {os.path.abspath(path): path for path in paths}
        self._real = {os.path.realpath(path): path for path in paths}
        self._bases = {os.path.basename(path) for path in list(self._exact) + list(self._real)}
        self.known = {}

    def path_of(self, name):
        if name not in self.known:
            self.known[name] = self._find(name)
        return self.known[name]

    def may_belong(self, namespace, path):
        """False when a module that knows its whole path says that it came from another file."""
        whole = namespace.get("__file__")
        return not isinstance(whole, str) or not os.path.isabs(whole) or self.path_of(whole) in (path, None)

    def _find(self, name):
        if not isinstance(name, str) or not name or name.startswith("<"):
            return None
        absolute = os.path.abspath(name)
        if absolute in self._exact:
            return self._exact[absolute]
        if os.path.basename(name) in self._bases or os.path.islink(name):
            real = os.path.realpath(name)
            if real in self._real:
                return self._real[real]
        if not os.path.isabs(name):
            # Loaded by a relative path before the program changed its folder. The sources decide in the end.
            tail = os.sep + os.path.normpath(name)
            if not tail.startswith(os.sep + os.pardir):
                for real, path in self._real.items():
                    if real.endswith(tail):
                        return path
        return None


def _modules(names, found):
    for module in list(sys.modules.values()):
        if not issubclass(type(module), types.ModuleType):
            continue
        namespace = object.__getattribute__(module, "__dict__")
        path = names.path_of(namespace.get("__file__") or "")
        if path is None:
            continue
        live = found[path]
        if not any(namespace is known for known in live.namespaces):
            live.namespaces.append(namespace)
        if getattr(namespace.get("__spec__"), "_initializing", False):
            live.importing = True


def _namespaces_of_functions(names, found):
    """Modules that are not in `sys.modules`: plugins and configuration files loaded by their path."""
    for path, live in found.items():
        for function in live.functions:
            namespace = function.__globals__
            if any(namespace is known for known in live.namespaces):
                continue
            if names.path_of(namespace.get("__file__") or "") == path:
                live.namespaces.append(namespace)


def _objects(names, found):
    """Adds the function objects, and the code of suspended generators, coroutines and greenlets; all caches."""
    caches = []
    greenlet = getattr(sys.modules.get("greenlet"), "greenlet", None)
    kinds = [FunctionType, _Cache] + list(_SUSPENDED) + (_with_subclasses(greenlet) if greenlet else [])
    known = names.known
    for reference in _references(kinds):
        thing = reference()
        kind = type(thing)
        if kind is FunctionType:
            code = thing.__code__
            name = code.co_filename
            path = known[name] if name in known else names.path_of(name)
            # From 3.11 on a body that runs, of a module or a class, has a function object of its own; it is no function.
            if path is not None and code.co_flags & OPTIMIZED and names.may_belong(thing.__globals__, path):
                found[path].functions.append(thing)
        elif kind is _Cache:
            caches.append(thing)
        elif kind in _SUSPENDED:
            attribute, frame = _SUSPENDED[kind]
            code = getattr(thing, attribute)
            path = names.path_of(code.co_filename)
            if path is not None and getattr(thing, frame) is not None:
                found[path].in_flight.append(code)
        elif thing is not None:
            frame = thing.gr_frame
            while frame is not None:
                path = names.path_of(frame.f_code.co_filename)
                if path is not None:
                    found[path].in_flight.append(frame.f_code)
                frame = frame.f_back
    return caches


def _references(kinds):
    """Weak references to all objects of exactly these types."""
    wanted = {id(kind) for kind in kinds}

    def search():
        first, second, third = itertools.tee(map(gc.get_objects, [None]), 3)
        kinds_of_all = map(type, itertools.chain.from_iterable(second))
        chosen = itertools.compress(
            itertools.chain.from_iterable(first), map(wanted.__contains__, map(id, kinds_of_all))
        )
        return itertools.chain(map(weakref.ref, chosen), filter(None, map(list.clear, third)))

    return _in_one_call(list, search)


def _in_one_call(consume, search):
    """Uses up the iterator that `search` makes in a single call into C, and drops it before another thread can run.

    `gc.get_objects` shows things as they are being made. While a tuple is being filled, one reference too many makes
    the interpreter raise SystemError in the thread that fills it, so nothing may be held when another thread runs;
    and the last reference to an object of the program must not be dropped here, in a thread that is not its own.
    The list of all objects holds the iterators, too: it is used up or emptied in the same call, or the cycle would
    keep everything. Popping leaves the call as the only one that holds the iterator.
    """
    held = [search()]
    with _uncollected():
        return consume(held.pop())


@contextlib.contextmanager
def _uncollected():
    """A collection would run finalizers, and with them other threads, in the middle of a search."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _with_subclasses(kind):
    found, pending = [], [kind]
    while pending:
        kind = pending.pop()
        if not any(kind is known for known in found):
            found.append(kind)
            pending.extend(type.__subclasses__(kind))
    return found


def _stacks(names, found):
    for frame in list(sys._current_frames().values()):
        while frame is not None:
            path = names.path_of(frame.f_code.co_filename)
            if path is not None:
                found[path].in_flight.append(frame.f_code)
                if frame.f_code.co_name == "<module>":
                    found[path].bodies.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back


def body_lines(namespace):
    """The current lines of the frames that run this module's own body."""
    lines = []
    for frame in list(sys._current_frames().values()):
        while frame is not None:
            if frame.f_globals is namespace and frame.f_code.co_name == "<module>":
                lines.append(frame.f_lineno)
            frame = frame.f_back
    return lines


def instances(classes):
    """How many objects of these very classes and their subclasses live."""
    wanted = {id(kind) for one in classes for kind in _with_subclasses(one)}

    def search():
        everything = itertools.chain.from_iterable(map(gc.get_objects, [None]))
        return map(wanted.__contains__, map(id, map(type, everything)))

    return _in_one_call(sum, search)


def holders(value):
    """[(identity, type)] of the objects that refer to this one; they themselves are not held."""
    box = [value]

    def search():
        one, other = itertools.tee(itertools.chain.from_iterable(map(gc.get_referrers, box)))
        return zip(map(id, one), map(type, other))

    return [(identity, kind) for identity, kind in _in_one_call(list, search) if identity != id(box)]
