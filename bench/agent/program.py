"""Writes the small shop that is measured, once for Flask and once for FastAPI; every failing route fails on lines of its own."""

FLASK = '''"""A shop that takes orders."""

from flask import Flask, request

app = Flask("shop")
app.logger.disabled = True
PRICES = {"plum": 20, "pear": 35, "fig": 90}


@app.post("/orders")
def order():
    payload = request.get_json()
    total = sum(PRICES[item["name"]] * item["quantity"] for item in payload["items"])
    return {"customer": payload["customer"], "total": total}
'''

FASTAPI = '''"""A shop that takes orders."""

from typing import List

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
PRICES = {"plum": 20, "pear": 35, "fig": 90}


class Item(BaseModel):
    name: str
    quantity: int


class Order(BaseModel):
    customer: str
    items: List[Item]


@app.post("/orders")
async def order(order: Order):
    total = sum(PRICES[item.name] * item.quantity for item in order.items)
    return {"customer": order.customer, "total": total}
'''

FLASK_FAILURE = '''

def discount_{n}(payload, rates):
    share = rates[payload["customer"]]
    return share / 100


def total_{n}(payload):
    rates = {{"first": 10, "second": 20}}
    gross = sum(PRICES[item["name"]] * item["quantity"] for item in payload["items"])
    return gross * (1 - discount_{n}(payload, rates))


@app.post("/failing/{n}")
def failing_{n}():
    payload = request.get_json()
    return {{"total": total_{n}(payload)}}
'''

FASTAPI_FAILURE = '''

def discount_{n}(order, rates):
    share = rates[order.customer]
    return share / 100


def total_{n}(order):
    rates = {{"first": 10, "second": 20}}
    gross = sum(PRICES[item.name] * item.quantity for item in order.items)
    return gross * (1 - discount_{n}(order, rates))


@app.post("/failing/{n}")
async def failing_{n}(order: Order):
    return {{"total": total_{n}(order)}}
'''


def text(framework, failing):
    head, failure = (FLASK, FLASK_FAILURE) if framework == "flask" else (FASTAPI, FASTAPI_FAILURE)
    return head + "".join(failure.format(n=number) for number in range(failing))
