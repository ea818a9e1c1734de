"""Installs the agent at interpreter start: exception hooks, and patches that wait until a framework is imported; the patches themselves are in the `hooks_*` modules."""

import os
import sys

from . import guard

# Module that is waited for, to the module and function here that patches it.
_waiting = {
    "threading": ("hooks", "patch_threading_for_recording"),
    "flask.app": ("hooks_flask", "patch"),
    "starlette.applications": ("hooks_starlette", "patch_applications"),
    "starlette.middleware.exceptions": ("hooks_starlette", "patch_exception_middleware"),
    "starlette.middleware.sessions": ("credentials", "watch_starlette"),
    "gunicorn.app.base": ("hooks_gunicorn", "patch_application"),
    "gunicorn.workers.base": ("hooks_gunicorn", "patch_worker"),
    "gunicorn.glogging": ("hooks_gunicorn", "patch_logger"),
    "werkzeug.serving": ("hooks_werkzeug", "patch"),
    "uvicorn.config": ("hooks_uvicorn", "patch"),
    "django.core.handlers.wsgi": ("hooks_django", "patch_wsgi"),
    "django.core.handlers.asgi": ("hooks_django", "patch_asgi"),
    "django.core.handlers.exception": ("hooks_django", "patch_exceptions"),
    "django.core.handlers.base": ("hooks_django", "patch_base"),
    "rest_framework.views": ("hooks_django", "patch_rest_framework"),
    "quart.app": ("hooks_quart", "patch"),
    "aiohttp.web_runner": ("hooks_aiohttp", "patch_runner"),
    "aiohttp.web_protocol": ("hooks_aiohttp", "patch_protocol"),
    "wsgiref.simple_server": ("hooks_servers", "patch_wsgiref"),
    "waitress.server": ("hooks_servers", "patch_waitress"),
    "gevent.pywsgi": ("hooks_servers", "patch_gevent"),
    "hypercorn.asyncio.run": ("hooks_servers", "patch_hypercorn"),
    "granian.asgi": ("hooks_servers", "patch_granian_asgi"),
    "granian.wsgi": ("hooks_servers", "patch_granian_wsgi"),
    "daphne.server": ("hooks_servers", "patch_daphne"),
    # Outside of requests.
    "logging": ("hooks_logging", "patch"),
    "asyncio.base_events": ("hooks_asyncio", "patch"),
    "uvloop": ("hooks_asyncio", "patch_uvloop"),
    "concurrent.futures._base": ("hooks_futures", "patch"),
    "multiprocessing.process": ("hooks_multiprocessing", "patch"),
    "celery.app.trace": ("hooks_celery", "patch_trace"),
    "celery.worker.worker": ("hooks_celery", "patch_worker"),
    "celery.concurrency.prefork": ("hooks_celery", "patch_prefork"),
    "rq.job": ("hooks_rq", "patch_job"),
    "rq.worker": ("hooks_rq", "patch_worker"),
    "apscheduler.executors.base": ("hooks_apscheduler", "patch_executors"),
    "apscheduler.schedulers.blocking": ("hooks_apscheduler", "patch_blocking"),
    # Dependencies.
    "concurrent.futures.thread": ("dependencies.threads", "record_pool"),
    "random": ("dependencies.randomness", "record_random"),
    "uuid": ("dependencies.randomness", "record_uuid"),
    "psycopg2.extensions": ("dependencies.sql_psycopg2", "record_extensions"),
    "psycopg2": ("dependencies.sql_psycopg2", "use_connection"),
    "psycopg._cursor_base": ("dependencies.sql_psycopg", "record_cursor_base"),
    "psycopg._server_cursor_base": ("dependencies.sql_psycopg", "record_server_cursor_base"),
    "psycopg._connection_base": ("dependencies.sql_psycopg", "record_connection_base"),
    "psycopg._copy_base": ("dependencies.sql_psycopg", "record_copy_base"),
    "psycopg._copy": ("dependencies.sql_psycopg", "record_copy"),
    "psycopg._copy_async": ("dependencies.sql_psycopg", "record_copy_async"),
    "psycopg.cursor": ("dependencies.sql_psycopg", "record_cursor"),
    "psycopg.cursor_async": ("dependencies.sql_psycopg", "record_cursor_async"),
    "psycopg.connection": ("dependencies.sql_psycopg", "record_connection"),
    "psycopg.connection_async": ("dependencies.sql_psycopg", "record_connection_async"),
    "psycopg_pool.pool": ("dependencies.sql_psycopg", "record_pool"),
    "psycopg_pool.pool_async": ("dependencies.sql_psycopg", "record_pool_async"),
    "sqlite3.dbapi2": ("dependencies.sql_sqlite", "record"),
    "aiosqlite.core": ("dependencies.sql_sqlite", "record_aiosqlite"),
    "pymysql.connections": ("dependencies.sql_pymysql", "record"),
    "asyncpg.protocol": ("dependencies.sql_asyncpg", "record"),
    "http.client": ("dependencies.http_client", "record"),
    "urllib3.connection": ("dependencies.http_client", "record_urllib3"),
    "httpx._transports.default": ("dependencies.http_httpx", "record"),
    "aiohttp.connector": ("dependencies.http_aiohttp", "record_connector"),
    "aiohttp.client_proto": ("dependencies.http_aiohttp", "record_protocol"),
    "aiohttp.client_reqrep": ("dependencies.http_aiohttp", "record_request"),
    "redis.connection": ("dependencies.redis_connection", "record"),
    "redis.asyncio.connection": ("dependencies.redis_connection", "record_async"),
    "django.contrib.sessions.middleware": ("dependencies.session", "record"),
    "asyncpg.connect_utils": ("dependencies.sql_asyncpg", "record_connect"),
}

_replaying = {
    "threading": ("hooks", "patch_threading"),
    "flask.app": ("hooks_flask", "patch_for_replay"),
    "starlette.applications": ("hooks_starlette", "patch_applications_for_replay"),
    "starlette.middleware.exceptions": ("hooks_starlette", "patch_exception_middleware"),
    "starlette.middleware.sessions": ("credentials", "watch_starlette"),
    "gunicorn.app.base": ("replay_servers", "patch_gunicorn"),
    "gunicorn.app.wsgiapp": ("replay_servers", "patch_gunicorn_wsgiapp"),
    "werkzeug.serving": ("replay_servers", "patch_werkzeug"),
    "werkzeug._reloader": ("replay_servers", "patch_werkzeug_reloader"),
    "uvicorn.server": ("replay_servers", "patch_uvicorn"),
    "uvicorn.config": ("replay_servers", "patch_uvicorn_config"),
    "uvicorn.supervisors.multiprocess": ("replay_servers", "patch_uvicorn_supervisor"),
    "uvicorn.supervisors.basereload": ("replay_servers", "patch_uvicorn_supervisor"),
    "hypercorn.run": ("replay_servers", "patch_hypercorn_run"),
    "hypercorn.asyncio": ("replay_servers", "patch_hypercorn_serve"),
    "wsgiref.simple_server": ("replay_servers", "patch_wsgiref"),
    "quart.app": ("hooks_quart", "patch_for_replay"),
    "aiohttp.web_runner": ("replay_servers", "patch_aiohttp"),
    "aiohttp.web_protocol": ("hooks_aiohttp", "patch_protocol_for_replay"),
    "waitress.server": ("replay_servers", "patch_waitress"),
    "gevent.pywsgi": ("replay_servers", "patch_gevent"),
    "granian.server.common": ("replay_servers", "patch_granian"),
    "daphne.server": ("replay_servers", "patch_daphne"),
    "django.core.handlers.exception": ("hooks_django", "patch_exceptions"),
    "django.core.handlers.base": ("hooks_django", "patch_base"),
    "django.core.servers.basehttp": ("replay_servers", "patch_django"),
    "django.core.management.base": ("replay_servers", "patch_django_command"),
    "django.utils.autoreload": ("replay_servers", "patch_django_reloader"),
    "rest_framework.views": ("hooks_django", "patch_rest_framework"),
    "logging": ("hooks_logging", "patch"),
    "asyncio.base_events": ("hooks_asyncio", "patch"),
    "uvloop": ("hooks_asyncio", "patch_uvloop"),
    "concurrent.futures._base": ("hooks_futures", "patch"),
    "celery.app.trace": ("hooks_celery", "patch_trace_for_replay"),
    "celery.worker.worker": ("replay_workers", "patch_celery"),
    "rq.job": ("hooks_rq", "patch_job"),
    "rq.suspension": ("replay_workers", "patch_rq_suspension"),
    "rq.worker": ("replay_workers", "patch_rq_worker"),
    "rq.worker_pool": ("replay_workers", "patch_rq_pool"),
    "apscheduler.schedulers.blocking": ("replay_workers", "patch_blocking_scheduler"),
    "jwt.api_jwt": ("credentials", "patch_pyjwt"),
    "jose.jwt": ("credentials", "patch_jose"),
    "flask_wtf.csrf": ("credentials", "patch_flask_wtf"),
    "django.middleware.csrf": ("credentials", "patch_django_csrf"),
    # Dependencies.
    "random": ("dependencies.randomness", "replay_random"),
    "uuid": ("dependencies.randomness", "replay_uuid"),
    "psycopg2.extensions": ("dependencies.sql_psycopg2", "replay_extensions"),
    "psycopg2": ("dependencies.sql_psycopg2", "use_connection"),
    "psycopg._cursor_base": ("dependencies.sql_psycopg", "replay_cursor_base"),
    "psycopg._server_cursor_base": ("dependencies.sql_psycopg", "replay_server_cursor_base"),
    "psycopg._connection_base": ("dependencies.sql_psycopg", "replay_connection_base"),
    "psycopg.connection": ("dependencies.sql_psycopg", "replay_connection"),
    "psycopg.connection_async": ("dependencies.sql_psycopg", "replay_connection_async"),
    "psycopg_pool.pool": ("dependencies.sql_psycopg", "replay_pool"),
    "psycopg_pool.pool_async": ("dependencies.sql_psycopg", "replay_pool_async"),
    "sqlite3.dbapi2": ("dependencies.sql_sqlite_replay", "replay"),
    "pymysql.connections": ("dependencies.sql_pymysql_replay", "replay"),
    "asyncpg.connect_utils": ("dependencies.sql_asyncpg_replay", "replay"),
    "ssl": ("dependencies.http_client", "replay_ssl"),
    "http.client": ("dependencies.http_client", "replay"),
    "urllib3.util.connection": ("dependencies.http_client", "replay_urllib3"),
    "httpx._transports.default": ("dependencies.http_httpx", "replay"),
    "aiohttp.connector": ("dependencies.http_aiohttp", "replay_connector"),
    "redis.connection": ("dependencies.redis_connection", "replay"),
    "redis.asyncio.connection": ("dependencies.redis_connection", "replay_async"),
    "django.contrib.sessions.middleware": ("dependencies.session", "replay"),
    "django.contrib.auth": ("dependencies.session", "trust_hashes"),
}

_patches = {}
_installed = False


def install():
    """Begin to watch this process. Only what is needed now is loaded; a plain script pays for two assignments."""
    global _installed
    if _installed:
        return
    _installed = True
    if "HOMEOSTASIS_REPLAY" in os.environ:
        from . import replay

        _patches.update(_replaying)
        replay.install()
    else:
        _patches.update(_waiting)
    _hook_uncaught()
    for name in list(_patches):
        if name in sys.modules:
            _apply(name, sys.modules[name])
    sys.meta_path.insert(0, Finder)


def is_installed():
    return _installed


def _hook_uncaught():
    previous = sys.excepthook

    def excepthook(class_, error, traceback):
        try:
            _uncaught(error, traceback, "sys.excepthook")
        finally:
            previous(class_, error, traceback)

    sys.excepthook = excepthook


def patch_threading(threading):
    previous = threading.excepthook

    def excepthook(arguments):
        try:
            _uncaught(arguments.exc_value, arguments.exc_traceback, "threading.excepthook")
        finally:
            previous(arguments)

    threading.excepthook = excepthook


def patch_threading_for_recording(threading):
    from .dependencies import threads

    patch_threading(threading)
    threads.record_threads(threading)


def _uncaught(error, traceback, hook):
    if not isinstance(error, BaseException) or issubclass(type(error), MemoryError) and not guard.has_memory():
        return
    try:
        from . import failures

        failures.report(error, hook)
    except Exception:
        guard.failed(hook)


class Finder:
    """Finds no module of its own: it lets the others find, and patches what was waited for once it has been run."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in _patches:
            return None
        try:
            return _spec_with_patch(name, path, target)
        except Exception:
            guard.failed("import of " + name)
            return None


def _spec_with_patch(name, path, target):
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        if finder is Finder or find is None:
            continue
        spec = find(name, path, target)
        if spec is not None:
            break
    else:
        return None
    run = getattr(spec.loader, "exec_module", None)
    if run is None:
        return spec

    def exec_module(module):
        run(module)
        _apply(name, module)

    try:
        spec.loader.exec_module = exec_module
    except AttributeError:
        pass
    return spec


def _apply(name, module):
    where = _patches.pop(name, None)
    if where is None:
        return
    try:
        patcher = __import__("homeostasis_agent." + where[0], None, None, [where[1]])
        getattr(patcher, where[1])(module)
    except Exception:
        guard.failed("patch of " + name)
