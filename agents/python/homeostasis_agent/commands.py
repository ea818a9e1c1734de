"""Carries out what Homeostasis asks of this process: swap, unswap, report, rearm; how code is exchanged is in `swap`."""

from _thread import allocate_lock
from binascii import a2b_base64

from . import guard, settings

_lock = allocate_lock()
# Swaps named by the welcome that this process could not take yet, because it had not imported the file.
_waiting = {}


def welcome(message):
    settings.apply(message.get("config"))
    for command in message.get("swaps") or ():
        swap = command.get("swap")
        if isinstance(swap, str):
            _waiting[swap] = command
    apply_waiting_swaps()


def apply_waiting_swaps():
    """Apply what the welcome named; files that are not imported yet are tried again before the first request."""
    if not _waiting:
        return
    with _lock:
        for swap, command in list(_waiting.items()):
            answer = _answer("swap_result", command, "apply")
            if answer.get("state") == "not_loaded":
                continue
            _waiting.pop(swap, None)
            _send(answer)


def handle(kind, message):
    """Act on one command; an error in it is told and goes no further."""
    if kind == "swap":
        with _lock:
            answer = _answer("swap_result", message, "apply")
            if answer.get("state") == "not_loaded" and _is_before_first_request():
                # The file may be half read by now, in its old form: look again when it is loaded.
                _waiting[message["swap"]] = message
            _send(answer)
    elif kind == "unswap":
        with _lock:
            _waiting.pop(message.get("swap"), None)
            _send(_answer("unswap_result", message, "undo"))
    elif kind == "report":
        _send(_state(message))
    elif kind == "rearm":
        _rearm()


def _is_before_first_request():
    from . import channel

    return channel.unsettled


def _answer(kind, message, action):
    """Call `swap.apply` or `swap.undo` and make the answer of what it returns."""
    answer = {
        "type": kind,
        "swap": message.get("swap"),
        "ok": False,
        "state": "failed",
        "reason": "",
        "functions": 0,
        "apply_us": 0.0,
        "files": [],
    }
    try:
        files = [
            {"path": file["path"], "old": a2b_base64(file["old"]), "new": a2b_base64(file["new"])}
            for file in message["files"]
        ]
        from . import swap

        answer.update(getattr(swap, action)(message["swap"], files))
        if action == "undo" and answer["state"] == "refused":
            # The protocol knows no refused undo: whoever asked is left with the code he wanted gone.
            answer["state"] = "failed"
        for file in answer["files"]:
            # Where the swap could not look at the code it leaves this open.
            if "loaded" not in file:
                file["loaded"] = _is_loaded(file["path"])
    except Exception as error:
        answer["reason"] = "the agent could not do it: %s: %s" % (type(error).__name__, str(error)[:300])
    _rearm()
    return answer


def _is_loaded(path):
    from . import swap

    try:
        return swap.running(path, [])[0]
    except Exception:
        # What cannot be told stays unknown: not loaded.
        return False


def _state(message):
    files = []
    for file in message.get("files") or ():
        entry = {"path": file.get("path"), "sha256": None, "loaded": False}
        try:
            from . import swap

            sources = [(source["sha256"], a2b_base64(source["source"])) for source in file["sources"]]
            entry["loaded"], entry["sha256"] = swap.running(file["path"], sources)
        except Exception:
            # What cannot be told stays unknown: not loaded, no source.
            pass
        files.append(entry)
    return {"type": "state", "request_id": message.get("request_id"), "files": files, "swaps": applied_swaps()}


def applied_swaps():
    """The ids of the swaps in this process, without loading the swapping code where it was never used."""
    import sys

    swap = sys.modules.get("homeostasis_agent.swap")
    if swap is None:
        return []
    try:
        return list(swap.applied())
    except Exception:
        guard.failed("hello")
        return []


def _rearm():
    from . import failures

    failures.rearm()


def _send(answer):
    from . import channel

    channel.send(answer)


def forget():
    """Begin anew in a forked child; swaps that the parent has applied are in the child's code already."""
    global _lock
    _lock = allocate_lock()
    _waiting.clear()
