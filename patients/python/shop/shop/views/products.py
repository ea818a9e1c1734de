"""Products, their prices, delivery and reviews."""

from flask import Blueprint, jsonify, request
from sqlalchemy import select

from .. import inventory, notifications, pagination, pricing, shipping
from ..database import db
from ..errors import ClientError
from ..models import Product, Review

blueprint = Blueprint("products", __name__, url_prefix="/products")

LATEST_REVIEWS = 50


@blueprint.get("")
def index():
    query = select(Product).order_by(Product.id)
    if "category" in request.args:
        query = query.where(Product.category == request.args["category"])
    products = db.scalars(pagination.paginate(query, request.args)).all()
    return jsonify(products=[brief(product) for product in products])


@blueprint.get("/<int:product_id>")
def show(product_id):
    product = find(product_id)
    return jsonify(
        id=product.id,
        sku=product.sku,
        name=product.name,
        price=product.price,
        stock=product.stock,
        availability=inventory.status(product),
        supplier={"name": product.supplier.name, "email": product.supplier.email},
    )


@blueprint.get("/<int:product_id>/delivery")
def delivery(product_id):
    product = find(product_id)
    country = request.args.get("country", "DE").upper()
    return jsonify(product=product.sku, country=country, offers=shipping.offers(country))


@blueprint.post("/<int:product_id>/price")
def change_price(product_id):
    product = find(product_id)
    price = pricing.to_cents(request.form["price"])
    if price < 0:
        raise ClientError("price: must not be negative")
    product.price = price
    db.commit()
    return jsonify(id=product.id, price=product.price)


@blueprint.get("/<int:product_id>/reviews")
def reviews(product_id):
    latest = find(product_id).reviews.limit(LATEST_REVIEWS).all()
    average = sum(review.rating for review in latest) / len(latest)
    return jsonify(
        average=round(average, 1),
        reviews=[{"author": r.author, "rating": r.rating, "text": r.text} for r in latest],
    )


@blueprint.post("/<int:product_id>/reviews")
def add_review(product_id):
    product = find(product_id)
    data = request.get_json()
    rating = data.get("rating")
    if rating not in (1, 2, 3, 4, 5):
        raise ClientError("rating: must be 1 to 5")
    review = Review(
        product_id=product.id,
        author=data.get("author", "anonymous"),
        rating=rating,
        text=data.get("text", ""),
    )
    db.add(review)
    if rating <= 2:
        notifications.low_rating(product.id, review)
    db.commit()
    return jsonify(id=review.id), 201


def find(product_id):
    product = db.get(Product, product_id)
    if product is None:
        raise ClientError("no such product", 404)
    return product


def brief(product):
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "price": product.price,
        "supplier": product.supplier.name if product.supplier else None,
    }
