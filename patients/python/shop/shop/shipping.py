"""Delivery times, parcels and what sending them costs."""

SHIPPING_RATES = {"DE": 490, "AT": 790, "NL": 790, "FR": 990}
DEFAULT_SHIPPING_RATE = 1490

DELIVERY_DAYS = {"DE": 2, "AT": 3, "NL": 3, "FR": 4}
DEFAULT_DELIVERY_DAYS = 9

EXPRESS_SURCHARGE = 900
FREE_SHIPPING_FROM = 3000


def shipping_rate(country):
    return SHIPPING_RATES.get(country, DEFAULT_SHIPPING_RATE)


def charge(subtotal, country):
    return 0 if subtotal >= FREE_SHIPPING_FROM else shipping_rate(country)


def delivery_days(country):
    return DELIVERY_DAYS[country]


def express_days(country):
    return max(1, DELIVERY_DAYS.get(country, DEFAULT_DELIVERY_DAYS) - 2)


def offers(country):
    """The ways a parcel can be sent to a country, cheapest first."""
    rate = shipping_rate(country)
    return [
        {"service": "standard", "price": rate, "days": delivery_days(country)},
        {"service": "express", "price": rate + EXPRESS_SURCHARGE, "days": express_days(country)},
    ]


def litres(line):
    packaging = line.product.packaging
    return packaging["litres"] * line.quantity if packaging else 0


def grams(line):
    packaging = line.product.packaging
    return packaging["grams"] * line.quantity


def parcel(order):
    return {
        "order": order.id,
        "country": order.customer.country,
        "grams": sum(grams(line) for line in order.lines),
        "litres": round(sum(litres(line) for line in order.lines), 2),
    }
