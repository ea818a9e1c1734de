"""Lets the threads and pool jobs that a request starts belong to it, so that what they ask is asked by the request; coroutines do so by themselves."""

import sys
from _contextvars import Context

from .recording import handed_down, in_flight

_FIELD = "_homeostasis_in_flight"


def record_threads(module):
    """A thread serves the request of whoever starts it."""
    class_ = module.Thread
    start, bootstrap = class_.start, class_._bootstrap_inner

    def start_for_request(self):
        occasion = in_flight.get()
        if occasion is not None and not _enter_context(self, occasion):
            self.__dict__[_FIELD] = occasion
        return start(self)

    def bootstrap_for_request(self):
        occasion = self.__dict__.pop(_FIELD, None)
        if occasion is not None:
            in_flight.set(occasion)
            handed_down.set(True)
        bootstrap(self)

    start_for_request.__name__ = "start"
    class_.start, class_._bootstrap_inner = start_for_request, bootstrap_for_request


def _enter_context(thread, occasion):
    """From 3.14 on a thread runs in a context of its own, an empty one unless it is given another; before, there is none."""
    fields = thread.__dict__
    if "_context" not in fields or fields["_context"] is not None or sys.flags.thread_inherit_context:
        return False
    context = fields["_context"] = Context()
    context.run(in_flight.set, occasion)
    context.run(handed_down.set, True)
    return True


def record_pool(module):
    """A job of a pool serves the request of whoever submits it, whichever thread runs it."""
    class_ = module._WorkItem
    make, run = class_.__init__, class_.run

    def __init__(self, *arguments, **named):
        make(self, *arguments, **named)
        occasion = in_flight.get()
        if occasion is not None:
            self._homeostasis_in_flight = occasion

    def run_for_request(self, *arguments, **named):
        occasion = getattr(self, _FIELD, None)
        before = None
        if occasion is not None:
            before = in_flight.set(occasion), handed_down.set(True)
        try:
            return run(self, *arguments, **named)
        finally:
            if before is not None:
                in_flight.reset(before[0])
                handed_down.reset(before[1])
            # This frame lives as long as the traceback of what the job raised, which the job's future holds: a ring.
            del self

    class_.__init__, class_.run = __init__, run_for_request
