"""The greenhouse interface as an ASGI application; the routes are in `api.routers`."""

from contextlib import asynccontextmanager

from fastapi import FastAPI

from . import store
from .errors import add_handlers
from .routers import exports, irrigation, readings, stations


@asynccontextmanager
async def lifespan(_app):
    await store.open_database()
    yield


def create_app():
    app = FastAPI(title="Greenhouse", lifespan=lifespan)
    add_handlers(app)
    app.include_router(stations.router)
    app.include_router(readings.router)
    app.include_router(irrigation.router)
    app.include_router(exports.router)

    @app.get("/health")
    async def health():
        return {"status": "ok"}

    return app


app = create_app()
