"""Knows the secrets among the variables of this process; it changes none."""

import os
import re

from .redact_names import is_name, is_secret

SHORTEST = 8

# The password in an address, as in `DATABASE_URL`.
_in_address = re.compile(r"://[^/\s:@]{0,200}:([^\s]{1,500}?)@[^@]*$")
# Words of configurations, and passwords that everybody knows.
_words = frozenset(
    "disabled required optional filesystem memcached database postgres postgresql rabbitmq password changeme development production"
    " sqlalchemy cachelib sessions signed_cookies minioadmin elastic localhost anonymous".split()
)
# The folders of a shell are no passwords.
_folders = frozenset(["PWD", "OLDPWD"])

_seen = None
_secrets = ()


def secrets():
    """Pairs of the name of a variable and the secret it holds; the name is None where the secret is only a part of the value."""
    global _seen, _secrets
    data = getattr(os.environ, "_data", None)
    if type(data) is not dict:
        data = dict(os.environ)
    if data != _seen:
        _secrets = tuple(_find(data))
        _seen = dict(data)
    return _secrets


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
