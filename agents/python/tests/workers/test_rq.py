"""An RQ job that fails for good is captured before its process ends, and fails again when it is called in the worker's own command line."""

import time

import pytest
from working import bare, call_again, came_again, redis, work  # noqa: F401

JOBS = '''
import os, random, time
from redis import Redis
from rq import Queue, Retry

connection = Redis.from_url(os.environ["REDIS_URL"])
queue = Queue(connection=connection)
PRICES = {"apple": 3}

def price(item):
    return PRICES[item]

def order(items, quantity=1, pause=0):
    return sum(price(item) for item in items) * quantity

async def later(item):
    return price(item)

class Shop:
    def __init__(self, name):
        self.name = name
    def sell(self, item):
        return self.name, price(item)

def drawn(item):
    raise LookupError("%s %s %s" % (item, random.random(), time.strftime("%Y-%m-%d %H")))

def pleased(job, connection, result):
    return price("pear")
'''

WORKERS = {
    "Worker": ("rq.cli", "worker", "--burst"),
    "SimpleWorker": ("rq.cli", "worker", "--burst", "-w", "rq.SimpleWorker"),
    "SpawnWorker": ("rq.cli", "worker", "--burst", "-w", "rq.worker.SpawnWorker"),
    "pool": ("rq.cli", "worker-pool", "--burst", "-n", "2"),
}


@pytest.fixture
def burst(folder, work, bare, redis):  # noqa: F811
    """Enqueues a job, and lets a worker work off all there is and end."""
    (folder / "jobs.py").write_text(JOBS)

    def run(enqueue, worker="Worker", **more):
        bare("import jobs\nfrom rq import Retry\njobs.queue.enqueue(%s)" % enqueue)
        program = work(*WORKERS[worker], "-u", redis.url, **more)
        assert program.process.wait(60) == 0, program.output()
        return program

    return run


@pytest.mark.parametrize("worker", sorted(WORKERS))
def test_a_job_that_fails_is_captured_and_fails_again_where_the_worker_would_begin(worker, burst, peer, folder, tmp_path, redis):  # noqa: F811
    burst("jobs.order, ['apple', 'pear'], quantity=2", worker)
    (event,) = peer.wait("event")
    capsule = event["capsule"]
    assert (capsule["kind"], capsule["hook"]) == ("process", "rq.job")
    assert capsule["process"]["role"] == "worker" and capsule["process"]["thread"] == "MainThread"
    assert capsule["call"]["function"] == "order" and capsule["call"]["serving"]
    redis.stop()
    exchange = call_again(capsule, folder, tmp_path, (*WORKERS[worker], "-u", redis.url), REDIS_URL=redis.url)
    came_again(capsule, exchange)
    assert peer.of("event") == [event]


@pytest.mark.parametrize("job", ["jobs.later, 'pear'", "jobs.Shop('corner').sell, 'pear'"])
def test_coroutines_and_methods_are_called_again(job, burst, peer, folder, tmp_path, redis):  # noqa: F811
    burst(job)
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["call"]["function"] in ("later", "Shop.sell")
    came_again(capsule, call_again(capsule, folder, tmp_path, (*WORKERS["Worker"], "-u", redis.url), REDIS_URL=redis.url))


def test_a_job_fails_again_at_its_time_and_with_what_it_drew(burst, peer, folder, tmp_path, redis):  # noqa: F811
    burst("jobs.drawn, 'pear'")
    capsule = peer.wait("event")[0]["capsule"]
    assert abs(capsule["call"]["time"] - time.time()) < 60
    assert any(answer["kind"] == "draws" for answer in capsule["call"]["answers"])
    came_again(capsule, call_again(capsule, folder, tmp_path, (*WORKERS["Worker"], "-u", redis.url), REDIS_URL=redis.url))


def test_a_job_that_is_tried_again_is_no_failure_until_it_gives_up(burst, peer):  # noqa: F811
    program = burst("jobs.price, 'pear', retry=Retry(max=2)", "SimpleWorker")
    assert program.output().count("KeyError: 'pear'") == 3
    peer.wait("event")
    assert len(peer.of("event")) == 1 and peer.of("repeats") == []


def test_what_is_called_after_a_job_fails_as_well(burst, peer):  # noqa: F811
    burst("jobs.order, ['apple'], on_success=jobs.pleased")
    capsule = peer.wait("event")[0]["capsule"]
    assert (capsule["hook"], capsule["call"]["function"]) == ("rq.job", "price")


def test_a_work_horse_of_which_nobody_hears_ends_as_soon(burst, bare, redis):  # noqa: F811
    began = time.monotonic()
    burst("jobs.order, ['pear']", HOMEOSTASIS_AGENT="0")
    without = time.monotonic() - began
    began = time.monotonic()
    burst("jobs.order, ['pear']", socket_path="/nowhere/socket")
    assert time.monotonic() - began < without + 2
