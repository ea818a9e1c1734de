"""Puts the recording around Quart applications and hears of the exceptions Quart turns into answers."""

from functools import wraps

from . import asgi, channel, credentials, guard
from .dependencies.recording import in_flight
from .failures import answered, report
from .hooks_flask import _is_http_exception, _last


def patch(module):
    module.Quart.__call__ = asgi.recording(module.Quart.__call__)
    _hear(module)
    channel.start()


def patch_for_replay(module):
    """Only hear of exceptions, and have no reloader: what it would run in a child is run here."""
    _hear(module)
    original = module.Quart.run

    @wraps(original)
    def run(self, host=None, port=None, debug=None, use_reloader=True, *more, **named):
        return original(self, host, port, debug, False, *more, **named)

    module.Quart.run = run


def _hear(module):
    """Hear of exceptions, and know who signs cookies."""
    credentials.watch_quart(module)
    quart = module.Quart
    handle_exception = quart.handle_exception
    handle_websocket_exception = quart.handle_websocket_exception
    handle_user_exception = quart.handle_user_exception
    log_exception = quart.log_exception

    @wraps(handle_exception)
    async def hooked_handle_exception(self, *arguments, **named):
        _report(_last(arguments, named), "quart.handle_exception")
        return await handle_exception(self, *arguments, **named)

    @wraps(handle_websocket_exception)
    async def hooked_handle_websocket_exception(self, *arguments, **named):
        _report(_last(arguments, named), "quart.handle_websocket_exception")
        return await handle_websocket_exception(self, *arguments, **named)

    @wraps(handle_user_exception)
    async def hooked_handle_user_exception(self, *arguments, **named):
        answer = await handle_user_exception(self, *arguments, **named)
        error = _last(arguments, named)
        try:
            status = _status(answer)
            apology = status >= 500 and not _is_http_exception(error)
            if 400 <= status < 500:
                answered(error)
        except Exception:
            guard.failed("quart.handle_user_exception")
            apology = False
        if apology:
            _report(error, "quart.handle_user_exception")
        return answer

    @wraps(log_exception)
    def hooked_log_exception(self, *arguments, **named):
        """Background tasks are heard of only here."""
        exception_info = _last(arguments, named)
        error = exception_info[1] if exception_info else None
        if isinstance(error, Exception) and not _is_http_exception(error):
            # The request that began them was answered long ago.
            report(error, "quart.background_task")
        return log_exception(self, *arguments, **named)

    quart.handle_exception = hooked_handle_exception
    quart.handle_websocket_exception = hooked_handle_websocket_exception
    quart.handle_user_exception = hooked_handle_user_exception
    quart.log_exception = hooked_log_exception


def _report(error, hook):
    try:
        occasion = in_flight.get()
        if type(occasion) is not asgi.Occasion:
            occasion = None
        elif occasion.tee is not None:
            occasion.tee.read_what_is_there()
    except Exception:
        guard.failed(hook)
        return
    report(error, hook, occasion)


def _status(answer):
    """The status of what a view or error handler returned, read without converting it to a response."""
    if type(answer) is tuple:
        for part in answer[1:2]:
            if isinstance(part, int):
                return int(part)
        answer = answer[0] if answer else None
    status = getattr(answer, "status_code", None) or getattr(answer, "code", None)
    return status if type(status) is int else 200
