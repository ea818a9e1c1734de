"""Gives recorded answers back while a request is replayed; one request at a time, so that this module holds its state."""

from .. import effects
from . import matching, recording

MAX_TOLD = 50


class Unanswered(Exception):
    """Nobody recorded an answer to what is asked now. Libraries turn it into an error of their own."""


class Book:
    """Recorded answers; each is given once, and where asking changes nothing the last one again."""

    def __init__(self, recorded):
        # By what a kind takes as the heading of its questions: entries of recorded question and whether it was used.
        self.headings = {}
        for question in recorded:
            if question["kind"] == "draws":
                continue
            try:
                module = recording.kind(question["kind"])
            except ImportError:
                # Recorded by a newer agent; what is asked of it stays unanswered.
                continue
            self.headings.setdefault((question["kind"], module.heading(question)), []).append([question, False])

    def find(self, module, question):
        """The recorded question that this one is, the surest and then the first; None when there is none."""
        best, surest = None, matching.NOT
        again = None
        for entry in self.headings.get((question["kind"], module.heading(question)), ()):
            recorded, used = entry
            alike = module.alike(recorded, question)
            if alike == matching.NOT:
                continue
            if used:
                # Asked once more than it was recorded: what was said last is still so.
                if alike > matching.WRITES and module.is_repeatable(question):
                    again = entry
            elif alike > surest:
                best, surest = entry, alike
        return best or again


_book = Book(())
_start = Book(())
_unanswered = []


def load_start(recorded):
    """Answers of the time before the first request, which are true for all requests."""
    global _start
    _start = Book(recorded)


def begin(recorded):
    """A request begins, with these answers; what is unanswered is counted anew."""
    global _book
    _book = Book(recorded)
    del _unanswered[:]
    from . import randomness

    randomness.give([question for question in recorded if question["kind"] == "draws"])


def ask(question):
    """The recorded answer to this question (with its `kind`); raises Unanswered when there is none, never makes one up."""
    module = recording.kind(question["kind"])
    effect = module.effect(question)
    if effect is not None:
        effects.note(*effect)
    entry = _book.find(module, question) or _start.find(module, question)
    why = "nobody recorded an answer"
    if entry is not None:
        entry[1] = True
        answer = entry[0]["answer"]
        if "unknown" not in answer:
            return answer
        why = "the recorded answer " + answer["unknown"]
    raise unanswered("%s: %s" % (module.told(question), why))


def unanswered(told):
    """The exception for what was asked in vain; it is told in the result as well."""
    if len(_unanswered) < MAX_TOLD and told not in _unanswered:
        _unanswered.append(told)
    return Unanswered(told)


def failure_to_connect(kind, heading, stages):
    """The recorded answer under this heading whose turn it is, where it tells of a connection that failed at one of these stages; else None.

    Connections are made before it is known what will be asked, so that only the order tells which of them failed.
    """
    for book in (_book, _start):
        for entry in book.headings.get((kind, heading), ()):
            if entry[1]:
                continue
            answer = entry[0]["answer"]
            if answer.get("during") not in stages:
                return None
            entry[1] = True
            return answer
    return None


def take_unanswered():
    """What was asked in vain since the request began."""
    taken = _unanswered[:]
    del _unanswered[:]
    return taken


def failure_of(kind, question, stages):
    """The recorded failure of this very question at one of these stages, not given yet; else None. It is no question in vain."""
    module = recording.kind(kind)
    for book in (_book, _start):
        for entry in book.headings.get((kind, module.heading(question)), ()):
            answer = entry[0]["answer"]
            if not entry[1] and answer.get("during") in stages and module.alike(entry[0], question) != matching.NOT:
                entry[1] = True
                return answer
    return None
