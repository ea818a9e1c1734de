"""The failures of the suite: for each a request that succeeds, one that fails, and the exception that nobody handles."""

from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True, eq=False)
class Ask:
    """One request; `json` and `body` exclude each other."""

    path: str
    method: str = "GET"
    json: Optional[object] = None
    body: Optional[bytes] = None
    headers: dict = field(default_factory=dict)
    login: Optional[str] = None


@dataclass(frozen=True, eq=False)
class Case:
    app: str
    about: str
    fine: Ask
    sick: Ask
    error: str

    @property
    def name(self):
        return "%s %s" % (self.app, self.sick.path if self.sick.method == "GET" else self.sick.method + " " + self.sick.path)


def get(app, about, fine, sick, error, **more):
    return Case(app, about, Ask(fine, **more), Ask(sick, **more), error)


def post(app, about, path, fine, sick, error):
    return Case(app, about, Ask(path, "POST", fine), Ask(path, "POST", sick), error)


def form(text):
    return {"body": text.encode(), "headers": {"Content-Type": "application/x-www-form-urlencoded"}}


def upload(data):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="label.txt"\r\nContent-Type: text/plain\r\n\r\n' + data + b"\r\n--b--\r\n"
    return {"body": body, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


SHOP = [
    get("shop", "a NULL price", "/orders/1/total", "/orders/2/total", "TypeError"),
    get("shop", "no row", "/articles/pear/stock", "/articles/kiwi/stock", "TypeError"),
    get("shop", "a NULL date in a dictionary row", "/customers/1/age", "/customers/2/age", "AttributeError"),
    get("shop", "text of another form in a named row", "/customers/1/mailbox", "/customers/2/mailbox", "IndexError"),
    get("shop", "a stored zero", "/articles/pear/unit-weight", "/articles/flour/unit-weight", "ZeroDivisionError"),
    get("shop", "a key missing in a JSON column", "/customers/1/color", "/customers/2/color", "KeyError"),
    get("shop", "an empty array column", "/customers/1/first-tag", "/customers/2/first-tag", "IndexError"),
    get("shop", "float and Decimal", "/orders/1/discounted", "/orders/2/discounted", "TypeError"),
    get("shop", "aware and naive times", "/orders/1/open-days", "/orders/2/open-days", "TypeError"),
    post("shop", "a NULL after an INSERT that is rolled back", "/orders/1/lines", {"sku": "pear", "quantity": 1}, {"sku": "fig", "quantity": 1}, "TypeError"),
    post("shop", "a constraint of the database", "/orders/3/lines", {"sku": "pear", "quantity": 1}, {"sku": "pear", "quantity": None}, "NotNullViolation"),
    get("shop", "a table that does not exist", "/report?of=orders", "/report?of=invoices", "UndefinedTable"),
    get("shop", "a relation that is None", "/articles/pear/supplier", "/articles/flour/supplier", "AttributeError"),
    post("shop", "a duplicate in the unit of work", "/customers", {"name": "new", "email": "RANDOM@example.org"}, {"name": "x", "email": "ann@example.org"}, "IntegrityError"),
    get("shop", "an average over nothing", "/suppliers/Orchard/average", "/suppliers/Mill/average", "TypeError"),
    get("shop", "no row where one must be", "/articles/pear/exactly", "/articles/kiwi/exactly", "NoResultFound"),
    get("shop", "a key missing in another service's answer", "/rates/EUR", "/rates/none", "KeyError"),
    get("shop", "HTML in the place of JSON", "/weather/rome", "/weather/atlantis", "JSONDecodeError"),
    get("shop", "another service fails", "/shipping/10115", "/shipping/99999", "HTTPError"),
    get("shop", "another service is not there", "/warehouse/main", "/warehouse/gone", "ConnectionError"),
    get("shop", "another service is late", "/slow/quick", "/slow/late", "ReadTimeout"),
    post("shop", "null in the second of two answers", "/quotes", {"sku": "pear"}, {"sku": "fig"}, "TypeError"),
    get("shop", "a list in the place of an object", "/places/paris", "/places/rome", "AttributeError"),
    get("shop", "nothing in Redis", "/carts/ann", "/carts/bob", "TypeError"),
    get("shop", "another type in Redis", "/visits/home", "/visits/list", "ResponseError"),
    get("shop", "a field missing in Redis", "/profiles/ann", "/profiles/bob", "KeyError"),
    get("shop", "nothing in one answer of a pipeline", "/points/ann", "/points/bob", "TypeError"),
    get("shop", "broken JSON in Redis", "/carts/ann", "/carts/broken", "JSONDecodeError"),
    get("shop", "a row of a database file, repaired since", "/archive/1", "/archive/2", "AttributeError"),
    get("shop", "it depends on the minute", "/schedule/fixed", "/schedule/now", ""),
    get("shop", "it depends on chance", "/lottery/sure", "/lottery/any", ""),
    Case("shop", "behind a login", Ask("/account", login="ann"), Ask("/account", login="bob"), "AttributeError"),
]

STOCK = [
    get("stock", "no row", "/articles/pear", "/articles/kiwi", "TypeError"),
    get("stock", "a NULL value", "/articles/pear/gross", "/articles/fig/gross", "TypeError"),
    get("stock", "a column that does not exist", "/articles/pear/field/stock", "/articles/pear/field/colour", "KeyError"),
    get("stock", "a sum over nothing, beside another query", "/articles/pear/share", "/articles/fig/share", "TypeError"),
    get("stock", "a stored zero", "/articles/pear/reach", "/articles/flour/reach", "ZeroDivisionError"),
    post("stock", "a duplicate in a transaction", "/suppliers", {"name": "RANDOM"}, {"name": "Mill"}, "UniqueViolationError"),
    get("stock", "a relation that is None", "/articles/pear/supplier", "/articles/flour/supplier", "AttributeError"),
    get("stock", "no object", "/articles/pear/lazily", "/articles/kiwi/lazily", "AttributeError"),
    get("stock", "a NULL value in a dictionary row", "/customers/1/credit", "/customers/2/credit", "AttributeError"),
    get("stock", "a NULL date", "/customers/1/since", "/customers/2/since", "TypeError"),
    get("stock", "a key missing in another service's answer", "/rates/EUR", "/rates/none", "KeyError"),
    get("stock", "another service fails", "/shipping/10115", "/shipping/99999", "HTTPStatusError"),
    get("stock", "another service is not there", "/warehouse/main", "/warehouse/gone", "ConnectError"),
    get("stock", "one of two answers that come at once", "/compare/EUR/USD", "/compare/EUR/none", "KeyError"),
    get("stock", "a list in the place of an object", "/places/paris", "/places/rome", "TypeError"),
    get("stock", "HTML in the place of JSON", "/weather/rome", "/weather/atlantis", "ContentTypeError"),
    get("stock", "nothing in Redis", "/carts/ann", "/carts/bob", "TypeError"),
    get("stock", "nothing in one answer of a pipeline", "/points/ann", "/points/bob", "TypeError"),
    get("stock", "what was read at the start", "/options/currency", "/options/colour", "KeyError"),
    post("stock", "an optional part of a body", "/deliveries", {"sku": "pear", "quantity": 1, "address": {"city": "Bern"}}, {"sku": "pear", "quantity": 1}, "AttributeError"),
    Case("stock", "bytes of an uploaded file", Ask("/labels", "POST", **upload(b"Pears")), Ask("/labels", "POST", **upload(b"\xff\xfe\x00P")), "UnicodeDecodeError"),
    Case("stock", "claims of a token", Ask("/whoami", login="token:ann"), Ask("/whoami", login="token:bob"), "KeyError"),
]

LIBRARY = [
    get("library", "no object", "/books/moby", "/books/nothing", "DoesNotExist"),
    get("library", "a relation that is None", "/books/moby/author", "/books/beowulf/author", "AttributeError"),
    get("library", "nothing to be the first", "/books/moby/loans", "/books/beowulf/loans", "AttributeError"),
    get("library", "more than one object", "/books/moby/titles", "/books/b/titles", "MultipleObjectsReturned"),
    get("library", "an empty list", "/shelves/sea/first", "/shelves/empty/first", "IndexError"),
    get("library", "a sum over nothing", "/shelves/sea/pages", "/shelves/empty/pages", "TypeError"),
    get("library", "a NULL decimal in a sum", "/shelves/sea/page", "/shelves/old/page", "TypeError"),
    get("library", "a parameter of another form", "/shelves/sea/page?from=0", "/shelves/sea/page?from=one", "ValueError"),
    post("library", "a key missing in a body, in a transaction", "/loans", {"isbn": "moby", "reader": "ann", "days": 3}, {"isbn": "moby", "reader": "ann"}, "KeyError"),
    Case("library", "a field missing in a form", Ask("/returns", "POST", **form("isbn=moby")), Ask("/returns", "POST", **form("book=moby")), "MultiValueDictKeyError"),
    post("library", "a duplicate", "/authors", {"name": "RANDOM"}, {"name": "Melville"}, "IntegrityError"),
    get("library", "another service does not know", "/reviews/moby", "/reviews/unread", "HTTPError"),
    get("library", "a header missing in an answer", "/covers/moby", "/covers/plain", "KeyError"),
    get("library", "nothing in Redis", "/queue/desk", "/queue/none", "AttributeError"),
    get("library", "a NULL in a database file, repaired since", "/maps/1", "/maps/2", "TypeError"),
    Case("library", "behind a login, a relation missing", Ask("/me", login="ann"), Ask("/me", login="bob"), "RelatedObjectDoesNotExist"),
    get("library", "an asynchronous view", "/opening/monday", "/opening/sunday", "KeyError"),
    Case("library", "in a middleware", Ask("/branch"), Ask("/branch", headers={"X-Branch": "west"}), "KeyError"),
    get("library", "a template that is missing", "/notices/welcome", "/notices/farewell", "TemplateDoesNotExist"),
]

CASES = SHOP + STOCK + LIBRARY
