"""Keeps what dependencies answered to the request in flight; it sends nothing, and forgets all when the request succeeds."""

from _contextvars import ContextVar
from time import time

from .. import traffic

MAX_ANSWERS = 1000
# By the estimates of those who note them.
MAX_BYTES = 1 << 20
MAX_DRAWS = 2000
# They are sent with every capsule.
MAX_START_BYTES = 256 << 10
# Outside of requests nothing marks a beginning: only the latest answers of each thread or task are kept.
MAX_ROLLING = 100
MAX_ROLLING_BYTES = 64 << 10
# So many threads and tasks outside of requests are recorded at the same time.
MAX_CONTEXTS = 200

# The request that this thread or task serves: an occasion of `wsgi` or `asgi`, or outside of requests a `Job` or an `Outside`.
# All have a field `answers`, which stays None until there is something to keep.
in_flight = ContextVar("homeostasis.in_flight", default=None)

# Was it handed down to this thread by the one that serves the request? Then it may have ended since.
handed_down = ContextVar("homeostasis.handed_down", default=False)

_contexts = 0


class Answer:
    """One question with what came back.

    Both are whatever the kind of dependency can describe later; the answer may still be growing while it is kept.
    """

    __slots__ = ("kind", "question", "result", "size", "of")

    def __init__(self, kind, question, result, size, of):
        self.kind = kind
        self.question = question
        self.result = result
        self.size = size
        self.of = of

    def has_room(self, size):
        """Count `size` more bytes for this answer; False when they are too many, and the answer is then not kept."""
        self.size += size
        self.of.size += size
        if self.of.size <= self.of.most:
            return True
        self.result = TOO_LARGE
        # Nothing is held for it any more, so that there is room for others.
        self.of.size -= self.size
        self.size = 0
        return False


class TooLarge:
    """Stands for an answer of which a part was not kept."""


TOO_LARGE = TooLarge()


class Room:
    """How many bytes the answers of one request take; they refer to this and not to each other, so that they go when the request goes."""

    __slots__ = ("size", "most")

    def __init__(self, most):
        self.size = 0
        self.most = most


class Answers:
    """The answers of one request, in the order of their questions; once full it takes no more, and says how many it left out."""

    __slots__ = ("kept", "room", "left_out", "draws")

    def __init__(self, most=MAX_BYTES):
        self.kept = []
        self.room = Room(most)
        self.left_out = 0
        self.draws = None

    def add(self, kind, question, result, size):
        room = self.room
        if len(self.kept) >= MAX_ANSWERS or room.size + size > room.most:
            self.left_out += 1
            return None
        room.size += size
        answer = Answer(kind, question, result, size, room)
        self.kept.append(answer)
        return answer


class Rolling(Answers):
    """The latest answers outside of requests."""

    __slots__ = ()

    def __init__(self):
        Answers.__init__(self, MAX_ROLLING_BYTES)

    def add(self, kind, question, result, size):
        room = self.room
        while self.kept and (len(self.kept) >= MAX_ROLLING or room.size + size > room.most):
            room.size -= self.kept.pop(0).size
        return Answers.add(self, kind, question, result, size)


class Outside:
    """A thread or task that serves no request."""

    __slots__ = ("answers", "__weakref__")

    def __init__(self):
        global _contexts
        _contexts += 1
        self.answers = Rolling()

    def __del__(self):
        global _contexts
        _contexts -= 1


class Job:
    """One job of a worker: like a request it has a beginning and an end."""

    __slots__ = ("answers", "began")

    def __init__(self):
        self.answers = None
        self.began = time()


# What was answered before the first request, and what servers said of themselves: their version, their types.
# Programs ask such things once and remember them, so that they belong to every request that comes later.
start = Answers(MAX_START_BYTES)
_start_is_over = False


def note(kind, question, result=None, size=200, lasting=False):
    """Keep a question and what came back; None when there is no room.

    `lasting` marks answers that stay true as long as the process lives. The answer returned may be filled in later.
    """
    if lasting:
        return start.add(kind, question, result, size)
    occasion = in_flight.get()
    if occasion is None:
        return _note_outside(kind, question, result, size)
    answers = occasion.answers
    if answers is None:
        answers = occasion.answers = Answers()
    return answers.add(kind, question, result, size)


def _note_outside(kind, question, result, size):
    global _start_is_over
    if not _start_is_over:
        if not traffic.routes:
            return start.add(kind, question, result, size)
        _start_is_over = True
    if _contexts >= MAX_CONTEXTS:
        return None
    outside = Outside()
    in_flight.set(outside)
    return outside.answers.add(kind, question, result, size)


def end_start():
    """The program has begun to work off jobs: what is asked from now on is no part of its start."""
    global _start_is_over
    _start_is_over = True


def draw(source, value):
    """Keep one number or identifier that was drawn at random while a request is served."""
    occasion = in_flight.get()
    if occasion is None:
        return
    answers = occasion.answers
    if answers is None:
        answers = occasion.answers = Answers()
    draws = answers.draws
    if draws is None:
        draws = answers.draws = []
    if len(draws) < MAX_DRAWS:
        draws.append((source, value))


def snapshot(occasion):
    """What is known of the request now: answers, number of those left out, and draws. None when there is nothing."""
    answers = occasion.answers if occasion is not None else None
    if answers is None:
        return None
    return list(answers.kept), answers.left_out, list(answers.draws or ())


def snapshot_here():
    """The same for a failure outside of requests: what this thread or task was answered, or the request that started it."""
    return snapshot(in_flight.get())


def described(snapshot, place, missing):
    """A snapshot as plain data; what cannot be kept faithfully is told in `missing`, and there as `unknown`."""
    if snapshot is None:
        return []
    kept, left_out, draws = snapshot
    found = [_described(answer, place, missing) for answer in kept]
    if draws:
        from . import randomness

        found.append(randomness.described(draws))
    if left_out:
        missing.append("%s: %d more were left out" % (place, left_out))
    return found


def described_start(missing):
    """What was answered before the first request, as plain data."""
    return described(snapshot(_Start), "answers", missing)


class _Start:
    """Where `snapshot` finds the answers of the start."""

    answers = start


def _described(answer, place, missing):
    from ..calls import Unfaithful

    module = kind(answer.kind)
    result = answer.result
    question = module.described_question(answer.question)
    question["kind"] = answer.kind
    try:
        if result is TOO_LARGE:
            raise Unfaithful("is too large")
        if result is None:
            raise Unfaithful("had not come")
        question["answer"] = module.described_answer(answer.question, result)
    except Exception as reason:
        why = str(reason) if isinstance(reason, Unfaithful) else "cannot be written down (%s)" % type(reason).__name__
        question["answer"] = {"unknown": why}
        missing.append("%s: the answer to %s %s" % (place, module.told(question), why))
    return question


KINDS = frozenset(["sql", "http", "redis", "session"])


def kind(name):
    """The module of a kind of dependency; ImportError for one that this agent does not know."""
    if name not in KINDS:
        raise ImportError("dependencies of kind %r are not known" % (name,))
    return __import__("homeostasis_agent.dependencies." + name, None, None, ["told"])


def size_of(snapshot):
    return sum(answer.size for answer in snapshot[0]) if snapshot is not None else 0


def forget_start():
    """For tests: begin anew."""
    global start, _start_is_over
    start = _Start.answers = Answers(MAX_START_BYTES)
    _start_is_over = False
