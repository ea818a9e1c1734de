"""Failures that depend on what SQLite answered come again from the capsule alone, whatever became of the file."""

import sqlite3
from contextlib import closing
from textwrap import dedent, indent

import pytest

from reproducing import UVICORN

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
    "a_script_that_fails": """
        connect().executescript("CREATE TABLE IF NOT EXISTS t (a); INSERT INTO nowhere VALUES (1);")""",
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_comes_again_though_the_file_is_gone(reproduce, shop, name):
    reproduce(program(FAILURES[name]), "/fail", gone=shop.unlink).came_again()


@pytest.mark.parametrize("name", ["a_null_in_a_row", "a_row_object_without_the_column", "a_constraint_that_nobody_handles", "a_loop_that_fails_in_the_middle"])
def test_a_failure_of_fastapi_comes_again_though_the_file_is_gone(reproduce, shop, name):
    reproduce(program(FAILURES[name], FASTAPI_PROGRAM), "/fail", command=UVICORN, gone=shop.unlink).came_again()
