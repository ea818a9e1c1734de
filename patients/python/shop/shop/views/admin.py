"""What the staff and the load balancer look at."""

from flask import Blueprint, jsonify, request
from sqlalchemy import select

from .. import inventory, notifications, pagination
from ..database import db
from ..models import Message, Product

blueprint = Blueprint("admin", __name__)


@blueprint.get("/health")
def health():
    return jsonify(status="ok")


@blueprint.get("/stock/low")
def low_stock():
    query = select(Product).where(Product.stock < inventory.LOW_STOCK).order_by(Product.stock)
    return jsonify(products=[{"sku": p.sku, "status": inventory.status(p)} for p in db.scalars(query)])


@blueprint.get("/staff/messages")
def staff_messages():
    query = select(Message).where(Message.recipient == notifications.STAFF).order_by(Message.id.desc())
    found = db.scalars(pagination.paginate(query, request.args)).all()
    return jsonify(messages=[{"subject": m.subject, "body": m.body} for m in found])
