"""What looks secret does not leave the process: by name, by shape, and wherever it turns up again."""

import base64
import json

import pytest
from homeostasis_agent import redact, settings, values

SECRET = "S3cr3t-Value-99"


def capsule(locals_=None, message="", query="", headers=(), body=b"", attributes=None, notes=(), argv=()):
    budget = values.Budget()

    def captured(things):
        budget.next_name()
        return {name: values.captured(thing, budget) for name, thing in (things or {}).items()}

    return {
        "process": {"argv": list(argv)},
        "exceptions": [
            {
                "message": message,
                "notes": list(notes),
                "attributes": captured(attributes),
                "frames": [{"text": "", "locals": captured(locals_), "globals": {}}],
            }
        ],
        "request": {
            "path": "/",
            "query": query,
            "route": "GET /",
            "headers": [list(header) for header in headers],
            "credentials": [],
            "answers": [],
            "body": {"data": base64.b64encode(body).decode(), "len": len(body), "truncated": False},
        },
        "call": None,
        "answers": [],
        "redacted": [],
    }


def written(made, witnesses):
    return json.dumps([made, witnesses], ensure_ascii=False)


def redacted(**parts):
    made = capsule(**parts)
    redact.event(made, [], written)
    return made


def body_of(made):
    return base64.b64decode(made["request"]["body"]["data"])


NAMES = [
    "password", "user_passwd", "client-secret", "X-Auth-Token", "api_key", "apikey", "API-KEY", "Authorization", "Cookie",
    "sessionid", "csrfmiddlewaretoken", "private_key", "aws_access_key_id", "credit_card", "card_number", "cvv", "ssn",
    "accessToken", "DB_PASSWORD", "HTTP_COOKIE", "privateKey",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_name_hides_its_value_wherever_it_stands(name):
    class Thing:
        pass

    thing = Thing()
    setattr(thing, name, SECRET)
    form = "a=1&%s=%s&b=2" % (name, SECRET)
    for made in (
        redacted(headers=[(name.lower(), SECRET)]),
        redacted(query=form),
        redacted(body=form.encode(), headers=[("content-type", "application/x-www-form-urlencoded")]),
        redacted(body=json.dumps({"a": [{name: SECRET}]}).encode(), headers=[("content-type", "application/json")]),
        redacted(body=json.dumps({name: {"deep": [SECRET, 1]}}).encode()),
        redacted(locals_={name: SECRET}),
        redacted(locals_={"data": {"inner": {name: SECRET}}}),
        redacted(locals_={"data": {name.encode(): SECRET}}),
        redacted(locals_={"pairs": [(name, SECRET)]}),
        redacted(locals_={"thing": thing}),
        redacted(attributes={name: SECRET}),
        redacted(argv=["--%s=%s" % (name, SECRET)]),
        redacted(argv=["--" + name, SECRET]),
        redacted(message="%s=%s" % (name, SECRET)),
        redacted(message="Thing(%s='%s', a=1)" % (name, SECRET)),
        redacted(notes=["{'%s': '%s'}" % (name, SECRET)]),
        redacted(locals_={"text": "Thing(%s=%r)" % (name, SECRET)}),
        redacted(
            headers=[("content-type", "multipart/form-data; boundary=XyZ")],
            body=(
                '--XyZ\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--XyZ--\r\n' % (name, SECRET)
            ).encode(),
        ),
    ):
        assert SECRET not in json.dumps(made) and SECRET.encode() not in body_of(made)


def test_length_and_shape_stay_and_the_rest_is_untouched():
    original = b'{ "user": "ada",\n  "password": "Ab-12 \\u00e9\\n!", "n": 7, "token": 1234, "pin_token": 0.5e3, "ok": true }'
    made = redacted(body=original, headers=[("content-type", "application/json; charset=utf-8")])
    hidden = body_of(made)
    assert hidden == (
        b'{ "user": "ada",\n  "password": "xx-00 \\u0078\\n!", "n": 7, "token": 1000, "pin_token": 0.0e0, "ok": true }'
    )
    json.loads(hidden)
    made = redacted(query="a=1&password=a%20b9&c")
    assert made["request"]["query"] == "a=1&password=x%20x0&c"
    assert made["redacted"] == ["request.query.password"]


def test_a_broken_body_is_hidden_as_far_as_it_goes():
    assert b"abcdefgh1" not in body_of(redacted(body=b'{"a": 1, "password": "abcdefgh1'))
    assert b"abcdefgh1" not in body_of(redacted(body=b"\xff\xfe token=abcdefgh1"))


@pytest.mark.parametrize(
    "text, hidden",
    [
        ("got Bearer abcdefgh123 from x", "got Bearer xxxxxxxx000 from x"),
        ("postgres://app:pa55word@db/shop", "postgres://app:xx00xxxx@db/shop"),
        ("redis://:pa55word@cache:6379/0", "redis://:xx00xxxx@cache:6379/0"),
        ("jwt eyJhbGciOi.eyJzdWIi.abc-1 end", "jwt xxxXxxXxXx.xxxXxxXx.xxx-0 end".lower().replace("jwt xxx", "jwt xxx")),
        ("the token is missing", "the token is missing"),
        ("KeyError: 'session'", "KeyError: 'session'"),
        ("password == expected", "password == expected"),
        ("password=None", "password=None"),
    ],
)
def test_text_that_carries_a_secret_is_masked(text, hidden):
    assert redacted(message=text)["exceptions"][0]["message"] == hidden


def test_a_known_secret_is_hidden_where_it_turns_up_again():
    made = redacted(
        headers=[("authorization", "Bearer " + SECRET), ("cookie", "sid=cookievalue1; other=cookievalue2"), ("x-a", SECRET)],
        message="cannot verify " + SECRET,
        locals_={"x": SECRET, "y": {"z": ["cookievalue2"]}, "raw": SECRET.encode(), "names": {SECRET: 1}},
        query="q=" + SECRET,
        body=("text with " + SECRET).encode(),
        argv=["run", SECRET],
    )
    text = json.dumps(made) + body_of(made).decode()
    assert SECRET not in text and "cookievalue" not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text


def test_basic_credentials_are_hidden_in_their_plain_form_too():
    header = "Basic " + base64.b64encode(b"ada:opensesame1").decode()
    made = redacted(headers=[("authorization", header)], locals_={"x": "opensesame1"})
    assert "opensesame1" not in json.dumps(made)


def test_a_password_that_is_a_common_name_does_not_blind_the_rest():
    made = redacted(locals_={"password": "password"}, message="KeyError: 'password'")
    assert made["exceptions"][0]["message"] == "KeyError: 'password'"


def test_the_users_own_names_are_hidden(monkeypatch):
    monkeypatch.setattr(settings, "redact_names", ("iban", "inner-no", "a(b"))
    made = redacted(locals_={"IBAN": SECRET, "inner_no": "ABCDEFGH9", "a(b": "QWERTZUI8"}, message="iban: DE1234567890")
    text = json.dumps(made)
    assert SECRET not in text and "ABCDEFGH9" not in text and "QWERTZUI8" not in text and "DE1234567890" not in text


def test_the_users_own_patterns_are_hidden_in_any_text(monkeypatch):
    import re

    monkeypatch.setattr(settings, "redact_patterns", (re.compile(r"ACME-\d{6}"), re.compile("(?i)secret-[a-z]+")))
    made = redacted(
        locals_={"a": "ACME-123456", "b": {"c": [b"x SECRET-abc y"]}, "long": "y" * 995 + " ACME-654321 " + "z" * 2000},
        message="no ACME-111222", query="q=ACME-333444", headers=[("x-note", "ACME-555666")], body=b'{"note": "ACME-777888", "id": 4}', argv=["ACME-999000"],
    )
    text = json.dumps(made) + body_of(made).decode() + base64.b64decode(made["exceptions"][0]["frames"][0]["locals"]["b"]["items"][0][1]["items"][0]["v"]).decode()
    assert re.search(r"ACME-[1-9]|SECRET-abc", text) is None and '"id": 4' in text


def test_an_expression_that_cannot_be_used_is_told_and_the_others_are_used(monkeypatch, capsys):
    for name in ("root", "redact_patterns"):
        monkeypatch.setattr(settings, name, getattr(settings, name))
    settings.apply({"redact_patterns": ["(", "ACME"]})
    assert [pattern.pattern for pattern in settings.redact_patterns] == ["ACME"]
    assert "redact_patterns" in capsys.readouterr().err


def test_witnesses_are_redacted_with_the_rest():
    made = capsule(locals_={"password": SECRET})
    part = capsule(headers=[("set-cookie", "sid=abcdefgh77; Path=/")], body=SECRET.encode())["request"]
    witness = {"request": part, "response": json.loads(json.dumps(dict(part, status=200)))}
    redact.event(made, [witness], written)
    assert "abcdefgh77" not in json.dumps(witness)
    assert SECRET.encode() not in base64.b64decode(witness["response"]["body"]["data"])


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----" * 3000, "sk-_" * 20_000, "<password>" * 8000, "<a name='password'" * 4000, "4111 1111 " * 8000, "DE89 3704 " * 8000,
        "Key (" * 10_000 + ")=(", "[parameters: (" * 5000, "insert into a (password) values ('" * 2000, "'" * 80_000 + "values", '["a",' * 20_000,
        "%41=" * 20_000, "https://a:" * 8000, "Failing row contains (" * 4000, "cookie: a=" * 8000, "token=[" * 10_000, "token=['a'," * 8000,
        "token" * 20_000, "://a" * 20_000, "eyJ-" * 20_000, 'token="' * 20_000, '{"a":' * 20_000, "password" + "-" * 80_000,
    ],
    ids=lambda text: text[:30],
)
def test_text_made_to_be_slow_is_not(text):
    import time

    began = time.process_time()
    redacted(body=text.encode(), message=text[:2000], locals_={"x": text})
    assert time.process_time() - began < 2
