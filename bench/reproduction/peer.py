"""Another service, for those of the suite to ask: `peer.py PORT`, with its secret in PEER_TOKEN; what it answers depends on the path alone."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = os.environ["PEER_TOKEN"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind, _, name = self.path.partition("?")[0].strip("/").partition("/")
        answer = getattr(self, "get_" + kind, None)
        if answer is None:
            return self.say({"error": "unknown"}, 404)
        answer(name)

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tickets":
            return self.say({"ticket": "T-1", "access_token": TOKEN})
        self.say({"sku": wanted["sku"], "price": None if wanted["sku"] == "fig" else "3.50"})

    def get_rates(self, currency):
        self.say({"currency": currency, "access_token": TOKEN} if currency == "none" else {"rate": "1.10", "refresh_token": TOKEN})

    def get_weather(self, city):
        if city == "atlantis":
            return self.send(b"<html><body>Under water</body></html>", "text/html")
        self.say({"city": city, "sun": True})

    def get_shipping(self, code):
        self.say({"error": "out of order"}, 500) if code == "99999" else self.say({"days": 2})

    def get_warehouse(self, name):
        self.say({"name": name})

    def get_slow(self, name):
        if name == "late":
            time.sleep(1.0)
        self.say({"name": name})

    def get_places(self, name):
        self.say([{"country": "it"}, {"country": "us"}] if name == "rome" else {"country": "fr"})

    def get_reviews(self, isbn):
        self.say({"error": "none"}, 404) if isbn == "unread" else self.say({"stars": 4})

    def get_covers(self, isbn):
        self.send(b"\x89PNG" + isbn.encode(), "image/png", {} if isbn == "plain" else {"X-Cover-Type": "front"})

    def say(self, data, status=200):
        self.send(json.dumps(data).encode(), "application/json", status=status)

    def send(self, body, kind, headers=None, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=%s; HttpOnly" % TOKEN)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
