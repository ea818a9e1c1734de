"""Decides what becomes of one exception that a hook saw: captured whole, counted, or left out; it builds no capsule itself."""

from _thread import get_ident
from time import time

from . import guard, settings

CAPTURES = 3
SECONDS_BETWEEN = 60.0
MAX_KEYS = 2000
MAX_LINKS = 5
MAX_KEY_FRAMES = 80
MARK = "_homeostasis_reported"
MAX_CAUGHT = 1000
# So long a caught exception may take to leave the program after all.
CAUGHT_SECONDS = 1.0

# Hooks that hear of exceptions which were kept from going on: what the program was doing did not end by them.
KEPT = frozenset(["logging", "asyncio", "concurrent.futures", "celery.task", "rq.job", "apscheduler.job", "capture_exception"])

# In replay mode this takes the exceptions, with the hook, instead of the channel.
recorder = None
# While this thread runs code of the program on our behalf, nothing that happens there is reported.
silent_thread = 0

# Imported with the first failure, since it needs this module itself.
_channel = None
_records = {}
_by_key = {}
# Caught exceptions that may still leave the program, by the number in their mark, which is below zero;
# and the tokens of those that were told.
_caught = {}
_told = {}
_last_number = 0
_never = (KeyboardInterrupt, SystemExit, GeneratorExit)
_dictionary_of = BaseException.__dict__["__dict__"].__get__
_traceback_of = BaseException.__dict__["__traceback__"].__get__
_cause_of = BaseException.__dict__["__cause__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__


class Record:
    """The count of one signature; `told` is what of it was already told.

    Other threads may count while the news are taken, so the count is never set back.
    """

    __slots__ = ("signature", "captured", "last_capture", "count", "told", "first", "last")

    def __init__(self, signature):
        self.signature = signature
        self.captured = self.count = self.told = 0
        self.last_capture = self.first = self.last = 0.0


def report(error, hook, occasion=None, was_counted=False, origin=None):
    """An exception that nobody handled, or whose handler could only apologise, came by `hook`.

    `occasion` is the request as recorded by `wsgi` or `asgi`, or None when there was none;
    `was_counted` says that the request was counted as completed before this happened.
    `origin` says where it happened, when that was not in this thread or task.
    No error of ours ever leaves this function.
    """
    # The class is asked and not the exception, which may have its own idea of it.
    if not guard.enabled or issubclass(type(error), MemoryError) and not guard.has_memory():
        return
    try:
        _report(error, hook, occasion, was_counted, origin)
    except Exception:
        guard.failed("report")


def _report(error, hook, occasion, was_counted, origin):
    # `isinstance` would ask the exception itself for its class.
    if issubclass(type(error), _never) or silent_thread == get_ident():
        return
    if recorder is not None:
        recorder(error, hook)
        return
    # The same exception passes several hooks on its way out.
    # One object that is raised again in a later request is a new failure.
    marks = _dictionary_of(error)
    token = id(occasion) if occasion is not None else 0
    mark = marks.get(MARK)
    if mark is not None and _is_told(mark, token):
        return
    if _caught:
        _withdraw_caught(error)
    marks[MARK] = token
    record = _record_of(error)
    if record is None:
        return
    if occasion is not None:
        if settings.exclude_paths and settings.excluded_path(occasion.path()):
            return
        occasion.count_failure(was_counted)
    now = time()
    if _is_due(record, now):
        missing = []
        capsule = _capsule(error, hook, occasion, missing, origin)
        if occasion is not None:
            occasion.finish_body(missing)
        if _post(now, record, capsule, occasion, origin.answers if origin is not None else None):
            return
        # No room for the capsule: the failure is at least counted.
    _count(record, now)
    _wake()


def _is_told(mark, token):
    """Was an exception with this mark told before, in this request or wherever it is seen now?"""
    if mark >= 0:
        return not token or mark == token
    return mark not in _caught and (not token or _told.get(mark) == token)


def _is_due(record, now):
    """Is this occurrence to be captured whole? Then it counts as captured."""
    if record.captured >= CAPTURES and now - record.last_capture < SECONDS_BETWEEN:
        return False
    record.captured += 1
    record.last_capture = now
    return True


def _capsule(error, hook, occasion, missing, origin=None):
    from . import capture

    return capture.capsule(error, "process" if occasion is None else "request", hook, missing, origin)


def _post(when, record, capsule, occasion, answers):
    from . import channel

    return channel.post(when, record.signature, capsule, occasion, answers)


def _wake():
    global _channel
    if _channel is None:
        from . import channel as _channel
    if _channel.asleep:
        _channel.wake()


class Caught:
    """An exception that the program caught: told after a while, unless it leaves the program and is told as that."""

    __slots__ = ("record", "token", "when", "capsule", "occasion", "answers")

    def __init__(self, record, token, when, capsule, occasion, answers):
        self.record = record
        self.token = token
        self.when = when
        self.capsule = capsule
        self.occasion = occasion
        self.answers = answers


def report_caught(error, hook, occasion=None):
    """The program caught an exception and said so, by a log or to us. No error of ours ever leaves this function."""
    if not guard.enabled:
        return
    try:
        _report_caught(error, hook, occasion)
    except Exception:
        guard.failed("report of " + hook)


def _report_caught(error, hook, occasion):
    global _last_number
    if isinstance(error, _never) or silent_thread == get_ident():
        return
    if recorder is not None:
        recorder(error, hook)
        return
    marks = _dictionary_of(error)
    token = id(occasion) if occasion is not None else 0
    mark = marks.get(MARK)
    if mark is not None and (mark in _caught or _is_told(mark, token)):
        return
    record = _record_of(error)
    if record is None:
        return
    if occasion is not None:
        if settings.exclude_paths and settings.excluded_path(occasion.path()):
            return
    if len(_caught) >= MAX_CAUGHT:
        tell_caught(True)
    now = time()
    capsule = answers = None
    if _is_due(record, now):
        from . import channel

        channel.start()
        capsule = _capsule(error, hook, occasion, [])
        answers = channel.answers_of(occasion)
    # A plain number, for exceptions are pickled with what is in their dictionary.
    _last_number = number = _last_number - 1
    marks[MARK] = number
    _caught[number] = Caught(record, token, now, capsule, occasion, answers)
    _wake()


def answered(error):
    """The program has answered an exception with a status below 500: that it was logged on the way does not make it a failure."""
    if _caught:
        _withdraw_caught(error)


def was_caught_in(occasion):
    """Is there something to be told of this request, which is therefore no example of a healthy one?"""
    return any(caught.occasion is occasion for caught in list(_caught.values()))


def _withdraw_caught(error):
    """That this exception, or one that led to it, was caught on the way is not told any more."""
    seen = 0
    while error is not None and seen < MAX_LINKS:
        seen += 1
        caught = _caught.pop(_dictionary_of(error).get(MARK), None)
        if caught is not None and caught.capsule is not None:
            caught.record.captured -= 1
        error = _cause_of(error) or _context_of(error)


def tell_caught(all_of_them=False):
    """Tell what was logged and has not left the program since; called by the agent's thread and before the process ends."""
    now = time()
    for number in list(_caught):
        caught = _caught.get(number)
        if caught is None or not all_of_them and 0 <= now - caught.when < CAUGHT_SECONDS:
            continue
        # Whoever takes it out has it: the program may withdraw it at this moment.
        caught = _caught.pop(number, None)
        if caught is None:
            continue
        occasion = caught.occasion
        if occasion is not None and not occasion.failed and caught.token not in _told.values():
            # As a request it is counted when it ends.
            occasion.cell.failed += 1
        if len(_told) >= MAX_CAUGHT:
            _told.pop(next(iter(_told)), None)
        _told[number] = caught.token
        capsule = caught.capsule
        if capsule is None or not _post(caught.when, caught.record, capsule, occasion, caught.answers):
            _count(caught.record, caught.when)


def _count(record, now):
    if record.count == record.told:
        record.first = now
    record.count += 1
    record.last = now


def count_dropped(signature, when):
    """A failure that was queued as a capsule could not be sent as one."""
    record = _records.get(signature)
    if record is None:
        record = _records[signature] = Record(signature)
    _count(record, when)


def _record_of(error):
    """The record of this failure, or None when the user left such failures out."""
    key = _key(error)
    known = _by_key.get(key)
    if known is None:
        if len(_by_key) >= MAX_KEYS:
            # Counts that were not sent yet live on in `_records`.
            _by_key.clear()
        # The classes and code objects are held so that their ids stay theirs.
        known = _by_key[key] = (_new_record(error), _named_in_key(error))
    return known[0]


def _key(error):
    """What identifies a failure in this process, cheaply: type and instruction of each frame, for each link of the chain."""
    key = []
    seen = 0
    while error is not None and seen < MAX_LINKS:
        seen += 1
        key.append(id(type(error)))
        entry = _traceback_of(error)
        pairs = []
        while entry is not None:
            pairs += (id(entry.tb_frame.f_code), entry.tb_lasti)
            entry = entry.tb_next
        if len(pairs) > MAX_KEY_FRAMES * 2:
            # A recursion fails at varying depths: each place counts once.
            pairs = dict.fromkeys(zip(pairs[::2], pairs[1::2]))
        key += pairs
        error = _cause_of(error) or _context_of(error)
    return tuple(key)


def _named_in_key(error):
    """The classes and code objects whose ids are in the key of this failure, by these ids, for equal ones are not the same."""
    named = {}
    seen = 0
    while error is not None and seen < MAX_LINKS:
        seen += 1
        named[id(type(error))] = type(error)
        entry = _traceback_of(error)
        while entry is not None:
            code = entry.tb_frame.f_code
            named[id(code)] = code
            entry = entry.tb_next
        error = _cause_of(error) or _context_of(error)
    return named


def _new_record(error):
    from . import values

    if settings.excluded_type(type(error), values.class_names):
        return None
    if settings.exclude_modules and settings.excluded_module(_failing_module(error)):
        return None
    signature = _signature(error, values)
    record = _records.get(signature)
    if record is None:
        if len(_records) >= MAX_KEYS:
            for old in [one for one in _records.values() if one.count == one.told]:
                del _records[old.signature]
        record = _records[signature] = Record(signature)
    return record


def _signature(error, values):
    """The same text in every process of the program: types, files, functions and lines of the whole chain."""
    from hashlib import sha256

    parts = []
    seen = 0
    while error is not None and seen < MAX_LINKS:
        seen += 1
        parts.append(values.class_name(type(error)))
        places = {}
        entry = _traceback_of(error)
        while entry is not None:
            code = entry.tb_frame.f_code
            if not code.co_filename.startswith(settings.agent_folder):
                places["%s:%s:%d" % (code.co_filename, code.co_name, entry.tb_lineno or 0)] = None
            entry = entry.tb_next
        parts.extend(places)
        error = _cause_of(error) or _context_of(error)
    # In one piece it would be long enough for the interpreter to let go of its lock, and this request to wait for it.
    digest = sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "replace") + b"\n")
    return digest.hexdigest()[:32]


def _failing_module(error):
    """The module of the innermost frame of the user's code, else of the innermost frame."""
    found = last = None
    entry = _traceback_of(error)
    while entry is not None:
        last = entry.tb_frame
        if settings.in_app(last.f_code.co_filename):
            found = last
        entry = entry.tb_next
    frame = found or last
    name = frame.f_globals.get("__name__") if frame is not None else None
    return name if type(name) is str else ""


def has_news():
    return bool(_caught) or any(record.count != record.told for record in list(_records.values()))


def take_news():
    """What was only counted since the last call, as `items` of the `repeats` message."""
    news = []
    for record in list(_records.values()):
        count = record.count
        if count != record.told:
            news.append(
                {
                    "signature": record.signature,
                    "count": count - record.told,
                    "first": record.first,
                    "last": record.last,
                }
            )
            record.told = count
    return news


def rearm():
    """Capture whole again, as if nothing had been seen; what was counted is still told."""
    _by_key.clear()
    for record in list(_records.values()):
        record.captured = 0


def reconsider():
    """The settings have changed: what was left out may not be any more, and the other way round."""
    _by_key.clear()


def forget():
    """Begin anew in a forked child."""
    _by_key.clear()
    _records.clear()
    _caught.clear()
    _told.clear()
