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
    effect = recording.kind(question["kind"]).effect(question)
    if effect is not None:
        effects.note(*effect)
    return look_up(question)


def look_up(question):
    """The same for what is no effect on anyone, such as what a server says of itself."""
    module = recording.kind(question["kind"])
    entry = _book.find(module, question) or _start.find(module, question)
    why = "nobody recorded an answer"
    if entry is not None:
        entry[1] = True
        answer = entry[0]["answer"]
        if "unknown" not in answer:
            return answer
        why = "the recorded answer " + answer["unknown"]
    raise in_vain("%s: %s" % (module.told(question), why))


def recorded(question):
    """The answer to something that is only recorded when it went wrong; None when it did not."""
    module = recording.kind(question["kind"])
    entry = _book.find(module, question) or _start.find(module, question)
    if entry is None or "unknown" in entry[0]["answer"]:
        return None
    entry[1] = True
    return entry[0]["answer"]


def in_vain(told):
    """What to raise when this was asked in vain; it is remembered."""
    if len(_unanswered) < MAX_TOLD and told not in _unanswered:
        _unanswered.append(told)
    return Unanswered(told)


def take_unanswered():
    """What was asked in vain since the request began."""
    taken = _unanswered[:]
    del _unanswered[:]
    return taken
