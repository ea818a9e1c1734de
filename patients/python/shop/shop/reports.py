"""Figures for the office: sales, customers and the ledger. Read only."""

import csv
import io
import os
from collections import Counter
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from .database import db
from .models import Order
from .pricing import format_price

FIRST_DAY = date(2024, 1, 1)


def parse_range(args):
    """The days asked for, both included, as a pair of instants."""
    first = date.fromisoformat(args["from"]) if "from" in args else FIRST_DAY
    last = date.fromisoformat(args["to"]) if "to" in args else date.today()
    return datetime.combine(first, time.min), datetime.combine(last + timedelta(days=1), time.min)


def orders_between(start, end):
    query = select(Order).where(Order.created_at >= start, Order.created_at < end)
    return db.scalars(query.order_by(Order.id)).all()


def sales(args):
    orders = orders_between(*parse_range(args))
    totals = [order.total for order in orders]
    report = {"orders": len(orders), "total": sum(totals), "average": average(totals)}
    if args.get("detail"):
        report["median"] = statistics.median(totals)
        report["largest"] = max(totals)
    return report


def average(totals):
    if not totals:
        return 0
    return sum(totals) // len(totals)


def sales_csv(args):
    currency = args.get("currency") or os.environ["SHOP_CURRENCY"]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["order", "day", f"total ({currency})"])
    for order in orders_between(*parse_range(args)):
        writer.writerow([order.id, order.created_at.date(), format_price(order.total, currency)])
    return out.getvalue()


def customer_summary(customer):
    orders = customer.orders
    return {
        "customer": customer.name,
        "orders": len(orders),
        "spent": sum(order.total for order in orders),
        "favourite": favourite_product(orders),
        "latest_order": latest_order(orders),
    }


def favourite_product(orders):
    counts = Counter()
    for order in orders:
        for line in order.lines:
            counts[line.product.name] += line.quantity
    if not counts:
        return None
    return counts.most_common(1)[0][0]


def latest_order(orders):
    newest = orders[0]
    return {"id": newest.id, "status": newest.status, "day": newest.created_at.date().isoformat()}


def ledger(day):
    """The bookings of one day; the sides must balance to the cent."""
    start = datetime.combine(day, time.min)
    orders = orders_between(start, start + timedelta(days=1))
    gross = sum(order.total for order in orders)
    tax = sum(line.tax for order in orders for line in order.lines)
    net = sum(net_of(line) for order in orders for line in order.lines)
    assert net + tax == gross, f"ledger of {day} is off by {gross - net - tax}"
    return {"day": day.isoformat(), "gross": gross, "net": net, "tax": tax}


def net_of(line):
    return line.total - line.tax
