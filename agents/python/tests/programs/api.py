"""A small FastAPI service with faults, for the tests of the agent."""

import os
import sqlite3
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

state = {}


@asynccontextmanager
async def lifespan(app):
    state["database"] = sqlite3.connect(":memory:", check_same_thread=False)
    state["database"].execute("CREATE TABLE orders (item TEXT)")
    yield
    state["database"].close()


app = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    item: str
    quantity: int


@app.get("/ok")
def ok():
    return {"pid": os.getpid()}


@app.post("/orders/{number}")
async def order(number: int, order: Order):
    state["database"].execute("INSERT INTO orders VALUES (?)", (order.item,))
    return {"price": {"apple": 3}[order.item] * order.quantity}


@app.post("/unread")
async def unread(request: Request):
    raise RuntimeError("before the body was read")


@app.get("/background")
def background(tasks: BackgroundTasks):
    tasks.add_task(lambda: 1 / 0)
    return {"accepted": True}


@app.exception_handler(ValueError)
async def apologise(request, error):
    return JSONResponse({"error": "sorry"}, 503)


@app.get("/apology")
def apology():
    return int("none")


inner = FastAPI()


@inner.get("/broken")
def broken():
    return {}["inner"]


app.mount("/inner", inner)
