"""Which questions to HTTP services and Redis are the same, and which only look like it."""

import base64
import sys

import pytest
from running import AGENT

sys.path.insert(0, AGENT)

from homeostasis_agent.dependencies import http, http_wire, matching, redis  # noqa: E402

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def question(method="GET", url="http://shop.example/items", body=b"", kind=""):
    return {"method": method, "url": url, "content_type": kind, "body": http.Body(body).described(), "answer": {}}


def of(method, url, body=b"", kind=""):
    return question(method, "http://shop.example" + url, body, kind)


SAME = [
    (of("GET", "/items?a=1&b=2"), of("GET", "/items?b=2&a=1")),
    (of("GET", "/items?api_key=xxx-0x0x"), of("GET", "/items?api_key=tok-4e1f")),
    (of("GET", "/items?since=2024-05-01T10%3A00%3A00Z"), of("GET", "/items?since=2024-05-01T10%3A00%3A02Z")),
    (of("GET", "/items?ts=1795386506"), of("GET", "/items?ts=1795386507")),
    (of("GET", "/items?X-Amz-Signature=0ac3&a=1"), of("GET", "/items?X-Amz-Signature=ff12&a=1")),
    (of("GET", "/bot/xxxxx0000xxxxx/send"), of("GET", "/bot/abcde1234fghij/send")),
    (of("POST", "/items", b'{"a": 1, "b": [1, "x"]}', JSON), of("POST", "/items", b'{"b":[1,"x"],"a":1}', JSON)),
    (of("POST", "/items", b'{"pin_token": 1000}', JSON), of("POST", "/items", b'{"pin_token": 4711}', JSON)),
    (of("POST", "/items", b'{"at": 1795386506.25}', JSON), of("POST", "/items", b'{"at": 1795386507.5}', JSON)),
    (of("POST", "/items", b"a=1&password=xxx", FORM), of("POST", "/items", b"password=abc&a=1", FORM)),
    (
        of("POST", "/items", b"--aa1\r\nfile\r\n--aa1--", "multipart/form-data; boundary=aa1"),
        of("POST", "/items", b"--bb2\r\nfile\r\n--bb2--", "multipart/form-data; boundary=bb2"),
    ),
    (of("PUT", "/items", b"x" * 100000), of("PUT", "/items", b"x" * 100000)),
]

OTHERS = [
    (of("GET", "/items"), of("POST", "/items")),
    (of("GET", "/items?page=0"), of("GET", "/items?page=5")),
    (of("GET", "/items/0"), of("GET", "/items/5")),
    (of("GET", "/items?a=1"), of("GET", "/items?a=1&a=1")),
    (question(url="http://shop.example/x"), question(url="http://shop.example:8080/x")),
    (question(url="http://shop.example/x"), question(url="https://shop.example/x")),
    (of("POST", "/items", b'{"amount": 1}', JSON), of("POST", "/items", b'{"amount": 2}', JSON)),
    (of("POST", "/items", b'{"amount": 10}', JSON), of("POST", "/items", b'{"amount": 25}', JSON)),
    (of("POST", "/items", b'{"paid": true}', JSON), of("POST", "/items", b'{"paid": 1}', JSON)),
    (of("POST", "/items", b'{"size": "x"}', JSON), of("POST", "/items", b'{"size": "m"}', JSON)),
    (of("POST", "/items", b"amount=0", FORM), of("POST", "/items", b"amount=5", FORM)),
    (of("PUT", "/items", b"x" * 100000), of("PUT", "/items", b"x" * 99999 + b"y")),
]


@pytest.mark.parametrize("recorded, asked", SAME)
def test_what_is_asked_in_other_words_is_the_same(recorded, asked):
    assert http.heading(recorded) == http.heading(asked)
    assert http.alike(recorded, asked) != matching.NOT


@pytest.mark.parametrize("recorded, asked", OTHERS)
def test_what_differs_is_another_question(recorded, asked):
    assert http.heading(recorded) != http.heading(asked) or http.alike(recorded, asked) == matching.NOT


def command(*parts, server="127.0.0.1:6379/0", **answer):
    values = [{"t": "bytes", "v": base64.b64encode(part.encode()).decode(), "len": len(part)} for part in parts]
    return {"server": server, "command": values, "answer": answer or {"value": {"t": "none"}}}


def test_commands_are_the_same_with_the_same_key_and_written_values_may_differ():
    assert redis.alike(command("GET", "user:1"), command("GET", "user:1")) == matching.SAME
    assert redis.alike(command("GET", "user:0"), command("GET", "user:5")) == matching.NOT
    assert redis.alike(command("SET", "user:1", "a"), command("SET", "user:1", "b")) == matching.WRITES
    assert redis.alike(command("SET", "user:1", "a"), command("SET", "user:2", "a")) == matching.NOT
    assert redis.alike(command("SET", "session:1", "xxx00"), command("SET", "session:1", "abc12")) == matching.MASKED
    assert redis.alike(command("INCRBY", "hits", "0"), command("INCRBY", "hits", "5")) == matching.NOT
    assert redis.alike(command("GET", "a"), command("GET", "a", server="127.0.0.1:6379/1")) == matching.NOT


def test_commands_are_read_from_what_was_packed_whatever_their_values_hold():
    packed = b"*2\r\n$3\r\nGET\r\n$7\r\na\r\n*2\r\n\r\n*1\r\n$4\r\nEXEC\r\n"
    assert redis.read_commands(packed) == [[b"GET", b"a\r\n*2\r\n"], [b"EXEC"]]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200\r\nX-Same: 1\r\nX-Same: 2\r\n\r\nto the end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_an_answer_is_written_as_it_was_read(raw, method):
    answer = http_wire.read_response(raw, method, True, None)
    final = raw[raw.rindex(b"HTTP/1.") :]
    expected = final if method == "GET" else final.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    status, _, rest = expected.partition(b"\r\n")
    written_status, _, written_rest = http_wire.written(answer, method).partition(b"\r\n")
    assert written_status.strip() == status.strip()
    assert written_rest == rest
