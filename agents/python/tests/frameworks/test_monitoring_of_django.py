"""The middleware of the package `homeostasis` in Django programs."""

import pytest
from test_monitoring import recorded_once, run  # noqa: F401

DJANGO = '''
import json, sys
import django
from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import path
from homeostasis.monitoring import setup_monitoring

settings.configure(
    DEBUG=False, SECRET_KEY="not a secret", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["homeostasis.monitoring.HomeostasisMiddleware", "django.middleware.common.CommonMiddleware"],
)
django.setup()
setup_monitoring(socket=SOCKET)

def ok(request):
    return HttpResponse("ok")

def fail(request, item):
    return HttpResponse({"apple": 3}[json.loads(request.body)["item"]])

async def fail_async(request, item):
    return HttpResponse({"apple": 3}[json.loads(request.body)["item"]])

def gone(request):
    raise Http404("gone")

urlpatterns = [path("ok", ok), path("fail/<item>", fail), path("async/<item>", fail_async), path("gone", gone)]
from django.core.wsgi import get_wsgi_application
from django.core.asgi import get_asgi_application
app = get_wsgi_application()
asgi = get_asgi_application()
'''
DJANGO_ASGI = ("uvicorn", "--port", "PORT", "program:asgi")
GUNICORN = ("gunicorn", "-b", "127.0.0.1:PORT", "program:app")

PROGRAMS = {
    "Django, WSGI": (DJANGO, GUNICORN, "/fail/7"),
    "Django, WSGI, coroutine": (DJANGO, GUNICORN, "/async/7"),
    "Django, ASGI": (DJANGO, DJANGO_ASGI, "/fail/7"),
    "Django, ASGI, coroutine": (DJANGO, DJANGO_ASGI, "/async/7"),
}


@pytest.mark.parametrize("injected", [False, True], ids=["in code", "injected"])
@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_request_is_recorded_once_with_its_body_and_fails_again(program, injected, run, peer, folder, tmp_path):  # noqa: F811
    recorded_once(PROGRAMS[program], injected, run, peer, folder, tmp_path)


def test_a_page_that_is_not_there_is_an_answer(run, peer):  # noqa: F811
    source, command, _ = PROGRAMS["Django, WSGI"]
    server = run(source, command, False)
    assert server.get("/gone")[0] == 404
    assert server.get("/fail/7", b'{"item": "pear"}', Content_Type="application/json")[0] == 500
    peer.wait("event")
    server.stop()
    assert len(peer.of("event")) == 1


@pytest.mark.parametrize("program", ["Django, WSGI", "Django, ASGI"])
def test_healthy_requests_of_django_are_kept_as_witnesses(program, run, peer):  # noqa: F811
    source, command, path = PROGRAMS[program]
    server = run(source, command, False)
    assert server.get(path, b'{"item": "apple"}', Content_Type="application/json") == (200, b"3")
    assert server.get(path, b'{"item": "pear"}', Content_Type="application/json")[0] == 500
    witness = peer.wait("event")[0]["witnesses"][0]
    assert witness["response"]["status"] == 200 and witness["response"]["body"]["data"] == "Mw=="
