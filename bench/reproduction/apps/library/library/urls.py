"""Addresses of the library."""

from books import views
from django.urls import path

urlpatterns = [
    path("health", views.health),
    path("books/<slug:isbn>", views.book),
    path("books/<slug:isbn>/author", views.author),
    path("books/<slug:isbn>/loans", views.loans),
    path("books/<slug:isbn>/titles", views.only_one),
    path("shelves/<slug:shelf>/first", views.first_on_shelf),
    path("shelves/<slug:shelf>/pages", views.pages),
    path("shelves/<slug:shelf>/page", views.Shelf.as_view()),
    path("loans", views.lend),
    path("returns", views.give_back),
    path("authors", views.add_author),
    path("reviews/<slug:isbn>", views.reviews),
    path("covers/<slug:isbn>", views.cover),
    path("queue/<slug:name>", views.queue),
    path("maps/<int:number>", views.map_of),
    path("login", views.log_in),
    path("me", views.me),
    path("opening/<slug:day>", views.opening),
    path("branch", views.branch),
    path("notices/<slug:name>", views.notice),
]
