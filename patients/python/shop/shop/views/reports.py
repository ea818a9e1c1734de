"""Reports for the office."""

from datetime import date

from flask import Blueprint, Response, jsonify, request

from .. import reports as figures
from ..errors import ClientError

blueprint = Blueprint("reports", __name__, url_prefix="/reports")


@blueprint.get("/sales")
def sales():
    return jsonify(figures.sales(request.args))


@blueprint.get("/sales.csv")
def sales_csv():
    return Response(figures.sales_csv(request.args), mimetype="text/csv")


@blueprint.get("/ledger/<day>")
def ledger(day):
    try:
        parsed = date.fromisoformat(day)
    except ValueError:
        raise ClientError("day: must be a date like 2024-03-01") from None
    return jsonify(figures.ledger(parsed))
