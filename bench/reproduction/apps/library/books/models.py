"""What the library keeps."""

from django.contrib.auth.models import User
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=100, unique=True)
    born = models.DateField(null=True)


class Book(models.Model):
    isbn = models.SlugField(unique=True)
    title = models.CharField(max_length=100)
    shelf = models.SlugField()
    pages = models.IntegerField(null=True)
    fee = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    author = models.ForeignKey(Author, null=True, on_delete=models.CASCADE)


class Loan(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    reader = models.CharField(max_length=100)
    since = models.DateTimeField(auto_now_add=True)


class Card(models.Model):
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    pin = models.CharField(max_length=64)


class Map(models.Model):
    title = models.CharField(max_length=100)
    scale = models.IntegerField(null=True)
