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
                self.loaded_app = asgi.Entry(self.loaded_app)
        except Exception:
            guard.failed("uvicorn.load")

    config.load = hooked_load
    channel.start()
