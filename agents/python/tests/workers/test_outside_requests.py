"""Failures of asyncio tasks, callbacks, executors, scheduled jobs and child processes are captured once, with their names, and fail again when they are called."""

import sys

import pytest
from reproducing import play_task, ways
from working import call_again, came_again

JOBS = '''
import asyncio, concurrent.futures, gc, sys, threading, time

PRICES = {"apple": 3}

def price(item):
    return PRICES[item]

async def refill(item, pause=0):
    await asyncio.sleep(pause)
    return price(item)

def called_back(item):
    price(item)
'''

MAINS = {
    "a task that nobody waits for": '''
async def main():
    task = asyncio.get_running_loop().create_task(refill("pear"))
    task.set_name("refill of pear")
    await asyncio.sleep(0.05)
    del task
    gc.collect()
asyncio.run(main())
''',
    "a callback": '''
async def main():
    asyncio.get_running_loop().call_soon(called_back, "pear")
    await asyncio.sleep(0.05)
asyncio.run(main())
''',
    "a task at the end of the loop": '''
async def stubborn(item):
    try:
        await asyncio.sleep(10)
    finally:
        price(item)
async def main():
    asyncio.get_running_loop().create_task(stubborn("pear"))
    await asyncio.sleep(0.01)
asyncio.run(main())
''',
    "an executor": '''
with concurrent.futures.ThreadPoolExecutor(1, "pool") as pool:
    pool.submit(called_back, "pear")
''',
}
HOOKS = {"an executor": "concurrent.futures"}
ENTRIES = {"a task that nobody waits for": "refill", "a callback": "called_back", "an executor": "called_back"}


def write(folder, main):
    (folder / "jobs.py").write_text(JOBS)
    (folder / "main.py").write_text("from jobs import *\n" + main)


@pytest.mark.parametrize("case", sorted(ENTRIES))
def test_it_is_captured_once_and_called_again(case, folder, peer, script, tmp_path):
    write(folder, "if __name__ == '__main__':" + MAINS[case].replace("\n", "\n    "))
    ended = script("main.py")
    assert ended.returncode == 0, ended.stderr
    (event,) = peer.wait("event")
    capsule = event["capsule"]
    assert capsule["hook"] == HOOKS.get(case, "asyncio") and capsule["process"]["role"] == "script"
    assert capsule["call"]["function"] == ENTRIES[case], capsule["missing"]
    assert capsule["process"]["task"] == ("refill of pear" if case == "a task that nobody waits for" else None)
    assert capsule["process"]["thread"].startswith("pool_" if case == "an executor" else "MainThread")
    came_again(capsule, call_again(capsule, folder, tmp_path, ("main",)))


@pytest.mark.parametrize("case", sorted(MAINS))
def test_a_script_run_again_as_a_whole_shows_it_too(case, folder, peer, script, tmp_path):
    write(folder, MAINS[case])
    script("main.py")
    capsule = peer.wait("event")[0]["capsule"]
    task = {"schema": 1, "kind": "process", "answers": [], "hook": capsule["hook"], "time": None}
    result = play_task(folder, ("main",), tmp_path, task)
    assert ways(result["exchanges"][0]["exceptions"]) == ways(capsule["exceptions"])


@pytest.mark.parametrize(
    "taken",
    [
        "future = pool.submit(price, 'pear')\n    try: future.result()\n    except KeyError: pass",
        "future = pool.submit(price, 'pear')\n    assert future.exception() is not None",
        "pool.submit(price, 'pear').add_done_callback(lambda future: future.exception())",
        "pool.submit(price, 'pear').add_done_callback(lambda future: None)",
        "future = pool.submit(price, 'pear'); time.sleep(0.2); future.add_done_callback(lambda future: None); del future",
        "asyncio.run(asyncio.wait_for(taken(pool), 5))",
        "list(map(type, [future.exception() for future in concurrent.futures.as_completed([pool.submit(price, 'pear')])]))",
        "pool.submit(price, 'apple')",
    ],
)
def test_an_exception_of_an_executor_that_somebody_took_is_no_failure(taken, folder, peer, script):
    write(
        folder,
        "async def taken(pool):\n"
        "    try: await asyncio.get_running_loop().run_in_executor(pool, price, 'pear')\n"
        "    except KeyError: pass\n"
        "with concurrent.futures.ThreadPoolExecutor(1) as pool:\n    %s\ngc.collect()\n" % taken,
    )
    ended = script("main.py")
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    assert peer.of("event") == [] and peer.of("repeats") == []


def test_a_task_whose_exception_is_awaited_and_library_errors_are_no_failures(folder, peer, script):
    write(
        folder,
        "async def main():\n"
        "    try: await asyncio.create_task(refill('pear'))\n"
        "    except KeyError: pass\n"
        "    await asyncio.gather(refill('pear'), return_exceptions=True)\n"
        "    asyncio.get_running_loop().call_exception_handler({'message': 'lost', 'exception': ConnectionResetError()})\n"
        "    asyncio.get_running_loop().call_exception_handler({'message': 'nothing'})\n"
        "    future = asyncio.get_running_loop().create_future(); future.set_exception(ValueError()); del future\n"
        "asyncio.run(main())\n",
    )
    script("main.py")
    assert peer.of("event") == [] and peer.of("repeats") == []


def test_the_handler_of_the_program_is_asked_as_before(folder, peer, script):
    write(
        folder,
        "async def main():\n"
        "    loop = asyncio.get_running_loop()\n"
        "    loop.set_exception_handler(lambda loop, context: print(sorted(context), type(context['exception'])))\n"
        "    loop.call_soon(called_back, 'pear')\n"
        "    await asyncio.sleep(0.05)\n"
        "asyncio.run(main())\n",
    )
    assert script("main.py").stdout == script("main.py", HOMEOSTASIS_AGENT="0").stdout != ""
    peer.wait("event")


def test_tasks_under_uvloop_are_seen(folder, peer, script):
    write(folder, MAINS["a task that nobody waits for"].replace("asyncio.run(main())", "import uvloop; uvloop.install(); asyncio.run(main())"))
    script("main.py")
    assert peer.wait("event")[0]["capsule"]["hook"] == "asyncio"


SCHEDULED = '''
import os, sys
from apscheduler.schedulers.blocking import BlockingScheduler
from jobs import *

def tick(item):
    return price(item)

scheduler = BlockingScheduler()
def stop():
    scheduler.shutdown(wait=False)
scheduler.add_job(tick, args=["pear"])
scheduler.add_job(stop, "interval", seconds=1)
print("begins")
scheduler.start()
'''


def test_a_scheduled_job_fails_again_where_the_scheduler_would_begin(folder, peer, script, tmp_path):
    (folder / "jobs.py").write_text(JOBS)
    (folder / "main.py").write_text(SCHEDULED)
    script("main.py")
    (event,) = peer.wait("event")
    capsule = event["capsule"]
    assert (capsule["hook"], capsule["process"]["role"], capsule["call"]["function"]) == ("apscheduler.job", "worker", "tick")
    came_again(capsule, call_again(capsule, folder, tmp_path, ("main",)))


CHILDREN = '''
import multiprocessing
from jobs import *
if __name__ == "__main__":
    child = multiprocessing.get_context(%r).Process(target=called_back, args=("pear",), name="child")
    child.start()
    child.join()
    sys.exit(child.exitcode + 10)
'''


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_exception_that_ends_a_child_process_is_sent_before_it_ends(method, folder, peer, script):
    (folder / "jobs.py").write_text(JOBS)
    (folder / "main.py").write_text(CHILDREN % method)
    ended = script("main.py")
    assert ended.returncode == 11 and "KeyError: 'pear'" in ended.stderr
    (event,) = peer.wait("event")
    assert (event["capsule"]["hook"], event["capsule"]["call"]["function"]) == ("multiprocessing", "called_back")


FORGOTTEN = """
import asyncio, random
from fastapi import FastAPI
app = FastAPI()

@app.get("/ok")
async def ok():
    return "ok"

async def notify(name):
    await asyncio.sleep(0.05)
    raise LookupError("%s %s" % (name, random.random()))

@app.get("/start")
async def start():
    asyncio.create_task(notify("pear"))
"""


def test_a_task_that_a_request_started_and_forgot_is_called_again_in_the_server(folder, serve, peer, tmp_path):
    (folder / "program.py").write_text(FORGOTTEN)
    command = ("uvicorn", "--port", "PORT", "program:app")
    server = serve(*command)
    assert server.get("/start")[0] == 200
    capsule = peer.wait("event")[0]["capsule"]
    assert (capsule["kind"], capsule["hook"], capsule["process"]["role"]) == ("process", "asyncio", "server")
    assert capsule["process"]["task"].startswith("Task-") and capsule["call"]["function"] == "notify"
    server.stop()
    exchange = call_again(capsule, folder, tmp_path, command)
    # Before 3.12 a task does not tell its context, and so not what it drew.
    if sys.version_info >= (3, 12):
        came_again(capsule, exchange)
    assert ways(exchange["exceptions"]) == ways(capsule["exceptions"])
