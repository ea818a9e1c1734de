"""Puts the recording around the WSGI callable of gunicorn's workers, and keeps the channel of its master alive."""

import sys

from . import channel, guard, settings
from .failures import report
from .wsgi import Entry, occasion_of_traceback

_wsgi_workers = (
    ("gunicorn.workers.sync", "SyncWorker"),
    ("gunicorn.workers.gthread", "ThreadWorker"),
    ("gunicorn.workers.base_async", "AsyncWorker"),
)


def patch_application(module):
    channel.start()


def patch_worker(module):
    worker = module.Worker
    load_wsgi = worker.load_wsgi
    handle_error = worker.handle_error

    def hooked_load_wsgi(self):
        settings.serving = True
        load_wsgi(self)
        try:
            # A worker for ASGI holds its callable under the same name and must get it bare.
            if any(_is_instance(self, *name) for name in _wsgi_workers) and callable(self.wsgi):
                self.wsgi = Entry(self.wsgi)
        except Exception:
            guard.failed("gunicorn.load_wsgi")

    def hooked_handle_error(self, req, client, addr, exc):
        _report(exc, "gunicorn.handle_error")
        return handle_error(self, req, client, addr, exc)

    worker.load_wsgi = hooked_load_wsgi
    worker.handle_error = hooked_handle_error


def patch_logger(module):
    """An exception after the headers were sent is only logged."""
    logger = module.Logger
    exception = logger.exception

    def hooked_exception(self, message, *arguments, **named):
        error = sys.exc_info()[1]
        if isinstance(error, Exception):
            _report(error, "gunicorn.response")
        return exception(self, message, *arguments, **named)

    logger.exception = hooked_exception


def _is_instance(worker, module, name):
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(worker, getattr(loaded, name))


def _report(error, hook):
    """Tell only what came through an application: gunicorn's own troubles with clients are not the program's."""
    try:
        occasion = occasion_of_traceback(error)
    except Exception:
        guard.failed(hook)
        return
    if occasion is not None and not isinstance(error, (StopIteration, ConnectionError)):
        # What escapes while the application is called was reported there; this came while its answer was sent.
        report(error, hook, occasion, True)
