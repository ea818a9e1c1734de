"""Customers, what they bought and what we wrote to them."""

from flask import Blueprint, jsonify, request
from sqlalchemy import select

from .. import notifications, pagination, reports
from ..database import db
from ..errors import ClientError
from ..models import Customer, Message, Order

blueprint = Blueprint("customers", __name__, url_prefix="/customers")


@blueprint.post("")
def create():
    data = request.get_json()
    name = data.get("name", "").strip()
    if not name:
        raise ClientError("name: must not be empty")
    email = data["email"].strip().lower()
    if db.scalar(select(Customer).where(Customer.email == email)):
        raise ClientError("this address is already known", 409)
    customer = Customer(
        name=name,
        email=email,
        street=data.get("street", ""),
        city=data.get("city", ""),
        country=data.get("country", "DE"),
    )
    db.add(customer)
    db.commit()
    return jsonify(id=customer.id, email=customer.email), 201


@blueprint.get("/<int:customer_id>")
def show(customer_id):
    customer = find(customer_id)
    return jsonify(id=customer.id, name=customer.name, email=customer.email, country=customer.country)


@blueprint.get("/<int:customer_id>/orders")
def orders(customer_id):
    query = select(Order).where(Order.customer_id == find(customer_id).id).order_by(Order.id.desc())
    found = db.scalars(pagination.paginate(query, request.args)).all()
    return jsonify(
        orders=[{"id": o.id, "reference": o.reference, "status": o.status, "total": o.total} for o in found]
    )


@blueprint.get("/<int:customer_id>/summary")
def summary(customer_id):
    return jsonify(reports.customer_summary(find(customer_id)))


@blueprint.get("/<int:customer_id>/greeting")
def greeting(customer_id):
    return jsonify(text=notifications.greeting(find(customer_id), request.headers))


@blueprint.get("/<int:customer_id>/messages")
def messages(customer_id):
    query = select(Message).where(Message.recipient == find(customer_id).email).order_by(Message.id.desc())
    found = db.scalars(pagination.paginate(query, request.args)).all()
    return jsonify(messages=[{"subject": m.subject, "body": m.body} for m in found])


def find(customer_id):
    customer = db.get(Customer, customer_id)
    if customer is None:
        raise ClientError("no such customer", 404)
    return customer
