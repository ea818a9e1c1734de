"""Replays of SQLite: recorded statements get their recorded answers, all others are asked of the file, which is in the sandbox too; recording is in `sql_sqlite`.

A recorded answer is given by the library itself: the cursor executes a statement that brings as many rows with the
same columns, and a row factory of ours puts the recorded values in their place. So descriptions, row factories and all
ways of fetching are the library's own.
"""

import os
import sys
from itertools import islice

import _sqlite3

from .. import effects
from ..calls import Unfaithful
from ..replay_calls import made
from . import errors, replaying, sql
from .sql_asked import many
from .sql_sqlite import (
    COMMIT, DRIVER, _base, _commit, _connection_of, _count_of, _execute, _executemany, _executescript,
    _factory_of, _id_of, _init, _make_cursor, _set_factory, put, text_of,
)

_base_connection = _sqlite3.Connection
_trace = _base_connection.set_trace_callback
_rollback = _base_connection.rollback
# Statements of ours are no effects of the program.
_quiet = 0


def replay(module):
    """With recorded answers only where the task says that they stand for files."""
    if replaying.recorded_files:
        put(module, AnsweredConnection, AnsweredCursor)
    else:
        put(module, TracedConnection, _base)


def _tracing(callback):
    def trace(statement):
        if _quiet:
            return
        effects.note("sql", statement)
        if callback is not None:
            callback(statement)

    return trace


class Quiet:
    """While this is entered, statements are not told."""

    def __enter__(self):
        global _quiet
        _quiet += 1

    def __exit__(self, *raised):
        global _quiet
        _quiet -= 1


class TracedConnection(_base_connection):
    """Tells its statements, with the values in them; a trace callback of the program is called as well."""

    __slots__ = ()

    def __init__(self, *arguments, **named):
        _init(self, *arguments, **named)
        _trace(self, _tracing(None))

    def set_trace_callback(self, callback):
        _trace(self, _tracing(callback))


class Playing:
    """The row factory of all cursors: puts recorded rows in their places, and lets the program's own factory see them."""

    __slots__ = ("factory",)

    def __init__(self, factory):
        self.factory = factory

    def __call__(self, cursor, row):
        played = cursor._homeostasis_played
        if played is not None:
            row = played.next()
        return row if self.factory is None else self.factory(cursor, row)


class Played:
    """A recorded answer that is being fetched."""

    def __init__(self, question, answer):
        self.question = question
        self.answer = answer
        self.columns = answer["columns"]
        self.rows = sql.rows_of(answer)
        self.then = answer.get("then")
        self.complete = answer["complete"]
        self.place = 0

    @property
    def count(self):
        """How many rows the cursor must bring: one more where an exception has to come."""
        return len(self.rows) + (self.then is not None or not self.complete)

    def next(self):
        place = self.place
        self.place += 1
        if place < len(self.rows):
            return self.rows[place]
        if self.then is not None:
            raise errors.made(self.then)
        raise _sqlite3.OperationalError(str(replaying.vain(self.question, "nobody recorded more rows")))

    def statement(self):
        """A statement that brings as many rows with these columns."""
        if self.columns is None:
            return ""
        names = ", ".join('NULL AS "%s"' % name.replace('"', '""') for name, _ in self.columns)
        counting = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r LIMIT %d"
        return "SELECT %s FROM (%s)" % (names, counting % self.count)


class AnsweredCursor(_base):
    __slots__ = ("_homeostasis_played",)

    def __init__(self, *arguments, **named):
        self._homeostasis_played = None
        _base.__init__(self, *arguments, **named)
        _set_factory(self, Playing(None))

    @property
    def row_factory(self):
        factory = _factory_of(self)
        return factory.factory if type(factory) is Playing else factory

    @row_factory.setter
    def row_factory(self, factory):
        _set_factory(self, Playing(factory))

    @property
    def rowcount(self):
        played = self._homeostasis_played
        if played is not None and (played.columns is None or played.place >= len(played.rows)):
            return played.answer["count"]
        return _count_of(self)

    @property
    def lastrowid(self):
        played = self._homeostasis_played
        if played is not None:
            return None if played.answer["id"] is None else made(played.answer["id"])
        return _id_of(self)

    def execute(self, *arguments):
        parameters = arguments[1] if len(arguments) > 1 else None
        return self._answered(_execute, arguments, parameters)

    def executemany(self, *arguments):
        if len(arguments) != 2:
            return _executemany(self, *arguments)
        statement, given = arguments
        given = given if type(given) is list else list(given)
        return self._answered(_executemany, (statement, given), many(given))

    def executescript(self, *arguments):
        return self._answered(_executescript, arguments, None)

    def _answered(self, run, arguments, parameters):
        """By the recorded answer where there is one; what writes is done to the file as well."""
        self._homeostasis_played = None
        connection = _connection_of(self)
        answer = question = None
        if arguments and type(arguments[0]) is str:
            question = _question(connection, arguments[0], parameters)
            answer = replaying.look_now(question)
        if answer is None:
            return run(self, *arguments)
        if "error" in answer:
            effects.note(*sql.effect(question))
            raise errors.made(answer["error"])
        try:
            played = Played(question, answer)
        except Unfaithful:
            # The file says what the recording must not.
            return run(self, *arguments)
        effects.note(*sql.effect(question))
        with Quiet():
            if played.columns is not None and played.then is None and not played.complete:
                _continue(connection, played, run, arguments)
            if _is_done_to_file(connection, arguments[0]):
                _try(connection, run, arguments)
            _execute(self, played.statement())
        self._homeostasis_played = played
        return self


def _question(connection, statement, parameters):
    server = getattr(connection, "_homeostasis_server", "")
    question = sql.described_question((DRIVER, server, statement, parameters))
    question["kind"] = "sql"
    return question


def _is_done_to_file(connection, statement):
    if sql.reads(statement) and not statement.lstrip(" (\n\t")[:6].lower() == "pragma":
        return False
    # What a program writes while it starts is in a file that was there already.
    return replaying.has_begun or not connection._homeostasis_existed


def _try(connection, run, arguments):
    """Rows of the real statement; None when it cannot be executed."""
    try:
        cursor = _make_cursor(connection, _base)
        _set_factory(cursor, None)
        run(cursor, *arguments)
        return list(islice(cursor, sql.MAX_ROWS))
    except Exception:
        # The file is not what it was.
        return None


def _continue(connection, played, run, arguments):
    """Rows that were not fetched in production may be taken from a file that begins with the same ones."""
    if not sql.reads(arguments[0]):
        return
    rows = _try(connection, run, arguments)
    if rows is not None and rows[: len(played.rows)] == played.rows:
        played.rows = rows
        played.complete = len(rows) < sql.MAX_ROWS


class AnsweredConnection(_base_connection):
    __slots__ = ("_homeostasis_server", "_homeostasis_existed")

    def __init__(self, *arguments, **named):
        database = arguments[0] if arguments else named.get("database")
        self._homeostasis_server = server = text_of(database)
        self._homeostasis_existed = _exists(server)
        answer = replaying.look_now(_question(self, sql.CONNECT, (os.path.basename(server),)))
        if answer is not None and "error" in answer:
            raise errors.made(answer["error"])
        try:
            _init(self, *arguments, **named)
        except _sqlite3.Error:
            # In production the file could be opened.
            if arguments:
                arguments = (":memory:",) + arguments[1:]
            else:
                named["database"] = ":memory:"
            _init(self, *arguments, **named)
        _trace(self, _tracing(None))

    def set_trace_callback(self, callback):
        _trace(self, _tracing(callback))

    def cursor(self, *arguments, **named):
        if not arguments and not named:
            arguments = (AnsweredCursor,)
        cursor = _make_cursor(self, *arguments, **named)
        factory = _factory_of(cursor)
        if isinstance(cursor, AnsweredCursor) and type(factory) is not Playing:
            _set_factory(cursor, Playing(factory))
        return cursor

    def commit(self):
        answer = replaying.look_now(_question(self, COMMIT, None))
        if answer is not None and "error" in answer:
            raise errors.made(answer["error"])
        try:
            _commit(self)
        except _sqlite3.OperationalError:
            if answer is None:
                raise

    def __exit__(self, class_, error, traceback):
        if class_ is not None:
            _rollback(self)
            return False
        try:
            AnsweredConnection.commit(self)
        except Exception:
            _rollback(self)
            raise
        return False


if sys.version_info >= (3, 11):
    # See the same in `sql_sqlite`.
    def _at_once(name):
        def run(self, *arguments):
            return getattr(AnsweredConnection.cursor(self), name)(*arguments)

        return run

    for _name in ("execute", "executemany", "executescript"):
        setattr(AnsweredConnection, _name, _at_once(_name))


def _exists(server):
    path = server
    if path.startswith("file:"):
        path = path[5:].partition("?")[0]
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False
