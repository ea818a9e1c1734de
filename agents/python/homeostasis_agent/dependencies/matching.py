"""Says whether a question that is asked in a replay is the one that was recorded; it knows no kind of dependency."""

import re

from ..redact_shapes import mask, masked

# How sure it is that two questions are the same. Answers are given for the surest first.
NOT = 0
# The same statement that writes, with other values: what comes back is how many rows there were.
WRITES = 1
# The same but for secrets that were masked, and for the time.
MASKED = 2
SAME = 3

# Clocks are set back in a replay, but go on from there.
SECONDS_APART = 300

_piece = re.compile(r"[^\W_]+")
_masks = re.compile(r"[xX0]+")
# As in `redact`: so long is a secret that is hidden wherever it turns up;
# shorter ones are hidden only where their name says what they are.
LEAST_HIDDEN = 8

_times = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")


def texts(recorded, asked, least=1):
    """Are these the same text, but for what was masked in the recorded one and for points in time?

    `least` is how long what was masked must be: a page 0 is no hidden page 5.
    """
    if recorded == asked:
        return SAME
    recorded, asked = _times.sub("<time>", recorded), _times.sub("<time>", asked)
    if recorded == asked or (len(recorded) == len(asked) and (_is_masked(recorded, asked, least) or _is_scrubbed(recorded, asked))):
        return MASKED
    return NOT


def _is_scrubbed(recorded, asked):
    """Is the recorded text what redaction makes of this one, whatever it took for a secret there?"""
    from ..redact import Pass

    work = Pass()
    return work.hide_known(work.scrub(asked)) == recorded


def _is_masked(recorded, asked, least):
    if recorded == masked(asked) and len(recorded) >= least:
        return True
    pieces = [(found.group(), asked[found.start() : found.end()]) for found in _piece.finditer(recorded)]
    return _piece.sub("", recorded) == _piece.sub("", asked) and all(
        one == plain or _is_masked_piece(one, plain, least) for one, plain in pieces
    )


def _is_masked_piece(recorded, asked, least):
    """A whole word, or a long part of one, is a mask: a number with a zero in it is none."""
    hidden = mask(asked)
    begin = 0
    for found in _masks.finditer(recorded):
        if len(found.group()) < (least if found.group() == recorded else LEAST_HIDDEN):
            continue
        # Capital letters tell masks of the same shape apart.
        if recorded[begin : found.start()] != asked[begin : found.start()] or found.group().lower() != hidden[found.start() : found.end()]:
            return False
        begin = found.end()
    return recorded[begin:] == asked[begin:]


def values(recorded, asked, least=1):
    """The same for values of the protocol."""
    if recorded == asked:
        return SAME
    kind = recorded.get("t")
    if kind == "redacted":
        return MASKED if recorded["kind"] == asked.get("t") or asked.get("t") == "redacted" else NOT
    if kind != asked.get("t"):
        return NOT
    if kind == "str":
        return texts(recorded["v"], asked["v"], least)
    if kind == "bytes":
        from base64 import b64decode

        return texts(b64decode(recorded["v"]).decode("latin-1"), b64decode(asked["v"]).decode("latin-1"), least)
    if kind == "other" and recorded["class"] == asked["class"]:
        return _others(recorded, asked)
    if kind == "float":
        # A point in time as a number of seconds.
        one, other = float(recorded["v"]), float(asked["v"])
        return MASKED if one > 1e9 and abs(one - other) < SECONDS_APART else NOT
    if kind == "object" and recorded["class"] == asked["class"] and recorded["fields"].keys() == asked["fields"].keys():
        return min((values(recorded["fields"][name], asked["fields"][name], least) for name in asked["fields"]), default=SAME)
    if kind in ("list", "tuple", "dict", "set", "frozenset"):
        return sequences(recorded["items"], asked["items"], least)
    return NOT


def unveiled(recorded, asked):
    """The recorded value with what is asked in place of every text in it that was hidden whole, as long as that is as long.

    A hash of a password that was masked is another one in a replay, and so is a token that was drawn.
    """
    if type(recorded) is list:
        return [unveiled(*pair) for pair in zip(recorded, asked)] if type(asked) is list and len(recorded) == len(asked) else recorded
    if recorded.get("t") != asked.get("t"):
        return recorded
    if recorded["t"] == "str":
        return asked if len(recorded["v"]) == len(asked["v"]) and _is_hidden_whole(recorded["v"]) else recorded
    if recorded["t"] in ("list", "tuple", "dict"):
        return dict(recorded, items=unveiled(recorded["items"], asked["items"]))
    return recorded


def _is_hidden_whole(text):
    words = _piece.findall(text)
    return sum(map(len, words)) >= LEAST_HIDDEN and all(_masks.fullmatch(word) for word in words)


def sequences(recorded, asked, least=1):
    """The same for lists of values, or of pairs of values."""
    if len(recorded) != len(asked):
        return NOT
    surest = SAME
    for one, other in zip(recorded, asked):
        surest = min(surest, sequences(one, other, least) if type(one) is list else values(one, other, least))
        if surest == NOT:
            break
    return surest


def _others(recorded, asked):
    if recorded["class"] not in ("datetime.datetime", "datetime.date", "datetime.time"):
        return texts(recorded["text"], asked["text"])
    if recorded["class"] == "datetime.datetime":
        from datetime import datetime

        try:
            apart = datetime.fromisoformat(recorded["text"]) - datetime.fromisoformat(asked["text"])
        except (ValueError, TypeError):
            return NOT
        return MASKED if abs(apart.total_seconds()) < SECONDS_APART else NOT
    return NOT
