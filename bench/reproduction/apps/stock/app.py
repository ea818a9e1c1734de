"""A stock service with FastAPI, asyncpg, psycopg and SQLAlchemy on PostgreSQL, httpx, aiohttp and Redis, all of it asynchronous."""

import asyncio
import json
import os
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Optional

import aiohttp
import asyncpg
import httpx
import jwt
import psycopg
import redis.asyncio
from fastapi import Depends, FastAPI, Header, HTTPException, Request, UploadFile
from psycopg.rows import dict_row
from pydantic import BaseModel
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

URL = os.environ["DATABASE_URL"]
PEER = os.environ["PEER_URL"]


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(URL, min_size=2, max_size=20)
    app.state.options = {row["name"]: row["value"] for row in await app.state.pool.fetch("SELECT name, value FROM options")}
    app.state.http = httpx.AsyncClient(base_url=PEER, timeout=2)
    app.state.cache = redis.asyncio.from_url(os.environ["REDIS_URL"])
    yield
    await app.state.http.aclose()
    await app.state.cache.aclose()
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)
engine = create_async_engine(URL.replace("postgresql://", "postgresql+asyncpg://"))
sessions = async_sessionmaker(engine, expire_on_commit=False)


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
    supplier_id: Mapped[Optional[int]] = mapped_column(ForeignKey("suppliers.id"))
    supplier: Mapped[Optional[Supplier]] = relationship()


class Address(BaseModel):
    city: str


class Delivery(BaseModel):
    sku: str
    quantity: int
    address: Optional[Address] = None


async def connection(request: Request):
    async with request.app.state.pool.acquire() as acquired:
        yield acquired


@app.get("/health")
async def health():
    return "ok"


@app.get("/articles/{sku}")
async def article(sku: str, database=Depends(connection)):
    row = await database.fetchrow("SELECT name, price FROM articles WHERE sku = $1", sku)
    return {"name": row["name"], "price": str(row["price"])}


@app.get("/articles/{sku}/gross")
async def gross(sku: str, database=Depends(connection)):
    return {"price": str(await database.fetchval("SELECT price FROM articles WHERE sku = $1", sku) * 2)}


@app.get("/articles/{sku}/field/{name}")
async def field(sku: str, name: str, database=Depends(connection)):
    row = await database.fetchrow("SELECT * FROM articles WHERE sku = $1", sku)
    return {"value": str(row[name])}


@app.get("/articles/{sku}/share")
async def share(sku: str, request: Request):
    pool = request.app.state.pool
    own, every = await asyncio.gather(
        pool.fetchval("SELECT stock FROM articles WHERE sku = $1", sku), pool.fetchval("SELECT sum(stock) FROM articles WHERE price > 1000")
    )
    return {"share": own / every if sku != "pear" else own}


@app.get("/articles/{sku}/reach")
async def reach(sku: str, database=Depends(connection)):
    rows = await database.fetch("SELECT stock, weight FROM articles WHERE sku = $1", sku)
    return {"days": rows[0]["weight"] // rows[0]["stock"]}


@app.post("/suppliers")
async def add_supplier(wanted: dict, database=Depends(connection)):
    async with database.transaction():
        number = await database.fetchval("INSERT INTO suppliers (name) VALUES ($1) RETURNING id", wanted["name"])
        await database.execute("INSERT INTO options (name, value) VALUES ($1, $2)", "supplier of " + wanted["name"], str(number))
    return {"id": number}


@app.get("/articles/{sku}/supplier")
async def supplier(sku: str):
    async with sessions() as database:
        found = (await database.scalars(select(Article).options(selectinload(Article.supplier)).where(Article.sku == sku))).one()
    return {"supplier": found.supplier.name}


@app.get("/articles/{sku}/lazily")
async def lazily(sku: str):
    async with sessions() as database:
        found = (await database.scalars(select(Article).where(Article.sku == sku))).first()
        return {"number": found.id}


@app.get("/customers/{number}/credit")
async def credit(number: int):
    async with await psycopg.AsyncConnection.connect(URL, row_factory=dict_row) as database:
        async with database.cursor() as cursor:
            await cursor.execute("SELECT credit, birthday, api_token FROM customers WHERE id = %s", (number,))
            customer = await cursor.fetchone()
    return {"credit": str(customer["credit"].normalize())}


@app.get("/customers/{number}/since")
async def since(number: int):
    async with await psycopg.AsyncConnection.connect(URL) as database:
        cursor = await database.execute("SELECT birthday FROM customers WHERE id = %s", (number,))
        birthday, = await cursor.fetchone()
    return {"days": (datetime.now(timezone.utc).date() - birthday).days}


@app.get("/rates/{currency}")
async def rate(currency: str, request: Request):
    answer = await request.app.state.http.get("/rates/" + currency, headers={"X-Api-Key": os.environ["PEER_TOKEN"]})
    return {"rate": answer.json()["rate"]}


@app.get("/shipping/{code}")
async def shipping(code: str, request: Request):
    answer = await request.app.state.http.get("/shipping/" + code)
    return answer.raise_for_status().json()


@app.get("/warehouse/{name}")
async def warehouse(name: str):
    async with httpx.AsyncClient() as client:
        return (await client.get((os.environ["CLOSED_URL"] if name == "gone" else PEER) + "/warehouse/" + name)).json()


@app.get("/compare/{one}/{other}")
async def compare(one: str, other: str, request: Request):
    client = request.app.state.http
    answers = await asyncio.gather(client.get("/rates/" + one), client.get("/rates/" + other))
    first, second = (answer.json() for answer in answers)
    return {"ratio": float(first["rate"]) / float(second["rate"])}


@app.get("/places/{name}")
async def place(name: str):
    async with aiohttp.ClientSession() as client, client.get(PEER + "/places/" + name) as answer:
        return {"country": (await answer.json())["country"]}


@app.get("/weather/{city}")
async def weather(city: str):
    async with aiohttp.ClientSession() as client, client.get(PEER + "/weather/" + city) as answer:
        return await answer.json()


@app.get("/carts/{name}")
async def cart(name: str, request: Request):
    return json.loads(await request.app.state.cache.get("cart:" + name))


@app.get("/points/{name}")
async def points(name: str, request: Request):
    async with request.app.state.cache.pipeline() as commands:
        own, bonus = await commands.get("points:" + name).get("bonus:" + name).execute()
    return {"points": int(own) + int(bonus)}


@app.get("/options/{name}")
async def option(name: str, request: Request):
    return {"value": request.app.state.options[name]}


@app.post("/deliveries")
async def deliver(delivery: Delivery):
    return {"city": delivery.address.city, "quantity": delivery.quantity}


@app.post("/labels")
async def label(file: UploadFile):
    return {"text": (await file.read()).decode("utf-8")[:20]}


@app.get("/whoami")
async def who_am_i(authorization: str = Header()):
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), os.environ["SECRET_KEY"], algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error
    return {"name": claims["profile"]["name"]}
