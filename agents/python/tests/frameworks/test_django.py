"""Failures of a Django project arrive with their request and come again from the capsule alone, by whatever way Django is served."""

import base64
import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from django_project import FILES, VIEWS, logged_in  # noqa: E402
from one_piece import in_one_piece  # noqa: E402, F401

GUNICORN = ("gunicorn", "-b", "127.0.0.1:PORT", "served:application")
RUNSERVER = ("manage.py", "runserver", "--noreload", "127.0.0.1:PORT")
RELOADED = ("manage.py", "runserver", "127.0.0.1:PORT")
UVICORN = ("uvicorn", "--port", "PORT", "--lifespan", "off", "served_async:application")
DAPHNE = ("daphne", "-p", "PORT", "served_async:application")
EVERY = {
    "gunicorn": GUNICORN,
    "gunicorn threads": ("gunicorn", "-k", "gthread", "--threads", "2", "-b", "127.0.0.1:PORT", "served:application"),
    "runserver": RUNSERVER,
    "runserver with reloader": RELOADED,
    "uvicorn": UVICORN,
    "gunicorn with uvicorn": ("gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", "127.0.0.1:PORT", "served_async:application"),
    "daphne": DAPHNE,
}
JSON = {"Content_Type": "application/json"}
PEAR = json.dumps({"item": "pear", "quantity": 2}).encode()


def multipart(**fields):
    """The headers and the body of a form with a file for each value that is bytes."""
    parts = []
    for name, value in fields.items():
        head = 'Content-Disposition: form-data; name="%s"' % name
        if type(value) is bytes:
            head += '; filename="table.csv"\r\nContent-Type: text/csv'
        parts.append(b"--boundary\r\n" + head.encode() + b"\r\n\r\n" + (value if type(value) is bytes else value.encode()) + b"\r\n")
    return {"Content_Type": "multipart/form-data; boundary=boundary"}, b"".join(parts) + b"--boundary--\r\n"


@pytest.fixture
def fails(reproduce, peer):
    """fails(path, ...): the request fails once in production, and again in the sandbox."""

    def run(path, data=None, command=GUNICORN, status=500, **more):
        reproduction = reproduce(VIEWS, path, data, command=command, files=FILES, **more)
        assert reproduction.status == status
        reproduction.came_again()
        assert reproduction.exchange["status"] == status
        assert len(peer.of("event")) == 1
        assert reproduction.capsule["missing"] == []
        return reproduction

    return run


def type_of(reproduction):
    return reproduction.capsule["exceptions"][0]["type"]


@pytest.mark.parametrize("server", sorted(EVERY))
def test_a_key_that_is_missing_in_a_json_body_fails_again_for_each_server(server, fails):
    reproduction = fails("/orders/7?a=1", PEAR, EVERY[server], headers=JSON)
    request = reproduction.capsule["request"]
    assert (request["method"], request["path"], request["query"], request["route"]) == ("POST", "/orders/7", "a=1", "POST /orders/*")
    assert reproduction.capsule["process"]["frameworks"]["django"][0] in "456"
    frame = reproduction.capsule["exceptions"][0]["frames"][-1]
    assert frame["function"] == "order" and frame["in_app"] and frame["locals"]["data"]["items"][0][1]["v"] == "pear"


@pytest.mark.parametrize("server", sorted(EVERY))
def test_requests_are_counted_and_healthy_ones_kept(server, serve, folder, peer):
    program = started(serve, folder, EVERY[server])
    apple = json.dumps({"item": "apple", "quantity": 2, "password": "correct horse battery"}).encode()
    for _ in range(2):
        assert program.get("/orders/5", apple, **JSON)[0] == 200
    assert program.get("/orders/7", PEAR, **JSON)[0] == 500
    event = peer.wait("event")[0]
    witness = event["witnesses"][0]
    assert witness["response"]["status"] == 200 and witness["request"]["path"] == "/orders/5"
    assert json.loads(base64.b64decode(witness["response"]["body"]["data"])) == {"number": 5, "total": 6}
    assert b"correct horse" not in base64.b64decode(witness["request"]["body"]["data"])
    deadline = time.monotonic() + 10
    while counted(peer, "POST /orders/*") != (3, 1):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(peer.of("event")) == 1


def counted(peer, route):
    rows = [row for message in peer.of("traffic") for row in message["routes"] if row["route"] == route]
    return sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "runserver"])
def test_a_failure_on_the_debug_page_is_a_failure_too(server, fails):
    assert type_of(fails("/orders/7", PEAR, EVERY[server], headers=JSON, SHOP_DEBUG="1")) == "KeyError"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
@pytest.mark.parametrize(
    "path, error",
    [
        ("/orders/9", "IndexError"),
        ("/items/plate", "Item.DoesNotExist"),
        ("/items/cup", "TypeError"),
        ("/search", "MultiValueDictKeyError"),
        ("/template?broken=1", "TypeError"),
        ("/customers/bob/orders", "KeyError"),
        ("/later", "KeyError"),
    ],
)
def test_a_failing_view_fails_again(path, error, server, fails):
    assert type_of(fails(path, command=EVERY[server], before=["/setup"])) == error


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_an_asynchronous_view_fails_again_with_its_body(server, fails):
    assert type_of(fails("/sent_later", b'{"rows": []}', EVERY[server], headers=JSON)) == "IndexError"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "runserver"])
def test_a_form_without_a_field_fails_again(server, fails):
    assert type_of(fails("/form", b"town=Paris&x=%C3%A9", EVERY[server])) == "MultiValueDictKeyError"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "runserver"])
def test_an_uploaded_file_fails_again(server, fails):
    headers, body = multipart(title="sales", table=b"a,1\nb,many\n")
    assert type_of(fails("/upload", body, EVERY[server], headers=headers)) == "ValueError"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_a_failing_middleware_fails_again(server, fails):
    assert type_of(fails("/broken?rank=iron", command=EVERY[server], SHOP_MIDDLEWARE="shop.middleware.Broken")) == "KeyError"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_an_exception_that_a_middleware_answers_with_an_apology_is_a_failure(server, fails):
    fails("/customers/bob/orders", command=EVERY[server], status=503, SHOP_MIDDLEWARE="shop.middleware.Apologetic")


def test_an_exception_that_a_middleware_answers_otherwise_is_none(serve, folder, peer):
    server = started(serve, folder, GUNICORN, SHOP_MIDDLEWARE="shop.middleware.Apologetic")
    assert server.get("/orders/9")[0] == 409
    peer.wait("traffic", where=lambda one: {"route": "GET /orders/*", "requests": 1, "failed": 0} in one["routes"])
    assert peer.of("event") == []


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_a_page_of_the_program_for_failures_hides_none(server, reproduce):
    views = VIEWS + 'handler500 = "program.server_error"\n'
    reproduction = reproduce(views, "/search", command=EVERY[server], files=FILES).came_again()
    assert reproduction.status == reproduction.exchange["status"] == 500


def test_a_page_for_failures_that_fails_itself_comes_second(reproduce):
    views = VIEWS + 'handler500 = "program.search"\n'
    reproduction = reproduce(views, "/search", command=GUNICORN, files=FILES).came_again()
    assert [error["type"] for error in reproduction.capsule["exceptions"]][0] == "MultiValueDictKeyError"


def started(serve, folder, command, **more):
    for name, text in {"program.py": VIEWS, **FILES}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return serve(*command, **more)


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_what_stands_for_an_answer_is_no_failure(server, serve, folder, peer):
    server = started(serve, folder, EVERY[server])
    for kind in ("404", "403", "400"):
        assert server.get("/answer/" + kind)[0] == int(kind)
    assert server.get("/nowhere")[0] == 404
    peer.wait("traffic", where=lambda one: {"route": "GET /nowhere", "requests": 1, "failed": 0} in one["routes"])
    assert peer.of("event") == []


@pytest.mark.parametrize("server", ["gunicorn", "runserver", "uvicorn"])
def test_a_failure_in_mid_stream_belongs_to_its_request(server, serve, folder, peer):
    server = started(serve, folder, EVERY[server])
    try:
        server.get("/stream")
    except Exception:
        # The server breaks the connection off; that is its right.
        pass
    capsule = peer.wait("event")[0]["capsule"]
    assert capsule["exceptions"][0]["type"] == "ValueError" and capsule["request"]["path"] == "/stream"
    peer.wait("traffic", where=lambda one: {"route": "GET /stream", "requests": 1, "failed": 1} in one["routes"])


@pytest.mark.parametrize("server", ["gunicorn", "runserver", "uvicorn"])
@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_body_that_was_not_read_is_kept_all_the_same(server, debug, in_one_piece, fails):  # noqa: F811
    reproduction = fails("/unread", b"town=Paris", EVERY[server], SHOP_DEBUG=debug)
    assert reproduction.capsule["request"]["body"]["len"] == 10


@pytest.mark.parametrize("server", ["gunicorn", "runserver"])
def test_the_page_for_developers_shows_a_body_that_was_read_ahead(server, in_one_piece, serve, folder, peer):  # noqa: F811
    server = started(serve, folder, EVERY[server], SHOP_DEBUG="1")
    status, page = server.get("/unread", b"town=Paris")
    assert status == 500 and b"&#x27;Paris&#x27;" in page
    assert peer.wait("event")[0]["capsule"]["missing"] == []


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "runserver"])
@pytest.mark.parametrize("sessions", ["db", "signed_cookies", "file", "cached_db"])
def test_a_user_who_has_logged_in_fails_again(sessions, server, fails, peer):
    reproduction = fails("/secured?item=plate", command=EVERY[server], before=[logged_in], SHOP_SESSIONS=sessions)
    assert type_of(reproduction) == "KeyError" and reproduction.capsule["exceptions"][0]["message"] == "'plate'"
    assert "correct horse" not in json.dumps([event["capsule"] for event in peer.of("event")])


@pytest.mark.parametrize("sessions", ["db", "file"])
def test_a_form_of_a_user_who_has_logged_in_fails_again(sessions, fails):
    # The request itself has made the third element, which is not in the session as it was loaded.
    reproduction = fails("/secured", b"place=3", before=[logged_in], SHOP_SESSIONS=sessions)
    assert type_of(reproduction) == "IndexError"


@pytest.mark.parametrize("sessions", ["db", "file"])
def test_an_asynchronous_view_finds_its_user_again(sessions, fails):
    fails("/secured_later?item=plate", command=UVICORN, before=[logged_in], SHOP_SESSIONS=sessions)


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_a_healthy_request_of_a_user_is_a_witness_that_is_answered_again(server, serve, folder, peer, tmp_path):
    from reproducing import play

    command = EVERY[server]
    program = started(serve, folder, command, SHOP_SAVES="1")
    headers = logged_in(program)
    for _ in range(2):
        assert program.get("/secured?item=cup", **headers) == (200, b"ada1")
    assert program.get("/secured?item=plate", **headers)[0] == 500
    event = peer.wait("event")[0]
    program.stop()
    witness = event["witnesses"][0]
    result = play(folder, command, tmp_path, [witness["request"], event["capsule"]["request"]], event["capsule"], SHOP_SAVES="1")
    first, second = result["exchanges"]
    assert first["status"] == witness["response"]["status"] == 200 and first["body"] == witness["response"]["body"]
    assert first["exceptions"] == [] and second["exceptions"][0]["message"] == "'plate'"


REST = (
    VIEWS.replace("urlpatterns = [", """
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

class Ordered(serializers.Serializer):
    item = serializers.CharField()
    quantity = serializers.IntegerField()

    def validate(self, data):
        return dict(data, price=PRICES[data["item"]])

class Rest(APIView):
    def post(self, request):
        serializer = Ordered(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.data)

urlpatterns = [ path("rest", Rest.as_view()),""")
)
REST_FILES = dict(FILES, **{"shop_settings.py": FILES["shop_settings.py"] + 'REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}\n'})
HANDLED = dict(
    REST_FILES,
    **{
        "shop_settings.py": FILES["shop_settings.py"] + 'REST_FRAMEWORK = {"EXCEPTION_HANDLER": "shop.handling.handle"}\n',
        "shop/handling.py": "from rest_framework.response import Response\ndef handle(error, context):\n    return Response({}, status=getattr(error, 'status_code', 502))\n",
    },
)


@pytest.mark.parametrize("files, status", [(REST_FILES, 500), (HANDLED, 502)], ids=["raised", "handled"])
def test_a_serializer_of_the_rest_framework_fails_again(files, status, reproduce, peer):
    reproduction = reproduce(REST, "/rest", PEAR, command=GUNICORN, files=files, headers=JSON).came_again()
    assert reproduction.status == status and type_of(reproduction) == "KeyError"
    assert "djangorestframework" not in reproduction.capsule["process"]["frameworks"]
    assert reproduction.capsule["process"]["frameworks"]["rest_framework"] != "unknown"
    assert len(peer.of("event")) == 1


def test_invalid_data_is_no_failure_of_the_rest_framework(serve, folder, peer):
    started(lambda *command, **more: None, folder, GUNICORN)
    for name, text in {"program.py": REST, **HANDLED}.items():
        (folder / name).write_text(text)
    server = serve(*GUNICORN)
    assert server.get("/rest", b"{}", **JSON)[0] == 400
    peer.wait("traffic", where=lambda one: {"route": "POST /rest", "requests": 1, "failed": 0} in one["routes"])
    assert peer.of("event") == []
