"""What the recording of HTTP and Redis must not do: keep what is over, or let an error of its own reach the program."""

import subprocess
import sys

import pytest
from http_peer import HttpPeer
from redis_server import RedisServer
from running import AGENT

PREPARE = """
import gc, sys
sys.path.insert(0, %r)
from homeostasis_agent import guard, hooks
hooks._patches.update({name: where for name, where in hooks._waiting.items() if where[0].startswith("dependencies.")})
for name in list(hooks._patches):
    if name in sys.modules:
        hooks._apply(name, sys.modules[name])
sys.meta_path.insert(0, hooks.Finder)
from homeostasis_agent.dependencies import recording

class Occasion:
    answers = None

URL, PORT = sys.argv[1], int(sys.argv[2])
""" % AGENT

USES = {
    "requests": """
import requests
session = requests.Session()
def use():
    assert session.get(URL + "/item/1").json()["id"] == 1
    assert session.post(URL + "/echo", data=b"x" * 200000).json()["got"] == "x" * 200000
""",
    "httpx": """
import httpx
client = httpx.Client()
def use():
    assert client.get(URL + "/item/1").json()["id"] == 1
    assert client.post(URL + "/echo", content=b"x" * 200000).json()["got"] == "x" * 200000
""",
    "httpx in coroutines": """
import asyncio, httpx
async def ask():
    assert (await client.get(URL + "/item/1")).json()["id"] == 1
    assert (await client.post(URL + "/echo", content=b"x" * 200000)).json()["got"] == "x" * 200000
loop = asyncio.new_event_loop()
client = httpx.AsyncClient()
def use():
    loop.run_until_complete(ask())
""",
    "aiohttp": """
import asyncio, aiohttp
async def start():
    return aiohttp.ClientSession()
async def ask():
    async with session.get(URL + "/item/1") as answer:
        assert (await answer.json())["id"] == 1
    async with session.post(URL + "/echo", data=b"x" * 200000) as answer:
        assert (await answer.json())["got"] == "x" * 200000
loop = asyncio.new_event_loop()
session = loop.run_until_complete(start())
def use():
    loop.run_until_complete(ask())
""",
    "redis": """
import redis
client = redis.Redis(port=PORT)
def use():
    client.set("key", b"x" * 200000)
    assert client.get("key") == b"x" * 200000
    assert client.pipeline().set("a", 1).get("a").execute() == [True, b"1"]
    try:
        client.lpush("key", 1)
    except redis.ResponseError:
        pass
    else:
        raise AssertionError
""",
    "redis in coroutines": """
import asyncio
import redis.asyncio as redis
client = redis.Redis(port=PORT)
async def ask():
    await client.set("key", b"x" * 200000)
    assert await client.get("key") == b"x" * 200000
    assert await client.pipeline().set("a", 1).get("a").execute() == [True, b"1"]
loop = asyncio.new_event_loop()
def use():
    loop.run_until_complete(ask())
""",
}

NOTHING_STAYS = """
def in_a_request():
    occasion = Occasion()
    recording.in_flight.set(occasion)
    use()
    recording.in_flight.set(None)
    kept = len(occasion.answers.kept)
    # The context is held by the connections that were opened in it; what serves requests lets go of the answers.
    occasion.answers = None
    return kept

use()
gc.collect()
gc.disable()
assert in_a_request() >= 2
kept = [one for one in gc.get_objects() if type(one) is recording.Answer and one not in recording.start.kept]
assert not kept, [type(one) for one in gc.get_referrers(kept[0])]
assert guard.errors == 0
"""

ERRORS_STAY_INSIDE = """
from homeostasis_agent.dependencies import http, http_aiohttp, http_client, http_httpx, http_wire, redis_connection

def broken(*arguments, **named):
    raise RuntimeError("an error of the recording")

recording.in_flight.set(Occasion())
for module in (http_client, http_httpx, http_aiohttp, redis_connection):
    module.note = broken
use()
assert guard.errors > 0
guard.errors, guard.enabled = 0, True
for module in (http_client, http_httpx, http_aiohttp, redis_connection):
    module.note = recording.note
http_wire.Exchange.sent = http_wire.Exchange.got = http_httpx.Exchange.got = http.Body.add = broken
http_client._watch = broken
recording.Answer.__init__ = broken
use()
assert guard.errors > 0
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    peer, redis = HttpPeer(), RedisServer(tmp_path_factory.mktemp("redis"))
    yield peer.url, str(redis.port)
    peer.stop()
    redis.stop()


def run(source, services):
    ended = subprocess.run([sys.executable, "-B", "-c", source, *services], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("library", USES)
def test_nothing_of_a_request_stays_when_it_is_over_and_no_search_for_rings_is_needed(services, library):
    run(PREPARE + USES[library] + NOTHING_STAYS, services)


@pytest.mark.parametrize("library", USES)
def test_an_error_of_the_recording_never_reaches_the_program(services, library):
    run(PREPARE + USES[library] + ERRORS_STAY_INSIDE, services)
