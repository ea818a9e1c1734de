"""Failures that depend on what PostgreSQL answered come again without it; and a program sees no difference, neither recorded nor replayed."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import postgres_shops as shops  # noqa: E402
from postgres_server import PostgresServer, postgres  # noqa: E402, F401
from reproducing import FLASK, UVICORN, play, told, ways  # noqa: E402
from running import AGENT, environment  # noqa: E402

sys.path.insert(0, str(AGENT))
from homeostasis_agent.dependencies import matching, sql  # noqa: E402

PROGRAMS = Path(__file__).parent / "programs"

RECORD = """
import json, runpy, sys
result, sys.argv = sys.argv[1], sys.argv[2:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    from homeostasis_agent.dependencies import recording
    missing = []
    answers = recording.described_start(missing)
    with open(result, "w") as file:
        json.dump({"schema": 1, "kind": "process", "answers": answers, "missing": missing}, file)
"""


@pytest.fixture
def shop(postgres):
    """The database as the programs expect it."""
    import psycopg2

    connection = psycopg2.connect(postgres.dsn)
    connection.autocommit = True
    connection.cursor().execute(shops.TABLES)
    connection.close()
    return postgres


def run(arguments, variables, *before):
    ended = subprocess.run(
        [*before, sys.executable, *map(str, arguments)], env=variables, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("name", ["psycopg2", "psycopg", "psycopg_async", "sqlalchemy"])
def test_a_program_sees_the_same_without_the_agent_while_it_is_recorded_and_in_a_replay(name, postgres, tmp_path):
    program = PROGRAMS / ("sees_%s.py" % name)
    bare = environment(tmp_path, None, DSN=postgres.dsn)
    del bare["PYTHONPATH"]
    plain = run([program], bare)
    assert len(plain) > 20
    # Nobody listens at this socket; the agent records all the same.
    recorded = run(
        ["-c", RECORD, tmp_path / "task.json", program], environment(tmp_path, tmp_path / "socket", DSN=postgres.dsn)
    )
    assert recorded == plain
    task = json.loads((tmp_path / "task.json").read_text())
    assert task["missing"] == []
    variables = environment(
        tmp_path, None, DSN=postgres.dsn, HOMEOSTASIS_REPLAY=str(tmp_path / "task.json"),
        HOMEOSTASIS_REPLAY_RESULT=str(tmp_path / "result.json"),
    )
    replayed = run([program], variables, *isolated())
    assert replayed == plain


def isolated():
    import os

    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


FLASK_FAILURES = {
    "/null-column": "AttributeError", "/missing-row": "TypeError", "/wrong-type": "ValueError", "/decimal-and-float": "TypeError",
    "/json": "KeyError", "/array": "IndexError", "/time-zones": "TypeError", "/unique": "UniqueViolation",
    "/stored-zero": "ZeroDivisionError", "/empty-aggregate": "TypeError", "/rolled-back": "RuntimeError", "/returning": "KeyError",
    "/down": "OperationalError", "/table-missing": "UndefinedTable", "/named-cursor": "KeyError", "/many": "NotNullViolation",
    "/deferred": "ForeignKeyViolation", "/json-parameter": "KeyError",
}


@pytest.mark.parametrize("path", FLASK_FAILURES)
def test_a_failure_of_flask_with_psycopg2_comes_again(path, shop, reproduce):
    reproduction = reproduce(shops.FLASK_PSYCOPG2, path, DSN=shop.dsn).came_again()
    assert reproduction.capsule["exceptions"][0]["type"] == FLASK_FAILURES[path]
    assert "keep-this-password" not in json.dumps(reproduction.capsule)


FASTAPI_FAILURES = {
    "/null-column": "AttributeError", "/missing-row": "TypeError", "/stored-zero": "DivisionByZero", "/unique": "UniqueViolation",
    "/transaction": "CheckViolation", "/server-cursor": "KeyError", "/time-zones": "TypeError", "/pipeline": "TypeError",
    "/copy": "NotNullViolation", "/down": "OperationalError", "/plain": "CheckViolation",
}


@pytest.mark.parametrize("path", FASTAPI_FAILURES)
def test_a_failure_of_fastapi_with_psycopg_and_a_pool_comes_again(path, shop, reproduce):
    reproduction = reproduce(shops.FASTAPI_PSYCOPG, path, command=UVICORN, DSN=shop.dsn).came_again()
    assert reproduction.capsule["exceptions"][0]["type"] == FASTAPI_FAILURES[path]


SQLALCHEMY_FAILURES = {
    "/relation-none": "AttributeError", "/lazy-load": "IndexError", "/detached": "DetachedInstanceError", "/flush": "IntegrityError",
    "/unique": "IntegrityError", "/no-result": "NoResultFound", "/empty-aggregate": "TypeError", "/many-rows": "KeyError",
    "/bulk": "KeyError", "/text": "KeyError",
}


@pytest.mark.parametrize("path", SQLALCHEMY_FAILURES)
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_failure_of_flask_with_sqlalchemy_comes_again(driver, path, shop, reproduce):
    source = shops.FLASK_SQLALCHEMY.replace("DRIVER", driver)
    reproduction = reproduce(source, path, DSN=shop.dsn, before=["/ok"])
    if path == "/detached":
        # Its message has the address of an object in it.
        assert ways(reproduction.exchange["exceptions"]) == ways(reproduction.capsule["exceptions"])
    else:
        reproduction.came_again()
    assert reproduction.capsule["exceptions"][0]["type"] == SQLALCHEMY_FAILURES[path]


ASYNC_SQLALCHEMY_FAILURES = {
    "/missing": "AttributeError", "/lazy-load": "MissingGreenlet", "/eager": "IndexError", "/flush": "IntegrityError",
    "/table-missing": "ProgrammingError",
}


@pytest.mark.parametrize("path", ASYNC_SQLALCHEMY_FAILURES)
def test_a_failure_of_fastapi_with_an_asynchronous_engine_comes_again(path, shop, reproduce):
    reproduction = reproduce(shops.FASTAPI_ASYNC_SQLALCHEMY, path, command=UVICORN, DSN=shop.dsn, before=["/ok"]).came_again()
    assert reproduction.capsule["exceptions"][0]["type"] == ASYNC_SQLALCHEMY_FAILURES[path]


CONCURRENT = {
    "threads": (shops.CONCURRENT_FLASK, (*FLASK, "--with-threads")),
    "asyncio": (shops.CONCURRENT_FASTAPI, UVICORN),
}


@pytest.mark.parametrize("kind", CONCURRENT)
def test_each_of_eight_requests_at_once_carries_its_own_answers_and_comes_again(kind, shop, serve, peer, folder, tmp_path):
    source, command = CONCURRENT[kind]
    numbers = range(11, 19)
    (folder / "program.py").write_text(source)
    server = serve(*command, DSN=shop.dsn)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: server.get("/fail-%d" % number), numbers))
    assert [status for status, _ in answers] == [500] * 8
    events = peer.wait("event", 8)
    server.stop()
    assert len(events) == 8
    for event in events:
        capsule = event["capsule"]
        number = int(capsule["request"]["path"].rpartition("-")[2])
        own = capsule["request"]["answers"]
        assert [question["parameters"]["items"][-1]["v"] for question in own] == [str(number)] * 2
        assert own[0]["answer"]["rows"][0]["items"][0]["v"] == str(number)
        result = play(folder, command, tmp_path, [capsule["request"]], capsule, DSN=shop.dsn)
        assert result["ready"], result["error"]
        exchange = result["exchanges"][0]
        assert exchange["unanswered"] == []
        assert ways(exchange["exceptions"]) == ways(capsule["exceptions"]), told(exchange["exceptions"])
        # The arguments of the exception are the rows themselves.
        assert exchange["exceptions"][0]["attributes"] == capsule["exceptions"][0]["attributes"]


def test_a_replay_with_another_statement_is_told_that_nobody_recorded_an_answer(shop, serve, peer, folder, tmp_path):
    (folder / "program.py").write_text(shops.FLASK_PSYCOPG2)
    server = serve(*FLASK, DSN=shop.dsn)
    server.get("/missing-row")
    capsule = peer.wait("event")[0]["capsule"]
    server.stop()
    changed = shops.FLASK_PSYCOPG2.replace("select name from customers", "select email from customers")
    (folder / "program.py").write_text(changed)
    result = play(folder, FLASK, tmp_path, [capsule["request"]], capsule, DSN=shop.dsn)
    (unanswered,) = result["exchanges"][0]["unanswered"]
    assert "select email from customers" in unanswered and unanswered.endswith("nobody recorded an answer")
    assert result["exchanges"][0]["exceptions"][0]["type"] == "OperationalError"


def test_a_secret_in_a_question_and_its_answer_is_masked_and_the_failure_comes_again(shop, reproduce):
    reproduction = reproduce(shops.FLASK_PSYCOPG2, "/secret?token=tok-7", DSN=shop.dsn).came_again()
    assert "tok-7" not in json.dumps(reproduction.capsule)


SIGN_UP = shops.FLASK_PSYCOPG2 + '''
@app.get("/sign-up")
def sign_up():
    import hashlib, secrets
    salt = secrets.token_hex(8)
    digest = hashlib.sha256((salt + request.args["password"]).encode()).hexdigest()
    cursor = connect().cursor()
    cursor.execute("create temporary table people (id serial, name varchar(5), password_hash text)")
    cursor.execute(
        "insert into people (name, password_hash) values (%s, %s) returning id",
        (request.args["name"], "sha256$%s$%s" % (salt, digest)),
    )
    return {}[cursor.fetchone()[0]]
'''


@pytest.mark.parametrize("name", ["refused-for-its-length", "Ada"])
def test_what_is_written_with_the_hash_of_a_password_that_was_masked_gets_its_answer(name, shop, reproduce):
    reproduction = reproduce(SIGN_UP, "/sign-up?password=correct-horse-battery&name=" + name, DSN=shop.dsn).came_again()
    assert "correct-horse" not in json.dumps(reproduction.capsule)


@pytest.mark.parametrize(
    "statement, recorded, asked, is_alike",
    [
        ("update users set hash = %s where id = %s", ["x0x0x0x0x0", 5], ["ab12cd34ef", 5], True),
        ("update users set hash = %s where id = %s", ["x0x0x0x0x0", 5], ["ab12cd34ef", 6], False),
        ("update users set hash = %s where id = %s", ["x0x0x0x0x0", 5], ["ab12cd34ef0", 5], False),
        ("update users set hash = %s where id = %s", ["5e884898da", 5], ["ab12cd34ef", 5], False),
        ("select id from users where hash = %s and id = %s", ["x0x0x0x0x0", 5], ["ab12cd34ef", 5], False),
    ],
)
def test_only_a_statement_that_writes_is_the_same_with_another_value_in_place_of_a_hidden_one(statement, recorded, asked, is_alike):
    def question(parameters):
        described = sql.described_question(("psycopg2", "shop", statement, parameters))
        return dict(described, answer={"error": {"class": "psycopg2.errors.UniqueViolation"}})

    assert (sql.alike(question(recorded), question(asked)) != matching.NOT) is is_alike


def test_names_of_parameters_are_text_whatever_class_of_text_they_are_of():
    class Label(str):
        def __init__(self, text):
            self.lock = object()

    labelled = sql.described_parameters({Label("name"): "Ada", "id": 1})
    assert labelled == sql.described_parameters({"id": 1, "name": "Ada"})


def test_a_server_that_goes_away_in_the_middle_of_a_request_goes_away_in_the_replay(shop, reproduce):
    source = shops.FLASK_PSYCOPG2 + '''
@app.get("/killed")
def killed():
    connection, other = connect(), connect()
    other.autocommit = True
    cursor = connection.cursor()
    cursor.execute("select count(*) from orders")
    other.cursor().execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'killed'")
    cursor.execute("select 1 + 1")
    return "alive"
'''
    source = source.replace("connection, other = connect(), connect()", "connection, other = connect(application_name='killed'), connect()")
    reproduction = reproduce(source, "/killed", DSN=shop.dsn).came_again()
    assert reproduction.capsule["exceptions"][0]["message"].startswith(("server closed", "terminating"))


def test_a_failure_comes_again_when_the_server_itself_is_gone(reproduce):
    server = PostgresServer()
    try:
        import psycopg2

        connection = psycopg2.connect(server.dsn)
        connection.cursor().execute(shops.TABLES)
        connection.commit()
        connection.close()
        source = shops.FLASK_SQLALCHEMY.replace("DRIVER", "psycopg2")
        reproduce(source, "/relation-none", DSN=server.dsn, gone=server.remove).came_again()
    finally:
        server.remove()
