"""The form of questions to SQL databases and of their answers; the libraries that ask them are in `sql_*`.

A question while recording is `(driver, server, statement, parameters)`: the name of the library, whom it is connected
to as text, the statement as text, and its parameters as the program gave them (None, a sequence or a dictionary; for
many executions a list of those in a `Many`). A result is a `Result`, or the exception that was raised.
"""

import re

from .. import calls, values
from . import errors, matching

# The question that opens a connection; its answer tells of the server.
CONNECT = "connect()"
MAX_TOLD = 200
MAX_ROWS = 2000
# Estimates, for the limits of recording.
CELL = 40

_lasting = {}
# Questions about the server itself, its types and its catalogue, and settings of a connection.
_about_server = re.compile(
    r"(?is)^\s*(?:connect\(\)|show\s|set\s|select\s+(?:pg_catalog\.)?(?:version|current_schema|current_database|current_setting|pg_backend_pid)\s*\("
    r"|select\s+1\s*(?:;|$)|select\s+@@|select\s+version\s*\(|select\s+cast\(|select\s+database\s*\(|discard\s|pragma\s)|\bpg_type\b|\bpg_catalog\.pg_|\binformation_schema\b"
)
_reads = re.compile(r"(?i)^[\s(]*(?:select|with|show|pragma|values|table|explain|describe|desc)\b")
_writing_with = re.compile(r"(?i)\b(?:insert|update|delete|merge)\b")
_space = re.compile(r"\s+")


class Many(list):
    """Parameters of one statement that is executed many times."""


class Result:
    """What a statement brought: `columns` pairs of name and type code, or None; `rows` sequences of values, filled while they are fetched.

    `complete` becomes True when all rows were fetched, and `status` is the server's own word where the library tells it.
    `then` is the exception that came in place of the next row.
    """

    __slots__ = ("columns", "rows", "count", "id", "status", "complete", "then")

    def __init__(self, columns=None, count=-1, id=None, status=None):
        self.columns = columns
        self.rows = []
        self.count = count
        self.id = id
        self.status = status
        self.complete = columns is None
        self.then = None


def is_lasting(statement):
    """Is this a question about the server, to be remembered as long as the process lives?"""
    known = _lasting.get(statement)
    if known is None:
        if len(_lasting) > 2000:
            _lasting.clear()
        known = _lasting[statement] = isinstance(statement, str) and _about_server.search(statement[:2000]) is not None
    return known


def reads(statement):
    """Does the statement change nothing?"""
    if _reads.match(statement) is None:
        return False
    return not statement.lstrip(" (\n\t")[:4].lower() == "with" or _writing_with.search(statement) is None


def described_question(question):
    driver, server, statement, parameters = question
    return {
        "driver": driver,
        "server": server,
        "statement": statement if isinstance(statement, str) else repr(statement),
        "parameters": described_parameters(parameters),
    }


def described_parameters(parameters):
    many = type(parameters) is Many
    budget = values.Budget(calls.MAX_VALUES)
    if isinstance(parameters, list):
        parameters = list(parameters)
    elif isinstance(parameters, tuple):
        parameters = tuple(parameters)
    elif isinstance(parameters, dict):
        parameters = dict(parameters)
    if many:
        return {"t": "list", "items": [_parameter(one, budget) for one in parameters], "len": len(parameters)}
    return _parameter(parameters, budget)


def _parameter(value, budget):
    """A parameter as a value; what cannot be kept faithfully is at least told apart by its class."""
    if type(value) in (list, tuple):
        items = [_parameter(item, budget) for item in value]
        return {"t": type(value).__name__, "items": items, "len": len(items)}
    if type(value) is dict:
        # Named parameters mean the same in any order, and libraries make them in the order of sets.
        named = [(str.__str__(name) if isinstance(name, str) else name, item) for name, item in value.items()]
        if all(type(name) is str for name, _ in named):
            named.sort(key=_name_of)
        items = [[_parameter(name, budget), _parameter(item, budget)] for name, item in named]
        return {"t": "dict", "items": items, "len": len(items)}
    if type(value).__module__.startswith("psycopg"):
        from . import postgres

        value = postgres.unwrapped(value)
    if isinstance(value, str) and type(value) is not str:
        # Names of libraries are text with a class of its own, and are sent as text.
        value = str.__str__(value)
    try:
        return calls.faithful(value, budget)
    except calls.Unfaithful:
        return values.cut(value, type(value))


def described_answer(question, result):
    if isinstance(result, BaseException):
        return {"error": _refusal(question[0], result)}
    budget = values.Budget(calls.MAX_VALUES)
    rows = [
        {"t": "tuple", "items": [calls.faithful(cell, budget) for cell in row], "len": len(row)} for row in result.rows
    ]
    columns = result.columns
    found = {
        "columns": None if columns is None else [_column(column) for column in columns],
        "rows": rows,
        "complete": result.complete,
        "count": result.count,
        "id": None if result.id is None else calls.faithful(result.id, budget),
        "status": result.status,
    }
    if result.then is not None:
        found["then"] = _refusal(question[0], result.then)
    return found


def _name_of(pair):
    return pair[0]


def _refusal(driver, error):
    described = errors.described(error, errors.MAX_LINKS)
    if driver in ("psycopg2", "psycopg"):
        from . import postgres

        described["diagnosis"] = postgres.diagnosis(error)
    return described


def _column(column):
    """Name and type code; codes are numbers or classes of the library."""
    name, code = column
    return [str(name), code if type(code) is int else None]


def rows_of(answer):
    """The rows of a recorded answer as tuples of values; raises Unfaithful where something in them was taken out."""
    from ..replay_calls import made

    try:
        return [made(row) for row in answer["rows"]]
    except ValueError as reason:
        raise calls.Unfaithful("cannot be given: %s" % reason) from None


def heading(question):
    # Further on there may be a secret that was masked.
    return question["driver"], "".join(question["statement"].split(None, 1)[:1])


def alike(recorded, asked):
    least = _least(asked)
    statements = matching.texts(
        _space.sub(" ", recorded["statement"]).strip(), _space.sub(" ", asked["statement"]).strip(), least
    )
    if statements == matching.NOT:
        return matching.NOT
    parameters = matching.values(recorded["parameters"], asked["parameters"], least)
    if parameters == matching.NOT and not reads(asked["statement"]):
        hidden = matching.unveiled(recorded["parameters"], asked["parameters"])
        if matching.values(hidden, asked["parameters"], least) != matching.NOT:
            return matching.WRITES
    if parameters == matching.NOT:
        answer = recorded["answer"]
        returns_rows = answer.get("columns") is not None or "unknown" in answer
        if returns_rows or "error" in answer or reads(asked["statement"]):
            return matching.NOT
        return matching.WRITES
    if recorded["server"] != asked["server"]:
        return min(statements, parameters, matching.MASKED)
    return min(statements, parameters)


def _least(question):
    """How long a text must be to have been hidden: of any length only where it goes to a column with a telling name."""
    from .. import redact
    from . import sql_names

    plan = sql_names.plan(question["statement"])
    names = [*plan.positional, *plan.named, *plan.named.values(), *(column for _, _, column in plan.literals)]
    return 1 if any(type(name) is str and redact.is_secret(name) for name in names) else matching.LEAST_HIDDEN


def is_repeatable(question):
    return reads(question["statement"]) or is_lasting(question["statement"])


def told(question):
    return "%s %s" % (question["driver"], _space.sub(" ", question["statement"]).strip()[:MAX_TOLD])


def effect(question):
    """The statement with its values in it, as far as they are plain."""
    text = question["statement"]
    parameters = question["parameters"]
    if parameters["t"] not in ("none", "cut"):
        text += " -- " + ", ".join(_plain(value) for value in _each(parameters))[:2000]
    return "sql", text


def _each(parameters):
    if parameters["t"] == "dict":
        return [value for _, value in parameters["items"]]
    return parameters["items"] if "items" in parameters else [parameters]


def _plain(value):
    if "items" in value:
        return "(%s)" % ", ".join(_plain(item) for item in value["items"] if type(item) is dict)
    shown = value.get("v", value.get("text"))
    return repr(shown) if shown is not None else value["t"]
