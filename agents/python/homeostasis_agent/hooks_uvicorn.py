"""Puts the recording around the ASGI callable that Uvicorn serves, so that applications of any ASGI framework are seen."""

from . import asgi, channel, guard, settings


def patch(module):
    config = module.Config
    load = config.load

    def hooked_load(self):
        settings.serving = True
        load(self)
        try:
            # What speaks WSGI is recorded by the WSGI hooks.
            if self.interface != "wsgi":
                self.loaded_app = Entry(self.loaded_app)
        except Exception:
            guard.failed("uvicorn.load")

    config.load = hooked_load
    channel.start()


async def _call_application(entry, scope, receive, send):
    return await entry.application(scope, receive, send)


class Entry:
    """An ASGI 3 callable with the recording around it; Uvicorn has already adapted other kinds."""

    __slots__ = ("application",)

    def __init__(self, application):
        self.application = application

    __call__ = asgi.recording(_call_application)

    def __getattr__(self, name):
        return getattr(self.application, name)
