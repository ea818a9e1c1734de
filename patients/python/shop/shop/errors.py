"""The errors the shop raises on purpose, and how those meant for the client are answered."""

from flask import jsonify
from werkzeug.exceptions import HTTPException


class ClientError(Exception):
    """The request cannot be served as it is; `message` says why."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.message = message
        self.status = status


class InvariantError(Exception):
    """The shop's own records contradict each other; nothing may be written."""


def init_app(app):
    @app.errorhandler(ClientError)
    def client_error(error):
        return jsonify(error=error.message), error.status

    @app.errorhandler(HTTPException)
    def http_error(error):
        return jsonify(error=error.description), error.code
