"""Says which segments of a path are secrets, as in links that reset a password; it changes nothing."""

import re

SHORTEST = 16
# The segment before tells what it is.
_telling = re.compile(
    r"(?i)reset|recover|password|token|secret|verif|confirm|activat|invit|magic|unsubscrib|session|one-?time|otp|login|auth|hook|share|callback|access|api-?key"
)
_word = re.compile(r"[A-Za-z]?[a-z]*(?:[-_.][A-Za-z]?[a-z]*)*|[0-9]*")


def is_token(before, segment):
    """Is this segment a token, as the one before it tells? Words and numbers are none."""
    if len(segment) < SHORTEST or _telling.search(before) is None:
        return False
    if _word.fullmatch(segment) is None:
        return True
    # No word of a language is that long.
    return segment.isalpha() and len(segment) >= 24


def tokens(path):
    """The segments that are secrets."""
    parts = path.split("/")
    return [part for number, part in enumerate(parts) if len(part) >= SHORTEST and number and is_token(parts[number - 1], part)]
