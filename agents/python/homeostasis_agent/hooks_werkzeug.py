"""Puts the recording around the callable of Werkzeug's development server, outside of any middleware."""

from . import channel
from .wsgi import Entry


def patch(module):
    original = module.make_server

    def make_server(host, port, app, *more, **named):
        return original(host, port, app if isinstance(app, Entry) else Entry(app, watches_iteration=True), *more, **named)

    module.make_server = make_server
    channel.start()
