"""Runs programs that fail and writes the agent's capsule of each failure as one line of JSON; it knows nothing of what is expected.

python capture.py <folder with the programs> <plan: JSON list of {"name", "request" or "call"}>

A plan entry without request and call is a program that fails when it is imported.
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
    """The exception, the request as the agent describes it, and the status of the answer, of which some are None."""
    for name in [name for name, module in sys.modules.items() if (getattr(module, "__file__", None) or "").startswith(folder)]:
        del sys.modules[name]
    importlib.invalidate_caches()
    request = entry.get("request")
    status = None
    try:
        module = importlib.import_module(entry["name"])
        if request is not None:
            app = application(module)
            request["protocol"] = "asgi" if is_asgi(app) else "wsgi"
            request["loaded"] = {"Flask": ["flask"], "FastAPI": ["fastapi", "starlette"], "Starlette": ["starlette"]}[type(app).__name__]
            status = asyncio.run(send_asgi(app, request)) if is_asgi(app) else send_wsgi(app, request)
        elif entry.get("call"):
            eval(compile(entry["call"], "<call>", "eval"), vars(module))
    except BaseException as error:  # The failure is what is wanted, of whatever kind.
        return error, request and described_request(request), None
    return None, None, status


def is_asgi(app):
    return type(app).__module__.startswith(("fastapi", "starlette"))


def application(module):
    for value in vars(module).values():
        if type(value).__name__ in ("Flask", "FastAPI", "Starlette"):
            return value
    raise LookupError("the program has no application object")


def described_request(request):
    path, _, query = request["path"].partition("?")
    body = request.get("body", "").encode()
    headers = [[name.lower(), value] for name, value in request.get("headers", {}).items()]
    return {
        "protocol": request.get("protocol", "wsgi"),
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
    return client.open(
        request["path"], method=request["method"], data=request.get("body", "").encode(), headers=request.get("headers", {})
    ).status_code


async def send_asgi(app, request):
    described = described_request(request)
    statuses = []
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
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0] if statuses else None


def main():
    folder = os.path.realpath(sys.argv[1])
    sys.path.insert(0, folder)
    os.chdir(folder)
    for entry in json.load(open(sys.argv[2])):
        error, request, status = run(folder, entry)
        if error is None:
            print(json.dumps({"name": entry["name"], "capsule": None, "status": status}), flush=True)
            continue
        missing = []
        built = capture.capsule(error, "request" if request else "process", "test", missing)
        sources.complete(built["exceptions"])
        # All programs share this process, so the frameworks of others are loaded too.
        loaded = (entry.get("request") or {}).get("loaded", [])
        built["process"].update(
            cwd=folder, argv=[], executable=sys.executable, frameworks={name: "0" for name in loaded},
            runtime={"name": "CPython", "version": sys.version.split()[0]},
        )
        built["request"] = request
        print(json.dumps({"name": entry["name"], "capsule": built, "status": None}), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        sys.exit(1)
