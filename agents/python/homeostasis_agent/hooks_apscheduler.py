"""Marks the jobs of APScheduler 3; that they failed is heard from what it logs, in `hooks_logging`."""

from functools import wraps

from . import jobs


def patch_executors(module):
    run_job = module.run_job
    run_coroutine_job = getattr(module, "run_coroutine_job", None)

    @wraps(run_job)
    def hooked_run_job(*arguments, **named):
        token = jobs.begin()
        try:
            return run_job(*arguments, **named)
        finally:
            jobs.end(token)

    module.run_job = hooked_run_job
    if run_coroutine_job is None:
        return

    @wraps(run_coroutine_job)
    async def hooked_run_coroutine_job(*arguments, **named):
        token = jobs.begin()
        try:
            return await run_coroutine_job(*arguments, **named)
        finally:
            jobs.end(token)

    module.run_coroutine_job = hooked_run_coroutine_job


def patch_blocking(module):
    start = module.BlockingScheduler.start

    @wraps(start)
    def hooked_start(self, *arguments, **named):
        jobs.work_begins()
        return start(self, *arguments, **named)

    module.BlockingScheduler.start = hooked_start
