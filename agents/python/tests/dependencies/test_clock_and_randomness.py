"""A failure that depends on the time or on what was drawn at random comes again."""

from reproducing import UVICORN

CLOCK = """
from datetime import datetime
import time
from flask import Flask
app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    moments = {int(time.time()): 1, datetime.now().strftime("%Y-%m-%d %H:%M"): 2}
    raise KeyError(datetime.now().strftime("%Y-%m-%d %H"))
"""

RANDOM = """
import random, uuid
from random import choice
from flask import Flask
app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    drawn = [random.random(), random.randint(1, 1000), choice("abcdef"), random.sample(range(100), 3), str(uuid.uuid4())]
    raise KeyError(repr(drawn))
"""

ASYNC = RANDOM.replace("from flask import Flask", "from fastapi import FastAPI").replace("Flask(__name__)", "FastAPI()").replace("def ", "async def ")


def test_a_replay_takes_place_at_the_time_of_its_request(reproduce):
    reproduction = reproduce(CLOCK, "/fail").came_again()
    assert abs(reproduction.capsule["request"]["time"] - __import__("time").time()) < 60


def test_the_same_is_drawn_again(reproduce):
    reproduce(RANDOM, "/fail").came_again()


def test_the_same_is_drawn_again_in_a_coroutine(reproduce):
    reproduce(ASYNC, "/fail", command=UVICORN).came_again()


THREADS = """
import random
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from flask import Flask
app = Flask(__name__)
pool = ThreadPoolExecutor(2)
pool.submit(int).result()

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    drawn = [pool.submit(random.random).result(), pool.submit(random.getrandbits, 64).result()]
    thread = Thread(target=lambda: drawn.append(random.random()))
    thread.start()
    thread.join()
    raise KeyError(repr(drawn))
"""


def test_what_threads_and_pools_of_a_request_draw_is_drawn_again(reproduce):
    reproduction = reproduce(THREADS, "/fail").came_again()
    draws, = [one["draws"] for one in reproduction.recorded if one["kind"] == "draws"]
    assert [source for source, _ in draws] == ["random", "getrandbits", "random"]
