"""What is on the shelf. Every change of stock goes through this module."""

from sqlalchemy import update

from .database import db
from .errors import InvariantError
from .models import Product

LOW_STOCK = 10


def available(product, quantity):
    return product.stock >= quantity


def reserve(product, quantity):
    _change(product, -quantity)


def release(product, quantity):
    _change(product, quantity)


def _change(product, difference):
    db.execute(update(Product).where(Product.id == product.id).values(stock=Product.stock + difference))
    db.refresh(product)
    if product.stock < 0:
        raise InvariantError(f"stock of {product.sku} would be {product.stock}")


def status(product):
    if product.stock == 0:
        return "sold out"
    return "low" if product.stock < LOW_STOCK else "in stock"
