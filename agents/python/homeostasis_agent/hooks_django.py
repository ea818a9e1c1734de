"""Puts the recording around Django's handlers and hears of the exceptions that Django, or the REST framework on it, turns into answers."""

from functools import wraps

from . import asgi, channel, guard
from .dependencies.recording import in_flight
from .failures import answered, report
from .requests import KEY
from .wsgi import Occasion, recording

_answers = None


def patch_wsgi(module):
    module.WSGIHandler.__call__ = recording(module.WSGIHandler.__call__)
    channel.start()


def patch_asgi(module):
    module.ASGIHandler.__call__ = asgi.recording(module.ASGIHandler.__call__)
    channel.start()


def patch_exceptions(module):
    """What is none of Django's own answers comes here, from synchronous and asynchronous handlers alike."""
    original = module.handle_uncaught_exception

    @wraps(original)
    def handle_uncaught_exception(request, resolver, exc_info):
        _report(exc_info[1], request, "django.handle_uncaught_exception")
        return original(request, resolver, exc_info)

    module.handle_uncaught_exception = handle_uncaught_exception


def patch_base(module):
    """A middleware may answer an exception before Django does."""
    handler = module.BaseHandler
    original = handler.process_exception_by_middleware

    @wraps(original)
    def process_exception_by_middleware(self, exception, request):
        response = original(self, exception, request)
        if response is not None:
            _answered(exception, response, request, "django.process_exception")
        return response

    handler.process_exception_by_middleware = process_exception_by_middleware


def patch_rest_framework(module):
    """Its exception handler may be the program's own; what that leaves alone is raised again."""
    view = module.APIView
    original = view.handle_exception

    @wraps(original)
    def handle_exception(self, exc):
        response = original(self, exc)
        _answered(exc, response, None, "rest_framework.handle_exception")
        return response

    view.handle_exception = handle_exception


def _answered(error, response, request, hook):
    try:
        status = getattr(response, "status_code", 0)
        apology = type(status) is int and status >= 500 and not _is_answer(error)
        if type(status) is int and 400 <= status < 500:
            answered(error)
    except Exception:
        guard.failed(hook)
        return
    if apology:
        _report(error, request, hook)


def _report(error, request, hook):
    try:
        if _is_broken_connection(error):
            return
        occasion = _occasion_of(request)
    except Exception:
        guard.failed(hook)
        return
    report(error, hook, occasion)


def _occasion_of(request):
    """The request knows it itself, whatever thread it is handled in; what wraps a request does not."""
    known = getattr(request, "__dict__", None)
    if type(known) is dict:
        for name in ("environ", "scope"):
            received = known.get(name)
            occasion = received.get(KEY) if isinstance(received, dict) else None
            if type(occasion) in (Occasion, asgi.Occasion):
                return occasion
    occasion = in_flight.get()
    return occasion if type(occasion) in (Occasion, asgi.Occasion) else None


def _is_answer(error):
    """Does this exception stand for an answer, whoever gives it?"""
    global _answers
    if _answers is None:
        from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
        from django.http import Http404

        _answers = (BadRequest, PermissionDenied, SuspiciousOperation, Http404)
    if isinstance(error, _answers):
        return True
    return any(class_.__name__ == "APIException" and class_.__module__ == "rest_framework.exceptions" for class_ in type(error).__mro__)


def _is_broken_connection(error):
    """The client went away while its request was read: nobody's fault, though Django answers it like a failure."""
    return any(class_.__name__ == "UnreadablePostError" and class_.__module__ == "django.http.request" for class_ in type(error).__mro__)
