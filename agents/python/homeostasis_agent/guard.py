"""Counts the agent's own errors and turns the agent off when there are too many; it never reports failures of the program."""

import os

LIMIT = 10

# Hot paths read this flag directly, so it is a module variable and not a call.
enabled = True
errors = 0


# So much must be free before a failure for want of memory is looked at.
ROOM = 8 << 20


def has_memory():
    """Is there room to work in? Where there is none, what we tried would only fail, and not everywhere could Python bear it."""
    try:
        bytearray(ROOM)
    except MemoryError:
        return False
    return True


def failed(where):
    """Take note of an exception of ours that is being handled, so that the program never sees it."""
    try:
        _failed(where)
    except MemoryError:
        # There is no room to take note.
        pass


def _failed(where):
    global enabled, errors
    import sys

    pass_on(sys.exc_info()[1])
    errors += 1
    if errors >= LIMIT:
        enabled = False
    if os.environ.get("HOMEOSTASIS_DEBUG"):
        import traceback

        try:
            sys.stderr.write("homeostasis agent, %s:\n%s" % (where, traceback.format_exc()))
        except Exception:
            pass


def pass_on(error):
    """Raise this exception again where it is not ours: a signal of the program may come at any time, and its handler may raise."""
    import sys

    if error is None or "signal" not in sys.modules:
        return
    from _signal import NSIG, getsignal
    from types import FunctionType, MethodType

    codes = []
    entry = error.__traceback__
    while entry is not None:
        codes.append(entry.tb_frame.f_code)
        entry = entry.tb_next
    for number in range(1, NSIG):
        handler = getsignal(number)
        function = handler.__func__ if type(handler) is MethodType else handler
        if type(function) is FunctionType and function.__code__ in codes:
            raise error
