"""Counts requests by route and keeps a few recent successful exchanges of each route; it sends nothing itself."""

from collections import deque
from time import time

from . import redact_paths, settings

MAX_ROUTES = 500
MAX_CACHED_PATHS = 4000
MAX_SEGMENT = 32
WITNESSES = 3
MAX_WITNESS_ROUTES = 200
MAX_WITNESS_BYTES = 4 << 20
# A route that never succeeds must not be sampled for ever.
FIRST_ATTEMPTS = 2

OTHER = "OTHER"

routes = {}
# Method and path as received, to the cell of their route: the only look-up on the way of a request.
cells = {}
next_sample = 0.0

_kept = deque()
_kept_bytes = 0
_digits = frozenset("0123456789")


class Cell:
    """Counters of one route; `sent_*` is what was already told.

    Requests add to `requests` and `failed` without a lock: the worst that two threads can do is lose one count.
    """

    __slots__ = ("route", "requests", "failed", "sent_requests", "sent_failed", "samples", "witnesses")

    def __init__(self, route):
        self.route = route
        self.requests = self.failed = self.sent_requests = self.sent_failed = self.samples = 0
        self.witnesses = ()


def route_of(method, path):
    """The method and the path with what looks like an identifier made a star."""
    parts = [
        "*" if len(part) > MAX_SEGMENT or not _digits.isdisjoint(part) else part for part in path.split("/")
    ]
    if len(path) > redact_paths.SHORTEST:
        for token in redact_paths.tokens("/".join(parts)):
            parts[parts.index(token)] = "*"
    return method + " " + "/".join(parts)


def find(method, path, readable=None):
    """The cell for a method and path not yet in `cells`; `readable` is the path as text, where it was received in another form."""
    # Whoever started it and however, a process that answers requests is there to serve.
    settings.serving = True
    route = route_of(method, path if readable is None else readable)
    cell = routes.get(route)
    if cell is None:
        if len(routes) >= MAX_ROUTES:
            route = OTHER
        cell = routes.setdefault(route, Cell(route))
    if len(cells) >= MAX_CACHED_PATHS:
        cells.clear()
    cells[method, path] = cell
    return cell


def take_sample(cell, now):
    """Claim this request as a sample: the first two of a route, then one a second over all routes.

    Callers ask the same question first, without the call, because nearly always the answer is no.
    """
    global next_sample
    if cell.samples >= FIRST_ATTEMPTS and now < next_sample:
        return False
    if cell.samples >= FIRST_ATTEMPTS:
        next_sample = now + 1.0
    cell.samples += 1
    if settings.sample_rate >= 1.0:
        return True
    from random import random

    return random() < settings.sample_rate


def keep(cell, exchange, size):
    """Remember a successful exchange, and forget the oldest ones beyond the limits."""
    global _kept_bytes
    if size > MAX_WITNESS_BYTES // 4:
        return
    _kept.append((cell, exchange, size))
    _kept_bytes += size
    cell.witnesses = cell.witnesses[-(WITNESSES - 1):] + (exchange,)
    while _kept and (_kept_bytes > MAX_WITNESS_BYTES or len(_kept) > MAX_WITNESS_ROUTES * WITNESSES):
        oldest_cell, oldest, oldest_size = _kept.popleft()
        _kept_bytes -= oldest_size
        oldest_cell.witnesses = tuple(one for one in oldest_cell.witnesses if one is not oldest)


def has_news():
    return any(cell.requests != cell.sent_requests or cell.failed != cell.sent_failed for cell in list(routes.values()))


def take_news():
    """What was counted since the last call, as `routes` of the `traffic` message."""
    global next_sample
    # A clock that was set back must not keep samples from being taken.
    next_sample = min(next_sample, time() + 1.0)
    news = []
    for cell in list(routes.values()):
        requests, failed = cell.requests, cell.failed
        if requests == cell.sent_requests and failed == cell.sent_failed:
            continue
        news.append(
            {
                "route": cell.route,
                "requests": requests - cell.sent_requests,
                "failed": failed - cell.sent_failed,
            }
        )
        cell.sent_requests, cell.sent_failed = requests, failed
    return news


def forget():
    """Begin anew in a forked child: what the parent counted is the parent's to tell."""
    global _kept_bytes
    routes.clear()
    cells.clear()
    _kept.clear()
    _kept_bytes = 0
