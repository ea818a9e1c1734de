"""No secret of the corpus leaves a real program: what goes over the wire is searched, whatever form the secret may have there.

`homeostasis capsule show`, the store and the files of a replay hold what came over the wire and nothing else, so that the wire decides.
"""

import base64
import html
import json
import random
import re
import zlib
from urllib.parse import unquote

import pytest
import secrets_corpus
from homeostasis_agent import redact
from test_redaction import capsule, written

CASES = secrets_corpus.cases(random.Random())
WITH_CODE = [number for number, case in enumerate(CASES) if case.code]
WITH_REQUEST = [number for number, case in enumerate(CASES) if case.request]
WITH_RESPONSE = [number for number, case in enumerate(CASES) if case.response]
WITH_ANSWER = [case for case in CASES if case.answer]
WITH_ARGUMENTS = [case for case in CASES if case.arguments]

STRONGBOX = """
import json, os

def vault(number):
    with open(os.environ["STRONGBOX"]) as file:
        return json.load(file)[str(number)]
"""

FLASK = """
import base64, json, os
from flask import Flask, Response, request
import failures

app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.route("/fail/<int:number>", methods=["GET", "POST"])
@app.route("/fail/<int:number>/<path:rest>", methods=["GET", "POST"])
def fail(number, rest=""):
    raw = request.get_data()
    arguments = request.args.to_dict(flat=False)
    form = request.form.to_dict(flat=False)
    headers = dict(request.headers)
    data = request.get_json(silent=True)
    return failures.FAILURES[number]()

@app.get("/answer/<label>")
def answer(label):
    number = failures.number(label)
    if "fail" in request.args:
        return failures.FAILURES[number]()
    return Response(*failures.response(number))
"""

FASTAPI = """
from fastapi import FastAPI, Request, Response
import failures

app = FastAPI()

@app.get("/ok")
async def ok():
    return {}

@app.api_route("/fail/{number:int}", methods=["GET", "POST"])
@app.api_route("/fail/{number:int}/{rest:path}", methods=["GET", "POST"])
async def fail(number: int, request: Request, rest: str = ""):
    raw = await request.body()
    arguments = request.query_params.multi_items()
    headers = dict(request.headers)
    return failures.FAILURES[number]()

@app.get("/answer/{label}")
async def answer(label: str, request: Request):
    number = failures.number(label)
    if "fail" in request.query_params:
        return failures.FAILURES[number]()
    body, status, headers = failures.response(number)
    return Response(body, status, dict(headers))
"""

UNREDACTED = """
import homeostasis_agent.redact as redact
redact.event = lambda capsule, witnesses, write: write(capsule, witnesses)
redact.command_line = list
"""


def label(number):
    return "".join(chr(97 + int(digit)) for digit in str(number))


def program():
    """The module with a failing function for each case; no secret is in its source."""
    lines = [
        "import base64, json, os", "from strongbox import vault", "", "def number(label):", "    return int(''.join(str(ord(one) - 97) for one in label))", "",
        "def response(number):", "    with open(os.environ['STRONGBOX']) as file:",
        "        status, headers, body = json.load(file)['response %d' % number]", "    return base64.b64decode(body), status, headers", "",
    ]
    for number, case in enumerate(CASES):
        lines.append("def case_%d():" % number)
        body = (case.code or "raise LookupError").replace("vault()", "vault(%d)" % number)
        lines.extend("    " + line for line in body.split("\n"))
        lines.append("")
    lines.append("FAILURES = [%s]" % ", ".join("case_%d" % number for number in range(len(CASES))))
    return "\n".join(lines)


def run(folder, serve, peer, tmp_path, source, command, unredacted=False):
    """Starts the program and has each of its cases fail; the wire."""
    box = {str(number): case.secret for number, case in enumerate(CASES) if case.code}
    for number in WITH_RESPONSE:
        response = CASES[number].response
        box["response %d" % number] = [response["status"], response["headers"], base64.b64encode(response["body"]).decode()]
    for number, case in enumerate(CASES):
        if case.name == "shape: private key in text" and case.code:
            box[str(number)] = "\n".join(case.also)
    (tmp_path / "strongbox.json").write_text(json.dumps(box))
    (folder / "strongbox.py").write_text(STRONGBOX)
    (folder / "failures.py").write_text(program())
    (folder / "program.py").write_text((UNREDACTED if unredacted else "") + source)
    variables = {name: value for case in CASES for name, value in case.environment.items()}
    server = serve(*command, STRONGBOX=str(tmp_path / "strongbox.json"), **variables)
    for number in WITH_CODE:
        assert server.get("/fail/%d" % number)[0] == 500, CASES[number]
    for number in WITH_REQUEST:
        send(server, number, CASES[number].request)
    for number in WITH_RESPONSE:
        server.get("/answer/" + label(number))
        assert server.get("/answer/%s?fail=1" % label(number))[0] == 500, CASES[number]
    expected = len(WITH_CODE) + len(WITH_REQUEST) + len(WITH_RESPONSE)
    events = peer.wait("event", expected, 60)
    met = {int(frame["function"][5:]) for event in events for frame in event["capsule"]["exceptions"][0]["frames"] if frame["function"].startswith("case_")}
    assert met == {*WITH_CODE, *WITH_REQUEST, *WITH_RESPONSE}
    server.stop()
    return peer.wire


def send(server, number, request):
    import http.client

    path = "/fail/%d%s" % (number, request["path"]) + ("?" + request["query"] if request["query"] else "")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(request["method"], path)
    for name, value in request["headers"]:
        connection.putheader(name, value)
    if request["method"] == "POST":
        connection.putheader("Content-Length", str(len(request["body"])))
    connection.endheaders(request["body"] if request["method"] == "POST" else None)
    assert connection.getresponse().status == 500, CASES[number]
    connection.close()


def views(raw, depth=3):
    """Bytes in all the forms that a reader could give them: decoded, decompressed, unescaped."""
    text = raw.decode("utf-8", "replace")
    found = [text, raw.decode("latin-1")]
    unescaped = text
    for _ in range(3):
        if "\\" in unescaped:
            unescaped = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescaped, unescaped)
            found.append(unescaped)
    for run_of_digits in re.findall(r"(?:[0-9a-f]{2}){10,}", text) if depth > 0 else ():
        found.append(bytes.fromhex(run_of_digits).decode("latin-1"))
    if "%" in text:
        found.append(unquote(text))
    if "&" in text:
        found.append(html.unescape(text))
    if b"\0" in raw:
        found.append(raw.replace(b"\0", b"").decode("latin-1"))
    try:
        found.extend(views(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(raw), depth - 1))
    except zlib.error:
        pass
    if depth > 0:
        for run_of_letters in set(re.findall(r"[A-Za-z0-9+/_-]{12,}={0,2}", text)):
            # Whatever comes before, the secret begins at one of four places.
            plain = run_of_letters.rstrip("=").replace("-", "+").replace("_", "/")
            decoded = base64.b64decode(plain[: len(plain) // 4 * 4] + (plain[len(plain) // 4 * 4 :] + "==")[:4] if len(plain) % 4 > 1 else plain[: len(plain) // 4 * 4])
            if any(32 <= one < 127 for one in decoded):
                found.extend(views(decoded, depth - 1) if depth > 1 else [decoded.decode("latin-1")])
    return found


def _unescaped(found):
    escape = found.group(1)
    return chr(int(escape[1:], 16)) if len(escape) > 1 else {"n": "\n", "r": "\r", "t": "\t"}.get(escape, escape)


def everything(wire):
    """One text in which a search decides, and the same without what cards and accounts are grouped by."""
    found = {view for line in wire for view in views(bytes(line))}
    text = "\n".join(found)
    return text, re.sub("[ -]", "", text)


def leaked(wire, cases=CASES):
    text, squeezed = everything(wire)
    return [
        case.name for case in cases
        if any(secret in text or re.sub("[ -]", "", secret) in squeezed for secret in (case.secret, *case.also))
    ]


def test_the_corpus_is_large_and_its_secrets_are_all_different():
    assert len(CASES) >= 120 and len({case.name for case in CASES}) == len(CASES)
    assert len({case.secret for case in CASES}) == len(CASES)


def test_the_search_finds_a_secret_in_every_form():
    secret = "aB3$" + "x9Yz" * 4
    for form in (
        secret.encode(), base64.b64encode(b"ab" + secret.encode()), json.dumps(secret).encode(), secret.replace("$", "%24").encode(),
        "".join("%%%02x" % ord(one) for one in secret).encode(), "".join("\\u%04x" % ord(one) for one in secret).encode(),
        base64.b64encode(secret.encode("utf-16-le")), base64.b64encode(zlib.compress(secret.encode())),
        base64.b64encode(base64.b64encode(b"Basic " + base64.b64encode(b"ada:" + secret.encode()))),
    ):
        assert leaked([b'{"data":"' + form + b'"}'], [secrets_corpus.Case("one", secret)]) == ["one"], form


@pytest.mark.parametrize(
    "source, command",
    [(FLASK, ("gunicorn", "-w", "1", "-b", "127.0.0.1:PORT", "program:app")), (FASTAPI, ("uvicorn", "--port", "PORT", "program:app"))],
    ids=["flask", "fastapi"],
)
def test_no_secret_leaves_the_process(source, command, folder, serve, peer, tmp_path):
    names = leaked(run(folder, serve, peer, tmp_path, source, command))
    assert not names, ", ".join(names)


def test_without_redaction_they_all_leave_it(folder, serve, peer, tmp_path):
    """What the test above is worth."""
    wire = run(folder, serve, peer, tmp_path, FLASK, ("gunicorn", "-w", "1", "-b", "127.0.0.1:PORT", "program:app"), unredacted=True)
    there = [CASES[number] for number in (*WITH_CODE, *WITH_REQUEST, *WITH_RESPONSE)]
    assert set(leaked(wire)) == {case.name for case in there}


@pytest.mark.parametrize("case", WITH_ARGUMENTS, ids=repr)
def test_no_secret_of_a_command_line_leaves_the_process(case, script, folder, peer):
    (folder / "broken.py").write_text("import sys\narguments = sys.argv\nraise LookupError\n")
    assert script("broken.py", *case.arguments).returncode == 1
    peer.wait("event")
    assert leaked(peer.wire, [case]) == []


@pytest.mark.parametrize("case", WITH_ANSWER, ids=repr)
def test_no_secret_of_a_dependency_is_told(case):
    for place in ("answers", "request", "witness"):
        made = capsule()
        witness = {"request": capsule()["request"], "response": {"status": 200, "headers": [], "body": {"data": "", "len": 0, "truncated": False}}}
        holder = {"answers": made, "request": made["request"], "witness": witness["request"]}[place]
        holder["answers"] = [json.loads(json.dumps(case.answer))]
        before = json.dumps([made, witness]).encode()
        assert leaked([before], [case]) == [case.name]
        text = redact.event(made, [witness], written)
        assert leaked([text.encode()], [case]) == [], text


def answered(question, headers=()):
    """A capsule with one answered question, redacted."""
    made = capsule(headers=headers)
    made["request"]["answers"] = [json.loads(json.dumps(question))]
    redact.event(made, [], written)
    return made


def sql(statement, parameters, columns=None, rows=()):
    return {
        "kind": "sql", "driver": "sqlite3", "server": "x", "statement": statement, "parameters": secrets_corpus.value(parameters),
        "answer": {"columns": columns and [[one, None] for one in columns], "rows": [secrets_corpus.value(row) for row in rows], "complete": True, "count": 1, "id": None, "status": None},
    }


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM users WHERE token = $1", "SELECT * FROM users u JOIN sessions s ON s.session_id = u.session_id WHERE s.token = ?",
        "UPDATE users SET password = %(password)s WHERE name = 'ada'", "INSERT INTO users (name, password) VALUES ('ada', ?)",
        "SELECT id FROM orders WHERE note = 'the token = what' AND id = 7", "SELECT CAST(token AS text) FROM users",
    ],
)
def test_a_statement_without_secret_literals_stays_as_it_is(statement):
    assert answered(sql(statement, None))["request"]["answers"][0]["statement"] == statement


def test_a_token_of_a_header_equals_that_of_a_row_where_it_did_and_only_there():
    same, other = "aB3dEf6hIj9lMn2p", "bC3eFg6iJk9mNo2q"
    made = answered(
        sql("SELECT * FROM users WHERE api_token = ?", (same,), ["id", "api_token"], [(1, same), (2, other)]), [("x-auth-token", same)]
    )
    question = made["request"]["answers"][0]
    header = made["request"]["headers"][0][1]
    rows = [row["items"][1]["v"] for row in question["answer"]["rows"]]
    assert header == question["parameters"]["items"][0]["v"] == rows[0] != rows[1]
    assert len(rows[1]) == len(other) and {header.lower(), rows[1].lower()} == {"xx0xxx0xxx0xxx0x"}


def test_rows_keep_what_is_no_secret_and_the_kind_of_what_is_one():
    row = {"id": 7, "session_id": 42, "pin": 4711, "token": None, "token_type": "bearer", "password_hash": b"abc123", "tokens": ["ab1", "cd2"]}
    made = answered(sql("SELECT * FROM users", None, list(row), [tuple(row.values())]))
    items = made["request"]["answers"][0]["answer"]["rows"][0]["items"]
    shown = dict(zip(row, items))
    assert (shown["id"]["v"], shown["session_id"]["v"], shown["pin"]["v"], shown["token"], shown["token_type"]["v"]) == ("7", "42", "1000", {"t": "none"}, "bearer")
    assert base64.b64decode(shown["password_hash"]["v"]) == b"xxx000"
    assert [item["v"] for item in shown["tokens"]["items"]] == ["xx0", "Xx0"]


def test_a_session_of_a_server_stays_readable():
    command = [secrets_corpus.value(one) for one in ("GET", "session:aB3dEf6hIj9lMn2p")]
    value = secrets_corpus.value('{"user_id": 42, "csrf_token": "aB3dEf6h"}')
    made = answered({"kind": "redis", "server": "x", "command": command, "answer": {"value": value}}, [("cookie", "sid=aB3dEf6hIj9lMn2p")])
    question = made["request"]["answers"][0]
    assert question["answer"]["value"]["v"] == '{"user_id": 42, "csrf_token": "xX0xXx0x"}'.replace("xX0xXx0x", question["answer"]["value"]["v"][-10:-2])
    assert question["command"][1]["v"] == "session:" + made["request"]["headers"][0][1][4:]


def test_many_rows_with_secrets_of_one_shape_are_hidden_in_a_moment():
    import time

    drawn = random.Random()
    rows = [(number, "".join(drawn.choice("abcdefghijklmnop") for _ in range(24))) for number in range(2000)]
    question = sql("SELECT * FROM users", None, ["id", "api_token"], rows)
    began = time.process_time()
    made = answered(question)
    assert time.process_time() - began < 2
    masks = {row["items"][1]["v"] for row in made["request"]["answers"][0]["answer"]["rows"]}
    assert len(masks) == len({token for _, token in rows}) and all(mask.lower() == "x" * 24 for mask in masks)
