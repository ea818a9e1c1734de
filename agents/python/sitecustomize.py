"""Starts the agent in every interpreter that finds this folder first in PYTHONPATH, then runs the sitecustomize that would have been found without it.

It is not the agent: it only decides whether to start it, and it never raises.
"""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _start():
    environ = os.environ
    if environ.get("HOMEOSTASIS_AGENT", "1") == "0":
        return
    if "HOMEOSTASIS_SOCKET" not in environ and "HOMEOSTASIS_REPLAY" not in environ:
        return
    from homeostasis_agent import hooks

    hooks.install()


def _chain():
    """Run the program's own sitecustomize, if there is one, under its own name."""
    # Both modules are frozen into the interpreter; importlib.util would cost milliseconds here.
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import PathFinder

    here = os.path.realpath(_here)
    others = [entry for entry in sys.path if os.path.realpath(entry or os.getcwd()) != here]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        # This is what the site module itself says and does.
        sys.stderr.write(
            "Error in sitecustomize; set PYTHONVERBOSE for traceback:\n%s: %s\n" % (type(error).__name__, error)
        )


try:
    _start()
except Exception:
    if os.environ.get("HOMEOSTASIS_DEBUG"):
        sys.excepthook(*sys.exc_info())
try:
    _chain()
except Exception:
    if os.environ.get("HOMEOSTASIS_DEBUG"):
        sys.excepthook(*sys.exc_info())
if "homeostasis_agent.replay" in sys.modules:
    sys.modules["homeostasis_agent.replay"].interpreter_is_ready()
