"""Installs the agent at interpreter start: exception hooks, and patches that wait until a framework is imported; the patches themselves are in the `hooks_*` modules."""

import os
import sys

from . import guard

# Module that is waited for, to the module and function here that patches it.
_waiting = {
    "threading": ("hooks", "patch_threading"),
    "flask.app": ("hooks_flask", "patch"),
    "starlette.applications": ("hooks_starlette", "patch_applications"),
    "starlette.middleware.exceptions": ("hooks_starlette", "patch_exception_middleware"),
    "starlette.middleware.sessions": ("credentials", "watch_starlette"),
    "gunicorn.app.base": ("hooks_gunicorn", "patch_application"),
    "gunicorn.workers.base": ("hooks_gunicorn", "patch_worker"),
    "gunicorn.glogging": ("hooks_gunicorn", "patch_logger"),
    "werkzeug.serving": ("hooks_werkzeug", "patch"),
    "uvicorn.config": ("hooks_uvicorn", "patch"),
    # Dependencies.
    "random": ("dependencies.randomness", "record_random"),
    "uuid": ("dependencies.randomness", "record_uuid"),
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
    "sqlite3.dbapi2": ("effects", "patch_sqlite"),
    "jwt.api_jwt": ("credentials", "patch_pyjwt"),
    "jose.jwt": ("credentials", "patch_jose"),
    "flask_wtf.csrf": ("credentials", "patch_flask_wtf"),
    # Dependencies.
    "random": ("dependencies.randomness", "replay_random"),
    "uuid": ("dependencies.randomness", "replay_uuid"),
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
