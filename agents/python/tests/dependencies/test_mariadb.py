"""Failures that depend on what MariaDB answered through PyMySQL come again without any server."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent, indent

import pytest

from mariadb_server import MariaDB
from reproducing import UVICORN, play, told
from running import environment

FLASK_PROGRAM = """
import json, os
from decimal import Decimal
import pymysql, pymysql.cursors
from flask import Flask

app = Flask(__name__)

def connect(**more):
    return pymysql.connect(host="127.0.0.1", port=int(os.environ["DATABASE_PORT"]), user="root", database="shop", **more)

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
DROP TABLE IF EXISTS orders
DROP TABLE IF EXISTS users
CREATE TABLE users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) UNIQUE, email VARCHAR(50), plan JSON, data BLOB, joined DATETIME(6), born DATE, wakes TIME, credit DECIMAL(10,2), code BIT(8))
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, user INT, price DOUBLE, coupon VARCHAR(20), FOREIGN KEY (user) REFERENCES users(id))
INSERT INTO users VALUES (1, 'ada', 'ada@example.org', NULL, x'00ff10', '2020-02-29 10:00:00.25', '1815-12-10', '06:30:00', 10.50, b'1')
INSERT INTO users VALUES (2, 'bob', NULL, '{"seats": null}', '', '2021-01-01', '2000-01-01', NULL, 0.00, b'0')
INSERT INTO orders VALUES (1, 1, 10.0, NULL), (2, 1, 20.0, 'HALF'), (3, 1, 0.0, 'FREE'), (4, 2, 5.0, NULL)
""".strip().splitlines()


def program(body, of=FLASK_PROGRAM, deep=1):
    return of.replace("BODY", indent(dedent(body).strip("\n"), "    " * deep))


@pytest.fixture(scope="module")
def server():
    server = MariaDB()
    yield server
    server.remove()


@pytest.fixture
def shop(server):
    """A running server with the tables of a shop."""
    if server.process.poll() is not None:
        server.start()
    server.execute(*SHOP, database="shop")
    return server


FAILURES = {
    "a_null_in_a_row": """
        cursor = connect().cursor()
        cursor.execute("SELECT email FROM users WHERE id = %s", (2,))
        return cursor.fetchone()[0].lower()""",
    "no_row_where_one_was_expected": """
        with connect() as db, db.cursor() as cursor:
            cursor.execute("SELECT * FROM users WHERE name = %(name)s", {"name": "eve"})
            return cursor.fetchone()[0]""",
    "a_dictionary_without_the_key": """
        cursor = connect(cursorclass=pymysql.cursors.DictCursor).cursor()
        cursor.execute("SELECT u.id, o.id, u.name FROM users u JOIN orders o ON o.user = u.id ORDER BY o.id LIMIT 1")
        row = cursor.fetchone()
        assert row == {"id": 1, "o.id": 1, "name": "ada"}, row
        return row["email"]""",
    "an_unbuffered_loop_that_fails_in_the_middle": """
        cursor = connect().cursor(pymysql.cursors.SSCursor)
        cursor.execute("SELECT price FROM orders ORDER BY id")
        try:
            return [100 / price for price, in cursor]
        finally:
            cursor.close()""",
    "an_unbuffered_dictionary": """
        cursor = connect().cursor(pymysql.cursors.SSDictCursor)
        cursor.execute("SELECT coupon FROM orders ORDER BY id")
        return [row["coupon"].upper() for row in cursor.fetchall_unbuffered()]""",
    "values_of_all_kinds": """
        cursor = connect().cursor()
        cursor.execute("SELECT credit, joined, born, wakes, data, code, plan FROM users ORDER BY id")
        (credit, joined, born, wakes, data, code, plan), other = cursor.fetchall()
        assert cursor.description[0][0] == "credit" and cursor.rowcount == 2
        raise RuntimeError(repr((credit, joined, born, wakes, data, code, plan, other)))""",
    "a_division_by_a_decimal": """
        cursor = connect().cursor()
        cursor.execute("SELECT credit FROM users WHERE id = 2")
        return Decimal(1) / cursor.fetchone()[0]""",
    "json_in_a_column": """
        cursor = connect().cursor()
        cursor.execute("SELECT plan FROM users WHERE id = 2")
        return json.loads(cursor.fetchone()[0])["seats"] + 1""",
    "a_duplicate_key": """
        connect().cursor().execute("INSERT INTO users (name) VALUES (%s)", ("ada",))""",
    "a_missing_table": """
        connect().cursor().execute("SELECT * FROM refunds")""",
    "a_foreign_key": """
        try:
            connect().cursor().execute("DELETE FROM users WHERE id = 1")
        except pymysql.IntegrityError as error:
            raise RuntimeError(error.args[0])""",
    "an_aggregate_over_nothing": """
        cursor = connect().cursor()
        cursor.execute("SELECT sum(price) FROM orders WHERE user = 99")
        return cursor.fetchone()[0] * 2""",
    "many_insertions_in_one": """
        db = connect()
        cursor = db.cursor()
        count = cursor.executemany("INSERT INTO orders (user, price) VALUES (%s, %s)", [(1, 1.0), (2, 2.0), (2, 3.0)])
        db.commit()
        return {}[count]""",
    "many_updates_of_which_one_fails": """
        connect().cursor().executemany("UPDATE users SET name = %s WHERE id = %s", [("x", 1), ("y", 2), ("x", 2)])""",
    "the_identifier_of_an_inserted_row": """
        db = connect(autocommit=True)
        cursor = db.cursor()
        cursor.execute("INSERT INTO orders (user, price) VALUES (2, 1)")
        cursor.execute("SELECT id FROM orders WHERE id = %s", [cursor.lastrowid])
        raise KeyError(cursor.fetchone(), db.insert_id())""",
    "a_returning_clause": """
        cursor = connect().cursor()
        cursor.execute("INSERT INTO orders (user, price) VALUES (1, 3.5) RETURNING id, coupon")
        return cursor.fetchone()[1].upper()""",
    "several_results": """
        cursor = connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS).cursor()
        cursor.execute("SELECT 1; SELECT name FROM users ORDER BY id; SELECT email FROM users WHERE id = 2")
        assert cursor.fetchall() == ((1,),)
        assert cursor.nextset() and cursor.fetchall() == (("ada",), ("bob",))
        assert cursor.nextset()
        (email,), = cursor.fetchall()
        assert cursor.nextset() is None
        return email.strip()""",
    "a_wrong_password": """
        return pymysql.connect(host="127.0.0.1", port=int(os.environ["DATABASE_PORT"]), user="nobody", password="no")""",
    "parameters_that_do_not_fit": """
        connect().cursor().execute("SELECT %s, %s", (1,))""",
    "the_version_of_the_server": """
        db = connect()
        db.ping()
        cursor = db.cursor()
        cursor.execute("SELECT @@version")
        raise RuntimeError(db.get_server_info(), cursor.fetchone(), db.get_autocommit(), db.open)""",
    "a_transaction_that_is_rolled_back": """
        db = connect()
        db.begin()
        try:
            db.cursor().execute("INSERT INTO orders (user) VALUES (99)")
        except pymysql.MySQLError:
            db.rollback()
            raise""",
}


def reproduced(reproduce, shop, source, **more):
    found = reproduce(source, "/fail", gone=shop.stop, DATABASE_PORT=str(shop.port), **more)
    assert found.status == 500
    return found.came_again()


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_comes_again_without_the_server(reproduce, shop, name):
    reproduced(reproduce, shop, program(FAILURES[name]))


@pytest.mark.parametrize("name", ["a_null_in_a_row", "a_duplicate_key", "an_unbuffered_loop_that_fails_in_the_middle"])
def test_a_failure_of_fastapi_comes_again_without_the_server(reproduce, shop, name):
    reproduced(reproduce, shop, program(FAILURES[name], FASTAPI_PROGRAM), command=UVICORN)


def test_a_connection_of_an_earlier_request_is_there_again(reproduce, shop):
    source = program("""
        global db
        if "db" not in globals():
            db = connect()
            # In the sandbox no other request came before.
            if "HOMEOSTASIS_REPLAY" not in os.environ:
                return db.get_server_info()
        cursor = db.cursor()
        cursor.execute("SELECT email FROM users WHERE id = 2")
        return cursor.fetchone()[0].lower()""")
    reproduced(reproduce, shop, source, before=["/fail"])


def test_a_server_that_was_not_there_is_not_there_again(reproduce, shop):
    shop.stop()
    found = reproduced(reproduce, shop, program("return connect()"))
    assert found.exchange["exceptions"][0]["type"] == "OperationalError"


def test_what_nobody_recorded_is_an_error_of_the_library_and_told(reproduce, shop):
    source = program("""
        cursor = connect().cursor()
        cursor.execute("SELECT %s" % (2 if os.environ.get("HOMEOSTASIS_REPLAY") else 1))
        return cursor.fetchone()[1]""")
    found = reproduce(source, "/fail", gone=shop.stop, DATABASE_PORT=str(shop.port))
    assert found.exchange["unanswered"] == ["pymysql SELECT 2: nobody recorded an answer"]
    assert found.exchange["exceptions"][0]["type"] == "OperationalError"
    assert "Lost connection to MySQL server during query" in found.exchange["exceptions"][0]["message"]


ALCHEMY = """
import os
from flask import Flask
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

engine = create_engine("mysql+pymysql://root@127.0.0.1:%s/shop" % os.environ["DATABASE_PORT"], pool_pre_ping=True)
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
    price: Mapped[float | None]
    owner: Mapped[User | None] = relationship(back_populates="orders")

@app.get("/ok")
def ok():
    return "ok"

@app.get("/warm")
def warm():
    with Session(engine) as session:
        return session.get(User, 1).name

@app.get("/fail")
def fail():
    with Session(engine) as session:
BODY
"""

OF_ALCHEMY = {
    "a_relation_that_is_none": """
        session.add(Order(id=9, price=1.0))
        session.commit()
        return session.get(Order, 9).owner.name""",
    "an_inserted_object": """
        order = Order(user=2, price=1.0)
        session.add(order)
        session.commit()
        return {}[order.id]""",
    "a_constraint_on_a_flush": """
        session.add_all([User(name="eve"), User(name="ada")])
        session.flush()""",
    "a_loaded_list_that_is_short": """
        return session.scalars(select(User).where(User.name == "ada")).one().orders[3].price""",
}


@pytest.mark.parametrize("name", OF_ALCHEMY)
@pytest.mark.parametrize("before", [[], ["/warm"]], ids=["at_once", "with_a_warm_pool"])
def test_a_failure_under_sqlalchemy_comes_again(reproduce, shop, name, before):
    reproduced(reproduce, shop, program(OF_ALCHEMY[name], ALCHEMY, 2), before=before)


def test_each_of_many_clients_gets_its_own_answers_again(serve, folder, peer, shop, tmp_path):
    lines = "\n".join("if number == %d: raise KeyError(repr((row, rows)))" % number for number in range(8))
    (folder / "program.py").write_text(program("""
from flask import request
import time
number = int(request.args["n"])
with connect() as db, db.cursor() as cursor:
    cursor.execute("SELECT id, name FROM users WHERE id = %s", (number,))
    row = cursor.fetchone()
    time.sleep(0.2)
    cursor.execute("SELECT price FROM orders WHERE user = %s ORDER BY id", (number,))
    rows = cursor.fetchall()
""" + lines))
    shop.execute(
        "DELETE FROM orders", "DELETE FROM users",
        *("INSERT INTO users (id, name) VALUES (%d, 'user %d')" % (number + 1, number + 1) for number in range(8)),
        *("INSERT INTO orders (user, price) VALUES (%d, %r)" % (number + 1, number * 1.5) for number in range(8)), database="shop",
    )
    command = ("gunicorn", "-w", "1", "--threads", "8", "-b", "127.0.0.1:PORT", "program:app")
    running = serve(*command, DATABASE_PORT=str(shop.port))
    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(lambda number: running.get("/fail?n=%d" % number)[0], range(1, 8))) == [500] * 7
    events = peer.wait("event", 7)
    running.stop()
    shop.stop()
    for event in events:
        capsule = event["capsule"]
        number = int(capsule["request"]["query"][2:])
        result = play(folder, command, tmp_path, [capsule["request"]], capsule, DATABASE_PORT=str(shop.port))
        exchange = result["exchanges"][0]
        assert exchange["unanswered"] == [] and exchange["exceptions"][0]["message"] == capsule["exceptions"][0]["message"]
        assert "user %d" % number in exchange["exceptions"][0]["message"]


def test_secrets_do_not_leave_the_process(reproduce, shop):
    body = """
        cursor = connect().cursor()
        cursor.execute("SET @token = %s", ("sesame-4711",))
        cursor.execute("SELECT name, %s AS password FROM users WHERE id = 1", ("sesame-4711",))
        name, password = cursor.fetchone()
        cursor.execute("SELECT * FROM nowhere WHERE password = %s", (password,))"""
    found = reproduce(program(body), "/fail", gone=shop.stop, DATABASE_PORT=str(shop.port))
    found.came_again()
    assert "sesame-4711" not in json.dumps(found.capsule)
