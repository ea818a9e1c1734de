"""Settings in code, middleware, and handled exceptions, for programs that say themselves how they are watched.

Nothing here is needed: a program that `homeostasis run` starts is watched without it. In a program that nobody
watches all of it does nothing, so that it can stay in the code.

    from homeostasis.monitoring import setup_monitoring

    setup_monitoring(app, exclude_paths=["/health"], exclude_error_types=[Expected])
"""

from __future__ import annotations

import os
import sys
from typing import Any, Awaitable, Callable, Dict, Mapping, Optional

from homeostasis_agent import guard

from . import options as _options

__all__ = ["HomeostasisMiddleware", "capture_exception", "is_active", "setup_monitoring"]

Event = Dict[str, Any]
BeforeSend = Callable[[Event], Optional[Event]]


def setup_monitoring(
    app: Any = None,
    config: Optional[Mapping[str, Any]] = None,
    *,
    exclude_modules: Any = None,
    exclude_error_types: Any = None,
    exclude_paths: Any = None,
    redact_names: Any = None,
    sample_rate: Optional[float] = None,
    before_send: Optional[BeforeSend] = None,
    capture_logged: Optional[bool] = None,
    root: Any = None,
    socket: Any = None,
) -> bool:
    """Set how this process is watched; returns whether it is.

    `app` is a Flask, Quart, Starlette or FastAPI application; it gets the middleware. `config` holds options by
    name; those given beside it go first. What is set here goes before the settings of Homeostasis, but for the
    lists, which add up. May be called several times.

    - `exclude_modules`, `exclude_paths`: failures that end in these modules, or of requests to these paths, are not reported.
    - `exclude_error_types`: exception classes, or their names, that are not reported, with all that inherit from them.
    - `redact_names`: further names whose values never leave the process.
    - `sample_rate`: the share of successful requests that may be kept as examples, from 0 to 1. Failures are always counted.
    - `before_send`: gets each event as a plain dictionary, redacted, in the agent's thread; returns it, changed or not,
      or None when it is not to be sent. An event for which it fails is not sent.
    - `capture_logged`: are exceptions that the program catches and logs as errors failures? They are.
    - `root`: the folder with the program's own code.
    - `socket`: where Homeostasis listens, when it did not start this program.

        def without_addresses(event):
            for error in event["capsule"]["exceptions"]:
                error["message"] = re.sub(r"\\S+@\\S+", "(address)", error["message"])
            return event

        setup_monitoring(before_send=without_addresses, redact_names=["iban"])
    """
    given = {
        "exclude_modules": exclude_modules,
        "exclude_error_types": exclude_error_types,
        "exclude_paths": exclude_paths,
        "redact_names": redact_names,
        "sample_rate": sample_rate,
        "before_send": before_send,
        "capture_logged": capture_logged,
        "root": root,
        "socket": socket,
    }
    checked = _options.checked(config, given)
    try:
        _activate(checked.pop("socket", None), checked)
        if app is not None and is_active():
            _wrap(app)
    except Exception:
        guard.failed("setup_monitoring")
    return is_active()


def is_active() -> bool:
    """Does an agent in this process watch it?

        if not is_active():
            log.info("nobody heals this process")
    """
    hooks = sys.modules.get("homeostasis_agent.hooks")
    return hooks is not None and hooks.is_installed() and guard.enabled and "HOMEOSTASIS_REPLAY" not in os.environ


def capture_exception(error: Optional[BaseException] = None) -> bool:
    """Report an exception that the program has handled: the one given, or the one being handled. Returns whether it is taken.

    Should the same exception leave the program a moment later, it is reported as that instead, never twice.

        try:
            charge(order)
        except CardError as error:
            capture_exception(error)
            return "try again"
    """
    if not is_active() and "HOMEOSTASIS_REPLAY" not in os.environ:
        return False
    try:
        from homeostasis_agent import failures, origin

        if error is None:
            error = sys.exc_info()[1]
        if not isinstance(error, Exception) or error.__traceback__ is None:
            return False
        failures.report_caught(error, "capture_exception", origin.request_in_progress())
        return True
    except Exception:
        guard.failed("capture_exception")
        return False


class HomeostasisMiddleware:
    """Watches the requests of one application; where they are watched already it only passes them on.

    WSGI, ASGI and Django alike:

        app.wsgi_app = HomeostasisMiddleware(app.wsgi_app)      # Flask
        app.add_middleware(HomeostasisMiddleware)               # FastAPI, Starlette
        MIDDLEWARE = ["homeostasis.monitoring.HomeostasisMiddleware", ...]      # Django

    Options are those of `setup_monitoring`, which need not be called then.
    """

    # For Django: either kind of handler may be inside.
    sync_capable = True
    async_capable = True

    def __new__(cls, app: Callable[..., Any], **options: Any) -> "HomeostasisMiddleware":
        if cls is HomeostasisMiddleware:
            cls = _Asynchronous if _is_asynchronous(app) else _Synchronous
        return object.__new__(cls)

    def __init__(self, app: Callable[..., Any], **options: Any) -> None:
        self.app = app
        if options:
            setup_monitoring(**options)

    def __getattr__(self, name: str) -> Any:
        if name == "app":
            raise AttributeError(name)
        return getattr(self.app, name)


class _Synchronous(HomeostasisMiddleware):
    """Around a WSGI callable, or a Django handler."""

    # Servers find out what they have by calling it without arguments, which must fail as it would without us.
    def __call__(self, first: Any, *more: Any) -> Any:
        if not is_active():
            return self.app(first, *more)
        from homeostasis_agent import middleware

        if more:
            return middleware.call_wsgi(self.app, first, *more)
        occasion = middleware.begin_django(first)
        response = self.app(first)
        if occasion is not None:
            middleware.end_django(occasion, response)
        return response


class _Asynchronous(HomeostasisMiddleware):
    """Around an ASGI callable, or a Django handler that is a coroutine function."""

    def __init__(self, app: Callable[..., Awaitable[Any]], **options: Any) -> None:
        super().__init__(app, **options)
        # Django asks whether the object itself is a coroutine function; these are the marks that Python looks for.
        import asyncio.coroutines
        import inspect

        for module, mark in ((inspect, "_is_coroutine_mark"), (asyncio.coroutines, "_is_coroutine")):
            if hasattr(module, mark):
                setattr(self, mark, getattr(module, mark))

    async def __call__(self, first: Any, *more: Any) -> Any:
        if not is_active():
            return await self.app(first, *more)
        from homeostasis_agent import middleware

        if more:
            return await middleware.call_asgi(self.app, first, *more)
        occasion = middleware.begin_django(first)
        response = await self.app(first)
        if occasion is not None:
            middleware.end_django(occasion, response)
        return response


def _is_asynchronous(app: Any) -> bool:
    from inspect import iscoroutinefunction

    if iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None)):
        return True
    # Before 3.12 this is how callables were marked.
    import asyncio.coroutines

    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    return mark is not None and getattr(app, "_is_coroutine", None) is mark


def _activate(socket: Optional[str], settings_in_code: Dict[str, Any]) -> None:
    from homeostasis_agent import settings

    settings.apply_in_code(settings_in_code)
    failures = sys.modules.get("homeostasis_agent.failures")
    if failures is not None:
        failures.reconsider()
    if os.environ.get("HOMEOSTASIS_AGENT", "1") == "0" or "HOMEOSTASIS_REPLAY" in os.environ:
        return
    path = os.environ.get("HOMEOSTASIS_SOCKET") or socket
    if path and not is_active():
        from homeostasis_agent import channel, hooks

        channel.connect_to(path)
        hooks.install()


def _wrap(app: Any) -> None:
    """Put the middleware around what this framework calls for each request."""
    for name in ("wsgi_app", "asgi_app"):
        inner = getattr(app, name, None)
        if callable(inner):
            if not isinstance(inner, HomeostasisMiddleware):
                setattr(app, name, HomeostasisMiddleware(inner))
            return
    if hasattr(app, "add_middleware") and getattr(app, "middleware_stack", None) is None:
        app.add_middleware(HomeostasisMiddleware)
