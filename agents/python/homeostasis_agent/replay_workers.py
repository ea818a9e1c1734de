"""Keeps the workers of a replayed program from working: where they would begin, the recorded call is made instead."""

from . import replay


def patch_celery(module):
    def start(self):
        _prepare_process()
        replay.work()

    module.WorkController.start = start


def _prepare_process():
    """What the program wants done in each process of the pool, which is mostly to connect to something."""
    from celery import signals

    signals.worker_process_init.send(sender=None)


def patch_rq_suspension(module):
    """Asked of Redis before a worker is made."""
    module.is_suspended = lambda *arguments, **named: False


def patch_rq_worker(module):
    """A worker speaks with Redis as soon as it is made, so that the call has to be made before."""
    for name in ("BaseWorker", "Worker"):
        class_ = module.__dict__.get(name)
        if class_ is not None and "__init__" in class_.__dict__:
            class_.__init__ = _instead_of_making(class_.__init__)
        if class_ is not None and "work" in class_.__dict__:
            class_.work = _work


def _instead_of_making(make):
    def __init__(self, *arguments, **named):
        if replay.makes_call() and named.get("prepare_for_work", True):
            replay.work()
        make(self, *arguments, **named)

    return __init__


def _work(self, *arguments, **named):
    replay.work()


def patch_rq_pool(module):
    module.WorkerPool.start = _work


def patch_blocking_scheduler(module):
    module.BlockingScheduler.start = _work
