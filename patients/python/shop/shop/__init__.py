"""The shop as a WSGI application; the routes themselves live in `shop.views`."""

from flask import Flask

from . import database, errors
from .views import admin, customers, orders, products, reports


def create_app():
    app = Flask(__name__)
    database.init_app(app)
    errors.init_app(app)
    app.register_blueprint(products.blueprint)
    app.register_blueprint(customers.blueprint)
    app.register_blueprint(orders.blueprint)
    app.register_blueprint(reports.blueprint)
    app.register_blueprint(admin.blueprint)
    return app


app = create_app()
