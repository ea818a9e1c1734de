"""Failures that depend on what PostgreSQL answered through asyncpg come again without any server."""

import json
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent, indent

import pytest

from asyncpg_server import PostgreSQL
from reproducing import FLASK, UVICORN, play

FASTAPI_PROGRAM = """
import asyncio, json, os, uuid
from contextlib import asynccontextmanager
from decimal import Decimal
import asyncpg
from fastapi import FastAPI

pools = []

@asynccontextmanager
async def lifespan(app):
    pools.append(await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10))
    yield
    await pools[0].close()

app = FastAPI(lifespan=lifespan)

@app.get("/ok")
def ok():
    return "ok"

async def connect(**more):
    return await asyncpg.connect(os.environ["DATABASE_URL"], **more)

@app.get("/fail")
async def fail(n: int = 0):
    return await work(n)

async def work(n):
    pool = pools[0]
BODY
"""

FLASK_PROGRAM = """
import asyncio, os
import asyncpg
from flask import Flask

app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/fail")
def fail():
    return str(asyncio.run(work()))

async def connect(**more):
    return await asyncpg.connect(os.environ["DATABASE_URL"], **more)

async def work():
BODY
"""

SHOP = """
DROP TABLE IF EXISTS orders
DROP TABLE IF EXISTS users
CREATE TABLE users (id SERIAL PRIMARY KEY, name TEXT UNIQUE, email TEXT, plan JSONB, data BYTEA, joined TIMESTAMPTZ, born DATE, credit NUMERIC(10,2), code UUID, tags TEXT[], address INET, worked INTERVAL)
CREATE TABLE orders (id SERIAL PRIMARY KEY, owner INT REFERENCES users(id), price FLOAT, coupon TEXT)
INSERT INTO users VALUES (1, 'ada', 'ada@example.org', NULL, '\\x00ff10', '2020-02-29 10:00:00.25+00', '1815-12-10', 10.50, '11111111-2222-3333-4444-555555555555', '{a,b}', '10.0.0.1', '1 day 02:00:00')
INSERT INTO users VALUES (2, 'bob', NULL, '{"seats": null}', '', NULL, NULL, 0.00, NULL, '{}', NULL, NULL)
INSERT INTO orders VALUES (1, 1, 10.0, NULL), (2, 1, 20.0, 'HALF'), (3, 1, 0.0, 'FREE'), (4, 2, 5.0, NULL)
SELECT setval('orders_id_seq', 100), setval('users_id_seq', 100)
""".strip().splitlines()


def program(body, of=FASTAPI_PROGRAM, deep=1):
    return of.replace("BODY", indent(dedent(body).strip("\n"), "    " * deep))


@pytest.fixture(scope="module")
def server():
    server = PostgreSQL()
    yield server
    server.remove()


@pytest.fixture
def shop(server):
    """A running server with the tables of a shop."""
    if server.process.poll() is not None:
        server.start()
    server.execute(*SHOP)
    return server


FAILURES = {
    "a_null_in_a_row": """
        row = await pool.fetchrow("SELECT email FROM users WHERE id = $1", 2)
        return row["email"].lower()""",
    "no_row_where_one_was_expected": """
        async with pool.acquire() as db:
            row = await db.fetchrow("SELECT * FROM users WHERE name = $1", "eve")
        return row["id"]""",
    "a_record_without_the_column": """
        row = await pool.fetchrow("SELECT id, name FROM users WHERE id = 1")
        assert type(row) is asyncpg.Record and dict(row) == {"id": 1, "name": "ada"} and row[1] == row["name"] == row[-1]
        assert list(row.keys()) == ["id", "name"] and list(row.items())[0] == ("id", 1) and row[:1] == (1,) and len(row) == 2
        assert row.get("age", 7) == 7 and row == (1, "ada") and hash(row) == hash((1, "ada")) and "id" in row
        assert repr(row) == "<Record id=1 name='ada'>"
        return row["email"]""",
    "a_record_class_of_the_program": """
        class Dotted(asyncpg.Record):
            def __getattr__(self, name):
                return self[name]
        row = await pool.fetchrow("SELECT id, email FROM users WHERE id = 2", record_class=Dotted)
        return row.email.lower()""",
    "values_of_all_kinds": """
        rows = await pool.fetch("SELECT * FROM users ORDER BY id")
        assert type(rows[0]["code"]).__module__ == "asyncpg.pgproto.pgproto" and isinstance(rows[0]["code"], uuid.UUID)
        raise RuntimeError(repr(rows))""",
    "a_division_by_a_decimal": """
        return Decimal(1) / await pool.fetchval("SELECT credit FROM users WHERE id = $1", 2)""",
    "json_in_a_column": """
        return json.loads(await pool.fetchval("SELECT plan FROM users WHERE id = 2"))["seats"] + 1""",
    "a_codec_of_the_program": """
        async with pool.acquire() as db:
            await db.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
            plan = await db.fetchval("SELECT plan FROM users WHERE plan @> $1", {"seats": None})
            return plan["seats"] + 1""",
    "a_unique_constraint": """
        await pool.execute("INSERT INTO users (name) VALUES ($1)", "ada")""",
    "the_fields_of_an_error": """
        try:
            await pool.execute("INSERT INTO orders (owner) VALUES ($1)", 99)
        except asyncpg.ForeignKeyViolationError as error:
            raise RuntimeError(error.sqlstate, error.constraint_name, error.table_name, error.detail)""",
    "a_missing_table": """
        await pool.fetch("SELECT * FROM refunds")""",
    "a_parameter_of_a_wrong_type": """
        await pool.fetch("SELECT * FROM users WHERE id = $1", "one")""",
    "an_aggregate_over_nothing": """
        return await pool.fetchval("SELECT sum(price) FROM orders WHERE owner = $1", 99) * 2""",
    "many_insertions_of_which_one_fails": """
        await pool.executemany("INSERT INTO users (id, name) VALUES ($1, $2)", ((n, name) for n, name in [(7, "x"), (8, "ada")]))""",
    "a_returning_clause_in_a_transaction": """
        async with pool.acquire() as db:
            async with db.transaction():
                row = await db.fetchrow("INSERT INTO orders (owner, price) VALUES (1, 3.5) RETURNING id, coupon")
                return row["coupon"].upper()""",
    "a_nested_transaction_that_is_rolled_back": """
        async with pool.acquire() as db, db.transaction():
            await db.execute("UPDATE users SET email = 'x' WHERE id = 2")
            try:
                async with db.transaction():
                    await db.execute("INSERT INTO users (name) VALUES ('ada')")
            except asyncpg.UniqueViolationError:
                pass
            assert db.is_in_transaction()
            return {}[await db.fetchval("SELECT email FROM users WHERE id = 2")]""",
    "a_cursor_that_fails_in_the_middle": """
        async with pool.acquire() as db, db.transaction():
            total = 0
            async for row in db.cursor("SELECT price FROM orders ORDER BY id", prefetch=2):
                total += 1 / row["price"]
            return total""",
    "a_cursor_that_is_fetched_by_hand": """
        async with pool.acquire() as db, db.transaction():
            cursor = await db.cursor("SELECT coupon FROM orders WHERE owner > $1 ORDER BY id", 0)
            assert (await cursor.fetchrow())["coupon"] is None
            rows = await cursor.fetch(10)
            return rows[2]["coupon"].lower()""",
    "a_prepared_statement": """
        async with pool.acquire() as db:
            statement = await db.prepare("SELECT id, email FROM users WHERE id = $1")
            assert [attribute.name for attribute in statement.get_attributes()] == ["id", "email"]
            assert await statement.fetchval(1, column=1) == "ada@example.org"
            return (await statement.fetchrow(2))["email"].lower()""",
    "the_status_of_a_command": """
        status = await pool.execute("UPDATE users SET email = $1 WHERE id = $2", "x", 77)
        return 1 // int(status.split()[1])""",
    "several_statements_of_which_one_fails": """
        await pool.execute("CREATE TEMPORARY TABLE t (a int); INSERT INTO nowhere VALUES (1)")""",
    "a_wrong_database": """
        return await asyncpg.connect(os.environ["DATABASE_URL"] + "x")""",
    "a_list_that_is_emptied_afterwards": """
        ids = [2, 1]
        rows = await pool.fetch("SELECT id FROM users WHERE id = ANY($1) ORDER BY id", ids)
        first = rows.pop(0)
        rows.clear()
        ids.clear()
        return {}[first["id"]]""",
    "the_version_of_the_server": """
        db = await connect()
        raise RuntimeError(db.get_server_version(), db.get_settings().server_encoding, await db.fetchval("SHOW server_version"))""",
}

OF_FLASK = {
    "a_null_in_a_row": """
        db = await connect()
        try:
            return (await db.fetchval("SELECT email FROM users WHERE id = $1", 2)).lower()
        finally:
            await db.close()""",
    "a_unique_constraint": """
        db = await connect()
        await db.execute("INSERT INTO users (name) VALUES ($1)", "ada")""",
}


def reproduced(reproduce, shop, source, command=UVICORN, **more):
    found = reproduce(source, "/fail", command=command, gone=shop.stop, DATABASE_URL=shop.url, **more)
    assert found.status == 500
    return found.came_again()


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_comes_again_without_the_server(reproduce, shop, name):
    reproduced(reproduce, shop, program(FAILURES[name]))


@pytest.mark.parametrize("name", OF_FLASK)
def test_a_failure_of_flask_comes_again_without_the_server(reproduce, shop, name):
    reproduced(reproduce, shop, program(OF_FLASK[name], FLASK_PROGRAM), FLASK)


def test_what_nobody_recorded_is_an_error_of_the_library_and_told(reproduce, shop):
    source = program("""
        row = await pool.fetchrow("SELECT %s AS n" % (2 if "HOMEOSTASIS_REPLAY" in os.environ else 1))
        return row["x"]""")
    found = reproduce(source, "/fail", command=UVICORN, gone=shop.stop, DATABASE_URL=shop.url)
    assert found.exchange["unanswered"] == ["asyncpg SELECT 2 AS n: nobody recorded an answer"]
    assert found.exchange["exceptions"][0]["type"] == "ConnectionDoesNotExistError"


def test_a_statement_that_an_earlier_request_prepared_is_answered(reproduce, shop):
    source = program("""
        row = await pool.fetchrow("SELECT email FROM users WHERE id = $1", n or 2)
        return row["email"].lower()""")
    reproduced(reproduce, shop, source, before=["/fail?n=1", "/fail?n=1"])


ALCHEMY = """
import os
from fastapi import FastAPI
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"), pool_pre_ping=True)
app = FastAPI()

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    price: Mapped[float | None]
    user: Mapped[User | None] = relationship()

@app.get("/ok")
def ok():
    return "ok"

@app.get("/warm")
async def warm():
    async with AsyncSession(engine) as session:
        return (await session.get(User, 1)).name

@app.get("/fail")
async def fail():
    async with AsyncSession(engine) as session:
BODY
"""

OF_ALCHEMY = {
    "a_relation_that_is_none": """
        session.add(Order(id=9, price=1.0))
        await session.commit()
        order = (await session.scalars(select(Order).where(Order.id == 9).options(selectinload(Order.user)))).one()
        return order.user.name""",
    "a_constraint_on_a_flush": """
        session.add(User(id=5, name="ada"))
        await session.flush()""",
    "an_inserted_object": """
        order = Order(owner=2, price=1.0)
        session.add(order)
        await session.flush()
        return {}[order.id]""",
    "a_null_in_a_row": """
        async for user in await session.stream_scalars(select(User).order_by(User.id)):
            user.email.lower()""",
}


@pytest.mark.parametrize("name", OF_ALCHEMY)
@pytest.mark.parametrize("before", [[], ["/warm"]], ids=["at_once", "with_a_warm_pool"])
def test_a_failure_under_sqlalchemy_comes_again(reproduce, shop, name, before):
    reproduced(reproduce, shop, program(OF_ALCHEMY[name], ALCHEMY, 2), before=before)


def test_each_of_many_clients_gets_its_own_answers_again(serve, folder, peer, shop, tmp_path):
    lines = "\n".join("if n == %d: raise KeyError(repr((row, rows)))" % number for number in range(1, 9))
    (folder / "program.py").write_text(program("""
row = await pool.fetchrow("SELECT id, name FROM users WHERE id = $1", n)
await asyncio.sleep(0.2)
rows = await pool.fetch("SELECT price FROM orders WHERE owner = $1 ORDER BY id", n)
""" + lines))
    shop.execute(
        "DELETE FROM orders", "DELETE FROM users",
        *("INSERT INTO users (id, name) VALUES (%d, 'user %d')" % (number, number) for number in range(1, 9)),
        *("INSERT INTO orders (owner, price) VALUES (%d, %r)" % (number, number * 1.5) for number in range(1, 9)),
    )
    running = serve(*UVICORN, DATABASE_URL=shop.url)
    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(lambda number: running.get("/fail?n=%d" % number)[0], range(1, 9))) == [500] * 8
    events = peer.wait("event", 8)
    running.stop()
    shop.stop()
    for event in events:
        capsule = event["capsule"]
        number = int(capsule["request"]["query"][2:])
        result = play(folder, UVICORN, tmp_path, [capsule["request"]], capsule, DATABASE_URL=shop.url)
        exchange = result["exchanges"][0]
        assert exchange["unanswered"] == [] and exchange["exceptions"][0]["message"] == capsule["exceptions"][0]["message"]
        assert "user %d" % number in exchange["exceptions"][0]["message"]


def test_secrets_do_not_leave_the_process(reproduce, shop):
    body = """
        row = await pool.fetchrow("SELECT name, $1::text AS password FROM users WHERE id = 1", "sesame-4711")
        await pool.execute("INSERT INTO users (name, email) VALUES ('ada', $1)", row["password"])"""
    found = reproduced(reproduce, shop, program(body))
    assert "sesame-4711" not in json.dumps(found.capsule)
