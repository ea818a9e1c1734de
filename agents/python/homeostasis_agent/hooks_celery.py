"""Hears of Celery tasks that fail for good, and knows which function is behind a task; a retry is no failure."""

import sys
from functools import wraps

from . import channel, failures, guard, jobs, origin, settings, values

HOOK = "celery.task"


def patch_trace(module):
    _watch_failures(module)
    build_tracer = module.build_tracer

    @wraps(build_tracer)
    def hooked_build_tracer(name, task, *more, **named):
        tracer = build_tracer(name, task, *more, **named)
        # What is called in place belongs to whoever called it.
        return tracer if named.get("eager") else _as_job(tracer)

    module.build_tracer = hooked_build_tracer
    channel.start()


def patch_trace_for_replay(module):
    """Only hear of failures: those of tasks that a request calls in place."""
    _watch_failures(module)


def _watch_failures(module):
    handle_failure = module.TraceInfo.handle_failure

    @wraps(handle_failure)
    def hooked_handle_failure(self, task, req, *more, **named):
        try:
            _failed(self.retval, task)
        except Exception:
            guard.failed(HOOK)
        return handle_failure(self, task, req, *more, **named)

    module.TraceInfo.handle_failure = hooked_handle_failure


def _failed(error, task):
    # Celery logs these as information: the task has said that it throws them.
    expected = getattr(task, "throws", None)
    if isinstance(error, BaseException) and not (expected and isinstance(error, expected)):
        failures.report(error, HOOK, origin.request_in_progress())


def _as_job(tracer):
    @wraps(tracer)
    def trace_task(uuid, args, kwargs, request=None):
        token = jobs.begin()
        try:
            return tracer(uuid, args, kwargs, request)
        finally:
            jobs.end(token)

    return trace_task


def patch_worker(module):
    start = module.WorkController.start

    @wraps(start)
    def hooked_start(self):
        # Processes of its pool are forked from here.
        jobs.work_begins()
        return start(self)

    module.WorkController.start = hooked_start


def patch_prefork(module):
    process_initializer = module.process_initializer
    process_destructor = module.process_destructor

    @wraps(process_initializer)
    def hooked_initializer(*arguments, **named):
        settings.working = True
        return process_initializer(*arguments, **named)

    @wraps(process_destructor)
    def hooked_destructor(*arguments, **named):
        try:
            return process_destructor(*arguments, **named)
        finally:
            jobs.flush()

    module.process_initializer = hooked_initializer
    module.process_destructor = hooked_destructor


def task_behind(thing):
    """The task that a proxy of Celery stands for; all else as it is."""
    proxy = _class_of_celery("celery.local", "Proxy")
    if proxy is None or proxy not in values._mro_of(type(thing)):
        return thing
    try:
        return proxy.__dict__["_get_current_object"](thing) if type(thing) is proxy else type(thing)._get_current_object(thing)
    except Exception:
        return None


def name_of_task(value, class_):
    """The full name by which a module holds this task; None when it is no task or no module does."""
    proxy, task = _class_of_celery("celery.local", "Proxy"), _class_of_celery("celery.app.task", "Task")
    if proxy is not None and proxy in values._mro_of(class_):
        value = task_behind(value)
        class_ = type(value)
    if task is None or task not in values._mro_of(class_):
        return None
    module, name = values.class_names(class_)
    held = getattr(sys.modules.get(module), "__dict__", {}).get(name)
    return module + "." + name if task_behind(held) is value else None


def _class_of_celery(module, name):
    return getattr(sys.modules.get(module), "__dict__", {}).get(name)
