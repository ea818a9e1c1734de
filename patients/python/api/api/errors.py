"""The errors raised on purpose, and how those meant for the client are answered."""

from fastapi import Request
from fastapi.responses import JSONResponse


class NotFound(Exception):
    def __init__(self, what):
        super().__init__(f"no such {what}")


class InvariantError(Exception):
    """The records contradict each other; nothing may be written."""


def add_handlers(app):
    @app.exception_handler(NotFound)
    async def not_found(_request: Request, error: NotFound):
        return JSONResponse({"detail": str(error)}, status_code=404)
