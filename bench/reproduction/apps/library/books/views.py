"""The pages of the library."""

import json
import os
import urllib.request
from datetime import timedelta

import redis
import requests
from django.contrib.auth import authenticate, login
from django.db import transaction
from django.db.models import Avg, Sum
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import Author, Book, Loan, Map

PEER = os.environ["PEER_URL"]
cache = redis.Redis.from_url(os.environ["REDIS_URL"])


def health(request):
    return HttpResponse("ok")


def book(request, isbn):
    return JsonResponse({"title": Book.objects.get(isbn=isbn).title})


def author(request, isbn):
    return JsonResponse({"author": Book.objects.select_related("author").get(isbn=isbn).author.name})


def loans(request, isbn):
    latest = Loan.objects.filter(book__isbn=isbn).order_by("-since").first()
    return JsonResponse({"until": (latest.since + timedelta(days=14)).isoformat()})


def only_one(request, isbn):
    return JsonResponse({"title": Book.objects.get(isbn__startswith=isbn).title})


def first_on_shelf(request, shelf):
    return JsonResponse({"title": list(Book.objects.filter(shelf=shelf).order_by("title").values_list("title", flat=True))[0]})


def pages(request, shelf):
    found = Book.objects.filter(shelf=shelf).aggregate(total=Sum("pages"), mean=Avg("pages"))
    return JsonResponse({"pages": found["total"] + 1, "mean": float(found["mean"])})


class Shelf(View):
    def get(self, request, shelf):
        books = Book.objects.filter(shelf=shelf)[int(request.GET.get("from", 0)) :]
        return JsonResponse({"books": [entry.title for entry in books], "fee": float(sum(entry.fee for entry in books))})


@csrf_exempt
@require_POST
def lend(request):
    wanted = json.loads(request.body)
    with transaction.atomic():
        found = Book.objects.select_for_update().get(isbn=wanted["isbn"])
        loan = Loan.objects.create(book=found, reader=wanted["reader"])
        due = timezone.now() + timedelta(days=wanted["days"])
    return JsonResponse({"loan": loan.id, "due": due.isoformat()})


@csrf_exempt
@require_POST
def give_back(request):
    return JsonResponse({"isbn": request.POST["isbn"]})


@csrf_exempt
@require_POST
def add_author(request):
    wanted = json.loads(request.body)
    return JsonResponse({"id": Author.objects.create(name=wanted["name"]).id})


def reviews(request, isbn):
    with urllib.request.urlopen(PEER + "/reviews/" + isbn, timeout=5) as answer:
        return JsonResponse({"stars": json.load(answer)["stars"]})


def cover(request, isbn):
    answer = requests.get(PEER + "/covers/" + isbn, timeout=5)
    return JsonResponse({"size": len(answer.content), "type": answer.headers["X-Cover-Type"]})


def queue(request, name):
    return JsonResponse({"next": cache.lindex("queue:" + name, 0).decode()})


def map_of(request, number):
    found = Map.objects.using("maps").get(id=number)
    return JsonResponse({"title": found.title, "scale": 100000 // found.scale})


@csrf_exempt
@require_POST
def log_in(request):
    wanted = json.loads(request.body)
    user = authenticate(request, username=wanted["username"], password=wanted["password"])
    if user is None:
        return JsonResponse({"error": "no"}, status=403)
    login(request, user)
    return JsonResponse({"id": user.id})


def me(request):
    if not request.user.is_authenticated:
        return JsonResponse({"error": "who are you?"}, status=401)
    return JsonResponse({"name": request.user.username, "pin": len(request.user.card.pin)})


async def opening(request, day):
    return JsonResponse({"hours": {"monday": "9-17", "friday": "9-13"}[day]})


def branch(request):
    return JsonResponse({"branch": request.branch})


def notice(request, name):
    return render(request, name + ".html", {"name": name})
