"""Records requests from within middleware that the program itself has put around its application, where no hook has done so before."""

import sys
from time import time

from . import asgi, channel, guard, settings, traffic, wsgi
from .dependencies.recording import in_flight
from .failures import report
from .requests import KEY, MAX_RESPONSE_BODY, Recorded


def call_wsgi(application, environ, start_response):
    settings.serving = True
    if KEY in environ:
        return application(environ, start_response)
    channel.start()
    return wsgi.WatchedEntry(application)(environ, start_response)


async def call_asgi(application, scope, receive, send):
    settings.serving = True
    channel.start()
    await _record_asgi(application, scope, receive, send)


async def _call(application, scope, receive, send):
    await application(scope, receive, send)


_record_asgi = asgi.recording(_call)


def begin_django(request):
    """The recording of a Django request; None when it is recorded already, or cannot be."""
    try:
        settings.serving = True
        received = getattr(request, "scope", None)
        kind = wsgi if received is None else asgi
        if received is None:
            received = request.environ
        if not guard.enabled or KEY in received:
            return None
        channel.start()
        if channel.unsettled:
            channel.settle()
        cell = traffic.find(request.method, request.path_info)
        received[KEY] = occasion = kind.Occasion(received.copy(), cell, time())
        in_flight.set(occasion)
        if request.META.get("CONTENT_LENGTH", "0") not in ("0", ""):
            # Django has wrapped the stream already, and reads the body from its own.
            occasion.tee = request._stream = Tee(request._stream, int(request.META["CONTENT_LENGTH"]))
        _watch_django()
        return occasion
    except Exception:
        guard.failed("django middleware")
        return None


def end_django(occasion, response):
    """The program has answered; exceptions were heard of by the signal."""
    try:
        if kind_of(occasion) == "asgi":
            occasion.ended = True
        cell = occasion.cell
        if not occasion.failed:
            cell.requests += 1
            if (cell.samples < traffic.FIRST_ATTEMPTS or occasion.began >= traffic.next_sample) and not response.streaming:
                if traffic.take_sample(cell, occasion.began):
                    _keep(occasion, response)
        if channel.asleep:
            channel.wake()
    except Exception:
        guard.failed("django middleware")


def kind_of(occasion):
    return type(occasion).protocol


def _keep(occasion, response):
    recorded = Recorded(MAX_RESPONSE_BODY)
    recorded.add(response.content)
    headers = list(response.items()) + [("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()]
    wsgi.keep(occasion, {"status": str(response.status_code), "headers": headers}, recorded)


class Tee(wsgi.Tee):
    """The same for both protocols."""

    def __init__(self, stream, expected):
        wsgi.Tee.__init__(self, stream)
        self._expected = expected

    def _pass(self, data, size=()):
        data = wsgi.Tee._pass(self, data, size)
        recorded = self.recorded
        recorded.complete = recorded.complete or recorded.length >= self._expected
        return data


_watching = False


def _watch_django():
    """Django sends this signal for every exception that it answers with 500."""
    global _watching
    if not _watching:
        from django.core.signals import got_request_exception

        got_request_exception.connect(_django_failed, weak=False, dispatch_uid="homeostasis")
        _watching = True


def _django_failed(sender, request=None, **more):
    try:
        occasion = (getattr(request, "scope", None) or request.META).get(KEY)
        error = sys.exc_info()[1]
    except Exception:
        guard.failed("django middleware")
        return
    if error is not None and occasion is not None:
        report(error, "django.got_request_exception", occasion)
