"""Marks where a job of a worker begins and ends, so that what dependencies answer belongs to it; which functions are jobs is known by the `hooks_*` modules."""

from . import channel, guard, origin, settings
from .dependencies import recording


def work_begins():
    """The process works off jobs from now on; there is no request that would mark a beginning."""
    settings.working = True
    recording.end_start()
    channel.start()


def begin():
    """A job begins in this thread or task; returns what `end` needs, None for a job that is a part of a request."""
    try:
        if origin.request_in_progress() is None:
            return recording.in_flight.set(recording.Job())
    except Exception:
        guard.failed("begin of a job")
    return None


def end(token):
    if token is None:
        return
    try:
        recording.in_flight.reset(token)
    except Exception:
        guard.failed("end of a job")


def flush():
    """The process is about to end without a word, by os._exit: what is queued goes out now."""
    channel.flush_at_exit()
