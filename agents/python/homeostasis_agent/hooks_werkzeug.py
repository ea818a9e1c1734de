"""Puts the recording around the callable of Werkzeug's development server, outside of any middleware."""

from . import channel, settings
from .wsgi import Entry, WatchedEntry


def patch(module):
    original = module.make_server

    def make_server(host, port, app, *more, **named):
        settings.serving = True
        return original(host, port, app if isinstance(app, Entry) else WatchedEntry(app), *more, **named)

    module.make_server = make_server
    channel.start()
