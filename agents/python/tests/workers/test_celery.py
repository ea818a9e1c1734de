"""A Celery task that fails for good is captured in every kind of pool, and fails again when it is called in the worker's own command line."""

import time

import pytest
from working import bare, call_again, came_again, redis, work  # noqa: F401

TASKS = '''
import os, time
from celery import Celery, Task, shared_task

app = Celery("tasks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
PRICES = {"apple": 3}

def price(item):
    return PRICES[item]

@app.task
def order(items, quantity=1):
    return sum(price(item) for item in items) * quantity

@app.task(bind=True)
def bound(self, item):
    return [self.name, price(item)]

@shared_task
def shared(item):
    return price(item)

class Ship(Task):
    name = "tasks.ship"
    def run(self, item):
        return price(item)

app.register_task(Ship())

@app.task(bind=True, max_retries=2)
def retried(self, item):
    try:
        return price(item)
    except KeyError as error:
        raise self.retry(exc=error, countdown=0)

@app.task(autoretry_for=(KeyError,), retry_kwargs={"max_retries": 1, "countdown": 0})
def patient(item):
    return price(item)

class Expected(Exception):
    pass

@app.task(throws=(Expected,))
def expected():
    raise Expected("as said")

@app.task
def drawn(item):
    import random
    raise LookupError("%s %s %s" % (item, random.random(), time.strftime("%Y-%m-%d %H")))

@app.task
def fine(x):
    return x
'''

POOLS = {"prefork": ("-P", "prefork", "-c", "2"), "solo": ("-P", "solo"), "threads": ("-P", "threads", "-c", "2")}
COMMAND = ("celery", "-A", "tasks", "worker", "-l", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat")


@pytest.fixture
def celery(folder, work):  # noqa: F811
    def start(*more, **named):
        (folder / "tasks.py").write_text(TASKS)
        return work(*COMMAND, *more, **named).wait_for("ready.")

    return start


def send(bare, text, wait=True):  # noqa: F811
    return bare("import tasks\nresult = tasks.%s\nprint(result.get(timeout=30, propagate=False) if %r else '')" % (text, wait))


@pytest.mark.parametrize("pool", sorted(POOLS))
def test_a_task_that_fails_is_captured_and_fails_again_where_the_worker_would_begin(pool, celery, bare, peer, folder, tmp_path, redis):  # noqa: F811
    worker = celery(*POOLS[pool])
    assert send(bare, "order.delay(['apple', 'pear'], quantity=2)") == "'pear'"
    (event,) = peer.wait("event")
    capsule = event["capsule"]
    assert (capsule["kind"], capsule["hook"]) == ("process", "celery.task")
    assert capsule["process"]["role"] == "worker" and capsule["process"]["task"] is None
    assert capsule["call"]["function"] == "order" and capsule["call"]["serving"]
    assert [name for name, _ in capsule["call"]["arguments"]] == ["items", "quantity"]
    worker.stop()
    redis.stop()
    exchange = call_again(capsule, folder, tmp_path, COMMAND + POOLS[pool], REDIS_URL=redis.url)
    came_again(capsule, exchange)
    assert peer.of("event") == [event] and peer.of("repeats") == []


@pytest.mark.parametrize("task", ["bound", "shared"])
def test_tasks_of_each_form_are_found_again_by_their_names(task, celery, bare, peer, folder, tmp_path, redis):  # noqa: F811
    worker = celery("-P", "solo")
    send(bare, task + ".delay('pear')")
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["call"]["function"] == task, capsule["missing"]
    worker.stop()
    came_again(capsule, call_again(capsule, folder, tmp_path, COMMAND, REDIS_URL=redis.url))


def test_of_a_task_without_a_name_in_its_module_the_next_function_is_called(celery, bare, peer, folder, tmp_path, redis):  # noqa: F811
    worker = celery("-P", "solo")
    bare("import tasks; tasks.app.tasks['tasks.ship'].delay('pear').get(timeout=30, propagate=False)")
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["call"]["function"] in ("Ship.run", "price"), capsule["missing"]
    worker.stop()
    came_again(capsule, call_again(capsule, folder, tmp_path, COMMAND, REDIS_URL=redis.url))


@pytest.mark.parametrize("task", ["retried", "patient"])
def test_a_retry_is_no_failure_until_it_gives_up(task, celery, bare, peer):  # noqa: F811
    worker = celery("-P", "solo")
    assert send(bare, task + ".delay('pear')") == "'pear'"
    assert worker.output().count("] retry: ") == (2 if task == "retried" else 1)
    (event,) = peer.wait("event")
    time.sleep(1.5)
    assert peer.of("event") == [event] and peer.of("repeats") == []
    assert event["capsule"]["exceptions"][0]["type"] == "KeyError"


def test_a_task_that_says_what_it_throws_does_not_fail_by_it(celery, bare, peer):  # noqa: F811
    worker = celery("-P", "solo")
    assert send(bare, "expected.delay()") == "as said"
    assert send(bare, "fine.delay(3)") == "3"
    worker.stop()
    assert peer.of("event") == [] and peer.of("repeats") == []


def test_a_task_fails_again_at_its_time_and_with_what_it_drew(celery, bare, peer, folder, tmp_path, redis):  # noqa: F811
    worker = celery("-P", "solo")
    for item in ("pear", "plum"):
        send(bare, "drawn.delay(%r)" % item)
    for event in peer.wait("event", 2):
        (draws,) = [answer for answer in event["capsule"]["call"]["answers"] if answer["kind"] == "draws"]
        assert len(draws["draws"]) == 1
        came_again(event["capsule"], call_again(event["capsule"], folder, tmp_path, COMMAND, REDIS_URL=redis.url))
    worker.stop()


def test_a_process_of_the_pool_that_ends_after_one_task_has_sent_its_capsule(celery, bare, peer):  # noqa: F811
    celery("-P", "prefork", "-c", "1", "--max-tasks-per-child", "1")
    for item in ("pear", "plum"):
        send(bare, "order.delay([%r])" % item)
    events = peer.wait("event", 2)
    assert len({event["capsule"]["process"]["pid"] for event in events}) == 2


WEB = '''
import flask, tasks
app = flask.Flask("web")
tasks.app.conf.task_always_eager = True

@app.get("/ok")
def ok():
    return "ok"

@app.get("/order/<item>")
def order(item):
    return tasks.order.delay([item]).state

@app.get("/strict/<item>")
def strict(item):
    tasks.app.conf.task_eager_propagates = True
    try:
        return str(tasks.order.delay([item]).get())
    finally:
        tasks.app.conf.task_eager_propagates = False
'''


@pytest.mark.parametrize(("path", "status", "hook"), [("/order/pear", 200, "celery.task"), ("/strict/pear", 500, "flask.handle_exception")])
def test_a_task_that_a_request_calls_in_place_fails_with_its_request(path, status, hook, serve, bare, peer, folder, tmp_path, redis):  # noqa: F811
    (folder / "tasks.py").write_text(TASKS)
    (folder / "web.py").write_text(WEB)
    command = ("flask", "--app", "web", "run", "--port", "PORT")
    server = serve(*command, REDIS_URL=redis.url)
    assert server.get(path)[0] == status
    (event,) = peer.wait("event")
    capsule = event["capsule"]
    assert (capsule["kind"], capsule["hook"], capsule["process"]["role"]) == ("request", hook, "server")
    server.stop()
    from reproducing import play_task, ways

    task = {
        "schema": 1, "kind": "request", "requests": [capsule["request"]], "answers": capsule["answers"],
        "recorded_files": False, "time": capsule["request"]["time"], "hook": hook,
    }
    exchange = play_task(folder, command, tmp_path, task, REDIS_URL=redis.url)["exchanges"][0]
    assert exchange["status"] == status and ways(exchange["exceptions"]) == ways(capsule["exceptions"])
    # Looked at for another failure, what was kept from going on is none.
    task["hook"] = "wsgi"
    exchange = play_task(folder, command, tmp_path, task, REDIS_URL=redis.url)["exchanges"][0]
    assert bool(exchange["exceptions"]) == (status == 500)
