"""A small Django project for the tests: `FILES` is all but its views, which are `program.py`."""

import re

SETTINGS = """
import os
SECRET_KEY = "only the program knows"
DEBUG = os.environ.get("SHOP_DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "program"
WSGI_APPLICATION = "served.application"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.staticfiles", "shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
] + [name for name in os.environ.get("SHOP_MIDDLEWARE", "").split() if name]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(os.path.dirname(__file__), "shop.sqlite3")}}
SESSION_ENGINE = "django.contrib.sessions.backends." + os.environ.get("SHOP_SESSIONS", "db")
SESSION_FILE_PATH = os.path.dirname(os.path.abspath(__file__))
SESSION_SAVE_EVERY_REQUEST = os.environ.get("SHOP_SAVES") == "1"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [os.path.dirname(__file__)]}]
"""

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop_settings")
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""

SERVED = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop_settings")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""

MODELS = """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=50)
    price = models.IntegerField(null=True)
"""

MIDDLEWARE = """
class Broken:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/broken":
            limits = {"gold": 10}
            limits[request.GET["rank"]]
        return self.get_response(request)


class Apologetic(Broken):
    def process_exception(self, request, exception):
        from django.http import HttpResponse
        return HttpResponse("sorry", status=503 if isinstance(exception, KeyError) else 409)
"""

FILES = {
    "shop_settings.py": SETTINGS,
    "manage.py": MANAGE,
    "served.py": SERVED,
    "served_async.py": SERVED.replace("wsgi", "asgi"),
    "shop/__init__.py": "",
    "shop/models.py": MODELS,
    "shop/middleware.py": MIDDLEWARE,
    "order.html": "{% load shop_tags %}{{ order|total }}",
    "shop/templatetags/__init__.py": "",
    "shop/templatetags/shop_tags.py": """
from django import template
register = template.Library()

@register.filter
def total(order):
    return order["quantity"] * order["price"]
""",
}

VIEWS = """
import json
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from shop.models import Item

PRICES = {"apple": 3}

def ok(request):
    return HttpResponse("ok")

def setup(request):
    from django.contrib.auth.models import User
    from django.core.management import call_command
    call_command("migrate", run_syncdb=True, verbosity=0)
    if not User.objects.filter(username="ada").exists():
        User.objects.create_user("ada", password="correct horse battery")
        Item.objects.create(name="cup", price=None)
    return HttpResponse("ready")

def login(request):
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.middleware.csrf import get_token
    login(request, User.objects.get(username="ada"), backend="django.contrib.auth.backends.ModelBackend")
    request.session["basket"] = {"cup": [1, 2]}
    request.session["gate_token"] = "correct horse battery"
    return HttpResponse(get_token(request))

@csrf_exempt
def order(request, number):
    if request.method == "POST":
        data = json.loads(request.body)
        return JsonResponse({"number": number, "total": PRICES[data["item"]] * data["quantity"]})
    return JsonResponse({"left": [1, 2, 3][number]})

def item(request, name):
    return JsonResponse({"price": Item.objects.get(name=name).price + 1})

def search(request):
    return HttpResponse(request.GET["query"])

@csrf_exempt
def form(request):
    return HttpResponse(request.POST["city"])

@csrf_exempt
def upload(request):
    lines = request.FILES["table"].read().decode().splitlines()
    return HttpResponse(str(sum(int(line.split(",")[1]) for line in lines)) + request.POST["title"])

def template(request):
    return render(request, "order.html", {"order": {"quantity": 2, "price": None if "broken" in request.GET else 3}})

class Orders(View):
    def get(self, request, customer):
        return HttpResponse(self.describe({"ada": 1}, customer))

    def describe(self, orders, customer):
        return "%d" % orders[customer]

async def later(request):
    data = json.loads(request.body or b"{}")
    return JsonResponse({"first": data["rows"][0]})

async def sent_later(request):
    return await later(request)

# The decorator is for asynchronous views, too, only since Django 5.
sent_later.csrf_exempt = True

def secured(request):
    if not request.user.is_authenticated:
        raise PermissionDenied
    basket = request.session["basket"]
    basket["cup"].append(3)
    if request.method == "POST":
        return HttpResponse(str(basket["cup"][int(request.POST["place"])]))
    return HttpResponse(request.user.username + str(basket[request.GET["item"]][0]))

async def secured_later(request):
    user = await request.auser()
    basket = await request.session.aget("basket")
    return HttpResponse(user.username + str(basket[request.GET["item"]][0]))

def answer(request, kind):
    raise {"404": Http404, "403": PermissionDenied, "400": SuspiciousOperation}[kind]()

def stream(request):
    def rows():
        yield "first"
        raise ValueError("in mid-stream")
    return StreamingHttpResponse(rows())

@csrf_exempt
def unread(request):
    raise RuntimeError("before the body was read")

def server_error(request):
    return HttpResponse("we are sorry", status=500)

urlpatterns = [
    path("ok", ok), path("setup", setup), path("login", login), path("orders/<int:number>", order), path("items/<str:name>", item),
    path("search", search), path("form", form), path("upload", upload), path("template", template),
    path("customers/<str:customer>/orders", Orders.as_view()), path("later", later), path("sent_later", sent_later),
    path("secured", secured), path("secured_later", secured_later), path("answer/<str:kind>", answer), path("stream", stream),
    path("unread", unread),
]
"""


def logged_in(server):
    """The headers of a user who has logged in."""
    import urllib.request

    server.get("/setup")
    with urllib.request.urlopen("http://127.0.0.1:%d/login" % server.port, timeout=20) as answer:
        cookies = [re.match("[^;]*", value).group() for value in answer.headers.get_all("set-cookie")]
        return {"Cookie": "; ".join(["theme=dark", *cookies]), "X_CSRFToken": answer.read().decode()}
