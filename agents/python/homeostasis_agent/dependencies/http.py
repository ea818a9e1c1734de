"""The form of questions to HTTP services and of their answers; the libraries that ask them are in `http_*`, the bytes on the wire in `http_wire`.

A question while recording has a method `asked()` that gives `(method, url, content type, body)`, the body as a `Body`.
A result has a method `answered()` that gives a described answer, or raises Unfaithful.
"""

import json
import re
from base64 import b64decode
from hashlib import sha256
from urllib.parse import unquote_plus, urlsplit

from .. import calls, redact, requests
from . import matching

MAX_QUESTION_BODY = 64 << 10
MAX_ANSWER_BODY = 256 << 10
MAX_TOLD = 200

_safe = frozenset(["GET", "HEAD", "OPTIONS"])
# What proves in a query that it is fresh: made anew for each request.
_fresh = re.compile(r"(?i)^(?:x-amz-(?:date|signature|credential|security-token)|(?:oauth_)?(?:nonce|timestamp|signature)|sig|sign|ts|_|expires)$")
_boundary = re.compile(r'(?i)boundary="?([^";,\s]+)')


class Body:
    """What was sent with a question: the first part of it, and a hash of the whole where there is more."""

    __slots__ = ("parts", "length", "digest")

    def __init__(self, data=b""):
        self.parts = [data] if data else []
        self.length = len(data)
        self.digest = None

    def add(self, data):
        """Bytes are kept as they are, for they do not change; anything else is copied."""
        if type(data) is not bytes:
            data = bytes(data)
        before = self.length
        self.length += len(data)
        if self.digest is not None:
            self.digest.update(data)
            return
        self.parts.append(data)
        if self.length > MAX_QUESTION_BODY:
            self.digest = sha256(b"".join(self.parts))
            self.parts[-1] = data[: max(0, MAX_QUESTION_BODY - before)]

    def described(self):
        data = b"".join(self.parts)
        truncated = self.length > MAX_QUESTION_BODY
        found = requests.body(data[:MAX_QUESTION_BODY], self.length, truncated)
        if truncated:
            digest = self.digest if self.digest is not None else sha256(data)
            found["sha256"] = digest.hexdigest()
        return found


class Connecting:
    """Asked of nobody yet: a connection that did not come about, where the request that wanted it is not known."""

    __slots__ = ("url", "failure")

    def __init__(self, url, failure):
        self.url = url
        self.failure = failure

    def asked(self):
        return "CONNECT", self.url, "", Body()

    def answered(self):
        return self.failure


def url_of(scheme, host, port, target):
    """An absolute address; the usual port of a scheme is left out."""
    if target.startswith(("http://", "https://")):
        return target
    if ":" in host and not host.startswith("["):
        host = "[%s]" % host
    if port is not None and port != (443 if scheme == "https" else 80):
        host = "%s:%d" % (host, port)
    return "%s://%s%s" % (scheme, host, target if target.startswith("/") or not target else "/" + target)


def described_question(question):
    try:
        method, url, content_type, body = question.asked()
    except Exception:
        method, url, content_type, body = "UNKNOWN", "", "", Body()
    return {
        "method": _text(method),
        "url": _text(url),
        "content_type": _text(content_type),
        "body": body.described(),
    }


def described_answer(question, result):
    return result.answered()


def _text(value):
    return value.encode("utf-8", "replace").decode("utf-8")


def response(status, reason, version, headers, body, rest=None, **more):
    """A described answer; `headers` are pairs of text, `rest` says what became of what is missing in the body."""
    if len(body) > MAX_ANSWER_BODY:
        raise calls.Unfaithful("is too large")
    found = {
        "status": status,
        "reason": reason,
        "version": version,
        "headers": [[name.lower(), value] for name, value in headers],
        # Redaction knows headers in lower case; programs may not.
        "names": [name for name, _ in headers],
        "body": requests.body(body, len(body), rest is not None),
    }
    found.update(more)
    if rest is not None:
        found["rest"] = rest
    return found


def heading(question):
    return origin(question["url"])


def origin(url):
    return url.split("?", 1)[0].split("#", 1)[0][:_end_of_origin(url)].lower()


def _end_of_origin(url):
    start = url.find("://")
    end = url.find("/", start + 3)
    return end if end >= 0 else len(url)


def alike(recorded, asked):
    if recorded["method"] != asked["method"]:
        return matching.NOT
    if recorded["url"] == asked["url"]:
        surest = matching.SAME
    else:
        surest = _urls(recorded["url"], asked["url"])
    if surest == matching.NOT:
        return surest
    return min(surest, _bodies(recorded, asked))


def _urls(recorded, asked):
    try:
        recorded, asked = urlsplit(recorded), urlsplit(asked)
    except ValueError:
        return matching.NOT
    if recorded.scheme != asked.scheme or recorded.netloc.lower() != asked.netloc.lower():
        return matching.NOT
    return min(_words(recorded.path, asked.path), _pairs(recorded.query, asked.query))


def _pairs(recorded, asked):
    """Are these the same pairs of name and value, in whatever order?"""
    if recorded == asked:
        return matching.SAME
    waiting = [_pair(part) for part in recorded.split("&") if part]
    asked = [_pair(part) for part in asked.split("&") if part]
    if len(waiting) != len(asked):
        return matching.NOT
    surest = matching.SAME
    for name, value in asked:
        best, found = matching.NOT, None
        for number, (other, recorded_value) in enumerate(waiting):
            if other == name:
                sure = _named(name, recorded_value, value)
                if sure > best:
                    best, found = sure, number
        if found is None:
            return matching.NOT
        del waiting[found]
        surest = min(surest, best)
    return surest


def _words(recorded, asked, is_secret=False):
    return matching.texts(recorded, asked, 1 if is_secret else matching.LEAST_HIDDEN)


def _named(name, recorded, asked):
    sure = _words(recorded, asked, redact.is_secret(name))
    if sure == matching.NOT and recorded and asked and _fresh.match(name):
        return matching.MASKED
    if sure == matching.NOT and recorded.isdigit() and asked.isdigit() and len(recorded) < 20:
        return _moments(int(recorded), int(asked))
    return sure


def _pair(part):
    name, _, value = part.partition("=")
    return unquote_plus(name), unquote_plus(value)


def _bodies(recorded, asked):
    one, other = recorded["body"], asked["body"]
    if one["data"] == other["data"] and one["len"] == other["len"] and one.get("sha256") == other.get("sha256"):
        return matching.SAME
    if one["truncated"] or other["truncated"]:
        # What was hidden in the first part of it was not hidden in its hash.
        return matching.MASKED if one["truncated"] and one.get("sha256") == other.get("sha256") else matching.NOT
    one, other = _decoded(one), _decoded(other)
    kind = asked["content_type"].lower()
    if "x-www-form-urlencoded" in kind:
        return _pairs(one, other)
    if "multipart/" in kind:
        one = _without_boundary(one, recorded["content_type"])
        return _words(one, _without_boundary(other, asked["content_type"]))
    try:
        return _json(json.loads(one), json.loads(other))
    except (ValueError, RecursionError):
        return _words(one, other)


def _decoded(body):
    data = b64decode(body["data"])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _without_boundary(text, content_type):
    """The lines between the parts are made at random."""
    found = _boundary.search(content_type)
    return text.replace(found.group(1), "boundary") if found is not None else text


def _json(recorded, asked, is_secret=False):
    if type(recorded) is dict and type(asked) is dict:
        if recorded.keys() != asked.keys():
            return matching.NOT
        inner = (_json(recorded[name], asked[name], is_secret or redact.is_secret(name)) for name in asked)
        return min(inner, default=matching.SAME)
    if type(recorded) is list and type(asked) is list:
        if len(recorded) != len(asked):
            return matching.NOT
        inner = (_json(one, other, is_secret) for one, other in zip(recorded, asked))
        return min(inner, default=matching.SAME)
    if type(recorded) is str and type(asked) is str:
        return _words(recorded, asked, is_secret)
    if type(recorded) is type(asked) and recorded == asked:
        return matching.SAME
    if type(recorded) in (int, float) and type(asked) in (int, float):
        if is_secret and repr(recorded) == "1" + redact.mask(repr(asked))[1:]:
            # A number that was hidden begins with a one.
            return matching.MASKED
        return _moments(recorded, asked)
    return matching.NOT


def _moments(recorded, asked):
    """The same number, or the same point in time, in seconds or milliseconds."""
    if recorded == asked:
        return matching.SAME
    for unit in (1, 1000):
        if recorded > 1e9 * unit and abs(recorded - asked) < matching.SECONDS_APART * unit:
            return matching.MASKED
    return matching.NOT


def is_repeatable(question):
    return question["method"] in _safe


def told(question):
    return ("%s %s" % (question["method"], question["url"].partition("?")[0].partition("://")[2]))[:MAX_TOLD]


def effect(question):
    return "http", "%s %s" % (question["method"], question["url"])
