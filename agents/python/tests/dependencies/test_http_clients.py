"""Failures that depend on what an HTTP service answered come again when it is gone and there is no network."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Server, free_port
from http_peer import HttpPeer, certificate
from many import run_all
from peer import Peer
from reproducing import FLASK, UVICORN, play

REQUESTS = """
import gzip, http.client, json, os, urllib.request
import requests, urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
from flask import Flask
app = Flask(__name__)
PEER = os.environ["PEER"]
PORT = int(os.environ["PEER_PORT"])
session = requests.Session()

@app.get("/ok")
def ok():
    return "ok"

@app.get("/missing-key")
def missing_key():
    item = requests.get(PEER + "/item/1?b=2&a=1").json()
    return str(item["quantity"])

@app.get("/null-field")
def null_field():
    return str(session.get(PEER + "/item/2").json()["price"] * 2)

@app.get("/html")
def html():
    return session.get(PEER + "/html").json()

@app.get("/status")
def status():
    answer = session.get(PEER + "/error")
    answer.raise_for_status()

@app.get("/not-found")
def not_found():
    answer = session.get(PEER + "/nowhere")
    found = answer.json() if answer.ok else None
    return found["id"]

@app.get("/timeout")
def timeout():
    return session.get(PEER + "/slow", timeout=0.2).text

@app.get("/refused")
def refused():
    return requests.get("http://127.0.0.1:%s/x" % os.environ["CLOSED"]).text

@app.get("/no-such-host")
def no_such_host():
    return requests.get("http://no-such-host.invalid/x").text

@app.get("/cut")
def cut():
    return session.get(PEER + "/cut").json()

@app.get("/short")
def short():
    return {}[session.get(PEER + "/short").text]

@app.get("/reset")
def reset():
    return session.get(PEER + "/reset").text

@app.get("/hangup")
def hangup():
    return session.get(PEER + "/hangup").text

@app.get("/redirect-loop")
def redirect_loop():
    return session.get(PEER + "/loop").text

@app.get("/redirected")
def redirected():
    answer = session.get(PEER + "/redirect")
    return answer.history[1]

@app.get("/list")
def unexpected_list():
    return session.get(PEER + "/list").json()["items"]

@app.get("/gzip")
def zipped():
    answer = session.get(PEER + "/gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    return answer.json()["zipped"][5]

@app.get("/deflate")
def deflated():
    return session.get(PEER + "/deflate").json()["deflated"]["x"]

@app.get("/chunked")
def chunked():
    answer = session.get(PEER + "/chunked")
    assert answer.json() == {"chunks": [1, 2, 3]}
    return answer.headers["Content-Length"]

@app.get("/post")
def post():
    answer = session.post(PEER + "/create", json={"name": "pear", "tags": ["a", "b"]})
    return answer.json()["ids"]

@app.get("/form")
def form():
    answer = session.post(PEER + "/echo", data={"a": "1", "b": "2"})
    return {}[answer.json()["got"]]

@app.get("/upload")
def upload():
    answer = session.post(PEER + "/create", files={"file": ("a.txt", b"content")})
    return {}[repr(answer.json()["length"])]

@app.get("/generator")
def generator():
    answer = session.post(PEER + "/echo", data=iter([b"one", b"two"]))
    return {}[answer.json()["got"]]

@app.get("/stream")
def stream():
    with session.get(PEER + "/large", stream=True) as answer:
        first = next(answer.iter_content(10))
        return {}[repr(first)]

@app.get("/head")
def head():
    answer = session.head(PEER + "/item/1")
    return {}[repr((answer.headers["content-length"], answer.content))]

@app.get("/empty")
def empty():
    return session.delete(PEER + "/empty").json()

@app.get("/retry")
def retry():
    with requests.Session() as retrying:
        retrying.mount("http://", HTTPAdapter(max_retries=Retry(2, status_forcelist=[503], backoff_factor=0)))
        return retrying.get(PEER + "/flaky?retry").json()["attempts"]

@app.get("/twice")
def twice():
    counts = [session.get(PEER + "/counter").json()["count"] for _ in range(3)]
    return {}[repr(counts)]

@app.get("/urllib")
def by_urllib():
    with urllib.request.urlopen(PEER + "/item/3") as answer:
        return json.load(answer)["nothing"]

@app.get("/urllib-status")
def by_urllib_status():
    return urllib.request.urlopen(PEER + "/error").read()

@app.get("/urllib-refused")
def by_urllib_refused():
    return urllib.request.urlopen("http://127.0.0.1:%s/" % os.environ["CLOSED"]).read()

@app.get("/urllib-gzip")
def by_urllib_gzip():
    with urllib.request.urlopen(PEER + "/gzip") as answer:
        return json.loads(gzip.decompress(answer.read()))["nothing"]

@app.get("/http-client")
def by_http_client():
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", "/item/1")
    first = json.loads(connection.getresponse().read())
    connection.request("POST", "/echo", b"body", {"Content-Type": "text/plain"})
    second = json.loads(connection.getresponse().read())
    connection.close()
    return {}[repr((first["id"], second["got"]))]

@app.get("/incomplete")
def incomplete():
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", "/short")
    return connection.getresponse().read()

@app.get("/pool")
def pool():
    manager = urllib3.PoolManager()
    return json.loads(manager.request("GET", PEER + "/item/4").data)["nothing"]

def s3():
    import botocore.session
    from botocore.config import Config
    return botocore.session.Session().create_client(
        "s3", endpoint_url=PEER, region_name="eu-west-1", aws_access_key_id="key", aws_secret_access_key="secret-of-tests",
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )

@app.get("/botocore")
def by_botocore():
    return s3().list_buckets()["Buckets"][0]

@app.get("/botocore-status")
def by_botocore_status():
    return s3().get_object(Bucket="nowhere", Key="thing")

@app.get("/botocore-signed")
def by_botocore_signed():
    url = s3().generate_presigned_url("get_object", Params={"Bucket": "item", "Key": "8"})
    return session.get(url).json()["nothing"]

@app.get("/swallowed")
def swallowed():
    try:
        found = session.get("http://127.0.0.1:%s/x" % os.environ["CLOSED"], timeout=1).json()
    except requests.ConnectionError:
        found = None
    return found["id"]
"""

HTTPX = """
import asyncio, json, os
import httpx
from fastapi import FastAPI
app = FastAPI()
PEER = os.environ["PEER"]
CLOSED = "http://127.0.0.1:%s/x" % os.environ["CLOSED"]
client = httpx.AsyncClient()
plain = httpx.Client()

@app.get("/ok")
async def ok():
    return "ok"

@app.get("/missing-key")
async def missing_key():
    async with httpx.AsyncClient() as own:
        return (await own.get(PEER + "/item/1", params={"b": 2, "a": "x y"})).json()["quantity"]

@app.get("/null-field")
async def null_field():
    return (await client.get(PEER + "/item/2")).json()["price"] * 2

@app.get("/html")
async def html():
    return (await client.get(PEER + "/html")).json()

@app.get("/status")
async def status():
    (await client.get(PEER + "/error")).raise_for_status()

@app.get("/timeout")
async def timeout():
    return (await client.get(PEER + "/slow", timeout=0.2)).text

@app.get("/given-up")
async def given_up():
    return (await asyncio.wait_for(client.get(PEER + "/slow"), 0.2)).text

@app.get("/refused")
async def refused():
    return (await client.get(CLOSED)).text

@app.get("/no-such-host")
async def no_such_host():
    return (await client.get("http://no-such-host.invalid/")).text

@app.get("/cut")
async def cut():
    return (await client.get(PEER + "/cut")).json()

@app.get("/short")
async def short():
    return (await client.get(PEER + "/short")).text

@app.get("/hangup")
async def hangup():
    return (await client.get(PEER + "/hangup")).text

@app.get("/redirect-loop")
async def redirect_loop():
    return (await client.get(PEER + "/loop", follow_redirects=True)).text

@app.get("/gzip")
async def zipped():
    return (await client.get(PEER + "/gzip")).json()["zipped"][5]

@app.get("/chunked")
async def chunked():
    return (await client.get(PEER + "/chunked")).headers["content-length"]

@app.get("/post")
async def post():
    return (await client.post(PEER + "/create", json={"name": "pear"})).json()["ids"]

@app.get("/form")
async def form():
    return {}[(await client.post(PEER + "/echo", data={"a": "1"})).json()["got"]]

@app.get("/upload")
async def upload():
    answer = await client.post(PEER + "/create", files={"file": ("a.txt", b"content")})
    return {}[repr(answer.json()["length"])]

@app.get("/generator")
async def generator():
    async def parts():
        yield b"one"
        yield b"two"
    return {}[(await client.post(PEER + "/echo", content=parts())).json()["got"]]

@app.get("/stream")
async def stream():
    async with client.stream("GET", PEER + "/large") as answer:
        async for part in answer.aiter_bytes(10):
            return {}[repr(part)]

@app.get("/gathered")
async def gathered():
    answers = await asyncio.gather(*(client.get(PEER + "/delayed/%d" % number) for number in range(4)))
    return {}[repr([answer.json()["number"] for answer in answers])]

@app.get("/in-other-order")
async def in_other_order():
    order = []
    async def ask(number):
        order.append((await client.get(PEER + "/delayed/%d" % number)).json()["number"])
    await asyncio.gather(*(ask(number) for number in range(3)))
    return {}[repr(sorted(order))]

@app.get("/retry")
async def retry():
    for _ in range(3):
        answer = await client.get(PEER + "/flaky?httpx")
        if answer.status_code == 200:
            break
    return answer.json()["attempts"]

@app.get("/plain")
def of_a_thread():
    return plain.get(PEER + "/item/3").json()["nothing"]

@app.get("/plain-refused")
def of_a_thread_refused():
    return plain.get(CLOSED).text

@app.get("/plain-gzip")
def of_a_thread_gzip():
    with plain.stream("GET", PEER + "/gzip") as answer:
        return {}[repr((answer.headers["content-encoding"], len(answer.read())))]
"""

AIOHTTP = """
import asyncio, json, os
from contextlib import asynccontextmanager
import aiohttp
from fastapi import FastAPI
PEER = os.environ["PEER"]
CLOSED = "http://127.0.0.1:%s/x" % os.environ["CLOSED"]

@asynccontextmanager
async def lifespan(app):
    async with aiohttp.ClientSession() as app.session:
        yield

app = FastAPI(lifespan=lifespan)

async def fetch(path, **more):
    async with app.session.get(PEER + path, **more) as answer:
        return await answer.json()

@app.get("/ok")
async def ok():
    return "ok"

@app.get("/missing-key")
async def missing_key():
    return (await fetch("/item/1", params={"b": "2", "a": "x y"}))["quantity"]

@app.get("/null-field")
async def null_field():
    return (await fetch("/item/2"))["price"] * 2

@app.get("/html")
async def html():
    return await fetch("/html")

@app.get("/status")
async def status():
    return await fetch("/error", raise_for_status=True)

@app.get("/silence")
async def silence():
    return await fetch("/slow", timeout=aiohttp.ClientTimeout(sock_read=0.2))

@app.get("/timeout")
async def timeout():
    return await fetch("/slow", timeout=aiohttp.ClientTimeout(total=0.2))

@app.get("/given-up")
async def given_up():
    return await asyncio.wait_for(fetch("/slow"), 0.2)

@app.get("/refused")
async def refused():
    async with app.session.get(CLOSED) as answer:
        return await answer.json()

@app.get("/no-such-host")
async def no_such_host():
    async with app.session.get("http://no-such-host.invalid/") as answer:
        return await answer.json()

@app.get("/cut")
async def cut():
    return await fetch("/cut")

@app.get("/short")
async def short():
    async with app.session.get(PEER + "/short") as answer:
        return await answer.read()

@app.get("/reset")
async def reset():
    async with app.session.get(PEER + "/reset") as answer:
        return await answer.read()

@app.get("/hangup")
async def hangup():
    return await fetch("/hangup")

@app.get("/redirect-loop")
async def redirect_loop():
    return await fetch("/loop")

@app.get("/redirected")
async def redirected():
    async with app.session.get(PEER + "/redirect") as answer:
        return answer.history[1]

@app.get("/gzip")
async def zipped():
    return (await fetch("/gzip"))["zipped"][5]

@app.get("/chunked")
async def chunked():
    async with app.session.get(PEER + "/chunked") as answer:
        return answer.headers["Content-Length"]

@app.get("/post")
async def post():
    async with app.session.post(PEER + "/create", json={"name": "pear"}) as answer:
        return (await answer.json())["ids"]

@app.get("/form")
async def form():
    async with app.session.post(PEER + "/echo", data={"a": "1", "b": "2"}) as answer:
        return {}[(await answer.json())["got"]]

@app.get("/upload")
async def upload():
    data = aiohttp.FormData()
    data.add_field("file", b"content", filename="a.txt")
    async with app.session.post(PEER + "/create", data=data) as answer:
        return {}[repr((await answer.json())["length"])]

@app.get("/generator")
async def generator():
    async def parts():
        yield b"one"
        yield b"two"
    async with app.session.post(PEER + "/echo", data=parts()) as answer:
        return {}[(await answer.json())["got"]]

@app.get("/stream")
async def stream():
    async with app.session.get(PEER + "/large") as answer:
        return {}[repr(await answer.content.read(10))]

@app.get("/head")
async def head():
    async with app.session.head(PEER + "/item/1") as answer:
        return {}[repr((answer.headers["content-length"], await answer.read()))]

@app.get("/empty")
async def empty():
    async with app.session.delete(PEER + "/empty") as answer:
        return (await answer.json())["id"]

@app.get("/gathered")
async def gathered():
    answers = await asyncio.gather(*(fetch("/delayed/%d" % number) for number in range(4)))
    return {}[repr([answer["number"] for answer in answers])]

@app.get("/retry")
async def retry():
    for _ in range(3):
        async with app.session.get(PEER + "/flaky?aiohttp") as answer:
            if answer.status == 200:
                return (await answer.json())["attempts"]
"""


ENCRYPTED = """
import os, ssl, urllib.request
import aiohttp, httpx, requests
from fastapi import FastAPI
app = FastAPI()
PEER = os.environ["PEER"]
TRUSTED = os.environ["TRUSTED"]
context = ssl.create_default_context(cafile=TRUSTED)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/requests")
def by_requests():
    return requests.get(PEER + "/item/1", verify=TRUSTED).json()["quantity"]

@app.get("/requests-untrusted")
def by_requests_untrusted():
    return requests.get(PEER + "/item/1").json()

@app.get("/requests-unverified")
def by_requests_unverified():
    return requests.get(PEER + "/item/1", verify=False).json()["quantity"]

@app.get("/requests-refused")
def by_requests_refused():
    return requests.get("https://127.0.0.1:%s/" % os.environ["CLOSED"], verify=TRUSTED).text

@app.get("/requests-plain")
def by_requests_to_plain():
    return requests.get("https://127.0.0.1:%s/" % os.environ["PLAIN_PORT"], verify=TRUSTED).text

@app.get("/proxy")
def by_proxy():
    return requests.get("http://shop.example/item/1", proxies={"http": os.environ["PLAIN"]}).json()["quantity"]

@app.get("/proxy-encrypted")
def by_proxy_encrypted():
    return requests.get(PEER + "/item/1", proxies={"https": os.environ["PLAIN"]}, verify=TRUSTED).json()["quantity"]

@app.get("/proxy-forbidden")
def by_proxy_forbidden():
    return requests.get("https://forbidden.example/item/1", proxies={"https": os.environ["PLAIN"]}, verify=TRUSTED).json()

@app.get("/proxy-refused")
def by_proxy_refused():
    return requests.get("http://shop.example/item/1", proxies={"http": "http://127.0.0.1:" + os.environ["CLOSED"]}).json()

@app.get("/urllib")
def by_urllib():
    with urllib.request.urlopen(PEER + "/item/1", context=context) as answer:
        return {}[answer.read().decode()]

@app.get("/urllib-untrusted")
def by_urllib_untrusted():
    return urllib.request.urlopen(PEER + "/item/1").read()

@app.get("/httpx")
def by_httpx():
    return httpx.get(PEER + "/item/1", verify=context).json()["quantity"]

@app.get("/httpx-untrusted")
async def by_httpx_untrusted():
    async with httpx.AsyncClient() as client:
        return (await client.get(PEER + "/item/1")).json()

@app.get("/aiohttp")
async def by_aiohttp():
    async with aiohttp.ClientSession() as session:
        async with session.get(PEER + "/item/1", ssl=context) as answer:
            return (await answer.json())["quantity"]

@app.get("/aiohttp-untrusted")
async def by_aiohttp_untrusted():
    async with aiohttp.ClientSession() as session:
        async with session.get(PEER + "/item/1") as answer:
            return await answer.json()
"""


def paths_of(source):
    return [line.split('"')[1] for line in source.splitlines() if line.startswith("@app.get(") and '"/ok"' not in line]


REQUESTS_PATHS = paths_of(REQUESTS)
HTTPX_PATHS = paths_of(HTTPX)
AIOHTTP_PATHS = paths_of(AIOHTTP)


@pytest.fixture(scope="module")
def closed_port():
    return free_port()


def run(tmp_path_factory, source, command, closed_port):
    """Production beside a real peer, and the replay without it."""
    peer = HttpPeer()
    try:
        return run_all(
            tmp_path_factory.mktemp("run"), source, paths_of(source), peer.stop, command,
            PEER=peer.url, PEER_PORT=str(peer.port), CLOSED=str(closed_port), HOMEOSTASIS_DEBUG="1",
        )
    finally:
        peer.stop()


@pytest.fixture(scope="module")
def with_requests(tmp_path_factory, closed_port):
    return run(tmp_path_factory, REQUESTS, FLASK, closed_port)


@pytest.fixture(scope="module")
def with_httpx(tmp_path_factory, closed_port):
    return run(tmp_path_factory, HTTPX, UVICORN, closed_port)


@pytest.fixture(scope="module")
def with_aiohttp(tmp_path_factory, closed_port):
    return run(tmp_path_factory, AIOHTTP, UVICORN, closed_port)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory, closed_port):
    folder = tmp_path_factory.mktemp("encrypted")
    peer, proxy = HttpPeer(certificate(folder)), HttpPeer()

    def stop():
        peer.stop()
        proxy.stop()

    try:
        return run_all(
            folder, ENCRYPTED, paths_of(ENCRYPTED), stop, UVICORN, PEER=peer.url, TRUSTED=str(folder / "public.pem"),
            PLAIN=proxy.url, PLAIN_PORT=str(proxy.port), CLOSED=str(closed_port), HOMEOSTASIS_DEBUG="1", NO_PROXY="",
        )
    finally:
        stop()


@pytest.mark.parametrize("path", REQUESTS_PATHS)
def test_a_failure_of_a_program_with_requests_urllib3_or_urllib_comes_again(with_requests, path):
    with_requests.came_again(path)


@pytest.mark.parametrize("path", HTTPX_PATHS)
def test_a_failure_of_a_program_with_httpx_comes_again(with_httpx, path):
    with_httpx.came_again(path)


@pytest.mark.parametrize("path", AIOHTTP_PATHS)
def test_a_failure_of_a_program_with_aiohttp_comes_again(with_aiohttp, path):
    with_aiohttp.came_again(path)


@pytest.mark.parametrize("path", paths_of(ENCRYPTED))
def test_a_failure_of_a_program_with_encrypted_connections_or_proxies_comes_again(encrypted, path):
    encrypted.came_again(path)


CLIENTS = """
import os, requests
from flask import Flask
app = Flask(__name__)
session = requests.Session()
PEER = os.environ["PEER"]

@app.get("/ok")
def ok():
    return "ok"
"""
CLIENT = """
@app.get("/fail/{0}")
def fail_{0}():
    name = session.get(PEER + "/item/{0}").json()["name"]
    again = session.get(PEER + "/delayed/{0}").json()["number"]
    return dict()[name + " " + str(again)]
"""

ASYNC_CLIENTS = """
import os, httpx
from fastapi import FastAPI
app = FastAPI()
session = httpx.AsyncClient()
PEER = os.environ["PEER"]

@app.get("/ok")
async def ok():
    return "ok"
"""
ASYNC_CLIENT = CLIENT.replace("def fail", "async def fail").replace('session.get(PEER + "/item/{0}")', '(await session.get(PEER + "/item/{0}"))').replace(
    'session.get(PEER + "/delayed/{0}")', '(await session.get(PEER + "/delayed/{0}"))'
)


@pytest.mark.parametrize("source, client, command", [(CLIENTS, CLIENT, FLASK), (ASYNC_CLIENTS, ASYNC_CLIENT, UVICORN)])
def test_of_eight_clients_at_once_each_gets_its_own_answers_again(tmp_path, source, client, command):
    http_peer = HttpPeer()
    project = tmp_path / "project"
    project.mkdir()
    # Each fails in a function of its own, for of one failure only the first are captured whole.
    (project / "program.py").write_text(source + "".join(client.format(number) for number in range(8)))
    with Peer(tmp_path / "socket") as peer:
        server = Server(project, list(command), peer.path, PEER=http_peer.url)
        try:
            with ThreadPoolExecutor(8) as clients:
                assert set(clients.map(lambda number: server.get("/fail/%d" % number)[0], range(8))) == {500}
            capsules = {event["capsule"]["request"]["path"]: event["capsule"] for event in peer.wait("event", 8)}
        finally:
            server.stop()
            http_peer.stop()
    paths = sorted(capsules)
    assert len(paths) == 8
    for number, path in enumerate(paths):
        asked = [question["url"] for question in capsules[path]["request"]["answers"]]
        assert asked == ["%s/item/%d" % (http_peer.url, number), "%s/delayed/%d" % (http_peer.url, number)]
    result = play(project, command, tmp_path, [capsules[path]["request"] for path in paths], capsules[paths[0]], PEER=http_peer.url)
    for number, exchange in enumerate(result["exchanges"]):
        assert exchange["unanswered"] == []
        assert exchange["exceptions"][0]["message"] == "'pear %d %d'" % (number, number)


CHANGED = """
import os
{imports}
{app}

@app.get("/ok")
{kind} ok():
    return "ok"

@app.get("/fail")
{kind} fail():
    {call}
    raise KeyError("failed")
"""

WAYS = {
    "requests": ("import requests\nfrom flask import Flask", "app = Flask(__name__)", "def", 'requests.post(os.environ["PEER"] + "/echo", data={"amount": os.environ["AMOUNT"]})', "ConnectionError"),
    "httpx": ("import httpx\nfrom fastapi import FastAPI", "app = FastAPI()", "async def", 'await httpx.AsyncClient().post(os.environ["PEER"] + "/echo", json={"amount": os.environ["AMOUNT"]})', "ConnectError"),
    "aiohttp": (
        "import aiohttp\nfrom fastapi import FastAPI", "app = FastAPI()", "async def",
        'await aiohttp.ClientSession().post(os.environ["PEER"] + "/echo", json={"amount": os.environ["AMOUNT"]})', "ClientConnectionError",
    ),
}


@pytest.mark.parametrize("library", WAYS)
def test_another_body_of_a_post_is_not_answered_but_told(tmp_path, library):
    imports, app, kind, call, error = WAYS[library]
    source = CHANGED.format(imports=imports, app=app, kind=kind, call=call)
    command = FLASK if kind == "def" else UVICORN
    http_peer = HttpPeer()
    project = tmp_path / "project"
    project.mkdir()
    (project / "program.py").write_text(source)
    with Peer(tmp_path / "socket") as peer:
        server = Server(project, list(command), peer.path, PEER=http_peer.url, AMOUNT="1")
        try:
            server.get("/fail")
            capsule = peer.wait("event")[0]["capsule"]
        finally:
            server.stop()
            http_peer.stop()
    same = play(project, command, tmp_path, [capsule["request"]], capsule, PEER=http_peer.url, AMOUNT="1")["exchanges"][0]
    assert same["unanswered"] == [] and same["exceptions"][0]["type"] == "KeyError"
    assert {"kind": "http", "text": "POST %s/echo" % http_peer.url} in same["effects"]
    other = play(project, command, tmp_path, [capsule["request"]], capsule, PEER=http_peer.url, AMOUNT="2")["exchanges"][0]
    assert other["unanswered"] == ["POST 127.0.0.1:%d/echo: nobody recorded an answer" % http_peer.port]
    assert other["exceptions"][0]["type"] == error
    assert "nobody recorded an answer" in json.dumps(other["exceptions"])


SECRET = "tok-4e1f9a77c2d84b06"
SECRETS = """
import os, requests
from flask import Flask
app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    found = requests.get(os.environ["PEER"] + "/item/1", params={"page": "1", "api_key": os.environ["WORD"]}, headers={"Authorization": "Bearer " + os.environ["WORD"]}).json()
    again = requests.post(os.environ["PEER"] + "/echo", json={"password": os.environ["WORD"]}).json()
    return found["quantity"]
"""


def test_secrets_in_questions_and_answers_are_masked_and_still_match(reproduce):
    http_peer = HttpPeer()
    try:
        reproduction = reproduce(SECRETS, "/fail", gone=http_peer.stop, PEER=http_peer.url, WORD=SECRET)
    finally:
        http_peer.stop()
    reproduction.came_again()
    text = json.dumps(reproduction.capsule)
    assert SECRET not in text and base64.b64encode(SECRET.encode()).decode()[:-4] not in text
    first, second = reproduction.capsule["request"]["answers"]
    assert first["url"].endswith("?page=1&api_key=xxx-0x0x0x00x0x00x00")
    assert SECRET.encode() not in base64.b64decode(second["answer"]["body"]["data"])
    assert json.loads(base64.b64decode(first["answer"]["body"]["data"]))["name"] == "pear 1"


LARGE = """
import os, requests
from flask import Flask
app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    return {}[len(requests.get(os.environ["PEER"] + "/large").json())]
"""


def test_an_answer_that_is_too_large_is_told_as_the_reason(reproduce):
    http_peer = HttpPeer()
    try:
        reproduction = reproduce(LARGE, "/fail", gone=http_peer.stop, PEER=http_peer.url)
    finally:
        http_peer.stop()
    reason = "the answer to GET 127.0.0.1:%d/large is too large" % http_peer.port
    assert reproduction.capsule["missing"] == ["request.answers: " + reason]
    assert reproduction.exchange["unanswered"] == ["GET 127.0.0.1:%d/large: the recorded answer is too large" % http_peer.port]
