"""Orders from the basket to the invoice."""

from datetime import datetime

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import select

from .. import invoices, notifications, payments, shipping
from .. import orders as service
from ..database import db
from ..errors import ClientError
from ..models import Order

blueprint = Blueprint("orders", __name__, url_prefix="/orders")


@blueprint.post("")
def create():
    order = service.place(request.get_json())
    db.commit()
    return jsonify(id=order.id, total=order.total, lines=len(order.lines)), 201


@blueprint.post("/import")
def import_orders():
    placed = service.import_csv(request.get_data(as_text=True))
    db.commit()
    return jsonify(placed=[order.id for order in placed]), 201


@blueprint.get("")
def by_reference():
    reference = request.args.get("reference", "")
    if not reference:
        raise ClientError("reference: must not be empty")
    found = db.scalars(select(Order).where(Order.reference == reference)).all()
    return jsonify(orders=[as_json(order) for order in found], count=len(found))


@blueprint.get("/<int:order_id>")
def show(order_id):
    order = find(order_id)
    hints = {"payment": service.payment_hint(order), "delivery": service.delivery_hint(order)}
    return jsonify({**as_json(order), **hints})


@blueprint.get("/<int:order_id>/invoice")
def invoice(order_id):
    return Response(invoices.render(find(order_id)), mimetype="text/plain")


@blueprint.get("/<int:order_id>/shipment")
def shipment(order_id):
    return jsonify(shipping.parcel(find(order_id)))


@blueprint.post("/<int:order_id>/pay")
def pay(order_id):
    order = find(order_id)
    if order.status == "paid":
        return jsonify(id=order.id, status=order.status)
    receipt = payments.charge(order)
    order.status = "paid"
    order.paid_at = datetime.now()
    db.commit()
    return jsonify(id=order.id, status=order.status, receipt=receipt)


@blueprint.post("/<int:order_id>/cancel")
def cancel(order_id):
    order = find(order_id)
    service.cancel(order)
    db.commit()
    return jsonify(id=order.id, status=order.status)


@blueprint.post("/<int:order_id>/refund")
def refund(order_id):
    order = find(order_id)
    data = request.get_json()
    amount = data.get("amount")
    if not isinstance(amount, int) or amount < 0:
        raise ClientError("amount: must be whole cents")
    parts = service.refund(order, amount, data.get("reason", ""))
    db.commit()
    return jsonify(id=order.id, refunded=sum(parts)), 201


@blueprint.post("/<int:order_id>/remind")
def remind(order_id):
    order = find(order_id)
    data = request.get_json()
    subject = data.get("subject") or f"Your order {order.id}"
    notifications.order_reminder(order, subject, data.get("note"))
    db.commit()
    return jsonify(id=order.id, sent=True)


def find(order_id):
    order = db.get(Order, order_id)
    if order is None:
        raise ClientError("no such order", 404)
    return order


def as_json(order):
    return {
        "id": order.id,
        "reference": order.reference,
        "status": order.status,
        "total": order.total,
        "lines": [
            {"sku": line.product.sku, "quantity": line.quantity, "total": line.total} for line in order.lines
        ],
    }
