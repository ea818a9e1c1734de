"""Sick programs on PostgreSQL, as the tests of `test_postgres` run them: each way to the database under both frameworks' customs."""

TABLES = """
drop table if exists lines, orders, customers, accounts cascade;
create table customers (id int primary key, name text not null, email text unique, note text, born date);
create table orders (
    id int primary key, customer_id int references customers deferrable initially deferred, price numeric(10, 2),
    parts int, weight float8, payload jsonb, tags text[], quantity text, made timestamptz, local timestamp, token text
);
create table lines (id serial primary key, order_id int references orders, title text not null);
create table accounts (id int primary key, balance int check (balance >= 0));
insert into customers values (1, 'Ada', 'ada@example.org', null, '1815-12-10'), (2, 'Alan', 'alan@example.org', 'n', null);
insert into orders select n, case when n < 5 then 1 + n % 2 end, 10.50 + n, 0, 0.1, '{"lines": [{"sku": "a"}]}', '{red,blue}',
    '12 pieces', '2024-03-31 00:30:00+00', '2024-03-31 02:30:00', 'tok-' || n from generate_series(1, 40) n;
insert into lines (order_id, title) select 1, 'line ' || n from generate_series(1, 7) n;
insert into accounts values (1, 100), (2, 0);
"""

FLASK_PSYCOPG2 = '''
import os
from datetime import datetime
import psycopg2
from psycopg2.extras import DictCursor, Json, NamedTupleCursor, RealDictCursor, execute_values
from flask import Flask, request
app = Flask(__name__)

def connect(**more):
    return psycopg2.connect(os.environ["DSN"], **more)

@app.get("/ok")
def ok():
    return "ok"

@app.get("/null-column")
def null_column():
    with connect(cursor_factory=RealDictCursor) as connection, connection.cursor() as cursor:
        cursor.execute("select * from customers where id = %s", (1,))
        return cursor.fetchone()["note"].upper()

@app.get("/missing-row")
def missing_row():
    cursor = connect().cursor()
    cursor.execute("select name from customers where id = %(id)s", {"id": 99})
    return cursor.fetchone()[0]

@app.get("/wrong-type")
def wrong_type():
    cursor = connect().cursor(cursor_factory=DictCursor)
    cursor.execute("select * from orders where id = 3")
    return str(int(cursor.fetchone()["quantity"]))

@app.get("/decimal-and-float")
def decimal_and_float():
    cursor = connect().cursor(cursor_factory=NamedTupleCursor)
    cursor.execute("select price, weight from orders where id = 3")
    order = cursor.fetchone()
    return str(order.price * order.weight)

@app.get("/json")
def json_column():
    cursor = connect().cursor()
    cursor.execute("select payload from orders where id = 4")
    (payload,) = cursor.fetchone()
    payload["lines"].append({"changed": "afterwards"})
    return str(payload["lines"][0]["price"])

@app.get("/array")
def array():
    cursor = connect().cursor()
    cursor.execute("select tags from orders where id = 4")
    return cursor.fetchone()[0][2]

@app.get("/time-zones")
def time_zones():
    cursor = connect().cursor()
    cursor.execute("select made, local from orders where id = 4")
    made, local = cursor.fetchone()
    return str(made - local)

@app.get("/unique")
def unique():
    with connect() as connection:
        connection.cursor().execute("insert into customers values (50, 'Eve', %s)", ("ada@example.org",))
    return "made"

@app.get("/stored-zero")
def stored_zero():
    cursor = connect().cursor()
    cursor.execute("select price, parts from orders where id = 5")
    price, parts = cursor.fetchone()
    return str(float(price) / parts)

@app.get("/empty-aggregate")
def empty_aggregate():
    cursor = connect().cursor()
    cursor.execute("select sum(price), count(*) from orders where id > 1000")
    total, count = cursor.fetchone()
    return str(total + count)

@app.get("/rolled-back")
def rolled_back():
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("update accounts set balance = balance - 60 where id = 1 returning balance")
    left = cursor.fetchone()[0]
    try:
        cursor.execute("update accounts set balance = balance - %s where id = 2", (60,))
    except psycopg2.errors.CheckViolation as error:
        connection.rollback()
        cursor.execute("select balance from accounts where id = 1")
        raise RuntimeError("%s, %d, %d" % (error.diag.constraint_name, left, cursor.fetchone()[0]))
    return "moved"

@app.get("/returning")
def returning():
    connection = connect()
    cursor = connection.cursor()
    rows = execute_values(cursor, "insert into lines (order_id, title) values %s returning id", [(2, "a"), (2, "b")], fetch=True)
    connection.rollback()
    return {rows[0][0]: "first"}[rows[1][0]]

@app.get("/down")
def down():
    return str(psycopg2.connect("host=127.0.0.1 port=1 user=shop password=never-told-to-anyone dbname=postgres"))

@app.get("/table-missing")
def table_missing():
    connect().cursor().execute("select * from invoices where id = %s", (7,))
    return "found"

@app.get("/named-cursor")
def named_cursor():
    cursor = connect().cursor("many")
    cursor.itersize = 3
    cursor.execute("select id, title from lines where order_id = 1 order by id")
    titles = {title: number for number, title in cursor}
    return titles["line 8"]

@app.get("/many")
def many():
    connection = connect()
    connection.cursor().executemany("insert into lines (order_id, title) values (%s, %s)", [(1, "x"), (1, None)])
    return "made"

@app.get("/deferred")
def deferred():
    with connect() as connection:
        connection.cursor().execute("update orders set customer_id = 77 where id = 9")
    return "made"

@app.get("/json-parameter")
def json_parameter():
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("update orders set payload = %s where id = 6 returning payload", (Json({"a": [1]}),))
    payload = cursor.fetchone()[0]
    connection.rollback()
    return payload["b"]

@app.get("/secret")
def secret():
    cursor = connect().cursor()
    cursor.execute("select token, id from orders where token = %s", (request.args["token"],))
    token, number = cursor.fetchone()
    return {1: "one"}[number]
'''

FLASK_SQLALCHEMY = '''
import os
from flask import Flask
from sqlalchemy import ForeignKey, JSON, Numeric, create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
app = Flask(__name__)
engine = create_engine(os.environ["DSN"].replace("postgresql:", "postgresql+DRIVER:"), pool_pre_ping=True)

class Base(DeclarativeBase):
    pass

class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    note: Mapped[str]

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    price = mapped_column(Numeric(10, 2))
    payload = mapped_column(JSON)
    customer: Mapped[Customer] = relationship()
    lines: Mapped[list["Line"]] = relationship(order_by="Line.id")

class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    title: Mapped[str]

@app.get("/ok")
def ok():
    with Session(engine) as session:
        return str(session.scalar(select(func.count()).select_from(Order)))

@app.get("/relation-none")
def relation_none():
    with Session(engine) as session:
        return session.get(Order, 20).customer.name

@app.get("/lazy-load")
def lazy_load():
    with Session(engine) as session:
        order = session.get(Order, 1)
        return order.lines[len(order.lines)].title

@app.get("/detached")
def detached():
    with Session(engine) as session:
        order = session.get(Order, 1)
    return str(len(order.lines))

@app.get("/flush")
def flush():
    with Session(engine) as session:
        session.add_all([Line(order_id=1, title="one"), Line(order_id=1, title=None)])
        session.flush()
    return "made"

@app.get("/unique")
def unique():
    with Session(engine) as session, session.begin():
        session.add(Customer(id=60, name="Eve", email="ada@example.org", note=""))
    return "made"

@app.get("/no-result")
def no_result():
    with Session(engine) as session:
        return session.execute(select(Order).where(Order.id == 99)).scalar_one().payload

@app.get("/empty-aggregate")
def empty_aggregate():
    with Session(engine) as session:
        return str(round(session.scalar(select(func.avg(Order.price)).where(Order.id > 99))))

@app.get("/many-rows")
def many_rows():
    with Session(engine) as session:
        prices = {order.id: order.price for order in session.scalars(select(Order).order_by(Order.id))}
        return str(prices[41])

@app.get("/bulk")
def bulk():
    with Session(engine) as session:
        ids = session.scalars(Line.__table__.insert().returning(Line.id), [{"order_id": 1, "title": "t%d" % n} for n in range(4)]).all()
        session.rollback()
        return {ids[0]: "x"}[ids[3]]

@app.get("/text")
def text_statement():
    with engine.connect() as connection:
        row = connection.execute(text("select payload, tags from orders where id = :id"), {"id": 2}).mappings().one()
        return row["payload"]["total"]
'''

FASTAPI_PSYCOPG = '''
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
import psycopg
from fastapi import FastAPI
from psycopg.rows import class_row, dict_row
from psycopg_pool import AsyncConnectionPool

@asynccontextmanager
async def lifespan(app):
    async with AsyncConnectionPool(os.environ["DSN"], min_size=1, max_size=3, open=False, check=AsyncConnectionPool.check_connection) as pool:
        app.state.pool = pool
        yield

app = FastAPI(lifespan=lifespan)

@dataclass
class Order:
    id: int
    price: object
    parts: int

@app.get("/ok")
async def ok():
    async with app.state.pool.connection() as connection:
        return await (await connection.execute("select 1")).fetchone()

@app.get("/null-column")
async def null_column():
    async with app.state.pool.connection() as connection:
        cursor = await connection.execute("select note from customers where id = %s", (1,))
        return (await cursor.fetchone())[0].upper()

@app.get("/missing-row")
async def missing_row():
    async with await psycopg.AsyncConnection.connect(os.environ["DSN"], row_factory=dict_row) as connection:
        cursor = await connection.execute("select * from orders where id = %(id)s", {"id": 99})
        return (await cursor.fetchone())["price"]

@app.get("/stored-zero")
async def stored_zero():
    async with app.state.pool.connection() as connection, connection.cursor(row_factory=class_row(Order)) as cursor:
        await cursor.execute("select id, price, parts from orders where id = %s", [3], binary=True)
        order = await cursor.fetchone()
        return order.price / order.parts

@app.get("/unique")
async def unique():
    async with app.state.pool.connection() as connection:
        await connection.execute("insert into customers values (70, 'Eve', 'ada@example.org')")

@app.get("/transaction")
async def transaction():
    async with app.state.pool.connection() as connection:
        async with connection.transaction():
            left = await (await connection.execute("update accounts set balance = balance - 10 where id = 1 returning balance")).fetchone()
            await connection.execute("update accounts set balance = balance - 10 where id = 2")

@app.get("/server-cursor")
async def server_cursor():
    async with app.state.pool.connection() as connection, connection.cursor("many") as cursor:
        await cursor.execute("select id, title from lines where order_id = %s order by id", (1,))
        titles = {title: number async for number, title in cursor}
        return titles["line 8"]

@app.get("/time-zones")
async def time_zones():
    async with app.state.pool.connection() as connection:
        cursor = await connection.execute("select made, local from orders where id = 4")
        made, local = await cursor.fetchone()
        return str(made - local)

@app.get("/pipeline")
async def pipeline():
    async with app.state.pool.connection() as connection:
        async with connection.pipeline():
            one = await connection.execute("select id from orders where id = 1")
            other = await connection.execute("select id from orders where id = 77")
            return (await one.fetchone())[0] + (await other.fetchone())[0]

@app.get("/copy")
async def copy():
    async with app.state.pool.connection() as connection, connection.cursor() as cursor:
        async with cursor.copy("copy lines (order_id, title) from stdin") as data:
            await data.write_row((1, "good"))
            await data.write_row((1, None))

@app.get("/down")
async def down():
    await psycopg.AsyncConnection.connect("host=127.0.0.1 port=1 user=shop password=never-told-to-anyone dbname=postgres")

@app.get("/plain")
def plain():
    with psycopg.connect(os.environ["DSN"]) as connection:
        with connection.cursor() as cursor:
            cursor.executemany("update accounts set balance = balance + %s where id = %s", [(1, 1), (-1, 2)])
'''

FASTAPI_ASYNC_SQLALCHEMY = '''
import os
from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, Numeric, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload
engine = create_async_engine(os.environ["DSN"].replace("postgresql:", "postgresql+psycopg:"), pool_pre_ping=True)
sessions = async_sessionmaker(engine)
app = FastAPI()

class Base(DeclarativeBase):
    pass

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    price = mapped_column(Numeric(10, 2))
    lines: Mapped[list["Line"]] = relationship(order_by="Line.id")

class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    title: Mapped[str]

async def session():
    async with sessions() as session:
        yield session

@app.get("/ok")
async def ok(session: AsyncSession = Depends(session)):
    return await session.scalar(select(func.count()).select_from(Order))

@app.get("/missing")
async def missing(session: AsyncSession = Depends(session)):
    return (await session.get(Order, 99)).price

@app.get("/lazy-load")
async def lazy_load(session: AsyncSession = Depends(session)):
    return len((await session.get(Order, 1)).lines)

@app.get("/eager")
async def eager(session: AsyncSession = Depends(session)):
    orders = (await session.scalars(select(Order).options(selectinload(Order.lines)).where(Order.id < 4).order_by(Order.id))).all()
    return {order.id: order.lines[0].title for order in orders}

@app.get("/flush")
async def flush(session: AsyncSession = Depends(session)):
    session.add(Line(order_id=99, title="t"))
    await session.flush()

@app.get("/table-missing")
async def table_missing(session: AsyncSession = Depends(session)):
    await session.execute(text("select * from invoices"))
'''

# Eight ways to fail, each with a line of its own, so that none is counted as another.
CONCURRENT_FLASK = '''
import os
import psycopg2
from flask import Flask
app = Flask(__name__)

@app.get("/ok")
def ok():
    return "ok"

def rows_of(number):
    connection = psycopg2.connect(os.environ["DSN"])
    cursor = connection.cursor()
    cursor.execute("select id, price, pg_sleep(0.2) from orders where id = %s", (number,))
    first = cursor.fetchone()
    cursor.execute("select tags, quantity, parts + %s from orders where id = %s", (number, number))
    return first[:2] + cursor.fetchone()
''' + "".join(
    '''
@app.get("/fail-%d")
def fail_%d():
    raise KeyError(rows_of(%d))
''' % (number, number, number) for number in range(11, 19)
)

CONCURRENT_FASTAPI = '''
import os
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
pool = None
app = FastAPI()

@app.on_event("startup")
async def start():
    global pool
    pool = AsyncConnectionPool(os.environ["DSN"], min_size=8, max_size=8, open=False)
    await pool.open(wait=True)

@app.get("/ok")
async def ok():
    return "ok"

async def rows_of(number):
    async with pool.connection() as connection:
        cursor = await connection.execute("select id, price, pg_sleep(0.2) from orders where id = %s", (number,))
        first = await cursor.fetchone()
        cursor = await connection.execute("select tags, quantity, parts + %s from orders where id = %s", (number, number))
        return first[:2] + await cursor.fetchone()
''' + "".join(
    '''
@app.get("/fail-%d")
async def fail_%d():
    raise KeyError(await rows_of(%d))
''' % (number, number, number) for number in range(11, 19)
)
