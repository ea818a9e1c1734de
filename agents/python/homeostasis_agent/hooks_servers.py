"""Puts the recording around the callables that smaller servers hold, so that applications of no known framework are seen as well; Gunicorn, Uvicorn and Werkzeug have modules of their own."""

from functools import wraps

from . import asgi, channel, guard, settings
from .wsgi import Entry, WatchedEntry


def _serving(application, entry):
    """The application with its entry around it, for a server that begins to serve it."""
    try:
        if is_beside_the_program(application):
            return application
        settings.serving = True
        channel.start()
        if application is not None and not isinstance(application, (Entry, asgi.Entry)):
            return entry(application)
    except Exception:
        guard.failed("server")
    return application


def is_beside_the_program(application):
    """Does this only tell of the program, on a port of its own? Metrics are not what the program serves."""
    name = getattr(application, "__module__", None)
    return type(name) is str and name.partition(".")[0] == "prometheus_client"


def patch_wsgiref(module):
    """Servers made on it, like Django's, are seen too."""
    server = module.WSGIServer
    set_app = server.set_app

    @wraps(set_app)
    def hooked_set_app(self, application):
        return set_app(self, _serving(application, WatchedEntry))

    server.set_app = hooked_set_app


def patch_waitress(module):
    create_server = module.create_server

    @wraps(create_server)
    def hooked_create_server(application, *more, **named):
        return create_server(_serving(application, WatchedEntry), *more, **named)

    module.create_server = hooked_create_server


def patch_gevent(module):
    server = module.WSGIServer
    init = server.__init__

    @wraps(init)
    def __init__(self, listener, application=None, *more, **named):
        init(self, listener, application, *more, **named)
        if getattr(self, "application", None) is not None:
            self.application = _serving(self.application, WatchedEntry)

    server.__init__ = __init__


def patch_hypercorn(module):
    worker_serve = module.worker_serve

    @wraps(worker_serve)
    async def hooked_worker_serve(app, *more, **named):
        try:
            # Either kind is in an adapter of Hypercorn's.
            app.app = _serving(app.app, WatchedEntry if type(app).__name__ == "WSGIWrapper" else asgi.Entry)
        except Exception:
            guard.failed("hypercorn")
        return await worker_serve(app, *more, **named)

    module.worker_serve = hooked_worker_serve


def patch_granian_asgi(module):
    _patch_granian(module, asgi.Entry)


def patch_granian_wsgi(module):
    _patch_granian(module, WatchedEntry)


def _patch_granian(module, entry):
    """Its workers are written in Rust; this is where they are given the callable."""
    original = module._callback_wrapper

    @wraps(original)
    def _callback_wrapper(callback, *more, **named):
        return original(_serving(callback, entry), *more, **named)

    module._callback_wrapper = _callback_wrapper


def patch_daphne(module):
    server = module.Server
    init = server.__init__

    @wraps(init)
    def __init__(self, application, *more, **named):
        init(self, _serving(application, asgi.Entry), *more, **named)

    server.__init__ = __init__
