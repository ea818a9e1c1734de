"""Says where a failure comes from: the thread, the asyncio task, and the request that is being answered there; it describes no failure itself."""

import os
import sys

from . import settings
from .dependencies.recording import handed_down, in_flight, snapshot


class Origin:
    """Where a failure happened, for hooks that hear of it later and elsewhere.

    `answers` is what dependencies answered there, as `recording.snapshot` returns it.
    """

    __slots__ = ("thread", "task", "answers")

    def __init__(self, thread, task, answers):
        self.thread = thread
        self.task = task
        self.answers = answers


def here():
    return Origin(thread_name(), task_name(), snapshot(in_flight.get()))


def thread_name():
    threading = sys.modules.get("threading")
    if threading is None:
        return "MainThread"
    # current_thread() would make a dummy object for a thread it does not know.
    from _thread import get_ident

    thread = threading._active.get(get_ident())
    return thread.name if thread is not None else "Thread-%d" % get_ident()


def task_name():
    """The name of the asyncio task that runs in this thread; None when there is none."""
    events, tasks = sys.modules.get("asyncio.events"), sys.modules.get("asyncio.tasks")
    if events is None or tasks is None:
        return None
    loop = events._get_running_loop()
    return name_of(tasks.current_task(loop)) if loop is not None else None


def name_of(task):
    """The name of an asyncio task, past what a subclass of the program may have put in its place."""
    tasks = sys.modules.get("asyncio.tasks")
    if tasks is None or task is None:
        return None
    for class_ in (tasks.Task, getattr(tasks, "_PyTask", None)):
        if class_ is not None and issubclass(type(task), class_):
            name = class_.get_name(task)
            return name if type(name) is str else None
    return None


def request_in_progress():
    """The recording of the request that is answered here; None outside of requests, and in what goes on after one."""
    occasion = in_flight.get()
    protocol = getattr(type(occasion), "protocol", None)
    if protocol is None or occasion.ended and (protocol == "asgi" or handed_down.get()):
        return None
    return occasion


def role():
    """What the process was started for: it serves requests, works off jobs, or runs to its end."""
    if settings.working:
        return "worker"
    return "server" if settings.serving else "script"


def process(origin=None):
    """The part of a capsule that must be read where the failure happened."""
    return {
        "pid": os.getpid(),
        "thread": origin.thread if origin is not None else thread_name(),
        "task": origin.task if origin is not None else task_name(),
        "role": role(),
    }
