"""The sample data of a new database; a filled one is left alone."""

from datetime import datetime

from sqlalchemy import select

from .models import Coupon, Customer, Order, OrderLine, Product, Review, Supplier


def fill(db):
    if db.scalar(select(Product.id).limit(1)) is not None:
        return
    db.add_all(suppliers() + products() + customers() + coupons() + reviews() + orders())
    db.commit()


def suppliers():
    return [
        Supplier(id=1, name="Darjeeling Direct", email="orders@darjeeling.example"),
        Supplier(id=2, name="Kyoto Pottery", email="export@kyoto.example"),
    ]


def products():
    tin = {"grams": 130, "litres": 0.6}
    box = {"grams": 900, "litres": 3.5}
    rows = [
        (1, "TEA-ASSAM", "Assam, loose", "tea", 890, 900_000, "food", 1, tin),
        (2, "TEA-SENCHA", "Sencha, loose", "tea", 1250, 900_000, "food", 1, tin),
        (3, "POT-IRON", "Iron teapot", "pots", 4900, 900_000, "standard", 2, box),
        (4, "CUP-RAKU", "Raku cup", "pots", 2400, 40, "standard", 2, tin),
        (5, "TEA-HOUSE", "House blend", "tea", 790, 900_000, "food", None, tin),
        (6, "VOUCHER-25", "Voucher over 25", "vouchers", 2500, 900_000, "voucher", None, None),
        (7, "BOOK-TEA", "The Book of Tea", "books", 1490, 300, "books", 2, tin),
        (8, "SAMPLE", "Sample of the month", "tea", 0, 900_000, "food", 1, tin),
        (9, "TEA-PUERH", "Pu-erh, 1998", "tea", 9900, 3, "food", 1, tin),
    ]
    names = ["id", "sku", "name", "category", "price", "stock", "tax_class", "supplier_id", "packaging"]
    return [Product(**dict(zip(names, row))) for row in rows]


def customers():
    rows = [
        (1, "Ada Berg", "ada@example.test", "Ring 1", "10115 Berlin", "DE"),
        (2, "Ben Okafor", "ben@example.test", "Gracht 9", "1011 Amsterdam", "NL"),
        (3, "Chloe Martin", "chloe@example.test", "Rue Basse 4", "67000 Strasbourg", "FR"),
        (4, "Dario Conti", "dario@example.test", "Via Lunga 7", "20121 Milano", "IT"),
        (5, "Eva Lind", "eva@example.test", "Gata 3", "11120 Stockholm", "SE"),
    ]
    names = ["id", "name", "email", "street", "city", "country"]
    return [Customer(**dict(zip(names, row))) for row in rows]


def coupons():
    return [Coupon(code="SPRING", percent=10), Coupon(code="FRIENDS", percent=25)]


def reviews():
    return [
        Review(product_id=1, author="Ben", rating=5, text="Malty and strong."),
        Review(product_id=1, author="Eva", rating=4, text="Good with milk."),
        Review(product_id=2, author="Ada", rating=4, text="Fresh."),
    ]


def orders():
    def order(number, customer, status, day, lines, discount=0, shipping=0, paid=None):
        total = sum(quantity * price for _product, quantity, price, _tax in lines) - discount + shipping
        return Order(
            id=number,
            reference=f"SEED-{number}",
            customer_id=customer,
            status=status,
            discount=discount,
            shipping=shipping,
            total=total,
            created_at=datetime(2024, *day, 10, 30),
            paid_at=datetime(2024, *paid, 9, 0) if paid else None,
            lines=[
                OrderLine(product_id=product, quantity=quantity, unit_price=price, tax=tax)
                for product, quantity, price, tax in lines
            ],
        )

    return [
        order(1, 1, "paid", (1, 15), [(1, 2, 890, 116), (3, 1, 4900, 782)], paid=(1, 16)),
        order(2, 2, "open", (2, 3), [(2, 1, 1250, 82)]),
        order(3, 1, "paid", (2, 20), [(3, 1, 4900, 782)], discount=490, paid=(2, 21)),
        order(4, 3, "cancelled", (3, 1), [(5, 3, 790, 155)]),
        order(5, 3, "paid", (3, 2), [(1, 1, 890, 58), (6, 1, 2500, 0)], paid=(3, 2)),
        order(6, 2, "open", (3, 9), [(8, 1, 0, 0)], shipping=790),
        order(7, 0, "paid", (3, 12), [(2, 2, 1250, 164)], paid=(3, 12)),
        order(8, 3, "open", (3, 20), [(4, 1, 2400, 383)]),
    ]
