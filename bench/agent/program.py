"""Writes the small shop that is measured, once for Flask and once for FastAPI; every failing path fails on lines of its own."""

import os

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


@app.post("/failing/<int:number>")
def failing(number):
    payload = request.get_json()
    total = total_of(number)
    return {"total": total(payload)}


TOTALS = {}


def total_of(number):
    return TOTALS[number]
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


@app.post("/failing/{number}")
async def failing(number: int, order: Order):
    total = total_of(number)
    return {"total": total(order)}


TOTALS = {}


def total_of(number):
    return TOTALS[number]
'''

FLASK_FAILURE = '''

def discount_{n}(payload, rates):
    share = rates[payload["customer"]]
    return share / 100


def total_{n}(payload):
    rates = {{"first": 10, "second": 20}}
    gross = sum(PRICES[item["name"]] * item["quantity"] for item in payload["items"])
    return gross * (1 - discount_{n}(payload, rates))


TOTALS[{n}] = total_{n}
'''

FASTAPI_FAILURE = '''

def discount_{n}(order, rates):
    share = rates[order.customer]
    return share / 100


def total_{n}(order):
    rates = {{"first": 10, "second": 20}}
    gross = sum(PRICES[item.name] * item.quantity for item in order.items)
    return gross * (1 - discount_{n}(order, rates))


TOTALS[{n}] = total_{n}
'''

MODULE = '''"""Prices of the shop."""

from shop import PRICES, TOTALS
'''

# As many functions as keep a module at some two hundred lines.
IN_MODULE = 12


def write(framework, failing, folder):
    """Writes the program into the folder; the path of its main module."""
    if framework == "flask":
        main, failure = FLASK, FLASK_FAILURE
    else:
        main, failure = FASTAPI, FASTAPI_FAILURE
    for first in range(0, failing, IN_MODULE):
        name = "%s_prices_%d" % (framework, first)
        numbers = range(first, min(first + IN_MODULE, failing))
        with open(os.path.join(folder, name + ".py"), "w") as file:
            file.write(MODULE + "".join(failure.format(n=number) for number in numbers))
        main += "\n\nimport %s  # noqa: E402, F401\n" % name
    path = os.path.join(folder, framework + "_shop.py")
    with open(path, "w") as file:
        file.write(main)
    return path
