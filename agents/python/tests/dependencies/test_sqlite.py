"""Failures that depend on what SQLite answered come again from the capsule alone, whatever became of the file."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from textwrap import dedent, indent

import pytest

from reproducing import UVICORN, play, play_task, told, ways
from running import environment

FLASK_PROGRAM = """
import sqlite3
from datetime import datetime
from decimal import Decimal
from flask import Flask

sqlite3.register_converter("DECIMAL", lambda text: Decimal(text.decode()))
app = Flask(__name__)

def connect(**more):
    return sqlite3.connect("shop.db", **more)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    return str(work())

def work():
BODY
"""

FASTAPI_PROGRAM = FLASK_PROGRAM.replace("from flask import Flask", "from fastapi import FastAPI").replace("Flask(__name__)", "FastAPI()")

SHOP = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, email TEXT, plan TEXT, data BLOB, joined TIMESTAMP, credit DECIMAL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user INTEGER REFERENCES users(id), price REAL, coupon TEXT);
CREATE TABLE notes (user INTEGER REFERENCES users(id) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO users VALUES (1, 'ada', 'ada@example.org', NULL, x'00ff10', '2020-02-29 10:00:00', '10.50');
INSERT INTO users VALUES (2, 'bob', NULL, '{"seats": null}', x'', '2021-01-01 00:00:00.250000', '0.00');
INSERT INTO orders VALUES (1, 1, 10.0, NULL), (2, 1, 20.0, 'HALF'), (3, 1, 0.0, 'FREE'), (4, 2, 5.0, NULL);
"""


def program(body, of=FLASK_PROGRAM):
    return of.replace("BODY", indent(dedent(body).strip("\n"), "    "))


@pytest.fixture
def shop(folder):
    """The database file, made by nobody but the test."""
    path = folder / "shop.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SHOP)
    return path


def repairing(path, *statements):
    """What changes the file after the failure, so that the program would not fail any more."""

    def run():
        with closing(sqlite3.connect(path)) as db, db:
            for statement in statements:
                assert db.execute(statement).rowcount != 0

    return run


# Name, body of the failing function; each fails for what was in the database.
FAILURES = {
    "a_null_in_a_row": """
        email, = connect().execute("SELECT email FROM users WHERE id = ?", (2,)).fetchone()
        return email.lower()""",
    "no_row_where_one_was_expected": """
        row = connect().execute("SELECT * FROM users WHERE name = ?", ["eve"]).fetchone()
        return row[0]""",
    "a_row_object_without_the_column": """
        db = connect()
        db.row_factory = sqlite3.Row
        row = db.execute("SELECT id, name FROM users WHERE id = 1").fetchone()
        assert row.keys() == ["id", "name"] and isinstance(row, sqlite3.Row) and row["NAME"] == "ada"
        return row["email"]""",
    "a_row_factory_of_the_program": """
        db = connect()
        db.row_factory = lambda cursor, row: {column[0]: value for column, value in zip(cursor.description, row)}
        user = db.execute("SELECT * FROM users WHERE id = :id", {"id": 1}).fetchone()
        user.pop("name")
        return user["plan"]["seats"]""",
    "a_decimal_by_a_converter": """
        db = connect(detect_types=sqlite3.PARSE_DECLTYPES)
        credit, = db.execute("SELECT credit FROM users WHERE id = 2").fetchone()
        assert type(credit) is Decimal
        return Decimal(1) / credit""",
    "a_time_by_a_converter": """
        db = connect(detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES)
        joined, = db.execute("SELECT joined FROM users WHERE id = 1").fetchone()
        return joined.replace(year=2021)""",
    "json_in_a_text": """
        import json
        plan, = connect().execute("SELECT plan FROM users WHERE id = 2").fetchone()
        return json.loads(plan)["seats"] + 1""",
    "a_blob": """
        data, = connect().execute("SELECT data FROM users WHERE id = 1").fetchone()
        return data.decode("ascii")""",
    "an_empty_blob": """
        (data,), = connect().execute("SELECT data FROM users WHERE id = 2")
        return data[0]""",
    "a_unique_constraint": """
        try:
            connect().execute("INSERT INTO users (name) VALUES (?)", ("ada",))
        except sqlite3.IntegrityError as error:
            raise RuntimeError(str(error), getattr(error, "sqlite_errorname", None)) from error""",
    "a_constraint_that_nobody_handles": """
        connect().execute("INSERT INTO users (name) VALUES (?)", ("ada",))""",
    "a_missing_table": """
        connect().execute("SELECT * FROM refunds").fetchall()""",
    "a_missing_column": """
        connect().execute("UPDATE users SET age = 1")""",
    "an_aggregate_over_nothing": """
        total, = connect().execute("SELECT sum(price) FROM orders WHERE user = 99").fetchone()
        return total * 1.19""",
    "a_loop_that_fails_in_the_middle": """
        total = 0
        for id, price, coupon in connect().execute("SELECT id, price, coupon FROM orders ORDER BY id"):
            total += 100 / price
        return total""",
    "a_generator_that_fails_in_the_middle": """
        def prices():
            cursor = connect().execute("SELECT price FROM orders ORDER BY id")
            while True:
                rows = cursor.fetchmany(2)
                if not rows:
                    return
                for price, in rows:
                    yield 1 / price
        return sum(prices())""",
    "many_inserts_of_which_one_fails": """
        db = connect()
        with db:
            db.executemany("INSERT INTO users (id, name) VALUES (?, ?)", [(7, "x"), (8, "ada")])""",
    "many_inserts_from_a_generator": """
        db = connect()
        cursor = db.executemany("INSERT INTO orders (user, price) VALUES (?, ?)", ((1, n) for n in range(3)))
        db.commit()
        return {1: "one"}[cursor.rowcount]""",
    "a_returning_clause": """
        db = connect()
        row = db.execute("INSERT INTO orders (user, price) VALUES (1, 3.5) RETURNING id, coupon").fetchone()
        db.commit()
        return row[1].upper()""",
    "the_number_of_changed_rows": """
        db = connect()
        cursor = db.execute("UPDATE users SET plan = 'free' WHERE id = 77")
        db.commit()
        return 1 // cursor.rowcount""",
    "the_identifier_of_an_inserted_row": """
        db = connect()
        cursor = db.execute("INSERT INTO orders (user, price) VALUES (2, 1)")
        db.commit()
        return {}[cursor.lastrowid]""",
    "a_read_after_a_write": """
        db = connect()
        with db:
            db.execute("DELETE FROM orders WHERE user = 1")
        left = db.execute("SELECT id FROM orders ORDER BY id").fetchall()
        return left[1]""",
    "a_deferred_constraint_at_the_commit": """
        db = connect()
        db.execute("PRAGMA foreign_keys = ON")
        with db:
            db.execute("INSERT INTO notes VALUES (99)")""",
    "a_text_that_is_no_utf8": """
        db = connect()
        db.execute("SELECT name FROM users WHERE id = 1").fetchone()
        return db.execute("SELECT CAST(x'ff' AS TEXT)").fetchall()""",
    "a_text_factory": """
        db = connect()
        db.text_factory = bytes
        name, = db.execute("SELECT name FROM users WHERE id = 1").fetchone()
        return "hello " + name""",
    "cursors_of_the_program": """
        class Counting(sqlite3.Cursor):
            def execute(self, *arguments):
                self.count = getattr(self, "count", 0) + 1
                return super().execute(*arguments)
        cursor = connect().cursor(Counting)
        assert cursor.execute("SELECT 1").execute("SELECT id FROM users").count == 2
        return cursor.fetchall()[2]""",
    "connections_of_the_program": """
        class Shop(sqlite3.Connection):
            def user(self, id):
                return self.execute("SELECT name, email FROM users WHERE id = ?", (id,)).fetchone()
        return connect(factory=Shop).user(2)[1].strip()""",
    "a_parameter_of_a_wrong_type": """
        connect().execute("SELECT * FROM users WHERE id = ?", ({},))""",
    "a_list_that_is_emptied_afterwards": """
        parameters = [0]
        rows = connect().execute("SELECT id FROM users WHERE id > ? ORDER BY id", parameters).fetchall()
        first = rows.pop(0)
        rows.clear()
        parameters.clear()
        return {}[first]""",
    "a_script_that_fails": """
        connect().executescript("CREATE TABLE IF NOT EXISTS t (a); INSERT INTO nowhere VALUES (1);")""",
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_comes_again_though_the_file_is_gone(reproduce, shop, name):
    reproduce(program(FAILURES[name]), "/fail", gone=shop.unlink).came_again()


@pytest.mark.parametrize("name", ["a_null_in_a_row", "a_row_object_without_the_column", "a_constraint_that_nobody_handles", "a_loop_that_fails_in_the_middle"])
def test_a_failure_of_fastapi_comes_again_though_the_file_is_gone(reproduce, shop, name):
    reproduce(program(FAILURES[name], FASTAPI_PROGRAM), "/fail", command=UVICORN, gone=shop.unlink).came_again()


def test_a_failure_comes_again_though_the_row_was_repaired(reproduce, shop):
    repair = repairing(shop, "UPDATE users SET email = 'bob@example.org' WHERE id = 2")
    reproduce(program(FAILURES["a_null_in_a_row"]), "/fail", gone=repair).came_again()


def test_files_are_asked_where_recorded_answers_do_not_stand_for_them(reproduce, shop):
    repair = repairing(shop, "UPDATE users SET email = 'bob@example.org' WHERE id = 2")
    found = reproduce(program(FAILURES["a_null_in_a_row"]), "/fail", gone=repair, recorded_files=False)
    assert found.status == 500 and found.exchange["status"] == 200 and found.exchange["exceptions"] == []
    assert {"kind": "sql", "text": "SELECT email FROM users WHERE id = 2"} in found.exchange["effects"]


def test_what_is_not_recorded_and_what_writes_is_done_to_the_file(reproduce, shop, folder):
    body = """
        import os
        db = connect()
        with db:
            db.execute("INSERT INTO orders (user, price) VALUES (?, ?)", (2, 8.5))
        if os.environ.get("HOMEOSTASIS_REPLAY"):
            # Nobody asked this in production.
            assert db.execute("SELECT count(*) FROM orders WHERE price = 8.5").fetchall() == [(1,)]
        return db.execute("SELECT coupon FROM orders WHERE id = 4").fetchone()[0].upper()"""
    with closing(sqlite3.connect(shop)) as db:
        before = list(db.iterdump())

    def restore():
        shop.unlink()
        with closing(sqlite3.connect(shop)) as db:
            db.executescript("\n".join(before))

    reproduce(program(body), "/fail", gone=restore).came_again()
    with closing(sqlite3.connect(shop)) as db:
        assert db.execute("SELECT count(*) FROM orders WHERE price = 8.5").fetchall() == [(1,)]


def test_a_program_that_goes_on_after_the_failing_row_gets_the_others_from_the_file(reproduce, shop):
    body = """
        import os
        found = []
        for price, in connect().execute("SELECT price FROM orders ORDER BY id"):
            try:
                found.append(1 / price)
            except ZeroDivisionError:
                if not os.environ.get("HOMEOSTASIS_REPLAY"):
                    raise
        raise RuntimeError(len(found))"""
    found = reproduce(program(body), "/fail")
    assert told(found.exchange["exceptions"]) == ["RuntimeError: 3"] and found.exchange["unanswered"] == []


def test_rows_that_nobody_recorded_are_missed_and_not_made_up(reproduce, shop):
    body = """
        import os
        cursor = connect().execute("SELECT price FROM orders ORDER BY id")
        row = cursor.fetchone()
        if os.environ.get("HOMEOSTASIS_REPLAY"):
            cursor.fetchone()
        return row[1]"""
    found = reproduce(program(body), "/fail", gone=shop.unlink)
    assert found.exchange["unanswered"] == ["sqlite3 SELECT price FROM orders ORDER BY id: nobody recorded more rows"]
    assert found.exchange["exceptions"][0]["type"] == "OperationalError"


def test_a_program_that_fills_its_file_while_it_starts_does_not_fill_it_twice(reproduce, folder):
    source = program("return connect().execute('SELECT name FROM users').fetchone()[0] + 1").replace(
        '@app.get("/ok")',
        'with connect() as db:\n'
        '    db.execute("CREATE TABLE IF NOT EXISTS users (name TEXT)")\n'
        '    if db.execute("SELECT count(*) FROM users").fetchone() == (0,):\n'
        '        db.execute("INSERT INTO users VALUES (?)", ("ada",))\n\n'
        '@app.get("/ok")', 1,
    )
    reproduce(source, "/fail").came_again()
    with closing(sqlite3.connect(folder / "shop.db")) as db:
        assert db.execute("SELECT name FROM users").fetchall() == [("ada",)]


def test_a_database_in_memory_is_filled_again_while_the_program_starts(reproduce):
    source = program("return memory.execute('SELECT name FROM users WHERE id = ?', (request_id,)).fetchone()[0] + 1").replace(
        '@app.get("/ok")',
        'memory = sqlite3.connect(":memory:", check_same_thread=False)\n'
        'memory.execute("CREATE TABLE users (id, name)")\n'
        'memory.execute("INSERT INTO users VALUES (1, \'ada\')")\nrequest_id = 1\n\n@app.get("/ok")', 1,
    )
    reproduce(source, "/fail").came_again()
    reproduce_without = reproduce(source, "/fail", recorded_files=False)
    assert ways(reproduce_without.exchange["exceptions"]) == ways(reproduce_without.capsule["exceptions"])


def test_a_file_that_cannot_be_opened_cannot_be_opened_again(reproduce, folder):
    body = """
        return sqlite3.connect("data/none.db").execute("SELECT 1").fetchone()"""
    reproduce(program(body), "/fail", gone=(folder / "data").mkdir).came_again()


def test_answers_made_by_functions_of_the_program_are_not_kept_but_made_again(reproduce, shop):
    body = """
        def convert(text):
            return {}[text]
        sqlite3.register_converter("TIMESTAMP", convert)
        db = connect(detect_types=sqlite3.PARSE_DECLTYPES)
        return db.execute("SELECT joined FROM users WHERE id = 1").fetchone()"""
    found = reproduce(program(body), "/fail").came_again()
    assert any("came through functions of the program" in why for why in found.capsule["missing"])


def test_secrets_in_rows_parameters_and_errors_do_not_leave_the_process(reproduce, shop):
    body = """
        db = connect()
        db.execute("ALTER TABLE users ADD COLUMN password TEXT")
        db.execute("UPDATE users SET password = ? WHERE id = 1", ("sesame-4711",))
        row = db.execute("SELECT id, password FROM users WHERE id = 1").fetchone()
        return db.execute("SELECT * FROM nowhere WHERE x = 'sesame-4711'")"""
    found = reproduce(program(body), "/fail", gone=shop.unlink).came_again()
    assert "sesame-4711" not in json.dumps(found.capsule)


ALCHEMY = """
from flask import Flask
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

engine = create_engine("sqlite:///shop.db")
app = Flask(__name__)

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    orders: Mapped[list["Order"]] = relationship(back_populates="owner")

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    price: Mapped[float]
    owner: Mapped[User | None] = relationship(back_populates="orders")

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    with Session(engine) as session:
BODY
"""

OF_ALCHEMY = {
    "a_relation_that_is_none": """
        order = session.scalars(select(Order).where(Order.id == 5)).one()
        return order.owner.name""",
    "a_loaded_list_that_is_short": """
        user = session.get(User, 1)
        user.name = "ada lovelace"
        session.flush()
        return user.orders[3].price""",
    "a_constraint_on_a_flush": """
        session.add(Order(id=1, user=1, price=2.0))
        session.flush()""",
    "one_that_is_not_there": """
        return session.scalars(select(User).where(User.name == "eve")).one().name""",
    "an_inserted_object": """
        order = Order(user=2, price=1.0)
        session.add(order)
        session.commit()
        return {}[order.id]""",
}


@pytest.mark.parametrize("name", OF_ALCHEMY)
def test_a_failure_under_sqlalchemy_comes_again(reproduce, shop, name):
    with closing(sqlite3.connect(shop)) as db, db:
        db.execute("INSERT INTO orders VALUES (5, NULL, 9.0, NULL)")
    source = ALCHEMY.replace("BODY", indent(dedent(OF_ALCHEMY[name]).strip("\n"), "        "))
    reproduce(source, "/fail", gone=shop.unlink).came_again()


AIOSQLITE = """
import aiosqlite, asyncio
from fastapi import FastAPI
app = FastAPI()

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
async def fail():
    async with aiosqlite.connect("shop.db") as db:
        db.row_factory = aiosqlite.Row
        total = 0
        async with db.execute("SELECT price FROM orders WHERE user = ? ORDER BY id", (1,)) as cursor:
            async for row in cursor:
                total += row["price"]
        await db.execute("INSERT INTO orders (user, price) VALUES (?, ?)", (2, total))
        await db.commit()
        rows = await db.execute_fetchall("SELECT coupon FROM orders WHERE user = 2 ORDER BY id")
        return rows[1]["coupon"].upper()
"""


def test_a_failure_under_aiosqlite_comes_again(reproduce, shop):
    found = reproduce(AIOSQLITE, "/fail", command=UVICORN, gone=shop.unlink).came_again()
    assert len(found.capsule["request"]["answers"]) >= 5


DJANGO = """
import os
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(os.getcwd(), "shop.db")}},
    INSTALLED_APPS=[],
)
import django
django.setup()
from django.db import connection, models
from flask import Flask

class User(models.Model):
    name = models.TextField(unique=True)
    email = models.TextField(null=True)
    joined = models.DateTimeField()
    credit = models.DecimalField(max_digits=8, decimal_places=2)
    class Meta:
        app_label, db_table = "shop", "users"

app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    bob = User.objects.only("email", "joined", "credit").get(name="bob")
    assert bob.joined.year == 2021 and str(bob.credit) == "0.00"
    list(User.objects.values_list("name").iterator())
    return bob.email.lower()
"""


def test_a_failure_under_the_models_of_django_comes_again(reproduce, shop):
    reproduce(DJANGO, "/fail", gone=shop.unlink).came_again()


def test_each_of_many_clients_gets_its_own_answers_again(serve, folder, peer, shop, tmp_path):
    body = """
        from flask import request
        import time
        db = connect()
        number = int(request.args["n"])
        row = db.execute("SELECT id, name FROM users WHERE id = ?", (number,)).fetchone()
        time.sleep(0.2)
        rows = db.execute("SELECT price FROM orders WHERE user = ? ORDER BY id", (number,)).fetchall()
        raise KeyError(repr((row, rows)))"""
    # Every line fails but once, so that each failure has a capsule.
    lines = "\n".join("        if number == %d: raise KeyError(repr((row, rows)))" % number for number in range(8))
    (folder / "program.py").write_text(program(body.replace("        raise KeyError(repr((row, rows)))", lines)))
    with closing(sqlite3.connect(shop)) as db, db:
        db.execute("DELETE FROM orders")
        db.execute("DELETE FROM users")
        for number in range(8):
            db.execute("INSERT INTO users (id, name) VALUES (?, ?)", (number, "user %d" % number))
            db.execute("INSERT INTO orders (user, price) VALUES (?, ?)", (number, number * 1.5))
    server = serve("gunicorn", "-w", "1", "--threads", "8", "-b", "127.0.0.1:PORT", "program:app")
    with ThreadPoolExecutor(8) as clients:
        answered = list(clients.map(lambda number: server.get("/fail?n=%d" % number)[0], range(8)))
    assert answered == [500] * 8
    events = peer.wait("event", 8)
    server.stop()
    shop.unlink()
    for event in events:
        capsule = event["capsule"]
        number = int(capsule["request"]["query"][2:])
        result = play(folder, ("gunicorn", "-w", "1", "-b", "127.0.0.1:PORT", "program:app"), tmp_path, [capsule["request"]], capsule)
        exchange = result["exchanges"][0]
        assert exchange["unanswered"] == [] and exchange["exceptions"][0]["message"] == capsule["exceptions"][0]["message"]
        assert "user %d" % number in exchange["exceptions"][0]["message"] and str(number * 1.5) in exchange["exceptions"][0]["message"]


EXACTLY = """
import sqlite3, pickle, sys, weakref, inspect, copy
assert type(sqlite3.connect(":memory:")) is sqlite3.Connection is sqlite3.dbapi2.Connection
db = sqlite3.connect(":memory:")
print(repr(db)[:27], repr(db.cursor())[:23], sqlite3.Connection, sqlite3.Cursor)
print(pickle.loads(pickle.dumps(sqlite3.Cursor)) is sqlite3.Cursor, hasattr(db, "__dict__"), hasattr(db.cursor(), "__dict__"))
weakref.ref(db.cursor())
print([name for name in dir(db.cursor()) if name[:2] != "__" and "homeo" not in name], [name for name in dir(db) if name[:2] != "__" and "homeo" not in name])
db.create_function("twice", 1, lambda n: n * 2)
heard = []
db.set_trace_callback(heard.append)
cursor = db.cursor()
print(cursor.execute("CREATE TABLE t (a, b)") is cursor, cursor.rowcount, cursor.lastrowid, cursor.description)
print(cursor.executemany("INSERT INTO t VALUES (?, ?)", ((n, n) for n in range(5))).rowcount, db.in_transaction, db.total_changes)
with db:
    db.execute("INSERT INTO t VALUES (twice(4), ?)", (None,))
print(heard)
cursor.row_factory = factory = lambda cursor, row: list(row)
print(cursor.row_factory is factory, cursor.execute("SELECT * FROM t").fetchmany(2), next(cursor), cursor.fetchone(), list(cursor), cursor.fetchone(), cursor.fetchmany(3), cursor.fetchall())
db.row_factory = sqlite3.Row
row = db.execute("SELECT a, b FROM t").fetchone()
print(type(row), tuple(row), row.keys(), row["A"], db.cursor().row_factory)
print(list(db.iterdump()))
other = sqlite3.connect(":memory:")
db.backup(other)
print(other.execute("SELECT count(*) FROM t").fetchone())
class Mine(sqlite3.Cursor):
    kind = "mine"
class Ours(sqlite3.Connection):
    def cursor(self, factory=Mine):
        return super().cursor(factory)
mine = sqlite3.connect(":memory:", timeout=5.0, detect_types=0, isolation_level=None, factory=Ours)
print(type(mine), type(mine.cursor()), type(mine.execute("SELECT 1")).__name__, mine.isolation_level)
for wrong in (
    lambda: db.execute(), lambda: db.execute(1), lambda: db.execute("SELECT", 1), lambda: cursor.execute("SELECT ?", ()),
    lambda: cursor.executemany("INSERT INTO t VALUES (?, ?)", 3), lambda: cursor.executemany("SELECT 1"), lambda: db.cursor(3),
    lambda: db.cursor(lambda c: None), lambda: cursor.fetchmany("x"), lambda: sqlite3.connect(), lambda: sqlite3.connect("/no/such/folder/x.db"),
    lambda: db.executescript(3), lambda: sqlite3.Cursor(3), lambda: setattr(cursor, "wrong", 1), lambda: sqlite3.Cursor.execute(3, "x"),
    lambda: cursor.execute("INSERT INTO t VALUES (twice('x', 1))"), lambda: db.execute("SELECT * FROM nowhere"),
    lambda: db.executemany("INSERT INTO t VALUES (?, ?)", (1 / n for n in (1, 0))),
):
    try:
        print("none", wrong())
    except Exception as error:
        print(type(error).__name__, type(error).__mro__[1].__name__)
db.close()
try:
    cursor.fetchone()
except sqlite3.ProgrammingError as error:
    print(error)
"""


def test_the_library_looks_as_it_does_without_the_agent(folder, peer):
    (folder / "exactly.py").write_text(EXACTLY)
    outputs = []
    for variables in (environment(folder, peer.path), {}):
        ended = subprocess.run([sys.executable, "exactly.py"], cwd=folder, env=variables, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        outputs.append(ended.stdout)
    assert outputs[0] == outputs[1]


SCRIPT = """
import sqlite3
db = sqlite3.connect("shop.db")
db.row_factory = sqlite3.Row
names = [row["name"] for row in db.execute("SELECT name FROM users WHERE id > ? ORDER BY id", (0,))]
with db:
    db.executemany("INSERT INTO orders (user, price) VALUES (?, ?)", ((1, n) for n in range(2)))
cursor = db.cursor()
cursor.row_factory = lambda cursor, row: row[0]
prices = cursor.execute("SELECT price FROM orders WHERE user = 1 ORDER BY id").fetchmany(3)
try:
    db.execute("INSERT INTO users (name) VALUES ('ada')")
except sqlite3.IntegrityError as error:
    names.append(str(error))
print(names, prices, cursor.execute("DELETE FROM orders WHERE user = 2").rowcount)
print({name: 1 / price for name, price in zip(names, prices)})
"""


def test_a_script_that_failed_fails_again_though_the_file_is_gone(script, folder, peer, shop, tmp_path):
    (folder / "program.py").write_text(SCRIPT)
    ended = script("-m", "program")
    assert ended.returncode == 1
    capsule = peer.wait("event")[0]["capsule"]
    shop.unlink()
    task = {"schema": 1, "kind": "process", "answers": capsule["answers"], "recorded_files": True, "time": None}
    result = play_task(folder, ("program",), tmp_path, task)
    assert ways(result["exchanges"][0]["exceptions"]) == ways(capsule["exceptions"])
    assert result["exchanges"][0]["unanswered"] == []


def test_a_failed_row_factory_does_not_keep_the_database_locked(script, folder, shop):
    (folder / "program.py").write_text(dedent("""
        import gc, sqlite3
        gc.disable()
        def read():
            db = sqlite3.connect("shop.db")
            db.row_factory = lambda cursor, row: {}[row]
            return db.execute("SELECT id FROM users").fetchone()
        for _ in range(3):
            try:
                read()
            except KeyError:
                pass
            try:
                sqlite3.connect("shop.db").execute("SELECT * FROM nowhere")
            except sqlite3.OperationalError:
                pass
        db = sqlite3.connect("shop.db", timeout=0.1)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("DELETE FROM orders")
        db.commit()
    """))
    ended = script("program.py")
    assert ended.returncode == 0, ended.stderr


ASYNC_ALCHEMY = ALCHEMY.replace("from flask import Flask", "from fastapi import FastAPI").replace("Flask(__name__)", "FastAPI()").replace(
    "from sqlalchemy.orm", "from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine\nfrom sqlalchemy.orm"
).replace('create_engine("sqlite:', 'create_async_engine("sqlite+aiosqlite:').replace("def fail", "async def fail").replace(
    "    with Session", "    async with AsyncSession"
)


def test_a_failure_under_asynchronous_sqlalchemy_comes_again(reproduce, shop):
    body = """
        user = await session.get(User, 1)
        user.name = "ada lovelace"
        await session.commit()
        found = await session.scalars(select(Order).where(Order.user == user.id).order_by(Order.id))
        return found.all()[3].price"""
    source = ASYNC_ALCHEMY.replace("BODY", indent(dedent(body).strip("\n"), "        "))
    reproduce(source, "/fail", command=UVICORN, gone=shop.unlink).came_again()
