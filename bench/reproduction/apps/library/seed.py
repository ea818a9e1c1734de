"""Fills the databases of the library; run with `manage.py shell`."""

import os

from books.models import Author, Book, Card, Loan, Map
from django.contrib.auth.models import User

melville = Author.objects.create(name="Melville")
moby = Book.objects.create(isbn="moby", title="Moby-Dick", shelf="sea", pages=600, fee="0.50", author=melville)
Book.objects.create(isbn="beowulf", title="Beowulf", shelf="old", pages=200)
Book.objects.create(isbn="bambi", title="Bambi", shelf="woods", pages=100)
Loan.objects.create(book=moby, reader="ann")
for name in ("ann", "bob"):
    user = User.objects.create_user(name, password=os.environ["SEED_" + name.upper()])
    if name == "ann":
        Card.objects.create(user=user, pin=os.environ["SEED_PIN"])
for number, scale in ((1, 50000), (2, None)):
    Map.objects.using("maps").create(id=number, title="Map %d" % number, scale=scale)
