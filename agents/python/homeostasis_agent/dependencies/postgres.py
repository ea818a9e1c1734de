"""What both libraries for PostgreSQL share: whom they talk to, rows and refusals as they are kept and given back; the libraries are in `sql_psycopg2` and `sql_psycopg`."""

from collections import namedtuple
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from sys import getsizeof
from uuid import UUID

from . import replaying, sql
from .recording import TOO_LARGE, note

# Questions that no statement asks.
CONNECT = "CONNECT TO "
PARAMETERS = "SHOW PARAMETERS OF THE SERVER"
AFTER = " AFTER A STATEMENT"

# The column that copied data are kept in.
DATA = "data"
BINARY_DATA = "binary data"
# Beside it, how many columns are in the data.
WIDTH = "width"

# What a server tells of itself when a connection begins.
REPORTED = (
    "server_version", "server_encoding", "client_encoding", "application_name", "is_superuser", "session_authorization",
    "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings",
    "default_transaction_read_only", "in_hot_standby",
)

# The fields of a refusal by their names in both libraries, with their letters in the protocol.
DIAGNOSIS = {
    "severity": "S", "severity_nonlocalized": "V", "sqlstate": "C", "message_primary": "M", "message_detail": "D",
    "message_hint": "H", "statement_position": "P", "internal_position": "p", "internal_query": "q", "context": "W",
    "schema_name": "s", "table_name": "t", "column_name": "c", "datatype_name": "d", "constraint_name": "n",
    "source_file": "F", "source_line": "L", "source_function": "R",
}

MAX_REMEMBERED = 1000
MAX_DEPTH = 20
SAMPLED_ROWS = 8

# Cells of these classes do not change.
_steady = frozenset([type(None), bool, int, float, str, bytes, Decimal, datetime, date, time, timedelta, UUID, memoryview])
# Types of columns that such cells are in, by their numbers.
_steady_types = frozenset(
    [16, 17, 18, 19, 20, 21, 23, 25, 26, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950]
)

# Cells that are kept under another name, for a protocol value does not say all of them.
Memory = namedtuple("Memory", "data")
Zoned = namedtuple("Zoned", "text zone fold")
Interval = namedtuple("Interval", "class_ lower upper bounds")


def server_of(parameters):
    """Whom a connection goes to, as text without its password."""
    text = {name: str(parameters.get(name) or "") for name in ("user", "host", "port", "dbname")}
    return "%(user)s@%(host)s:%(port)s/%(dbname)s" % text


class Result:
    """What a statement brought, in the form that `sql` describes; nothing is converted before that.

    `kept` are sequences of cells; `description` has a name and a type code in the first two places of each column.
    """

    __slots__ = ("description", "kept", "count", "status", "complete", "then", "steady")

    id = None

    def __init__(self, description, count, status):
        self.description = description
        self.kept = []
        self.count = count
        self.status = status
        self.complete = description is None
        # The exception that came in place of further rows.
        self.then = None
        self.steady = False

    @property
    def columns(self):
        if self.description is None:
            return None
        return [(_text(column[0]), column[1]) for column in self.description]

    @property
    def rows(self):
        return [tuple(map(_lasting_form, row)) for row in self.kept]

    def keep(self, answer, rows):
        """Add rows, which are tuples of cells; False when there are too many."""
        kept = self.kept
        if len(kept) + len(rows) > sql.MAX_ROWS:
            answer.result = TOO_LARGE
            return False
        if not answer.has_room(_size(rows)):
            return False
        # Mostly the types of the columns tell; otherwise each cell is looked at.
        if self._is_steady(rows[0]) or _steady.issuperset(map(type, chain.from_iterable(rows))):
            kept.extend(rows)
        else:
            kept.extend([tuple(map(_copied, row)) for row in rows])
        return True

    def keep_one(self, answer, row):
        """The same for rows that come one by one, of which only some are measured."""
        kept = self.kept
        place = len(kept) & 15
        if place > 1 and self.steady:
            kept.append(row)
            return True
        if len(kept) >= sql.MAX_ROWS:
            answer.result = TOO_LARGE
            return False
        # The second of sixteen stands for those that follow.
        if place < 2 and not answer.has_room(sum(map(getsizeof, row)) * (15 if place else 1)):
            return False
        if place == 1:
            self.steady = self._is_steady(row)
        kept.append(row if _steady.issuperset(map(type, row)) else tuple(map(_copied, row)))
        return True

    def _is_steady(self, row):
        """Do the columns hold only cells that do not change? One row is looked at, for the program may make cells as it likes."""
        return _steady_types.issuperset([column[1] for column in self.description]) and _steady.issuperset(map(type, row))


class Unseen:
    """Stands for an answer that was given to the program in a way that cannot be followed."""


UNSEEN = Unseen()


def _text(name):
    return name.decode("utf-8", "replace") if type(name) is bytes else str(name)


def _size(rows):
    """An estimate of what these rows take, from some of them."""
    count = len(rows)
    if count <= SAMPLED_ROWS:
        return sum(map(getsizeof, chain.from_iterable(rows)))
    some = rows[:: count // SAMPLED_ROWS]
    return sum(map(getsizeof, chain.from_iterable(some))) * count // len(some)


def _copied(cell, depth=MAX_DEPTH):
    """A cell that the program may change, as it is now."""
    class_ = type(cell)
    if depth > 0:
        if class_ is list:
            return [_copied(item, depth - 1) for item in cell]
        if class_ is dict:
            return {name: _copied(item, depth - 1) for name, item in cell.items()}
    if class_ is bytearray:
        return bytes(cell)
    return cell


def _lasting_form(cell):
    """A cell in a form that a protocol value can say."""
    class_ = type(cell)
    if class_ is list:
        return [_lasting_form(item) for item in cell]
    if class_ is memoryview:
        return Memory(bytes(cell))
    if class_ is datetime and cell.tzinfo is not None:
        zone = getattr(cell.tzinfo, "key", None)
        if type(cell.tzinfo).__module__ == "zoneinfo" and type(zone) is str:
            return Zoned(cell.replace(tzinfo=None).isoformat(), zone, cell.fold)
    if class_.__module__ in ("psycopg2._range", "psycopg.types.range"):
        return Interval(class_, _lasting_form(cell._lower), _lasting_form(cell._upper), cell._bounds)
    return cell


def given_form(cell):
    """The cell again as the library gave it."""
    class_ = type(cell)
    if class_ is list:
        return [given_form(item) for item in cell]
    if class_ is Memory:
        return memoryview(cell.data)
    if class_ is Interval:
        interval = cell.class_(empty=True)
        interval._lower, interval._upper = given_form(cell.lower), given_form(cell.upper)
        interval._bounds = cell.bounds
        return interval
    if class_ is Zoned:
        from zoneinfo import ZoneInfo

        return datetime.fromisoformat(cell.text).replace(tzinfo=ZoneInfo(cell.zone), fold=cell.fold)
    return cell


def copied_parameters(parameters):
    """Programs fill the same list or dictionary anew for each statement."""
    class_ = type(parameters)
    if class_ is dict:
        return dict(parameters)
    if class_ is list:
        return list(parameters)
    return parameters


def unwrapped(parameter):
    """What is in a wrapper of the library, which changes while it is adapted."""
    for base in type(parameter).__mro__:
        where = base.__module__
        if where == "psycopg2._json" or where == "psycopg2.extensions" and base is not object:
            return parameter.adapted
        if where == "psycopg.types.json":
            return parameter.obj
    return parameter


_remembered = set()


def is_first_of_lasting(server, statement, parameters):
    """Is this a question about the server, asked for the first time? Later answers to it belong to their requests."""
    if not sql.is_lasting(statement):
        return False
    values = parameters.items() if type(parameters) is dict else parameters or ()
    try:
        key = (server, statement, tuple(values))
        if key in _remembered or len(_remembered) >= MAX_REMEMBERED:
            return False
        _remembered.add(key)
    except TypeError:
        return False
    return True


def note_answer(driver, server, statement, parameters, result):
    """Keep one question with its answer; what is returned takes the rows, or is None."""
    lasting = is_first_of_lasting(server, statement, parameters)
    return note("sql", (driver, server, statement, parameters), result, 300 + len(statement), lasting)


def note_connected(driver, server, parameter_status):
    """Keep what the server says of itself, once for each."""
    if is_first_of_lasting(server, PARAMETERS + driver, None):
        result = Result([("name", None), ("value", None)], -1, None)
        result.kept = [(name, parameter_status(name)) for name in REPORTED]
        result.complete = True
        note("sql", (driver, server, PARAMETERS, None), result, 1000, True)


def note_refused_connection(driver, server, error):
    note("sql", (driver, server, CONNECT + server, None), error, 500)


def diagnosis(error):
    """What the server said in its refusal, by the names of its fields; empty when the error is not the server's."""
    said = getattr(error, "diag", None)
    found = {name: getattr(said, name, None) for name in DIAGNOSIS}
    return {name: str(text) for name, text in found.items() if text is not None}


def question(driver, server, statement, parameters):
    described = sql.described_question((driver, server, statement, parameters))
    described["kind"] = "sql"
    return described


_refused = {}


def parameters_of_server(driver, server):
    """What the server said of itself; raises what connecting raised where that was recorded, and Unanswered where neither was."""
    refusal = replaying.look(question(driver, server, CONNECT + server, None))
    if refusal is not None:
        _refused[driver, server] = refusal
        raise made_error(refusal)
    told = question(driver, server, PARAMETERS, None)
    answer = replaying.look(told)
    if answer is None and (driver, server) in _refused:
        # It never came up.
        raise made_error(_refused[driver, server])
    if answer is None:
        answer = replaying.look_up(told)
    return {name: value for name, value in sql.rows_of(answer) if value is not None}


def made_error(answer):
    from .errors import made

    return made(answer["error"])


def note_failed_end(driver, server, command, last, error):
    """Keep that a transaction could not be ended; `last` is the last statement before with its parameters."""
    note_answer(driver, server, command + AFTER, last, error)


def refusal_of_end(driver, server, command, last):
    """The recorded answer to a commit or rollback that failed after this last statement; None when none was recorded."""
    return replaying.look(question(driver, server, command + AFTER, last))


# Cells that were given out in this replay. On the wire goes their place; whoever loads a cell gets the recorded value.
_cells = []


def place_of(cell):
    _cells.append(given_form(cell))
    return len(_cells) - 1


# The place of a cell that nobody fetched when the answer was recorded.
NOWHERE = -1


class Failure:
    """In place of a cell: fetching it failed."""

    def __init__(self, error):
        self.error = error


def place_of_rest(answer):
    """The place that cells of rows have which were not recorded."""
    if not answer.get("then"):
        return NOWHERE
    _cells.append(Failure({"error": answer["then"]}))
    return len(_cells) - 1


def cell_at(place):
    """The cell at this place; raises what fetching it raised, and Unanswered where nobody fetched it."""
    place = int(place)
    if place == NOWHERE:
        raise replaying.in_vain("a row that was not fetched when its answer was recorded")
    cell = _cells[place]
    if type(cell) is Failure:
        raise made_error(cell.error)
    return cell
