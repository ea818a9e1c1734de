"""Keeps the servers of a replayed program from serving: where they would begin to listen, the recorded requests are played instead."""

from . import replay


def _speaks_asgi(application):
    """Is this an ASGI callable? Asked where the server takes both kinds."""
    from inspect import iscoroutinefunction

    call = application if hasattr(application, "__code__") else getattr(application, "__call__", application)
    return iscoroutinefunction(application) or iscoroutinefunction(call)


def patch_gunicorn(module):
    module.BaseApplication.run = _run_gunicorn
    module.Application.run = _run_gunicorn


def patch_gunicorn_wsgiapp(module):
    module.WSGIApplication.run = _run_gunicorn


def _run_gunicorn(self):
    import os
    import sys

    configuration = self.cfg
    folder = configuration.chdir
    os.chdir(folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    for path in reversed((configuration.pythonpath or "").split(",")):
        if path and os.path.abspath(path) not in sys.path:
            sys.path.insert(0, os.path.abspath(path))
    for name, value in (pair.split("=", 1) for pair in configuration.raw_env or ()):
        os.environ[name] = value
    application = self.wsgi()
    worker = configuration.worker_class_str.lower()
    asgi = "uvicorn" in worker or "asgi" in worker or _speaks_asgi(application)
    _call_hook(configuration, "post_worker_init")
    replay.run(application, "aiohttp" if "aiohttp" in worker else "asgi" if asgi else "wsgi")


def _call_hook(configuration, name):
    """Programs may open connections in a server hook; there is no worker to hand over, so only hooks of the user are called."""
    hook = getattr(configuration, name, None)
    if hook is not None and not getattr(hook, "__module__", "gunicorn").startswith("gunicorn"):
        hook(None)


def patch_werkzeug(module):
    def run_simple(hostname, port, application, *more, **named):
        replay.run(application, "wsgi")

    def make_server(host, port, app, *more, **named):
        replay.run(app, "wsgi")

    module.run_simple = run_simple
    module.make_server = make_server


def patch_werkzeug_reloader(module):
    module.run_with_reloader = lambda main_func, *more, **named: main_func()


def patch_uvicorn(module):
    def run(self, sockets=None):
        replay.run(_loaded(self.config), "asgi")

    async def serve(self, sockets=None):
        await replay.run_within(_loaded(self.config))

    module.Server.run = run
    module.Server.serve = serve


def patch_uvicorn_config(module):
    module.Config.bind_socket = lambda self: None


def _loaded(configuration):
    try:
        if not configuration.loaded:
            configuration.load()
    except SystemExit as end:
        # Uvicorn logs why the application cannot be imported, and exits.
        cause = end.__context__
        if cause is not None:
            replay.not_ready("the program failed before it served: %s: %s" % (type(cause).__name__, cause))
        raise
    return configuration.loaded_app


def patch_uvicorn_supervisor(module):
    """No worker processes and no reloader: what they would run in a child is run here."""

    def run(self):
        target = getattr(self, "target", None)
        if target is None:
            from uvicorn.server import Server

            target = Server(self.config).run
        target(sockets=None)

    for name in ("Multiprocess", "BaseReload"):
        class_ = getattr(module, name, None)
        if class_ is not None:
            class_.run = run


def patch_hypercorn_run(module):
    def run(config):
        from importlib import import_module

        load = import_module("hypercorn.utils").load_application
        application = load(config.application_path, getattr(config, "wsgi_max_body_size", 1 << 24))
        replay.run(*_unwrapped(application))

    module.run = run


def patch_hypercorn_serve(module):
    async def serve(app, config, **named):
        if _speaks_asgi(app):
            await replay.run_within(app)
        else:
            replay.run(app, "wsgi")

    module.serve = serve


class _Beside:
    """A server that is not asked in a replay."""

    def __init__(self, port):
        self.server_port = port
        self.socket = None

    def serve_forever(self, poll_interval=0.5):
        pass

    def shutdown(self):
        pass

    def server_close(self):
        pass


def patch_waitress(module):
    def create_server(application, *more, **named):
        replay.run(application, "wsgi")

    module.create_server = create_server


def patch_gevent(module):
    def start(self):
        replay.run(self.application, "wsgi")

    module.WSGIServer.start = start


def patch_granian(module):
    def serve(self, spawn_target=None, target_loader=None, wrap_loader=True):
        if target_loader is None:
            application = module.load_target(self.target, wd=self.working_dir, factory=self.factory)
        else:
            application = target_loader(self.target) if wrap_loader else target_loader()
        interface = str(getattr(self.interface, "value", self.interface))
        if interface == "rsgi":
            replay.end_early("granian serves the program by RSGI, which this agent does not replay")
        replay.run(application, "wsgi" if interface == "wsgi" else "asgi")

    module.AbstractServer.serve = serve


def patch_daphne(module):
    def run(self):
        replay.run(self.application, "asgi")

    module.Server.run = run


def patch_django(module):
    def run(addr, port, wsgi_handler, *more, **named):
        replay.run(wsgi_handler, "wsgi")

    module.run = run


def patch_django_command(module):
    """Whether migrations are due is advice for a person, and takes questions to the database that no request asked."""
    module.BaseCommand.check_migrations = lambda self: None


def patch_django_reloader(module):
    module.run_with_reloader = lambda main_func, *more, **named: main_func(*more, **named)


def patch_aiohttp(module):
    async def start(self):
        await replay.run_within(self._runner.server, "aiohttp")

    for site in (module.TCPSite, module.UnixSite, module.SockSite):
        site.start = start


def _unwrapped(application):
    """Hypercorn wraps either kind in an adapter of its own."""
    inner = getattr(application, "app", application)
    return inner, "wsgi" if type(application).__name__ == "WSGIWrapper" else "asgi"


def patch_wsgiref(module):
    from .hooks_servers import is_beside_the_program

    def make_server(host, port, app, *more, **named):
        if is_beside_the_program(app):
            return _Beside(port)
        replay.run(app, "wsgi")

    def serve_forever(self, poll_interval=0.5):
        replay.run(self.get_app(), "wsgi")

    module.make_server = make_server
    module.WSGIServer.serve_forever = serve_forever
