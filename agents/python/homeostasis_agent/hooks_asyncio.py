"""Hears of exceptions that end in asyncio: of tasks that nobody waits for, and of callbacks; those of clients and connections are the server's."""

from functools import wraps

from . import failures, guard, origin, settings
from .dependencies.recording import in_flight, snapshot

HOOK = "asyncio"


def patch(module):
    _watch(module.BaseEventLoop)


def patch_uvloop(module):
    _watch(module.Loop)


def _watch(loop):
    call_exception_handler = loop.call_exception_handler

    @wraps(call_exception_handler)
    def hooked_call_exception_handler(self, context):
        try:
            _heard(context)
        except Exception:
            guard.failed(HOOK)
        return call_exception_handler(self, context)

    loop.call_exception_handler = hooked_call_exception_handler


def _heard(context):
    if type(context) is not dict:
        return
    error = context.get("exception")
    if not isinstance(error, Exception) or not passed_the_program(error):
        return
    task = context.get("task") or context.get("future")
    failures.report(error, HOOK, origin=_origin(task, context.get("handle")))


def passed_the_program(error):
    """Did the exception come through code of the program?"""
    entry = error.__traceback__
    while entry is not None:
        if settings.in_app(entry.tb_frame.f_code.co_filename):
            return True
        entry = entry.tb_next
    return False


def _origin(task, handle):
    """A task that nobody waited for is told of where it is thrown away, which says nothing of where it ran."""
    # Before 3.12 a task does not tell its context.
    if task is not None:
        get_context = getattr(task, "get_context", None)
        context = get_context() if get_context is not None else None
    else:
        context = getattr(handle, "_context", None)
    occasion = context.get(in_flight) if context is not None else None
    return origin.Origin(origin.thread_name(), origin.name_of(task), snapshot(occasion) or NOTHING)


# Of where it is told, nothing is to be taken.
NOTHING = ((), 0, ())
