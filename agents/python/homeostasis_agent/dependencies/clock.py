"""Sets the clock of a replay to when the request was received; from there it goes on as clocks do.

The functions of `time` and the class methods of `datetime.datetime` are written in C, and programs hold on to them
under names of their own. So nothing is replaced by name: the pointers behind these functions are, which are in
the interpreter's method tables (`PyMethodDef` in CPython's `Include/methodobject.h`). Only a replay does this.
"""

import sys

_offset_ns = 0
_kept = []

_VARARGS, _KEYWORDS, _NO_ARGUMENTS, _FAST = 0x1, 0x2, 0x4, 0x80


def set_to(seconds):
    """It is now so many seconds after the epoch; None leaves the clock as it is."""
    global _offset_ns
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds <= 0:
        return
    if not _kept:
        try:
            _patch()
        except Exception as error:
            sys.stderr.write("homeostasis: the clock of the replay cannot be set: %r\n" % (error,))
            _kept.append(None)
    from time import clock_gettime_ns

    _offset_ns = int(seconds * 1e9) - clock_gettime_ns(0)


def _patch():
    import datetime
    import time

    clock_gettime_ns = time.clock_gettime_ns

    def now_ns():
        return clock_gettime_ns(0) + _offset_ns

    def now(class_, tz=None):
        return class_.fromtimestamp(now_ns() / 1e9, tz)

    def utcnow(class_):
        return class_.fromtimestamp(now_ns() / 1e9, datetime.timezone.utc).replace(tzinfo=None)

    _replace(time.time, lambda _: now_ns() / 1e9)
    _replace(time.time_ns, lambda _: now_ns())
    _replace(datetime.datetime.now, now)
    _replace(datetime.datetime.utcnow, utcnow)
    for name in ("gmtime", "localtime", "ctime"):
        _with_time(getattr(time, name), 0, now_ns)
    _with_time(time.strftime, 1, now_ns)


def _with_time(function, place, now_ns):
    """A function that takes the time it works on as its last argument, and otherwise asks the clock itself."""
    original = _original(function)
    import time

    def replacement(self, *arguments):
        if len(arguments) == place or arguments[place] is None:
            moment = now_ns() / 1e9
            arguments = arguments[:place] + ((time.localtime(moment) if place else moment),)
        return original(self, arguments)

    _replace(function, replacement)


def _definition(function):
    """The entry of the method table behind a built-in function: its place, pointer and flags."""
    import ctypes

    class Definition(ctypes.Structure):
        _fields_ = [
            ("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
        ]

    # A built-in function object begins with its header; the pointer to its definition comes next.
    at = ctypes.c_void_p.from_address(id(function) + object.__basicsize__).value
    return Definition.from_address(at)


def _original(function):
    """The function as it is now, called past its object: with itself and a tuple of arguments."""
    import ctypes

    definition = _definition(function)
    if definition.flags & (_VARARGS | _KEYWORDS) != _VARARGS:
        raise NotImplementedError("calling convention %#x" % definition.flags)
    call = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object)(definition.call)
    return lambda self, arguments: call(id(self), arguments)


def _replace(function, replacement):
    """Put `replacement(self, ...)` behind a built-in function, whatever names it is known by."""
    import ctypes

    definition = _definition(function)
    flags = definition.flags & (_VARARGS | _KEYWORDS | _NO_ARGUMENTS | _FAST)
    if flags == _NO_ARGUMENTS:
        kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)

        def call(self, _):
            return replacement(_borrowed(self))

    elif flags == _VARARGS:
        kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object)

        def call(self, arguments):
            return replacement(_borrowed(self), *arguments)

    elif flags == _FAST | _KEYWORDS:
        kind = ctypes.PYFUNCTYPE(
            ctypes.py_object, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_ssize_t, ctypes.c_void_p
        )

        def call(self, array, count, names):
            names = _borrowed(names) or ()
            given = [_borrowed(array[number]) for number in range(count + len(names))]
            return replacement(_borrowed(self), *given[:count], **dict(zip(names, given[count:])))

    else:
        raise NotImplementedError("calling convention %#x" % flags)
    pointer = kind(call)
    # The interpreter goes on calling through the pointer as long as it lives.
    _kept.append(pointer)
    definition.call = ctypes.cast(pointer, ctypes.c_void_p).value


def _borrowed(pointer):
    import ctypes

    return ctypes.cast(pointer, ctypes.py_object).value if pointer else None
