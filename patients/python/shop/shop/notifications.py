"""Messages to customers and staff; they are written to the outbox, not sent from here."""

from . import settings
from .database import db
from .models import Message
from .pricing import format_price

STAFF = "staff@kettle.example"
GREETINGS = {"en": "Welcome", "de": "Willkommen", "fr": "Bienvenue"}


def preferred_language(headers):
    """The first language the client accepts that we speak."""
    for entry in headers.get("Accept-Language").split(","):
        language = entry.split(";")[0].strip()[:2].lower()
        if language in GREETINGS:
            return language
    return "en"


def greeting(customer, headers):
    return f"{GREETINGS[preferred_language(headers)]}, {customer.name}!"


def compose(order, extras=None):
    lines = [
        f"Order {order.id} at {settings.shop_name()}",
        f"Total: {format_price(order.total, order.currency)}",
    ]
    lines.extend(extras)
    return "\n".join(lines)


def order_received(order):
    names = [f"{line.quantity} x {line.product.name}" for line in order.lines]
    send(order.customer.email, f"Your order {order.reference}".strip(), compose(order, names))


def order_reminder(order, subject, note):
    if note:
        body = compose(order, [note])
    else:
        body = compose(order)
    send(order.customer.email, subject, body)


def low_rating(product, review):
    send(STAFF, f"Low rating for {product.name}", f"{review.author}: {review.text}")


def send(recipient, subject, body=""):
    db.add(Message(recipient=recipient, subject=subject, body=body))
