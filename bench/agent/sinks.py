"""The other ends in a process of their own: a draining peer for the agent and an HTTP sink for sentry-sdk; they keep only counts."""

import gzip
import http.server
import json
import os
import socket
import sys
import threading

counts = {}
lock = threading.Lock()


def count(client, what, number=1):
    with lock:
        counts.setdefault(client, {}).setdefault(what, 0)
        counts[client][what] += number


def serve_agents(path, client, root):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=drain, args=(connection, client, root), daemon=True).start()


def drain(connection, client, root):
    welcome = {"type": "welcome", "protocol": 1, "service": "shop", "config": {"root": root}, "swaps": []}
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            message = json.loads(line)
            if message["type"] == "hello":
                connection.sendall(json.dumps(welcome).encode() + b"\n")
            elif message["type"] == "event":
                complete = any(frame["locals"] for error in message["capsule"]["exceptions"] for frame in error["frames"] if frame["in_app"])
                count(client, "events" if complete and message["capsule"]["request"] else "incomplete events")
            elif message["type"] == "repeats":
                count(client, "repeats", sum(item["count"] for item in message["items"]))
            elif message["type"] == "traffic":
                count(client, "requests", sum(route["requests"] for route in message["routes"]))
                count(client, "dropped", message["dropped"])


class Sentry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        encoding = self.headers.get("content-encoding")
        if encoding == "gzip":
            body = gzip.decompress(body)
        client = "sentry-sdk " + self.path.split("/")[2]
        # With brotli installed the SDK uses it; the sink then cannot tell events from other envelopes.
        count(client, "events", body.count(b'"type":"event"') if encoding in (None, "gzip") else 1)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *parts):
        pass


def main():
    folder = sys.argv[1]
    for framework in ("flask", "fastapi"):
        path = os.path.join(folder, framework + ".sock")
        threading.Thread(target=serve_agents, args=(path, "homeostasis " + framework, folder), daemon=True).start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sentry)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    for _ in sys.stdin:
        with lock:
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
