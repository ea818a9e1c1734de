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
# Do recorded answers stand for what is in files, or are the files themselves asked? Told by the task.
recorded_files = False
# Before that, the program is starting.
has_begun = False


def load_start(recorded):
    """Answers of the time before the first request, which are true for all requests."""
    global _start
    _start = Book(recorded)


def begin(recorded):
    """A request begins, with these answers; what is unanswered is counted anew."""
    global _book, has_begun
    _book = Book(recorded)
    has_begun = True
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
    answer = _taken(_book, question) or _taken(_start, question)
    if answer is None:
        raise vain(question, "nobody recorded an answer")
    if "unknown" in answer:
        raise vain(question, "the recorded answer " + answer["unknown"])
    return answer


def look(question):
    """The same where something else may answer instead: None when there is nothing, and nothing is noted."""
    answer = _taken(_book, question) or _taken(_start, question)
    return None if answer is None or "unknown" in answer else answer


def look_now(question):
    """Like `look`, but what was answered at the start only while the program is starting."""
    answer = _taken(_book if has_begun else _start, question)
    return None if answer is None or "unknown" in answer else answer


def alike(question):
    """All recorded questions under the heading of this one, given or not; none of them counts as given for that."""
    heading = question["kind"], recording.kind(question["kind"]).heading(question)
    for book in (_book, _start):
        for recorded, _ in book.headings.get(heading, ()):
            yield recorded


def vain(question, why):
    """Take note that this was asked in vain; the error to raise."""
    return in_vain("%s: %s" % (recording.kind(question["kind"]).told(question), why))


def in_vain(told):
    """The same for what is told in other words."""
    if len(_unanswered) < MAX_TOLD and told not in _unanswered:
        _unanswered.append(told)
    return Unanswered(told)


def _taken(book, question):
    entry = book.find(recording.kind(question["kind"]), question)
    if entry is None:
        return None
    entry[1] = True
    return entry[0]["answer"]


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
