"""A real HTTP service for tests, in a process of its own; it answers well, badly, slowly, in pieces or not at all, as its path says."""

import gzip
import io
import json
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_flaky = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path.startswith("http://"):
            # Asked as a proxy, it answers for everybody.
            self.path = "/" + self.path.split("/", 3)[3]
        path, _, query = self.path.partition("?")
        getattr(self, "answer_" + path.strip("/").partition("/")[0], self.answer_unknown)(path, query)

    do_HEAD = do_PUT = do_DELETE = do_GET

    def do_CONNECT(self):
        """A proxy for what is encrypted: it passes on what it cannot read."""
        host, _, port = self.path.rpartition(":")
        if host == "forbidden.example":
            self.send_error(403)
            return
        with socket.create_connection((host, int(port))) as target:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            ways = {self.connection: target, target: self.connection}
            while ways:
                for readable in select.select(list(ways), [], [], 10)[0]:
                    data = readable.recv(65536)
                    if not data:
                        ways = {}
                        break
                    ways[readable].sendall(data)
        self.close_connection = True

    def do_POST(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = b""
            while True:
                size = int(self.rfile.readline(), 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    break
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/echo"):
            self.give({"got": body.decode("latin-1"), "type": self.headers.get("content-type")})
        else:
            self.give({"id": 7, "length": len(body)}, 201)

    def give(self, thing, status=200, kind="application/json", **headers):
        body = thing if isinstance(thing, bytes) else json.dumps(thing).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_item(self, path, query):
        number = path.rpartition("/")[2]
        self.give({"id": int(number), "name": "pear %s" % number, "price": None, "query": query, "server_secret": "x"})

    def answer_list(self, path, query):
        self.give([{"id": 1}, {"id": 2}])

    def answer_html(self, path, query):
        self.give(b"<html><body>Bad Gateway</body></html>", 200, "text/html")

    def answer_error(self, path, query):
        self.give({"error": "broken"}, 500)

    def answer_unknown(self, path, query):
        self.give({"error": "not found"}, 404)

    def answer_gzip(self, path, query):
        self.give(gzip.compress(json.dumps({"zipped": [1, 2, 3]}).encode()), Content_Encoding="gzip")

    def answer_deflate(self, path, query):
        self.give(zlib.compress(json.dumps({"deflated": [1, 2, 3]}).encode()), Content_Encoding="deflate")

    def answer_chunked(self, path, query):
        self.begin_chunks()
        for part in (b'{"chunks": ', b"[1, 2, 3]", b"}"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def begin_chunks(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def answer_cut(self, path, query):
        """Chunks that end in the middle of one."""
        self.begin_chunks()
        self.wfile.write(b"b\r\n" + b'{"chunks": ' + b"\r\n20\r\n[1, 2")
        self.close_connection = True

    def answer_short(self, path, query):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def answer_reset(self, path, query):
        """The connection is torn down in the middle of the body, with a packet that says so."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"only this")
        self.wfile.flush()
        time.sleep(0.1)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.wfile = io.BytesIO()
        self.connection.close()

    def answer_hangup(self, path, query):
        self.close_connection = True

    def answer_slow(self, path, query):
        time.sleep(2)
        self.give({"slow": True})

    def answer_redirect(self, path, query):
        self.give(b"", 302, Location="/item/5")

    def answer_loop(self, path, query):
        self.give(b"", 302, Location="/loop")

    def answer_empty(self, path, query):
        self.send_response(204)
        self.end_headers()

    def answer_flaky(self, path, query):
        """Fails the first time for each query, then works."""
        _flaky[query] = _flaky.get(query, 0) + 1
        if _flaky[query] == 1:
            self.give({"error": "try again"}, 503)
        else:
            self.give({"attempt": _flaky[query]})

    def answer_counter(self, path, query):
        _flaky["counter"] = _flaky.get("counter", 0) + 1
        self.give({"count": _flaky["counter"], "query": query})

    def answer_delayed(self, path, query):
        """Who asks for more has to wait for less, so that answers come in another order than questions."""
        number = int(path.rpartition("/")[2])
        time.sleep(0.3 / (number + 1))
        self.give({"number": number})

    def answer_large(self, path, query):
        self.give(b"[" + b"1, " * 200000 + b"1]")

    def log_message(self, *arguments):
        pass


class HttpPeer:
    """The service as a child process."""

    def __init__(self, certificate=None):
        command = [sys.executable, "-B", __file__] + ([str(certificate)] if certificate else [])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = "%s://127.0.0.1:%d" % ("https" if certificate else "http", self.port)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def certificate(folder):
    """A key and a certificate for the loopback that nobody trusts yet."""
    path = folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(folder / "public.pem")]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + (folder / "public.pem").read_text())
    return path


def serve():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve()
