"""Taking, changing and importing orders. Nothing is committed here; the views do that."""

import csv
import io

from sqlalchemy import select

from . import inventory, notifications, pricing, settings, shipping
from .database import db
from .errors import ClientError
from .models import Coupon, Customer, Order, OrderLine, Product, Refund

GIFT_WRAP = "GIFT-WRAP"


def place(data):
    customer = db.get(Customer, data.get("customer_id"))
    if customer is None:
        raise ClientError("customer_id: no such customer")
    items = parse_items(data.get("items"))

    order = Order(
        customer=customer,
        reference=data.get("reference", ""),
        currency=settings.currency(),
    )
    db.add(order)
    for product, quantity in items:
        add_line(order, product, quantity)
    if data.get("gift_wrap"):
        add_gift_wrap(order)
    if data.get("coupon"):
        apply_coupon(order, data["coupon"])
    order.shipping = shipping.charge(order.subtotal, customer.country)
    order.total = order.subtotal - order.discount + order.shipping
    db.flush()
    notifications.order_received(order)
    return order


def parse_items(entries):
    """Pairs of product and quantity, all of which exist and are in stock."""
    if not isinstance(entries, list) or not entries:
        raise ClientError("items: at least one is needed")
    items = []
    for entry in entries:
        product = db.get(Product, entry.get("product_id"))
        if product is None:
            raise ClientError("product_id: no such product")
        quantity = entry["quantity"]
        if not isinstance(quantity, int) or quantity < 1:
            raise ClientError("quantity: must be a whole number above zero")
        if not inventory.available(product, quantity):
            raise ClientError(f"{product.sku}: only {product.stock} left", 409)
        items.append((product, quantity))
    return items


def add_line(order, product, quantity):
    inventory.reserve(product, quantity)
    line = OrderLine(
        product=product,
        quantity=quantity,
        unit_price=product.price,
        tax=pricing.tax_included(product.price * quantity, product.tax_class),
    )
    order.lines.append(line)
    return line


def add_gift_wrap(order):
    wrap = db.scalar(select(Product).where(Product.sku == GIFT_WRAP))
    order.lines.append(OrderLine(product=wrap, quantity=1, unit_price=wrap.price))


def apply_coupon(order, code):
    coupon = db.get(Coupon, code)
    if coupon is None:
        raise ClientError("coupon: unknown code")
    order.discount = pricing.discount(order.subtotal, coupon.percent)


def cancel(order):
    if order.status == "cancelled":
        return
    if order.status == "paid":
        raise ClientError("a paid order must be refunded", 409)
    for line in order.lines:
        inventory.release(line.product, line.quantity)
    order.status = "cancelled"


def refund(order, amount, reason):
    """Books a refund against the lines of an order, in proportion to their totals."""
    if amount > order.total:
        raise ClientError("amount: more than the order was worth")
    parts = pricing.split(amount, [line.total for line in order.lines])
    for line, part in zip(order.lines, parts):
        db.add(Refund(order_id=order.id, line_id=line.id, amount=part, reason=reason))
    return parts


def import_csv(text):
    """Places one order for each row: customer, sku, quantity, reference."""
    placed = []
    for row in csv.DictReader(io.StringIO(text)):
        product = db.scalar(select(Product).where(Product.sku == row["sku"]))
        if product is None:
            raise ClientError(f"sku: {row['sku']} is unknown")
        customer = db.scalar(select(Customer).where(Customer.email == row["customer"]))
        if customer is None:
            raise ClientError(f"customer: {row['customer']} is unknown")
        item = {"product_id": product.id, "quantity": int(row["quantity"])}
        data = {"customer_id": customer.id, "items": [item], "reference": row["reference"]}
        placed.append(place(data))
    return placed


def payment_hint(order):
    if order.status == "open":
        hint = f"Please pay {pricing.format_price(order.total, order.currency)}."
    elif order.status == "paid":
        hint = f"Paid on {order.paid_at:%Y-%m-%d}. Thank you!"
    return hint


def delivery_hint(order):
    hint = None
    if order.status == "paid":
        hint = "On its way to you."
    return hint
