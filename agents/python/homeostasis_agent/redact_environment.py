"""Knows the secrets among the variables of this process; it changes none."""

import base64
import os
import re

from . import settings
from .redact_names import is_name, is_secret
from .redact_shapes import mask

SHORTEST = 8
MOST = 100

# The password in an address, as in `DATABASE_URL`.
_in_address = re.compile(r"://[^/\s:@]{0,200}:([^\s]{1,500}?)@[^@]*$")
# Words of configurations, and passwords that everybody knows.
_words = frozenset(
    "disabled required optional filesystem memcached database postgres postgresql rabbitmq password changeme development production"
    " sqlalchemy cachelib sessions signed_cookies minioadmin elastic localhost anonymous".split()
)
# The folders of a shell are no passwords.
_folders = frozenset(["PWD", "OLDPWD"])

# Shorter ones have too little left that is sure when they are in base64.
SHORTEST_ENCODED = 12

_seen = _names = None
_secrets = ()
_forms = {}


def secrets():
    """Pairs of the name of a variable and the secret it holds, and forms of these in base64 and hex with what stands in their place.

    The name is None where the secret is only a part of the value.
    """
    global _seen, _names, _secrets, _forms
    data = getattr(os.environ, "_data", None)
    if type(data) is not dict:
        data = dict(os.environ)
    if data != _seen or _names is not settings.redact_names:
        _secrets = tuple(_find(data))[:MOST]
        _forms = {
            form: mask(form) for _, secret in _secrets if len(secret) >= SHORTEST_ENCODED for form in _encoded(secret.encode("utf-8", "replace"))
        }
        _seen, _names = dict(data), settings.redact_names
    return _secrets, _forms


def _find(data):
    found = set()
    for name, value in list(data.items()):
        name, value = _text(name), _text(value)
        whole = value.strip()
        if name.startswith("HOMEOSTASIS_") or name in _folders:
            continue
        if is_secret(name) and _is_worth_hiding(whole) and whole not in found:
            found.add(whole)
            yield name, whole
        if "://" in value and "@" in value:
            password = _in_address.search(value)
            if password is not None and _is_worth_hiding(password.group(1)) and password.group(1) not in found:
                found.add(password.group(1))
                yield None, password.group(1)


def _text(data):
    return os.fsdecode(data) if type(data) is bytes else data


def _is_worth_hiding(value):
    if len(value) < SHORTEST or value.lower() in _words or is_name(value):
        return False
    # Where something lies is no secret, only what lies there.
    return not (value.startswith(("/", "./", "unix:", "file:")) and os.path.exists(value.partition(":")[2] or value))


def _encoded(data):
    """What base64 makes of these bytes at each of the three places in which they may begin, as far as it is sure, and what hex makes of them."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode("ascii")[before and before + 1 : (before + len(data)) * 8 // 6]
        yield text
        if "+" in text or "/" in text:
            yield text.replace("+", "-").replace("/", "_")
    yield data.hex()
