"""Puts the recording around Flask applications and hears of the exceptions Flask turns into answers."""

from functools import wraps

from . import channel, credentials, guard
from .failures import answered, report
from .wsgi import current_occasion, recording


_http_exception = None
# What Flask is told to log next was reported already. Where threads overwrite this for each other, an exception is only looked at twice.
_in_hand = None


def patch(module):
    module.Flask.__call__ = recording(module.Flask.__call__)
    patch_for_replay(module)
    channel.start()


def patch_for_replay(module):
    """Only hear of exceptions, and know who signs cookies."""
    credentials.watch_flask(module)
    flask = module.Flask
    handle_exception = flask.handle_exception
    handle_user_exception = flask.handle_user_exception
    log_exception = flask.log_exception

    # Since Flask 3.2 a context comes before the exception.
    @wraps(handle_exception)
    def hooked_handle_exception(self, *arguments, **named):
        global _in_hand
        error = _last(arguments, named)
        _report(error, "flask.handle_exception")
        _in_hand = error
        try:
            return handle_exception(self, *arguments, **named)
        finally:
            _in_hand = None

    @wraps(handle_user_exception)
    def hooked_handle_user_exception(self, *arguments, **named):
        answer = handle_user_exception(self, *arguments, **named)
        error = _last(arguments, named)
        try:
            status = _status(answer)
            apology = status >= 500 and not _is_http_exception(error)
            if 400 <= status < 500:
                answered(error)
        except Exception:
            guard.failed("flask.handle_user_exception")
            apology = False
        if apology:
            _report(error, "flask.handle_user_exception")
        return answer

    @wraps(log_exception)
    def hooked_log_exception(self, *arguments, **named):
        exc_info = _last(arguments, named)
        if exc_info and exc_info[1] is not _in_hand and not _is_http_exception(exc_info[1]):
            _report(exc_info[1], "flask.log_exception")
        return log_exception(self, *arguments, **named)

    flask.handle_exception = hooked_handle_exception
    flask.handle_user_exception = hooked_handle_user_exception
    flask.log_exception = hooked_log_exception


def _last(arguments, named):
    """The exception, or what tells of it: the last argument, whatever comes before it and however it is given."""
    return next(reversed(named.values())) if named else arguments[-1] if arguments else None


def _report(error, hook):
    try:
        occasion = current_occasion()
    except Exception:
        guard.failed(hook)
        return
    report(error, hook, occasion)


def _is_http_exception(error):
    global _http_exception
    if _http_exception is None:
        from werkzeug.exceptions import HTTPException as _http_exception
    return isinstance(error, _http_exception)


def _status(answer):
    """The status of what a view or error handler returned, read without converting it to a response."""
    if type(answer) is tuple:
        for part in answer[1:2]:
            if type(part) is int:
                return part
            if type(part) is str and part[:3].isdigit():
                return int(part[:3])
        answer = answer[0] if answer else None
    from werkzeug.exceptions import HTTPException
    from werkzeug.wrappers import Response

    if isinstance(answer, Response):
        return answer.status_code
    if isinstance(answer, HTTPException):
        return answer.code or 0
    if type(answer).__module__ == "http" and isinstance(answer, int):
        return int(answer)
    return 200
