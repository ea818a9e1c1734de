"""Hears of exceptions that the program caught and logged as errors; what libraries log is theirs, for their hooks hear of it before."""

from functools import wraps

from . import failures, guard, origin, settings, values

# Loggers of libraries that call the program's functions and keep their exceptions, by how their names begin.
_callers = (("apscheduler.executors.", "apscheduler.job"),)

# Exceptions that are answers to a client, with the field that holds the status, or the status.
_answers = {
    ("werkzeug.exceptions", "HTTPException"): "code",
    ("starlette.exceptions", "HTTPException"): "status_code",
    ("starlette.requests", "ClientDisconnect"): 499,
    ("django.http.response", "Http404"): 404,
    ("django.core.exceptions", "PermissionDenied"): 403,
    ("django.core.exceptions", "SuspiciousOperation"): 400,
    ("django.core.exceptions", "BadRequest"): 400,
    ("rest_framework.exceptions", "APIException"): "status_code",
    ("aiohttp.web_exceptions", "HTTPException"): "status_code",
    ("tornado.web", "HTTPError"): "status_code",
}


def patch(module):
    """Records are looked at when they are made: a frame of ours at any later point would show in what handlers say of the caller."""
    error_level = module.ERROR
    make_record = module.Logger.makeRecord

    @wraps(make_record)
    def hooked_make_record(self, *arguments, **named):
        record = make_record(self, *arguments, **named)
        try:
            if record.exc_info and record.levelno >= error_level and settings.logged:
                _heard(record)
        except Exception:
            guard.failed("logging")
        return record

    module.Logger.makeRecord = hooked_make_record


def _heard(record):
    error = record.exc_info[1]
    if not isinstance(error, Exception) or error.__traceback__ is None or _is_answer(error):
        return
    if settings.in_app(record.pathname):
        failures.report_caught(error, "logging", origin.request_in_progress())
        return
    for beginning, hook in _callers:
        if record.name.startswith(beginning):
            failures.report(error, hook, origin.request_in_progress())


def _is_answer(error):
    """Is this exception an answer below 500? Nothing of the program's runs to find that out."""
    class_ = type(error)
    for base in values._mro_of(class_):
        field = _answers.get(values.class_names(base))
        if field is not None:
            status = _field(error, class_, field) if type(field) is str else field
            return isinstance(status, int) and status < 500
    return False


def _field(error, class_, name):
    stored = values._raw_dictionary(error, class_) or {}
    if name in stored:
        return stored[name]
    for base in values._mro_of(class_):
        own = values._own_names_of(base)
        if name in own:
            return own[name]
    return None
