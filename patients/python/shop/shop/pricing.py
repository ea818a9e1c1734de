"""Money: cents to text and back, taxes and discounts. Nothing here touches the database."""

TAX_RATES = {
    "standard": 19,
    "food": 7,
    "voucher": 0,
}


def format_price(cents, currency):
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{whole}.{rest:02d} {currency}"


def to_cents(text):
    return round(float(text) * 100)


def tax_included(amount, tax_class):
    """The tax contained in a gross amount, rounded half up to whole cents."""
    rate = TAX_RATES[tax_class]
    return (amount * rate * 2 + 100 + rate) // (2 * (100 + rate))


def discount(amount, percent):
    return amount * percent // 100


def split(amount, weights):
    """Divides an amount in proportion to the weights, so that the parts add up to it exactly."""
    whole = sum(weights)
    parts = []
    for weight in weights:
        parts.append(amount * weight // whole)
    parts[0] += amount - sum(parts)
    return parts
