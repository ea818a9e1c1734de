"""Puts the recording around Starlette (and so FastAPI) applications and hears of exceptions their own handlers answer with 5xx."""

from . import asgi, channel, guard
from .failures import answered, report


def patch_applications(module):
    module.Starlette.__call__ = asgi.recording(module.Starlette.__call__, hears_lifespan=True)
    channel.start()


def patch_applications_for_replay(module):
    """Nothing: what leaves the callable is seen by the replay itself."""


def patch_exception_middleware(module):
    """Wrap each handler when it is registered, so that requests without an exception pay nothing."""
    middleware = module.ExceptionMiddleware
    original = middleware.add_exception_handler

    def add_exception_handler(self, exc_class_or_status_code, handler):
        try:
            handler = _watched(exc_class_or_status_code, handler)
        except Exception:
            guard.failed("starlette handler")
        return original(self, exc_class_or_status_code, handler)

    middleware.add_exception_handler = add_exception_handler


def _watched(class_, handler):
    from functools import wraps

    from starlette.exceptions import HTTPException

    if not isinstance(class_, type) or issubclass(class_, HTTPException):
        return handler
    try:
        from starlette._utils import is_async_callable
    except ImportError:
        from asyncio import iscoroutinefunction as is_async_callable

    if is_async_callable(handler):

        @wraps(handler)
        async def watched(request, error):
            answer = await handler(request, error)
            _answered(request, error, answer)
            return answer

    else:

        @wraps(handler)
        def watched(request, error):
            answer = handler(request, error)
            _answered(request, error, answer)
            return answer

    return watched


def _answered(request, error, answer):
    try:
        status = getattr(answer, "status_code", 0)
        if type(status) is not int or status < 500:
            if type(status) is int and status >= 400:
                answered(error)
            return
        occasion = asgi.occasion_of_scope(request.scope)
        if occasion is not None and occasion.tee is not None:
            occasion.tee.read_what_is_there()
    except Exception:
        guard.failed("starlette handler")
        return
    report(error, "starlette.exception_handler", occasion)
