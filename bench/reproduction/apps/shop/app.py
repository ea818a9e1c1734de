"""A shop with Flask, psycopg2 and SQLAlchemy on PostgreSQL, requests, Redis and SQLite, in which much goes wrong."""

import json
import os
import random
import sqlite3
import time
from datetime import datetime
from decimal import Decimal

import psycopg2
import psycopg2.extras
import psycopg2.pool
import redis
import requests
from flask import Flask, jsonify, request, session
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

DSN = os.environ["DATABASE_DSN"]
PEER = os.environ["PEER_URL"]
ARCHIVE = os.path.join(os.path.dirname(__file__), "archive.db")

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
pool = psycopg2.pool.ThreadedConnectionPool(0, 40, DSN)
engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(DSN), pool_size=40)
cache = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


class Base(DeclarativeBase):
    pass


class Supplier(Base):
    __tablename__ = "suppliers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Article(Base):
    __tablename__ = "articles"
    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    name: Mapped[str]
    stock: Mapped[int]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), nullable=True)
    supplier: Mapped[Supplier] = relationship()


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    password_hash: Mapped[str]
    api_token: Mapped[str]


class rows:
    """A cursor on a connection of the pool, in a transaction of its own."""

    def __init__(self, **options):
        self.options = options

    def __enter__(self):
        self.connection = pool.getconn()
        return self.connection.cursor(**self.options)

    def __exit__(self, class_, *_):
        self.connection.rollback() if class_ else self.connection.commit()
        pool.putconn(self.connection)


@app.get("/health")
def health():
    return "ok"


@app.get("/orders/<int:number>/total")
def total(number):
    with rows() as cursor:
        cursor.execute(
            "SELECT a.price, l.quantity FROM lines l JOIN articles a ON a.id = l.article_id WHERE l.order_id = %s", (number,)
        )
        return jsonify(total=str(sum(price * quantity for price, quantity in cursor)))


@app.get("/articles/<sku>/stock")
def stock(sku):
    with rows() as cursor:
        cursor.execute("SELECT stock FROM articles WHERE sku = %s", (sku,))
        return jsonify(stock=cursor.fetchone()[0])


@app.get("/customers/<int:number>/age")
def age(number):
    with rows(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT * FROM customers WHERE id = %(number)s", {"number": number})
        customer = cursor.fetchone()
    return jsonify(age=datetime.now().year - customer["birthday"].year)


@app.get("/customers/<int:number>/mailbox")
def mailbox(number):
    with rows(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
        cursor.execute("SELECT email FROM customers WHERE id = %s", [number])
        return jsonify(domain=cursor.fetchone().email.split("@")[1])


@app.get("/articles/<sku>/unit-weight")
def unit_weight(sku):
    with rows() as cursor:
        cursor.execute("SELECT weight, stock FROM articles WHERE sku = %s", (sku,))
        weight, count = cursor.fetchone()
    return jsonify(weight=weight / count)


@app.get("/customers/<int:number>/color")
def color(number):
    with rows() as cursor:
        cursor.execute("SELECT settings FROM customers WHERE id = %s", (number,))
        settings, = cursor.fetchone()
    return jsonify(color=settings["theme"]["color"])


@app.get("/customers/<int:number>/first-tag")
def first_tag(number):
    with rows() as cursor:
        cursor.execute("SELECT tags FROM customers WHERE id = %s", (number,))
        return jsonify(tag=cursor.fetchall()[0][0][0])


@app.get("/orders/<int:number>/discounted")
def discounted(number):
    with rows() as cursor:
        cursor.execute("SELECT discount FROM orders WHERE id = %s", (number,))
        discount, = cursor.fetchone()
    return jsonify(factor=str(1.0 - discount) if discount is not None else "1")


@app.get("/orders/<int:number>/open-days")
def open_days(number):
    with rows() as cursor:
        cursor.execute("SELECT placed, note FROM orders WHERE id = %s", (number,))
        placed, note = cursor.fetchone()
    if note == "closed":
        return jsonify(days=0)
    return jsonify(days=(datetime.now() - placed).days)


@app.post("/orders/<int:number>/lines")
def add_line(number):
    wanted = request.get_json()
    with rows() as cursor:
        cursor.execute("SELECT id, price FROM articles WHERE sku = %s", (wanted["sku"],))
        article, price = cursor.fetchone()
        cursor.execute(
            "INSERT INTO lines (order_id, article_id, quantity) VALUES (%s, %s, %s) RETURNING id", (number, article, wanted["quantity"])
        )
        line, = cursor.fetchone()
        return jsonify(line=line, value=str(price * wanted["quantity"]))


@app.get("/report")
def report():
    with rows() as cursor:
        cursor.execute("SELECT * FROM " + request.args["of"] + " LIMIT 3")
        return jsonify(count=len(cursor.fetchall()))


@app.get("/articles/<sku>/supplier")
def supplier(sku):
    with Session(engine) as database:
        article = database.scalars(select(Article).where(Article.sku == sku)).one()
        return jsonify(supplier=article.supplier.name)


@app.post("/customers")
def register():
    wanted = request.get_json()
    with Session(engine) as database:
        customer = Customer(name=wanted["name"], email=wanted["email"], password_hash="-", api_token="-")
        database.add(customer)
        database.commit()
        return jsonify(id=customer.id)


@app.get("/suppliers/<name>/average")
def average(name):
    with Session(engine) as database:
        value = database.scalar(select(func.avg(Article.stock)).join(Article.supplier).where(Supplier.name == name))
    return jsonify(average=round(value, 2))


@app.get("/articles/<sku>/exactly")
def exactly(sku):
    with Session(engine) as database:
        return jsonify(name=database.execute(select(Article.name).where(Article.sku == sku)).scalar_one())


@app.get("/rates/<currency>")
def rate(currency):
    answer = requests.get(PEER + "/rates/" + currency, params={"access_token": os.environ["PEER_TOKEN"]}, timeout=5)
    return jsonify(rate=Decimal(answer.json()["rate"]) + 1)


@app.get("/weather/<city>")
def weather(city):
    return jsonify(requests.get(PEER + "/weather/" + city, timeout=5).json())


@app.get("/shipping/<code>")
def shipping(code):
    answer = requests.get(PEER + "/shipping/" + code, headers={"Authorization": "Bearer " + os.environ["PEER_TOKEN"]}, timeout=5)
    answer.raise_for_status()
    return jsonify(days=answer.json()["days"])


@app.get("/warehouse/<name>")
def warehouse(name):
    address = os.environ["CLOSED_URL"] if name == "gone" else PEER
    return jsonify(requests.get(address + "/warehouse/" + name, timeout=2).json())


@app.get("/slow/<name>")
def slow(name):
    return jsonify(requests.get(PEER + "/slow/" + name, timeout=0.3).json())


@app.post("/quotes")
def quote():
    with requests.Session() as service:
        ticket = service.post(PEER + "/tickets", json={"password": os.environ["PEER_TOKEN"]}, timeout=5).json()
        answer = service.post(PEER + "/quotes", json={"ticket": ticket["ticket"], "sku": request.get_json()["sku"]}, timeout=5)
    return jsonify(price=float(answer.json()["price"]))


@app.get("/places/<name>")
def place(name):
    return jsonify(requests.get(PEER + "/places/" + name, timeout=5).json().get("country"))


@app.get("/carts/<name>")
def cart(name):
    return jsonify(json.loads(cache.get("cart:" + name)))


@app.get("/visits/<page>")
def visits(page):
    return jsonify(visits=cache.incr("visits:" + page))


@app.get("/profiles/<name>")
def profile(name):
    stored = cache.hgetall("profile:" + name)
    return jsonify(city=stored["city"], token=len(stored["token"]))


@app.get("/points/<name>")
def points(name):
    with cache.pipeline() as commands:
        commands.get("points:" + name).get("bonus:" + name)
        own, bonus = commands.execute()
    return jsonify(points=int(own) + int(bonus))


@app.get("/archive/<int:number>")
def archived(number):
    connection = sqlite3.connect(ARCHIVE)
    try:
        row = connection.execute("SELECT title, pages FROM books WHERE id = ?", (number,)).fetchone()
    finally:
        connection.close()
    return jsonify(title=row[0].upper(), pages=row[1])


@app.get("/schedule/<name>")
def schedule(name):
    if name == "fixed":
        return jsonify(slot=0)
    return jsonify(slot=SLOTS[int(time.time()) // 60 % len(SLOTS)]())


def slot_0():
    return {}["zero"]


def slot_1():
    return [][1]


def slot_2():
    return int("two")


def slot_3():
    return None.three


def slot_4():
    return 4 / 0


def slot_5():
    return 5 + "five"


def slot_6():
    return len(6)


SLOTS = [slot_0, slot_1, slot_2, slot_3, slot_4, slot_5, slot_6]


@app.get("/lottery/<name>")
def lottery(name):
    if name == "sure":
        return jsonify(prize=1)
    return jsonify(prize=random.choice(SLOTS)())


@app.post("/login")
def login():
    wanted = request.get_json()
    with Session(engine) as database:
        customer = database.scalars(select(Customer).where(Customer.email == wanted["email"])).one()
    if customer.password_hash != wanted["password"]:
        return jsonify(error="no"), 403
    session["customer"] = customer.id
    return jsonify(id=customer.id)


@app.get("/account")
def account():
    if "customer" not in session:
        return jsonify(error="who are you?"), 401
    with rows() as cursor:
        cursor.execute("SELECT name, credit, api_token FROM customers WHERE id = %s", (session["customer"],))
        name, credit, token = cursor.fetchone()
    return jsonify(name=name, credit=str(credit.quantize(Decimal("1"))))
