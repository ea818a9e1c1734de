"""What fails behind a secret fails again in a replay, though the secret did not leave the process."""

import base64
import json
import random

import pytest
import secrets_corpus
from homeostasis_agent import redact, redact_shapes
from homeostasis_agent.dependencies import matching
from reproducing import FLASK, UVICORN

PROGRAM = '''
import hmac, os, re, sqlite3
from uuid import UUID
from flask import Flask, abort, request

app = Flask(__name__)
NAMES = {}
KEYS = {}

@app.get("/ok")
def ok():
    return "ok"

def is_card(digits):
    return sum(int(one) if place % 2 == 0 else sum(divmod(int(one) * 2, 10)) for place, one in enumerate(reversed(digits))) % 10 == 0

@app.post("/pay")
def pay():
    number = request.get_json()["card_number"].replace(" ", "")
    if not number.startswith("4") or len(number) != 16 or not is_card(number):
        abort(400)
    return NAMES[number[0]]

@app.post("/note")
def note():
    numbers = re.findall(r"\\d{16}", request.get_json()["note"])
    return NAMES[is_card(numbers[0])]

@app.post("/transfer")
def transfer():
    text = request.form["to"]
    if int("".join(str(int(one, 36)) for one in text[4:] + text[:4])) % 97 != 1:
        abort(400)
    return NAMES[text[:2]]

@app.post("/change")
def change():
    data = request.get_json()
    if data["password"] != data["password_again"]:
        return NAMES["differ"]
    if data["password"] == data["old_password"]:
        return NAMES["same"]
    return "ok"

@app.get("/reset/<uuid:token>")
def reset(token):
    return NAMES[type(token).__name__]

@app.get("/basic")
def basic():
    if request.authorization is None or request.authorization.username != "ada":
        abort(401)
    return NAMES[request.authorization.type]

@app.get("/scheme")
def scheme():
    kind, _, token = request.headers["Authorization"].partition(" ")
    if kind != "Bearer" or len(token) != 40:
        abort(401)
    return NAMES[kind]

@app.get("/stripe")
def stripe():
    if not request.headers["X-Api-Key"].startswith("sk_live_"):
        abort(401)
    return NAMES["stripe"]

@app.route("/guarded", methods=["GET", "POST"])
def guarded():
    given = request.headers.get("X-Api-Key") or request.args.get("api_key") or (request.get_json(silent=True) or {}).get("key") or request.form.get("key")
    if given is None and request.authorization is not None:
        given = request.authorization.password
    if not hmac.compare_digest(given.encode(), os.environ["SHOP_API_KEY"].encode()):
        abort(401)
    return NAMES["guarded"]

@app.post("/hooks/<secret>")
def hook(secret):
    if secret != os.environ["HOOK_SECRET"]:
        abort(404)
    return NAMES["hook"]
'''

ASYNC = '''
import os
from fastapi import FastAPI, Header, HTTPException

app = FastAPI()
NAMES = {}

@app.get("/ok")
async def ok():
    return {}

@app.get("/guarded")
async def guarded(x_api_key: str = Header()):
    if x_api_key != os.environ["SHOP_API_KEY"]:
        raise HTTPException(401)
    return NAMES["guarded"]
'''

DRAWN = random.Random()
CARD = secrets_corpus.card(DRAWN, "4")
KEY = "Ab1-" + "".join(DRAWN.choice("0123456789abcdefXYZ") for _ in range(24))
HARD_KEY = 'a/b+c=="ü' + KEY


def leaves(reproduction, secret):
    return secret in json.dumps([reproduction.capsule, reproduction.witnesses], ensure_ascii=False)


def post(reproduce, path, thing, **more):
    return reproduce(PROGRAM, path, json.dumps(thing).encode(), headers={"Content-Type": "application/json"}, **more).came_again()


@pytest.mark.parametrize("shown", [CARD, " ".join(CARD[start : start + 4] for start in range(0, 16, 4))])
def test_a_masked_card_number_is_a_valid_one_of_its_issuer(shown, reproduce):
    reproduction = post(reproduce, "/pay", {"card_number": shown})
    assert not leaves(reproduction, CARD)


def test_a_card_number_in_free_text_stays_a_valid_one(reproduce):
    post(reproduce, "/note", {"note": "paid with %s, thanks" % CARD})


def test_a_masked_account_number_is_a_valid_one_of_its_country(reproduce):
    reproduction = reproduce(PROGRAM, "/transfer", ("to=" + secrets_corpus.account(DRAWN)).encode()).came_again()
    assert reproduction.exchange["exceptions"][0]["message"] == "'DE'"


def test_two_different_secrets_of_one_shape_stay_different_and_the_same_one_stays_the_same(reproduce):
    post(reproduce, "/change", {"password": "Correct1Horse", "password_again": "Battery2Horse", "old_password": "x"})


def test_the_same_secret_in_two_places_stays_the_same(reproduce):
    post(reproduce, "/change", {"password": "Correct1Horse", "password_again": "Correct1Horse", "old_password": "Correct1Horse"})


def test_an_identifier_that_is_a_secret_stays_an_identifier(reproduce):
    reproduce(PROGRAM, "/reset/0f8fad5b-d9cb-469f-a165-70867728950e").came_again()


def test_basic_credentials_can_still_be_read(reproduce):
    header = "Basic " + base64.b64encode(b"ada:correct horse").decode()
    reproduction = reproduce(PROGRAM, "/basic", headers={"Authorization": header}).came_again()
    assert not leaves(reproduction, "correct horse")


def test_the_scheme_of_an_authorization_stays(reproduce):
    reproduce(PROGRAM, "/scheme", headers={"Authorization": "Bearer " + "aB3x" * 10}).came_again()


def test_the_published_prefix_of_a_key_stays(reproduce):
    reproduce(PROGRAM, "/stripe", headers={"X-Api-Key": "sk_live_" + "aB3x" * 6}).came_again()


GUARDED = {
    "header": ("/guarded", None, {"X-Api-Key": KEY}),
    "query": ("/guarded?api_key=" + KEY, None, {}),
    "json": ("/guarded", json.dumps({"key": KEY}).encode(), {"Content-Type": "application/json"}),
    "form": ("/guarded", ("a=1&key=%s&b=2" % KEY).encode(), {}),
    "basic": ("/guarded", None, {"Authorization": "Basic " + base64.b64encode(("ada:" + KEY).encode()).decode()}),
}


@pytest.mark.parametrize("place", GUARDED)
def test_a_key_of_the_environment_is_put_back_where_it_stood(place, reproduce):
    path, data, headers = GUARDED[place]
    reproduction = reproduce(PROGRAM, path, data, headers=headers, SHOP_API_KEY=KEY).came_again()
    told = [one for one in reproduction.capsule["request"]["credentials"] if one["kind"] == "environment"]
    assert [one["name"] for one in told] == ["SHOP_API_KEY"]
    assert not leaves(reproduction, KEY)
    assert KEY not in json.dumps(reproduction.result["exchanges"])


@pytest.mark.parametrize("place", ["query", "json"])
def test_a_key_that_is_escaped_is_put_back_too(place, reproduce):
    from urllib.parse import quote

    path, data, headers = {
        "query": ("/guarded?api_key=" + quote(HARD_KEY, ""), None, {}),
        "json": ("/guarded", json.dumps({"key": HARD_KEY}).encode(), {"Content-Type": "application/json"}),
    }[place]
    reproduction = reproduce(PROGRAM, path, data, headers=headers, SHOP_API_KEY=HARD_KEY).came_again()
    assert not leaves(reproduction, KEY)


def test_a_key_in_the_path_is_put_back(reproduce):
    reproduction = reproduce(PROGRAM, "/hooks/" + KEY, b"", HOOK_SECRET=KEY).came_again()
    assert not leaves(reproduction, KEY)


def test_a_key_is_put_back_under_asgi(reproduce):
    reproduce(ASYNC, "/guarded", command=UVICORN, headers={"X-Api-Key": KEY}, SHOP_API_KEY=KEY).came_again()


def test_another_value_in_the_sandbox_opens_what_it_opens_there(reproduce, folder, tmp_path):
    from reproducing import play

    reproduction = reproduce(PROGRAM, "/guarded", headers={"X-Api-Key": KEY}, SHOP_API_KEY=KEY)
    request = reproduction.capsule["request"]
    other = play(folder, FLASK, tmp_path, [request], reproduction.capsule, SHOP_API_KEY="another one")
    assert other["exchanges"][0]["status"] == 500
    without = play(folder, FLASK, tmp_path, [dict(request, credentials=[])], reproduction.capsule, SHOP_API_KEY=KEY)
    assert without["exchanges"][0]["status"] == 401


@pytest.mark.parametrize("length, prefix", [(16, "4"), (13, "4"), (16, "5105"), (16, "2223"), (15, "34"), (16, "6011"), (14, "36"), (16, "3530")])
def test_a_card_number_is_masked_to_another_valid_one(length, prefix):
    for _ in range(50):
        number = secrets_corpus.card(DRAWN, prefix, length)
        other = redact_shapes.masked(number)
        assert redact_shapes.is_card(number) and redact_shapes.is_card(other)
        assert len(other) == length and other[:2] == number[:2] and redact_shapes.masked(other) == other


@pytest.mark.parametrize("country, length", [("DE", 22), ("NO", 15), ("GB", 22), ("FR", 27)])
def test_an_account_number_is_masked_to_another_valid_one(country, length):
    number = secrets_corpus.account(DRAWN, country, length)
    assert redact_shapes.is_account(number) and redact_shapes.is_account(redact_shapes.masked(number))


@pytest.mark.parametrize(
    "text",
    [
        "order 1700000000123 of 2024-05-06 10:11:12", "4111111111111112", "0.4111111111111111", "1234567812345678", "123e4567-e89b-12d3-a456-426614174000",
        "GB00WEST12345698765432", "DE89 SOMETHING", "a task-list-with-many-words-in-its-name", "sk-circle-fade-dot", "The basic understanding of bearer certificates",
        "AKIA", "KeyError: 'token'", "Unexpected token", "session", "max_tokens=100", "token_type: bearer", "gh_actions", "the highest_price_of_all_known_things",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "SELECT id FROM users WHERE name = 'ada'", "INSERT INTO orders (name, note) VALUES ('ada', 'it''s')",
    ],
)
def test_what_only_looks_like_a_secret_stays(text):
    assert redact.Pass().scrub(text) == text


@pytest.mark.parametrize(
    "name", ["token_type", "session_cookie_name", "password_changed_at", "token_expires_in", "csrf_enabled", "keyboard", "author", "passenger", "compass", "monkey", "tokenizer_path", "opinion"]
)
def test_what_is_told_about_a_secret_is_none(name):
    assert not redact.is_secret(name)


def test_identifiers_and_counts_are_not_masked():
    body = b'{"session_id": 42, "total_tokens": 731, "token": 7310, "session_token": "abc12345"}'
    hidden = redact.redact_bodies.body(body, [["content-type", "application/json"]], "body", redact.Pass())
    assert hidden == b'{"session_id": 42, "total_tokens": 731, "token": 1000, "session_token": "xxx00000"}'


def test_different_secrets_get_different_masks_as_far_as_they_have_letters():
    work = redact.Pass()
    masks = {work.masked("%s%s-secret-00" % (one, other)) for one in "abcdefgh" for other in "abcdefgh"}
    assert len(masks) == 64 and {len(one) for one in masks} == {12}
    assert work.masked("aa-secret-00") == work.masked("aa-secret-00")
    assert all(matching.texts(mask, "zz-secret-99") == matching.MASKED for mask in masks)


@pytest.mark.parametrize(
    "recorded, asked, sure",
    [
        ("xxx000", "abc123", matching.MASKED), ("order 100", "order 123", matching.NOT), ("key xx00 of 5", "key ab12 of 5", matching.MASKED),
        ("key xx00 of 5", "key ab12 of 6", matching.NOT), ("xbox", "abcd", matching.NOT), ("session:xxxx0000", "session:abcd1234", matching.MASKED),
        ("prefixxxxx00000suffix", "prefixabcd12345suffix", matching.MASKED), ("keyxxxxxxx00is", "keyabcdefg12is", matching.MASKED),
    ],
)
def test_a_mask_stands_for_whole_words_only(recorded, asked, sure):
    assert matching.texts(recorded, asked) == sure

SHOP = '''
import hmac, os, sqlite3
from flask import Flask, abort, request

app = Flask(__name__)
NAMES = {}

def database():
    connection = sqlite3.connect(os.environ["SHOP_FILE"])
    connection.row_factory = sqlite3.Row
    return connection

@app.get("/ok")
def ok():
    return "ok"

@app.get("/orders")
def orders():
    token = request.headers["X-Auth-Token"]
    user = database().execute("SELECT * FROM users WHERE api_token = ?", (token,)).fetchone()
    if user is None or not hmac.compare_digest(user["api_token"], token):
        abort(401)
    return NAMES[user["name"]]

@app.get("/other")
def other():
    token = request.headers["X-Auth-Token"]
    user = database().execute("SELECT * FROM users WHERE name = 'bob'").fetchone()
    if user["api_token"] == token:
        abort(401)
    return NAMES[user["name"]]

@app.get("/reset/<token>")
def reset(token):
    user = database().execute("SELECT id, name FROM users WHERE reset_token = ?", (token,)).fetchone()
    if user is None:
        abort(404)
    return NAMES[user["name"]]
'''


@pytest.mark.parametrize("path, message", [("/orders", "'ada'"), ("/other", "'bob'"), ("/reset/kLm3kLm3kLm3kLm3kLm3", "'ada'")])
def test_a_token_is_found_in_a_row_that_is_gone(path, message, reproduce, tmp_path):
    import sqlite3

    file = tmp_path / "shop.db"
    tokens = ["aB3dEf6hIj9lMn2p", "bC3eFg6iJk9mNo2q"]
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE users (id INTEGER, name TEXT, api_token TEXT, reset_token TEXT)")
    connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", [(1, "ada", tokens[0], "kLm3" * 5), (2, "bob", tokens[1], "nOp4" * 5)])
    connection.commit()
    connection.close()
    reproduction = reproduce(
        SHOP, path, headers={"X-Auth-Token": tokens[0]}, gone=file.unlink, SHOP_FILE=str(file)
    ).came_again()
    assert reproduction.exchange["exceptions"][0]["message"] == message
    assert not any(leaves(reproduction, secret) for secret in (*tokens, "kLm3" * 5, "nOp4" * 5))
