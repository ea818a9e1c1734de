"""Describes the frames of a traceback, with exact positions and, for the user's own code, values; files are read later, by `sources`."""

import sys
from itertools import islice

from . import settings, values

MAX_FRAMES = 60
OUTERMOST = 20
INNERMOST = 40
MAX_LOCALS = 60
MAX_GLOBALS = 30
MAX_REMEMBERED = 2000

_exact_positions = hasattr(type(settings.absolute.__code__), "co_positions")
_CO_VARARGS, _CO_VARKEYWORDS = 4, 8


def entries(traceback):
    """The entries of a traceback that are kept, outermost first, and how many were left out."""
    found = []
    while traceback is not None:
        found.append(traceback)
        traceback = traceback.tb_next
    own = settings.agent_folder
    found = [entry for entry in found if not entry.tb_frame.f_code.co_filename.startswith(own)]
    if len(found) <= MAX_FRAMES:
        return found, 0
    return found[:OUTERMOST] + found[-INNERMOST:], len(found) - MAX_FRAMES


class LibraryFrame(dict):
    """A frame of code that is not the user's: without values it is the same in every failure, so it is described and written once."""

    __slots__ = ("encoded",)

    def __init__(self, description):
        dict.__init__(self, description)
        self.encoded = None


# By code object and instruction; the code is held, so that its id stays its own.
_library_frames = {}
_positions = {}


def described(entry, budget):
    """One frame of the protocol, but for `text` and `source_sha256`."""
    code = entry.tb_frame.f_code
    if settings.in_app(code.co_filename):
        description = _description(entry, code, True)
        description["locals"] = _locals(entry.tb_frame, code, budget)
        description["globals"] = _globals(entry.tb_frame, code, budget)
        return description
    return _remembered(_library_frames, entry, code, _library_frame)


def _remembered(memory, entry, code, make):
    key = (id(code), entry.tb_lasti)
    known = memory.get(key)
    if known is None:
        if len(memory) >= MAX_REMEMBERED:
            memory.clear()
        known = memory[key] = (make(entry, code), code)
    return known[0]


def _library_frame(entry, code):
    return LibraryFrame(_description(entry, code, False))


def _description(entry, code, in_app):
    line, end_line, column, end_column = _remembered(_positions, entry, code, _position)
    module = entry.tb_frame.f_globals.get("__name__")
    return {
        "file": settings.absolute(code.co_filename),
        "module": module if type(module) is str else "",
        "function": getattr(code, "co_qualname", code.co_name),
        "line": line,
        "end_line": end_line,
        "column": column,
        "end_column": end_column,
        "first_line": code.co_firstlineno,
        "in_app": in_app,
        "source_sha256": None,
        "text": "",
        "arguments": argument_names(code),
        "locals": {},
        "globals": {},
    }


def _position(entry, code):
    # Instructions that the compiler made up have no line of their own.
    line = entry.tb_lineno or code.co_firstlineno
    if _exact_positions and entry.tb_lasti >= 0:
        position = next(islice(code.co_positions(), entry.tb_lasti // 2, None), None)
        if position is not None and position[0] is not None:
            return position
    return line, None, None, None


def argument_names(code):
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _CO_VARARGS) + bool(code.co_flags & _CO_VARKEYWORDS)
    return list(code.co_varnames[:count])


def _locals(frame, code, budget):
    is_module = code.co_name == "<module>"
    found = {}
    read = set(code.co_names) if is_module else None
    for name, value in islice(frame.f_locals.items(), 2000):
        if type(name) is not str or name.startswith("."):
            continue
        if is_module and (name not in read or name.startswith("__") or not values.is_plain(value)):
            continue
        if len(found) >= MAX_LOCALS:
            break
        budget.next_name()
        found[name] = values.captured(value, budget)
    return found


def _globals(frame, code, budget):
    if code.co_name == "<module>":
        return {}
    known = frame.f_globals
    candidates = [
        name
        for name in code.co_names
        if name in known and not name.startswith("__") and values.is_plain(known[name])
    ]
    if not candidates:
        return {}
    read = _names_read_from_module(code)
    found = {}
    for name in candidates[:MAX_GLOBALS]:
        if name in read:
            budget.next_name()
            found[name] = values.captured(known[name], budget)
    return found


def _names_read_from_module(code):
    """co_names also holds attribute names, so the instructions themselves are asked."""
    from opcode import opmap

    load_global, load_name = opmap["LOAD_GLOBAL"], opmap["LOAD_NAME"]
    extended = opmap["EXTENDED_ARG"]
    # Since 3.11 the lowest bit of LOAD_GLOBAL says whether a NULL is pushed.
    shift = 1 if sys.version_info >= (3, 11) else 0
    raw = code.co_code
    names = code.co_names
    found = set()
    high = 0
    for at in range(0, len(raw), 2):
        operation, argument = raw[at], raw[at + 1] | high
        high = argument << 8 if operation == extended else 0
        if operation == load_global:
            argument >>= shift
        elif operation != load_name:
            continue
        if argument < len(names):
            found.add(names[argument])
    return found
