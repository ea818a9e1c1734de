"""Invoices as plain text, computed from the order each time they are asked for."""

from . import settings
from .pricing import format_price

WIDTH = 48


def render(order):
    rows = [settings.shop_name(), f"Invoice for order {order.id}", ""]
    rows += address_block(order)
    rows.append("-" * WIDTH)
    for line in order.lines:
        rows.append(row(f"{line.quantity} x {line.product.name}", format_price(line.total, order.currency)))
    if order.discount:
        rows.append(row("Discount", format_price(-order.discount)))
    if order.shipping:
        rows.append(row("Shipping", format_price(order.shipping, order.currency)))
    rows.append("-" * WIDTH)
    rows.append(row("Total", format_price(order.total, order.currency)))
    rows.append(row("Tax included", format_price(tax(order), order.currency)))
    return "\n".join(rows) + "\n"


def address_block(order):
    customer = order.customer
    return [customer.name, customer.street, f"{customer.country}-{customer.city}"]


def row(label, amount):
    return f"{label:<{WIDTH - 14}}{amount:>14}"


def tax(order):
    return sum(line.tax for line in order.lines)
