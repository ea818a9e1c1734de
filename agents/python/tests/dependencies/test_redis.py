"""Failures that depend on what Redis answered come again when it is gone and there is no network."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Server, free_port
from many import run_all
from peer import Peer
from redis_server import PASSWORD, RedisServer
from reproducing import FLASK, UVICORN, play

SYNC = """
import json, os
import redis
from flask import Flask
app = Flask(__name__)
PORT = int(os.environ["REDIS_PORT"])
client = redis.Redis(port=PORT, db=1, password=os.environ["REDIS_WORD"], client_name="tested")
text = redis.Redis.from_url("redis://:%s@127.0.0.1:%d/1" % (os.environ["REDIS_WORD"], PORT), decode_responses=True)
newer = redis.Redis(port=PORT, db=1, password=os.environ["REDIS_WORD"], protocol=3, decode_responses=True)

@app.get("/ok")
def ok():
    client.set("cart:1", json.dumps({"items": []}))
    client.set("broken", b"{not json")
    client.set("bytes", b"\\xff\\x00")
    client.hset("user:1", mapping={"name": "Ann", "age": "41"})
    client.rpush("queue", "a", "b")
    client.sadd("tags", "x", "y")
    client.zadd("scores", {"ann": 1.5, "bob": 2})
    return "ok"

@app.get("/missing")
def missing():
    return json.loads(client.get("cart:2"))

@app.get("/missing-text")
def missing_text():
    return text.get("cart:2").upper()

@app.get("/wrong-type")
def wrong_type():
    return client.incr("user:1")

@app.get("/wrong-list")
def wrong_list():
    return client.lpush("cart:1", "x")

@app.get("/hash")
def hash():
    return text.hgetall("user:1")["email"]

@app.get("/hash-3")
def hash_3():
    found = newer.hgetall("user:1")
    found.pop("name")
    return {}[repr(found)]

@app.get("/hash-field")
def hash_field():
    return int(text.hget("user:1", "name"))

@app.get("/list")
def list_():
    found = client.lrange("queue", 0, -1)
    found.append(b"mine")
    return found[5]

@app.get("/set")
def set_():
    return {}[repr(sorted(text.smembers("tags")))]

@app.get("/sorted-set")
def sorted_set():
    return {}[repr(text.zrange("scores", 0, -1, withscores=True))]

@app.get("/pipeline")
def pipeline():
    with client.pipeline(transaction=False) as pipe:
        pipe.get("cart:1")
        pipe.hget("user:1", "name")
        pipe.llen("queue")
        return pipe.execute()[3]

@app.get("/transaction")
def transaction():
    with client.pipeline() as pipe:
        pipe.set("counter", 1)
        pipe.incr("counter")
        pipe.get("counter")
        return {}[repr(pipe.execute())]

@app.get("/error-in-transaction")
def error_in_transaction():
    with client.pipeline() as pipe:
        pipe.set("text", "abc")
        pipe.incr("text")
        return pipe.execute()

@app.get("/errors-kept")
def errors_kept():
    with client.pipeline() as pipe:
        pipe.set("text", "abc")
        pipe.incr("text")
        pipe.get("text")
        return pipe.execute(raise_on_error=False)[1] + 1

@app.get("/watched")
def watched():
    def change(pipe):
        value = pipe.get("cart:1")
        pipe.multi()
        pipe.set("copy", value)
    return {}[repr(client.transaction(change, "cart:1"))]

@app.get("/broken-cache")
def broken_cache():
    return json.loads(client.get("broken"))

@app.get("/bytes")
def bytes_():
    return client.get("bytes").decode()

@app.get("/undecodable")
def undecodable():
    return text.get("bytes")

@app.get("/scan")
def scan():
    return {}[repr(sorted(text.scan_iter("c*")))]

@app.get("/script")
def script():
    run = text.register_script("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}")
    return run(keys=["cart:1"], args=["x"])[3]

@app.get("/bad-script")
def bad_script():
    return client.eval("return redis.call('NOPE')", 0)

@app.get("/counted")
def counted():
    return {}[repr([client.incr("hits") - client.incr("hits"), client.ttl("hits")])]

@app.get("/lock")
def lock():
    with client.lock("the-lock", timeout=5):
        return json.loads(client.get("nothing-there"))

@app.get("/expiring")
def expiring():
    import time
    client.setex("until", 60, str(time.time()))
    return {}[client.get("nothing")]

@app.get("/wrong-password")
def wrong_password():
    return redis.Redis(port=PORT, password="wrong").get("x")

@app.get("/down")
def down():
    return redis.Redis(port=int(os.environ["CLOSED"]), retry=None).get("x")

@app.get("/down-swallowed")
def down_swallowed():
    try:
        value = redis.Redis(port=int(os.environ["CLOSED"])).get("x")
    except redis.ConnectionError:
        value = None
    return value.decode()

@app.get("/blocked")
def blocked():
    return client.blpop("never", timeout=1)[1]

@app.get("/timeout")
def timeout():
    return redis.Redis(port=PORT, db=1, password=os.environ["REDIS_WORD"], socket_timeout=0.2).blpop("never", timeout=3)
"""

ASYNC = """
import asyncio, json, os
import redis.asyncio as redis
from fastapi import FastAPI
app = FastAPI()
PORT = int(os.environ["REDIS_PORT"])
client = redis.Redis(port=PORT, db=1, password=os.environ["REDIS_WORD"])
text = redis.Redis(port=PORT, db=1, password=os.environ["REDIS_WORD"], decode_responses=True, protocol=3)

@app.get("/ok")
async def ok():
    await client.set("cart:1", json.dumps({"items": []}))
    await client.set("broken", b"{not json")
    await client.hset("user:1", mapping={"name": "Ann", "age": "41"})
    for number in range(5):
        await client.set("number:%d" % number, number)
    return "ok"

@app.get("/missing")
async def missing():
    return json.loads(await client.get("cart:2"))

@app.get("/wrong-type")
async def wrong_type():
    return await client.lpush("user:1", 1)

@app.get("/hash")
async def hash():
    return (await text.hgetall("user:1"))["email"]

@app.get("/pipeline")
async def pipeline():
    async with client.pipeline() as pipe:
        pipe.get("cart:1")
        pipe.hget("user:1", "name")
        return (await pipe.execute())[2]

@app.get("/error-in-transaction")
async def error_in_transaction():
    async with client.pipeline() as pipe:
        pipe.set("text", "abc")
        pipe.incr("text")
        return await pipe.execute()

@app.get("/broken-cache")
async def broken_cache():
    return json.loads(await client.get("broken"))

@app.get("/gathered")
async def gathered():
    found = await asyncio.gather(*(client.get("number:%d" % number) for number in range(5)))
    return {}[repr(found)]

@app.get("/scan")
async def scan():
    return {}[repr(sorted([key async for key in text.scan_iter("number:*")]))]

@app.get("/script")
async def script():
    run = text.register_script("return {KEYS[1], redis.call('GET', KEYS[1])}")
    return (await run(keys=["cart:1"]))[3]

@app.get("/given-up")
async def given_up():
    return await asyncio.wait_for(client.blpop("never", timeout=3), 0.2)

@app.get("/timeout")
async def timeout():
    own = redis.Redis(port=PORT, db=1, password=os.environ["REDIS_WORD"], socket_timeout=0.2)
    return await own.blpop("never", timeout=3)

@app.get("/down")
async def down():
    return await redis.Redis(port=int(os.environ["CLOSED"])).get("x")
"""


def paths_of(source):
    return [line.split('"')[1] for line in source.splitlines() if line.startswith("@app.get(") and '"/ok"' not in line]


def run(tmp_path_factory, source, command):
    folder = tmp_path_factory.mktemp("run")
    server = RedisServer(folder, PASSWORD)
    try:
        return run_all(
            folder, source, paths_of(source), server.stop, command,
            REDIS_PORT=str(server.port), REDIS_WORD=PASSWORD, CLOSED=str(free_port()), HOMEOSTASIS_DEBUG="1",
        )
    finally:
        server.stop()


@pytest.fixture(scope="module")
def in_threads(tmp_path_factory):
    return run(tmp_path_factory, SYNC, FLASK)


@pytest.fixture(scope="module")
def in_coroutines(tmp_path_factory):
    return run(tmp_path_factory, ASYNC, UVICORN)


@pytest.mark.parametrize("path", paths_of(SYNC))
def test_a_failure_of_a_program_with_redis_comes_again(in_threads, path):
    in_threads.came_again(path)


@pytest.mark.parametrize("path", paths_of(ASYNC))
def test_a_failure_of_a_program_with_asyncio_and_redis_comes_again(in_coroutines, path):
    in_coroutines.came_again(path)


def test_what_sets_a_connection_up_is_not_recorded_and_passwords_stay(in_threads):
    assert PASSWORD not in json.dumps(in_threads.capsules)
    names = {base64.b64decode(question["command"][0]["v"]) for path in in_threads.capsules for question in in_threads.answers(path) if question["kind"] == "redis"}
    assert b"GET" in names
    assert not names & {b"AUTH", b"HELLO", b"CLIENT", b"SELECT", b"PING"}


def test_commands_are_told_as_effects(in_threads):
    effects = in_threads.exchanges["/transaction"]["effects"]
    assert {"kind": "redis", "text": "SET counter 1"} in effects


CHANGED = """
import os, redis
from flask import Flask
app = Flask(__name__)
client = redis.Redis(port=int(os.environ["REDIS_PORT"]))

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    client.set("written", os.environ["WORD"])
    client.get("key:" + os.environ["WORD"])
    raise KeyError("failed")
"""


def test_another_key_is_not_answered_but_told_and_another_value_that_is_written_is(tmp_path):
    redis = RedisServer(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "program.py").write_text(CHANGED)
    with Peer(tmp_path / "socket") as peer:
        server = Server(project, list(FLASK), peer.path, REDIS_PORT=str(redis.port), WORD="one")
        try:
            server.get("/fail")
            capsule = peer.wait("event")[0]["capsule"]
        finally:
            server.stop()
            redis.stop()

    def again(word):
        return play(project, FLASK, tmp_path, [capsule["request"]], capsule, REDIS_PORT=str(redis.port), WORD=word)["exchanges"][0]

    same = again("one")
    assert same["unanswered"] == [] and same["exceptions"][0]["type"] == "KeyError"
    other = again("two")
    assert other["unanswered"] == ["redis GET key:two: nobody recorded an answer"]
    assert (other["exceptions"][0]["type"], other["exceptions"][0]["module"]) == ("ConnectionError", "redis.exceptions")
    assert "nobody recorded an answer" in other["exceptions"][0]["message"]


EIGHT = """
import os, redis.asyncio as redis
from fastapi import FastAPI
app = FastAPI()
client = redis.Redis(port=int(os.environ["REDIS_PORT"]), decode_responses=True)

@app.get("/ok")
async def ok():
    for number in range(8):
        await client.set("number:%d" % number, "value %d" % number)
    return "ok"
"""
ONE = """
@app.get("/fail/{0}")
async def fail_{0}():
    await client.blpop("nothing", timeout=0.05)
    return dict()[await client.get("number:{0}")]
"""


def test_of_eight_clients_at_once_each_gets_its_own_answers_again(tmp_path):
    redis = RedisServer(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    # Each fails in a function of its own, for of one failure only the first are captured whole.
    (project / "program.py").write_text(EIGHT + "".join(ONE.format(number) for number in range(8)))
    with Peer(tmp_path / "socket") as peer:
        server = Server(project, list(UVICORN), peer.path, REDIS_PORT=str(redis.port))
        try:
            with ThreadPoolExecutor(8) as clients:
                assert set(clients.map(lambda number: server.get("/fail/%d" % number)[0], range(8))) == {500}
            capsules = {event["capsule"]["request"]["path"]: event["capsule"] for event in peer.wait("event", 8)}
        finally:
            server.stop()
            redis.stop()
    paths = sorted(capsules)
    assert len(paths) == 8
    result = play(project, UVICORN, tmp_path, [capsules[path]["request"] for path in paths], capsules[paths[0]], REDIS_PORT=str(redis.port))
    for number, exchange in enumerate(result["exchanges"]):
        assert len(capsules[paths[number]]["request"]["answers"]) == 2
        assert exchange["unanswered"] == []
        assert exchange["exceptions"][0]["message"] == "'value %d'" % number
