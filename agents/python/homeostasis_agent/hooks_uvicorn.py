"""Puts the recording around the ASGI callable that Uvicorn serves, so that applications of any ASGI framework are seen."""

from . import asgi, channel, guard
from .requests import KEY


def patch(module):
    config = module.Config
    load = config.load

    def hooked_load(self):
        load(self)
        try:
            # What speaks WSGI is recorded by the WSGI hooks.
            if self.interface != "wsgi":
                self.loaded_app = Entry(self.loaded_app)
        except Exception:
            guard.failed("uvicorn.load")

    config.load = hooked_load
    channel.start()


class Entry:
    """An ASGI 3 callable with the recording around it; Uvicorn has already adapted other kinds."""

    __slots__ = ("application",)

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        # Applications without a lifespan raise when asked for one, and Uvicorn expects that.
        if KEY in scope or scope["type"] == "lifespan":
            return await self.application(scope, receive, send)
        return await asgi.serve(self.application, scope, receive, send)

    def __getattr__(self, name):
        return getattr(self.application, name)
