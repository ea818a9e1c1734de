"""What of a source file lives in this process: module namespaces, function objects, caches and frames; changes nothing but the collector's freeze."""

import functools
import gc
import os
import sys
import types

from .source import OPTIMIZED, children

FunctionType = types.FunctionType
_Cache = type(functools.lru_cache(maxsize=None)(lambda: None))
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


def look(paths):
    """One pass over the process for several files: ({path: Live}, [all lru_cache objects])."""
    names = _Names(paths)
    found = {path: Live(path) for path in paths}
    _modules(names, found)
    functions, caches, suspended = _objects()
    for function in functions:
        path = names.path_of(function.__code__.co_filename, function.__globals__)
        if path is not None:
            found[path].functions.append(function)
    _namespaces_of_functions(names, found)
    for code in suspended:
        path = names.path_of(code.co_filename)
        if path is not None:
            found[path].in_flight.append(code)
    _stacks(names, found)
    return found, caches


def target_of(code):
    """The function that a trampoline leads to, or None for code that came from a compiler."""
    for constant in code.co_consts:
        if type(constant) is FunctionType:
            return constant
    return None


def nested_in_flight(live):
    """Identities of the code objects that frames in flight may still make functions of."""
    found = set()

    def add(code):
        for child in children(code):
            found.add(id(child))
            add(child)

    for code in live.in_flight:
        if code.co_name != "<module>":
            add(code)
    return found


class _Names:
    """Which of the files a name recorded in a code object or a module means, however it is spelled."""

    def __init__(self, paths):
        self._exact = {os.path.abspath(path): path for path in paths}
        self._real = {os.path.realpath(path): path for path in paths}
        self._bases = {os.path.basename(path) for path in list(self._exact) + list(self._real)}
        self._known = {}

    def path_of(self, name, namespace=None):
        if name in self._known:
            return self._known[name]
        path = self._find(name)
        if path is None and namespace is not None and not os.path.isabs(name):
            # A relative name was meant from the folder that was current at import; the module may know it whole.
            whole = namespace.get("__file__")
            if isinstance(whole, str) and os.path.isabs(whole) and whole.endswith(os.sep + os.path.normpath(name)):
                return self.path_of(whole)
        self._known[name] = path
        return path

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


def _objects():
    frozen = gc.get_freeze_count()
    collecting = gc.isenabled()
    if frozen:
        # Frozen objects are left out of get_objects. Young garbage goes first, so that it is not frozen for ever.
        gc.collect(1)
        gc.disable()
        gc.unfreeze()
    try:
        everything = gc.get_objects()
    finally:
        if frozen:
            gc.freeze()
            if collecting:
                gc.enable()
    # From 3.11 on a body that runs, of a module or a class, has a function object of its own; it is no function.
    functions = [
        thing for thing in everything if type(thing) is FunctionType and thing.__code__.co_flags & OPTIMIZED
    ]
    caches = [thing for thing in everything if type(thing) is _Cache]
    suspended = []
    for thing in everything:
        attributes = _SUSPENDED.get(type(thing))
        if attributes and getattr(thing, attributes[1]) is not None:
            suspended.append(getattr(thing, attributes[0]))
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None:
        for thing in everything:
            if issubclass(type(thing), greenlet.greenlet):
                frame = thing.gr_frame
                while frame is not None:
                    suspended.append(frame.f_code)
                    frame = frame.f_back
    return functions, caches, suspended


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
    """Whether an object of one of these very classes or their subclasses lives."""
    wanted = set()
    pending = list(classes)
    while pending:
        kind = pending.pop()
        if kind not in wanted:
            wanted.add(kind)
            pending.extend(type.__subclasses__(kind))
    return any(type(thing) in wanted for thing in gc.get_objects())


