"""Hears of exceptions that end a process of `multiprocessing`, and sends what is queued before it ends by os._exit."""

import sys
from functools import wraps

from . import failures, guard, jobs

HOOK = "multiprocessing"


def patch(module):
    bootstrap = module.BaseProcess._bootstrap

    @wraps(bootstrap)
    def hooked_bootstrap(self, *arguments, **named):
        try:
            # In the child only: the process object of the parent stays as it is.
            self.__dict__["run"] = _watched(self.run)
        except Exception:
            guard.failed(HOOK)
        try:
            return bootstrap(self, *arguments, **named)
        finally:
            if "homeostasis_agent.channel" in sys.modules:
                jobs.flush()

    module.BaseProcess._bootstrap = hooked_bootstrap


def _watched(run):
    @wraps(run)
    def watched():
        try:
            return run()
        except Exception as error:
            failures.report(error, HOOK)
            raise

    return watched
