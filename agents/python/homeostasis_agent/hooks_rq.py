"""Hears of RQ jobs that fail for good, and sends what is queued before a work horse ends; a job that will be tried again is no failure."""

from functools import wraps

from . import channel, failures, guard, jobs, origin

HOOK = "rq.job"


def patch_job(module):
    """The job itself, where a worker and a queue without a worker call it."""
    perform = module.Job.perform

    @wraps(perform)
    def hooked_perform(self, *arguments, **named):
        token = jobs.begin()
        try:
            return perform(self, *arguments, **named)
        except Exception as error:
            _failed(self, error)
            raise
        finally:
            jobs.end(token)

    module.Job.perform = hooked_perform
    channel.start()


def patch_worker(module):
    for class_ in _workers(module):
        own = class_.__dict__
        if "work" in own:
            class_.work = _working(own["work"])
        if "perform_job" in own:
            class_.perform_job = _performing(own["perform_job"])
        if "handle_exception" in own:
            class_.handle_exception = _handling(own["handle_exception"])


def _workers(module):
    names = ("BaseWorker", "Worker", "SimpleWorker", "SpawnWorker", "HerokuWorker", "RoundRobinWorker", "RandomWorker")
    return [module.__dict__[name] for name in names if name in module.__dict__]


def _working(work):
    @wraps(work)
    def hooked_work(self, *arguments, **named):
        jobs.work_begins()
        return work(self, *arguments, **named)

    return hooked_work


def _performing(perform_job):
    @wraps(perform_job)
    def hooked_perform_job(self, *arguments, **named):
        jobs.work_begins()
        try:
            return perform_job(self, *arguments, **named)
        finally:
            # The next thing that a work horse does is os._exit.
            if getattr(self, "_is_horse", False):
                jobs.flush()

    return hooked_perform_job


def _handling(handle_exception):
    """What failed around the job: its callbacks, or writing down what it returned."""

    @wraps(handle_exception)
    def hooked_handle_exception(self, job, *exc_info):
        if len(exc_info) == 3:
            _failed(job, exc_info[1])
        return handle_exception(self, job, *exc_info)

    return hooked_handle_exception


def _failed(job, error):
    try:
        retries = job.__dict__.get("retries_left")
        if isinstance(error, Exception) and not (type(retries) is int and retries > 0):
            failures.report(error, HOOK, origin.request_in_progress())
    except Exception:
        guard.failed(HOOK)
