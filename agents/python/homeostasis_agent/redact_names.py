"""Says which names are those of secrets; it sees no values."""

import re

from . import settings

# Matched in lower case inside of names, with "-" and the humps of camels read as "_".
BUILT_IN = (
    "password|passwd|passphrase|pass_?code|secret|token|api_?key|authorization|cookie|session|csrf|xsrf|private_?key|access_?key"
    "|(?:account|app|auth|client|encryption|license|master|shared|signing)_?key|credential|connection_?string|recovery_?code"
    "|credit_?card|card_?number|security_?code|cvv|ssn"
)
# Short forms, which are words of their own only at the end of a name.
_ENDINGS = r"(?:^|[_.\[])(?:pwd|pass|pin|otp|totp|cvc|jwt|sid)\]?$"
# One of these is in every name that BUILT_IN and the text pattern match.
HINTS = ("pass", "secret", "token", "key", "auth", "cookie", "session", "csrf", "xsrf", "cred", "card", "connection", "code", "cvv", "ssn", "pwd")

# What is told about a secret is none: `token_type`, `session_cookie_name`, `password_changed_at`.
_about = re.compile(
    r"_(?:type|count|at|in|name|length|len|size|age|ttl|timeout|lifetime|seconds|minutes|hours|days|enabled|required|policy|status"
    r"|algorithm|version|expiry|expires|expiration|domain|samesite|httponly|secure|path|prefix|field|class|backend|engine|serializer"
    r"|interface|scheme|usage|limit|attempts)$"
)
# Numbers that only look secret: identifiers, and tokens that are counted.
_counted = re.compile(r"(?:id|ids|tokens)$")
_hump = re.compile(r"([a-z0-9])([A-Z])")

_compiled_for = None
_built_in = _users = _text = None
_known = {}


def _patterns():
    """They follow the settings."""
    global _compiled_for, _built_in, _users, _text
    if _compiled_for is not settings.redact_names:
        users = []
        for pattern in settings.redact_names:
            pattern = pattern.replace("-", "_")
            try:
                re.compile(pattern)
            except re.error:
                pattern = re.escape(pattern)
            users.append("(?:" + pattern + ")")
        _built_in = re.compile(BUILT_IN + "|" + _ENDINGS, re.I)
        _users = re.compile("|".join(users), re.I) if users else None
        names = "|".join([BUILT_IN, *users])
        # In text a dash stays a dash, so both are accepted between the words of a name.
        _text = re.compile(
            r"((?:" + names.replace("_?", "[_-]?") + r"|\b(?:pwd|pass)(?![\w-]))[\w-]{0,40}\\{0,3}[\"']?\]?\s{0,4}(?:=(?!=)|:|=>)\s{0,4})"
            r"(\\+\"[^\"\\]*\\*\"?|\\+'[^'\\]*\\*'?|[bBuU]?\"(?:[^\"\\]|\\.)*\"?|[bBuU]?'(?:[^'\\]|\\.)*'?"
            r"|[\[(]\s{0,4}(?:[bBuU]?[\"'][^\"'\n]{0,500}[\"'][\s,]{0,4}){1,50}"
            r"|[^\s\"',;&(){}\[\]<>\\]+)",
            re.I,
        )
        _known.clear()
        _compiled_for = settings.redact_names
    return _text


def in_text():
    """The pattern of `name = value` inside of free text: the first group is all before the value, the second is the value."""
    return _patterns()


def is_secret(name):
    """Does what goes by this name have to be hidden?"""
    if _compiled_for is settings.redact_names and name in _known:
        return _known[name]
    _patterns()
    if len(_known) > 5000:
        _known.clear()
    known = _known[name] = _decide(name)
    return known


def _decide(name):
    plain = _hump.sub(r"\1_\2", name).replace("-", "_")
    if _users is not None and (_users.search(plain) or _users.search(name.replace("-", "_"))):
        return True
    if _built_in.search(plain) is None and _built_in.search(name.replace("-", "_")) is None:
        return False
    return _about.search(plain.lower()) is None


def is_secret_number(name):
    """The same for a number, which is an identifier or a count where the name ends like that of one."""
    return is_secret(name) and (_counted.search(name.lower()) is None or (_users is not None and _users.search(name) is not None))


def is_name(text):
    """Is this text itself such a name, and not a secret?"""
    _patterns()
    return _built_in.fullmatch(text.replace("-", "_")) is not None
