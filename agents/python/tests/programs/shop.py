"""A small Flask service with faults, for the tests of the agent."""

import os

from flask import Flask, jsonify, request

app = Flask(__name__)
PRICES = {"apple": 3}
LIMIT = 10


class Customer:
    __slots__ = ("name", "password")

    def __init__(self, name, password):
        self.name = name
        self.password = password


@app.get("/ok")
def ok():
    return {"pid": os.getpid()}


@app.post("/orders/<int:number>")
def order(number):
    data = request.get_json()
    customer = Customer("Ada", data.get("password"))
    return {"customer": customer.name, "price": PRICES[data["item"]] * data["quantity"], "number": number, "limit": LIMIT}


@app.post("/unread")
def unread():
    raise RuntimeError("before the body was read")


@app.post("/lines")
def lines():
    found = [line for line in request.stream]
    return {"count": found["count"]}


@app.get("/stream")
def stream():
    def parts():
        yield "begun"
        raise ValueError("in mid-stream")

    return parts()


@app.errorhandler(ArithmeticError)
def apologise(error):
    return jsonify(error="sorry"), 503


@app.get("/apology")
def apology():
    return {"value": 1 / 0}


@app.errorhandler(FileNotFoundError)
def not_there(error):
    return {"error": "no such thing"}, 404


@app.get("/mine")
def mine():
    raise FileNotFoundError("no such thing")


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT_NUMBER"]))
