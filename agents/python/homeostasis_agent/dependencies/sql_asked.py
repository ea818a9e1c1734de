"""What the SQL libraries share while recording: parameters as they were when they were given, estimates of sizes, and what is noted once per process; it asks nothing."""

from itertools import islice

from .. import settings
from ..calls import Unfaithful
from . import errors, sql
from .recording import TOO_LARGE, in_flight, note

# Of a statement that is executed many times, so many parameters are kept.
MAX_MANY = 1000
MAX_LASTING = 1000

_noted = set()


def kept(parameters):
    """The parameters as they are now: the program may change its list or dictionary later."""
    class_ = type(parameters)
    if class_ is list:
        return parameters[:]
    if class_ is dict:
        return parameters.copy()
    return parameters


def many(sequence):
    """The first parameters of many executions."""
    return sql.Many(kept(one) for one in islice(sequence, MAX_MANY))


def size_of(statement, parameters):
    """An estimate in bytes."""
    size = 200 + len(statement)
    if parameters:
        class_ = type(parameters)
        if class_ is tuple or class_ is list:
            for value in parameters:
                inner = type(value)
                size += 40 if inner is not str and inner is not bytes else 50 + len(value)
        elif class_ is sql.Many:
            size += len(parameters) * (50 + size_of("", parameters[0]))
        elif class_ is dict:
            size += 100 + size_of("", tuple(parameters.values()))
    return size


def size_of_rows(rows, first=0):
    """An estimate of the rows from this one on, by three of them, for there may be many."""
    count = len(rows) - first
    if count <= 3:
        return sum(_size_of_row(row) for row in rows[first:])
    return count * (_size_of_row(rows[first]) + _size_of_row(rows[first + count // 2]) + _size_of_row(rows[-1])) // 3


def _size_of_row(row):
    size = 60
    for value in row:
        class_ = type(value)
        size += 40 if class_ is not str and class_ is not bytes else 50 + len(value)
    return size


def grow(answer, rows):
    """Add rows to an answer that is a `Result`; False when they are too many, and then it is not kept."""
    fetched = answer.result.rows
    if len(fetched) + len(rows) > sql.MAX_ROWS or not answer.has_room(size_of_rows(rows)):
        answer.result = TOO_LARGE
        return False
    fetched.extend(rows)
    return True


def note_asked(driver, server, statement, parameters, result, size):
    """Keep an answer for the request in flight, and what is true as long as the process lives also for all others, once."""
    if sql.is_lasting(statement) and not isinstance(result, BaseException):
        key = driver, server, statement, _plainly(parameters)
        if key not in _noted and len(_noted) < MAX_LASTING:
            _noted.add(key)
            note("sql", (driver, server, statement, parameters), result, size, True)
        if in_flight.get() is None:
            return None
    return note("sql", (driver, server, statement, parameters), result, size)


def _plainly(parameters):
    """What tells parameters apart, as far as they are plain."""
    if type(parameters) not in (tuple, list):
        return None
    return tuple([value if type(value) in (str, int, bool) else None for value in parameters])


def failure(error):
    """How an exception out of a library is kept: as it is, unless code of the program that the library called raised it.

    In a replay with recorded answers that code is not called. Tracebacks are not kept: they would keep what is in
    their frames, open cursors too.
    """
    entry = error.__traceback__
    entry = entry.tb_next if entry is not None else None
    while entry is not None:
        if settings.in_app(entry.tb_frame.f_code.co_filename):
            return OfProgram()
        entry = entry.tb_next
    return errors.bare(error)


class OfProgram:
    """Stands for an answer that code of the program made, called by the library."""

    @property
    def rows(self):
        raise Unfaithful("came through functions of the program")
