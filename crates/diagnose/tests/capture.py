"""Runs programs that fail and writes the agent's capsule of each failure as one line of JSON; it knows nothing of what is expected.

python capture.py <folder with the programs> <plan: JSON list of {"file", "name", "request"}>
"""

import asyncio
import base64
import importlib
import json
import os
import sys
import traceback

from homeostasis_agent import capture, sources


def run(folder, entry):
    for name in [name for name, module in sys.modules.items() if (getattr(module, "__file__", None) or "").startswith(folder)]:
        del sys.modules[name]
    request = entry.get("request")
    try:
        module = importlib.import_module(entry["name"])
        if request is not None:
            asgi = type(module.app).__module__.startswith(("fastapi", "starlette"))
            described = asyncio.run(send_asgi(module.app, request)) if asgi else send_wsgi(module.app, request)
            return None, described
    except BaseException as error:  # The failure is what is wanted, of whatever kind.
        return error, getattr(error, "_described_request", None) or (described_request(request) if request else None)
    return None, None


def described_request(request, protocol="wsgi"):
    path, _, query = request["path"].partition("?")
    body = request.get("body", "").encode()
    headers = [[name.lower(), value] for name, value in request.get("headers", {}).items()]
    return {
        "protocol": protocol,
        "method": request["method"],
        "scheme": "http",
        "path": path,
        "query": query,
        "route": request["method"] + " " + path,
        "headers": headers,
        "body": {"data": base64.b64encode(body).decode(), "len": len(body), "truncated": False},
    }


def send_wsgi(app, request):
    app.config["PROPAGATE_EXCEPTIONS"] = True
    client = app.test_client()
    client.open(request["path"], method=request["method"], data=request.get("body", "").encode(), headers=request.get("headers", {}))
    return described_request(request)


async def send_asgi(app, request):
    described = described_request(request, "asgi")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request["method"], "scheme": "http",
        "path": described["path"], "raw_path": described["path"].encode(), "query_string": described["query"].encode(),
        "root_path": "", "headers": [(name.encode(), value.encode()) for name, value in described["headers"]],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }
    sent = [{"type": "http.request", "body": request.get("body", "").encode(), "more_body": False}]

    async def receive():
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message):
        return None

    try:
        await app(scope, receive, send)
    except BaseException as error:
        try:
            error._described_request = described
        except Exception:
            pass
        raise
    return described


def main():
    folder = os.path.realpath(sys.argv[1])
    sys.path.insert(0, folder)
    os.chdir(folder)
    frameworks = {}
    for entry in json.load(open(sys.argv[2])):
        error, request = run(folder, entry)
        if error is None:
            print(json.dumps({"name": entry["name"], "capsule": None}), flush=True)
            continue
        missing = []
        built = capture.capsule(error, "request" if request else "process", "test", missing)
        sources.complete(built["exceptions"])
        for name in ("flask", "fastapi", "starlette", "sqlalchemy"):
            if name in sys.modules:
                frameworks[name] = "0"
        built["process"].update(
            cwd=folder, argv=[], executable=sys.executable, frameworks=dict(frameworks) if request else {},
            runtime={"name": "CPython", "version": sys.version.split()[0]},
        )
        built["request"] = request
        print(json.dumps({"name": entry["name"], "capsule": built}), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        sys.exit(1)
