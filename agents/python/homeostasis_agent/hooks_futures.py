"""Hears of exceptions in the threads of an executor that nobody ever asked for; those that somebody took are his."""

import sys
from functools import wraps

from . import failures, guard, origin
from .hooks_asyncio import passed_the_program

HOOK = "concurrent.futures"

# In the dictionary of a future that failed: its traceback as it was then, by id, and the origin.
_KEPT = "_homeostasis_failed"


def patch(module):
    future = module.Future
    set_exception = future.set_exception
    get_exception = future.exception
    add_done_callback = future.add_done_callback

    @wraps(set_exception)
    def hooked_set_exception(self, exception):
        try:
            if isinstance(exception, Exception) and passed_the_program(exception):
                self.__dict__[_KEPT] = (id(exception.__traceback__), origin.here())
        except Exception:
            guard.failed(HOOK)
        return set_exception(self, exception)

    @wraps(get_exception)
    def hooked_exception(self, *arguments, **named):
        error = get_exception(self, *arguments, **named)
        self.__dict__.pop(_KEPT, None)
        return error

    @wraps(add_done_callback)
    def hooked_add_done_callback(self, fn):
        try:
            return add_done_callback(self, fn)
        finally:
            # Where the future is done already, the callback is called and not kept.
            self.__dict__.pop(_KEPT, None)

    def __del__(self, is_finalizing=sys.is_finalizing):
        # By then modules may be gone, ours as well.
        if is_finalizing():
            return
        try:
            kept = self.__dict__.get(_KEPT)
            if kept is not None:
                _dropped(self, *kept)
        except Exception:
            guard.failed(HOOK)

    future.set_exception = hooked_set_exception
    future.exception = hooked_exception
    future.add_done_callback = hooked_add_done_callback
    future.__del__ = __del__


def _dropped(future, traceback, where):
    """A future is gone. Asking for its result raises the exception, whose traceback then begins elsewhere; callbacks were given the future."""
    error = future._exception
    if error is not None and id(error.__traceback__) == traceback and not future._done_callbacks:
        failures.report(error, HOOK, origin=where)
