"""A request behind a login fails again in a replay, though no secret of it left the program."""

import json
import re

import pytest
from test_replay import replay  # noqa: F401

FLASK_PROGRAM = '''
import os
from flask import Flask, abort, request, session
from flask_wtf.csrf import CSRFProtect, generate_csrf

app = Flask(__name__)
app.secret_key = "only the program knows"
app.config["SESSION_COOKIE_NAME"] = "shop_session"
CSRFProtect(app)
NAMES = {1: "ada"}

@app.get("/ok")
def ok():
    return "ok"

@app.get("/login/<int:number>")
def login(number):
    session.update(user_id=number, csrf_secret="correct horse battery", basket=[("cup", 2)])
    return generate_csrf()

@app.post("/orders")
def orders():
    if "user_id" not in session:
        abort(403)
    return NAMES[session["user_id"]] + str(session["basket"][0][1])
'''

FASTAPI_PROGRAM = '''
import os, time
import jwt
from fastapi import FastAPI, HTTPException, Request
from starlette.middleware.sessions import SessionMiddleware

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key="only the program knows")
NAMES = {1: "ada"}
KEY = "this key is thirty-two bytes long!"

@app.get("/ok")
async def ok():
    return {}

@app.get("/login/{number}")
async def login(number: int, request: Request):
    request.session["user_id"] = number
    return jwt.encode({"sub": str(number), "access_token": "correct horse battery", "exp": time.time() + 3600}, KEY, "HS256")

@app.get("/orders")
async def orders(request: Request):
    if "user_id" not in request.session:
        raise HTTPException(403)
    return NAMES[request.session["user_id"]]

@app.get("/token")
async def token(request: Request):
    try:
        claims = jwt.decode(request.headers["authorization"].split()[1], KEY, ["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401)
    return NAMES[int(claims["sub"])]
'''


def login(server, number):
    """The cookie and the body that a login gives."""
    import urllib.request

    with urllib.request.urlopen("http://127.0.0.1:%d/login/%d" % (server.port, number), timeout=20) as answer:
        return re.match("[^;]*", answer.headers["set-cookie"]).group(), answer.read().decode()


def kept(event):
    text = json.dumps(event, default=str)
    assert "correct horse" not in text and "only the program" not in text
    return event["capsule"]["request"]


def replayed(replay, command, *requests):  # noqa: F811
    result = replay(command, {"schema": 1, "kind": "request", "requests": list(requests)})
    assert result["ready"], result["error"]
    return [(one["status"], [error["type"] for error in one["exceptions"]]) for one in result["exchanges"]]


@pytest.mark.parametrize("command", [("gunicorn", "-b", "127.0.0.1:PORT", "door:app"), ("flask", "--app", "door", "run", "--port", "PORT")], ids=" ".join)
def test_a_session_of_flask_is_signed_again(command, serve, peer, folder, replay):  # noqa: F811
    (folder / "door.py").write_text(FLASK_PROGRAM)
    server = serve(*command)
    cookie, token = login(server, 1)
    for _ in range(2):
        assert server.get("/orders", b"", Cookie=cookie, X_CSRFToken=token) == (200, b"ada2")
    cookie, token = login(server, 2)
    assert server.get("/orders", b"", Cookie="theme=dark; " + cookie + "; last=1", X_CSRFToken=token)[0] == 500
    event = peer.wait("event")[0]
    request = kept(event)
    assert cookie.partition("=")[2] not in json.dumps(event, default=str)
    command = ("-m",) + tuple(part.replace("PORT", "1") for part in command)
    witness = event["witnesses"][0]["request"]
    assert replayed(replay, command, witness, request, dict(request, credentials=[])) == [(200, []), (500, ["KeyError"]), (403, [])]


def test_a_session_of_starlette_is_signed_again(serve, peer, folder, replay):  # noqa: F811
    (folder / "door.py").write_text(FASTAPI_PROGRAM)
    server = serve("uvicorn", "--port", "PORT", "door:app")
    cookie, _ = login(server, 2)
    assert server.get("/orders", Cookie=cookie)[0] == 500
    request = kept(peer.wait("event")[0])
    assert replayed(replay, ("-m", "uvicorn", "door:app"), request, dict(request, credentials=[])) == [(500, ["KeyError"]), (403, [])]


def test_a_token_says_again_what_it_said(serve, peer, folder, replay):  # noqa: F811
    (folder / "door.py").write_text(FASTAPI_PROGRAM)
    server = serve("uvicorn", "--port", "PORT", "door:app")
    tokens = [json.loads(login(server, number)[1]) for number in (1, 2)]
    assert server.get("/token", Authorization="Bearer " + tokens[0])[0] == 200
    assert server.get("/token", Authorization="Bearer " + tokens[1])[0] == 500
    event = peer.wait("event")[0]
    request = kept(event)
    assert tokens[1] not in json.dumps(event, default=str)
    witness = event["witnesses"][0]["request"]
    assert replayed(replay, ("-m", "uvicorn", "door:app"), witness, request, dict(request, credentials=[])) == [
        (200, []), (500, ["KeyError"]), (401, [])
    ]


@pytest.mark.parametrize("cookie", ["shop_session=", "shop_session=forged.forged.forged", "shop_session", "=;;=", "shop_session=\xff"])
def test_a_forged_cookie_says_nothing_and_costs_nothing(cookie, serve, peer, folder):
    (folder / "door.py").write_text(FLASK_PROGRAM.replace("CSRFProtect(app)\n", "").replace("abort(403)", "raise LookupError"))
    server = serve("gunicorn", "-b", "127.0.0.1:PORT", "door:app")
    assert server.get("/orders", b"", Cookie=cookie)[0] == 500
    assert peer.wait("event")[0]["capsule"]["request"]["credentials"] == []
