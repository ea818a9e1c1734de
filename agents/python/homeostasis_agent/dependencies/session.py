"""What Django's store of sessions said of the key in a request's cookie, whatever the store is kept in; it keeps no session and signs nothing.

In a replay the cookie is masked, and no store knows it any more. So the session that was loaded is recorded as the
answer to its key, and the masked key is what the masked cookie asks for.
"""

from functools import wraps

from .. import calls, guard, redact, values
from . import matching
from .recording import TOO_LARGE, note
from .replaying import Unanswered, ask

MAX_VALUES = 500
# Derived from the user's password by a key of the program.
_HASH = "_auth_user_hash"

_copied_as_they_are = frozenset([type(None), bool, int, float, str, bytes])
_watched = set()
# In a replay: the keys whose sessions were recorded, which their stores do not know.
_given = set()


# Recording


def record(module):
    _watch(module.SessionMiddleware, _record_store)


def _watch(middleware, patch):
    """The middleware finds the class of the store by the settings of the program."""
    original = middleware.__init__

    @wraps(original)
    def __init__(self, *arguments, **named):
        original(self, *arguments, **named)
        try:
            store = self.SessionStore
            if store not in _watched:
                _watched.add(store)
                patch(store)
        except Exception:
            guard.failed("sessions")

    middleware.__init__ = __init__


def _record_store(store):
    load = store.load

    @wraps(load)
    def recording_load(self):
        key = _key_of(self)
        loaded = load(self)
        _note(self, key, loaded)
        return loaded

    store.load = recording_load
    aload = getattr(store, "aload", None)
    if aload is None:
        return

    @wraps(aload)
    async def recording_aload(self):
        key = _key_of(self)
        loaded = await aload(self)
        _note(self, key, loaded)
        return loaded

    store.aload = recording_aload


def _key_of(store):
    return store.__dict__.get("_SessionBase__session_key")


def _note(store, key, loaded):
    try:
        if type(key) is not str or type(loaded) is not dict:
            return
        copied, size = _copy(loaded)
        note("session", (type(store), key), copied, size)
    except Exception:
        guard.failed("session")


def _copy(loaded):
    """The session as it is now, for the request will change it; with its size."""
    left = MAX_VALUES
    size = 200

    def copy(value):
        nonlocal left, size
        left -= 1
        class_ = type(value)
        if class_ in _copied_as_they_are:
            if class_ is str or class_ is bytes:
                size += len(value)
        elif class_ is dict:
            if left > 0:
                return {name: copy(inner) for name, inner in value.items()} if len(value) <= left else value
        elif class_ is list or class_ is tuple:
            if left > 0:
                return class_([copy(inner) for inner in value]) if len(value) <= left else value
        size += 50
        return value

    copied = copy(loaded)
    return (copied, size) if left > 0 else (TOO_LARGE, size)


# As a kind of dependency


def described_question(question):
    class_, key = question
    return {"store": values.class_name(class_), "key": {"t": "str", "v": key, "len": len(key)}}


def described_answer(question, result):
    said = dict(result)
    if type(said.get(_HASH)) is str:
        said[_HASH] = redact.mask(said[_HASH])
    return {"value": calls.faithful(said, values.Budget(MAX_VALUES))}


def heading(question):
    """A request has one session, wherever it is kept."""
    return ""


def alike(recorded, asked):
    return matching.values(recorded["key"], asked["key"])


def is_repeatable(question):
    return True


def told(question):
    return "the session of the request, from " + question["store"]


def effect(question):
    return None


# Replaying


def replay(module):
    _watch(module.SessionMiddleware, _replay_store)


def _replay_store(store):
    load = store.load

    @wraps(load)
    def replaying_load(self):
        said = _recorded(self)
        return load(self) if said is None else said

    store.load = replaying_load
    store.save = _saving(store.save)
    aload = getattr(store, "aload", None)
    if aload is None:
        return

    @wraps(aload)
    async def replaying_aload(self):
        said = _recorded(self)
        return await aload(self) if said is None else said

    store.aload = replaying_aload
    store.asave = _saving_asynchronously(store.asave)


def _recorded(store):
    """The session that was recorded; None where there was none, and the store may find as much by itself."""
    from ..replay_calls import made

    key = _key_of(store)
    if type(key) is not str:
        return None
    try:
        answer = ask(dict(described_question((type(store), key)), kind="session"))
    except Unanswered:
        return None
    said = made(answer["value"])
    if said:
        _given.add(key)
    return said or None


def _saving(save):
    """A store that does not know the session cannot update it; the program could not tell."""

    @wraps(save)
    def saving(self, *arguments, **named):
        try:
            return save(self, *arguments, **named)
        except Exception as error:
            if not _is_missing(self, error):
                raise

    return saving


def _saving_asynchronously(save):
    @wraps(save)
    async def saving(self, *arguments, **named):
        try:
            return await save(self, *arguments, **named)
        except Exception as error:
            if not _is_missing(self, error):
                raise

    return saving


def _is_missing(store, error):
    return _key_of(store) in _given and type(error).__name__ == "UpdateError"


def trust_hashes(module):
    """A session holds a hash of the password that its user had; neither is known here, and they agreed when the request was received."""
    module.constant_time_compare = lambda one, other: True
