"""Shows each event to a callable of the program before it is sent; it takes out nothing by itself."""

import json
import sys
from _thread import get_ident

from . import failures, settings

_said = False


def ask(line, limit):
    """The event as the callable wants it sent, as a line; None when it is not to be sent.

    The callable may be the last that keeps something private from leaving the process: where it fails, nothing is sent.
    """
    event = json.loads(line)
    fixed = {name: event[name] for name in ("type", "time", "signature")}
    failures.silent_thread = get_ident()
    try:
        answer = settings.before_send(event)
        if answer is None:
            return None
        if not isinstance(answer, dict):
            raise TypeError("it returned a %s, neither the event nor None" % type(answer).__name__)
        line = json.dumps(dict(answer, **fixed), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        if len(line) > limit:
            raise ValueError("it returned an event that is too large to send")
        return line
    except BaseException as error:
        _say(error)
        return None
    finally:
        failures.silent_thread = 0


def _say(error):
    global _said
    if _said:
        return
    _said = True
    try:
        sys.stderr.write(
            "homeostasis: before_send failed, and events for which it fails are not sent: %s: %s\n" % (type(error).__name__, error)
        )
    except Exception:
        # Standard error is closed, or the exception cannot be told.
        pass
