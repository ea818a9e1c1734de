"""Records what SQLite answers through `sqlite3`, by subclasses that stand in the place of its two classes; replays are in `sql_sqlite_replay`.

Classes that the program derives from them, and row factories of its own, see the library as before: rows are kept as
they come out of it, and errors of the program's own functions are not taken for answers.
"""

import os
import sys
from functools import wraps

import _sqlite3

from .. import guard
from . import sql
from .recording import TOO_LARGE, in_flight, note
from .sql_asked import MAX_MANY, failure, kept, many, size_of, size_of_rows

DRIVER = "sqlite3"
# What is no statement of SQL is called by these names.
COMMIT = "commit()"

Row = _sqlite3.Row
_base = _sqlite3.Cursor
_execute, _executemany, _executescript = _base.execute, _base.executemany, _base.executescript
_fetchone, _fetchmany, _fetchall, _next = _base.fetchone, _base.fetchmany, _base.fetchall, _base.__next__
_description_of = _base.description.__get__
_count_of = _base.rowcount.__get__
_id_of = _base.lastrowid.__get__
_connection_of = _base.connection.__get__
_factory_of, _set_factory = _base.row_factory.__get__, _base.row_factory.__set__
_make_cursor = _sqlite3.Connection.cursor
_commit, _exit, _init = _sqlite3.Connection.commit, _sqlite3.Connection.__exit__, _sqlite3.Connection.__init__


class Result:
    """What a statement brought, a `sql.Result`; what of it can wait is made when it is described."""

    __slots__ = ("description", "fetched", "counted", "count", "id", "complete", "then")

    status = None

    def __init__(self, count=-1, id=None):
        self.description = self.then = None
        self.fetched = ()
        self.count = count
        self.id = id
        self.complete = True

    @property
    def columns(self):
        return None if self.description is None else [(column[0], None) for column in self.description]

    @property
    def rows(self):
        return [row if type(row) is tuple else tuple(row) for row in self.fetched]


class Noting:
    """A row factory of the program, which sees each row after it was kept."""

    # Of an exception of the factory only the identity: it would keep the cursor, and the cursor the database locked.
    __slots__ = ("factory", "raised")

    def __init__(self, factory):
        self.factory = factory
        self.raised = None

    def __call__(self, cursor, row):
        try:
            answer = cursor._homeostasis_answer
            if answer is not None:
                answer.result.fetched.append(row)
                _count(cursor)
        except Exception:
            guard.failed("sqlite3")
        try:
            return self.factory(cursor, row)
        except BaseException as error:
            # It will fail again in a replay, over the same row.
            self.raised = id(error)
            raise


class Cursor(_base):
    __doc__ = _base.__doc__
    # The answer that is being fetched, and its rows where they are not kept by `Noting`.
    __slots__ = ("_homeostasis_answer", "_homeostasis_rows")

    @property
    def row_factory(self):
        factory = _factory_of(self)
        return factory.factory if type(factory) is Noting else factory

    @row_factory.setter
    def row_factory(self, factory):
        plain = factory is None or factory is Row
        _set_factory(self, factory if plain else Noting(factory))
        answer = getattr(self, "_homeostasis_answer", None)
        if answer is not None:
            self._homeostasis_rows = answer.result.fetched if plain else None

    def execute(self, *arguments):
        try:
            found = _execute(self, *arguments)
        except Exception as error:
            _note_failure(self, arguments, kept(arguments[1]) if len(arguments) > 1 else None, error)
            raise
        try:
            statement = arguments[0]
            parameters = None
            size = 200 + len(statement)
            if len(arguments) > 1:
                parameters = kept(arguments[1])
                size = size_of(statement, parameters)
            result = Result()
            result.count = _count_of(self)
            result.id = _id_of(self)
            description = _description_of(self)
            answer = note("sql", (DRIVER, _server_of(self), statement, parameters), result, size)
            if description is None or answer is None:
                self._homeostasis_answer = self._homeostasis_rows = None
            else:
                result.description = description
                result.complete = False
                result.fetched = rows = []
                result.counted = 0
                self._homeostasis_answer = answer
                self._homeostasis_rows = None if type(_factory_of(self)) is Noting else rows
        except Exception:
            guard.failed("sqlite3")
        return found

    def executemany(self, *arguments):
        parameters = None
        if len(arguments) == 2:
            statement, given = arguments
            if type(given) in (list, tuple):
                parameters = many(given)
            else:
                parameters = sql.Many()
                arguments = statement, _keeping(given, parameters)
        try:
            found = _executemany(self, *arguments)
        except Exception as error:
            _note_failure(self, arguments, parameters, error)
            raise
        _note(self, arguments, parameters, Result(_count_of(self), _id_of(self)))
        return found

    def executescript(self, *arguments):
        try:
            found = _executescript(self, *arguments)
        except Exception as error:
            _note_failure(self, arguments, None, error)
            raise
        _note(self, arguments, None, Result())
        return found

    def fetchone(self):
        try:
            row = _fetchone(self)
        except Exception as error:
            _note_interruption(self, error)
            raise
        if row is None:
            _end(self)
        else:
            try:
                rows = self._homeostasis_rows
                if rows is not None:
                    rows.append(row)
                    if not len(rows) & 15 or len(rows) < 3:
                        _count(self)
            except AttributeError:
                # Nothing was executed.
                pass
        return row

    def __next__(self):
        try:
            row = _next(self)
        except StopIteration:
            _end(self)
            raise
        except Exception as error:
            _note_interruption(self, error)
            raise
        try:
            rows = self._homeostasis_rows
            if rows is not None:
                rows.append(row)
                if not len(rows) & 15 or len(rows) < 3:
                    _count(self)
        except AttributeError:
            pass
        return row

    def fetchmany(self, *arguments, **named):
        try:
            rows = _fetchmany(self, *arguments, **named)
        except Exception as error:
            _note_interruption(self, error)
            raise
        _heard(self, rows, arguments[0] if arguments else named["size"] if named else self.arraysize)
        return rows

    def fetchall(self):
        try:
            rows = _fetchall(self)
        except Exception as error:
            _note_interruption(self, error)
            raise
        _heard(self, rows, None)
        return rows


def _server_of(cursor):
    try:
        return _connection_of(cursor)._homeostasis_server
    except AttributeError:
        return ""


def _note(cursor, arguments, parameters, result):
    """A statement that brings no rows."""
    try:
        cursor._homeostasis_answer = cursor._homeostasis_rows = None
        if arguments and type(arguments[0]) is str:
            statement = arguments[0]
            note("sql", (DRIVER, _server_of(cursor), statement, parameters), result, size_of(statement, parameters))
    except Exception:
        if isinstance(cursor, Cursor):
            guard.failed("sqlite3")


def _note_failure(cursor, arguments, parameters, error):
    _note(cursor, arguments, parameters, failure(error))


def _note_interruption(cursor, error):
    """An exception in place of the next row."""
    try:
        answer = getattr(cursor, "_homeostasis_answer", None)
        factory = _factory_of(cursor)
        if type(factory) is Noting and factory.raised == id(error):
            factory.raised = None
            return
        if answer is None:
            return
        raised = failure(error)
        if isinstance(raised, BaseException):
            answer.result.then = raised
        else:
            answer.result = raised
        cursor._homeostasis_answer = cursor._homeostasis_rows = None
    except Exception:
        guard.failed("sqlite3")


def _heard(cursor, rows, asked):
    """A list of rows, and how many were asked for: None for all."""
    try:
        fetched = getattr(cursor, "_homeostasis_rows", None)
        if fetched is not None and rows:
            fetched.extend(rows)
            _count(cursor)
        if asked is None or len(rows) < asked:
            _end(cursor)
    except Exception:
        guard.failed("sqlite3")


def _count(cursor):
    """Count the rows that came since the last time; when they are too many, the answer is not kept."""
    answer = cursor._homeostasis_answer
    result = answer.result
    rows = result.fetched
    if len(rows) > sql.MAX_ROWS or not answer.has_room(size_of_rows(rows, result.counted)):
        answer.result = TOO_LARGE
        cursor._homeostasis_answer = cursor._homeostasis_rows = None
    result.counted = len(rows)


def _end(cursor):
    """There are no more rows."""
    try:
        answer = getattr(cursor, "_homeostasis_answer", None)
        if answer is not None:
            answer.result.complete = True
            # What RETURNING statements changed is known when their rows are.
            answer.result.count = _count_of(cursor)
            cursor._homeostasis_answer = cursor._homeostasis_rows = None
    except Exception:
        guard.failed("sqlite3")


def _keeping(given, parameters):
    """The parameters as they are drawn from an iterator, the first of them kept."""
    for one in given:
        if len(parameters) < MAX_MANY:
            parameters.append(kept(one))
        yield one


class Connection(_sqlite3.Connection):
    __doc__ = _sqlite3.Connection.__doc__
    __slots__ = ("_homeostasis_server",)

    def __init__(self, *arguments, **named):
        self._homeostasis_server = server = text_of(arguments[0] if arguments else named.get("database"))
        try:
            _init(self, *arguments, **named)
        except Exception as error:
            _note_of_connection(self, sql.CONNECT, (os.path.basename(server),), failure(error))
            raise
        _note_of_connection(self, sql.CONNECT, (os.path.basename(server),), Result())

    def cursor(self, *arguments, **named):
        if arguments or named:
            cursor = _make_cursor(self, *arguments, **named)
        else:
            cursor = _make_cursor(self, Cursor)
        _watch_factory(cursor)
        return cursor

    def commit(self):
        try:
            _commit(self)
        except Exception as error:
            _note_of_connection(self, COMMIT, None, failure(error))
            raise
        _note_of_connection(self, COMMIT, None, Result())

    def __exit__(self, class_, error, traceback):
        try:
            suppressed = _exit(self, class_, error, traceback)
        except Exception as raised:
            if class_ is None:
                _note_of_connection(self, COMMIT, None, failure(raised))
            raise
        if class_ is None:
            _note_of_connection(self, COMMIT, None, Result())
        return suppressed


def _watch_factory(cursor):
    """A new cursor has the row factory of its connection."""
    factory = _factory_of(cursor)
    if factory is not None and factory is not Row and type(factory) is not Noting and isinstance(cursor, Cursor):
        _set_factory(cursor, Noting(factory))


if sys.version_info >= (3, 11):
    # Since then the short ways make a cursor of their own accord, past `cursor` of whatever class.
    def execute(self, *arguments):
        cursor = _make_cursor(self, Cursor)
        _watch_factory(cursor)
        return cursor.execute(*arguments)

    def executemany(self, *arguments):
        cursor = _make_cursor(self, Cursor)
        _watch_factory(cursor)
        return cursor.executemany(*arguments)

    def executescript(self, *arguments):
        return _make_cursor(self, Cursor).executescript(*arguments)

    Connection.execute, Connection.executemany, Connection.executescript = execute, executemany, executescript


def _note_of_connection(connection, name, parameters, result):
    try:
        note("sql", (DRIVER, connection._homeostasis_server, name, parameters), result, 250)
    except Exception:
        guard.failed("sqlite3")


def text_of(database):
    """The name of a database file as text; nobody is asked but the known kinds of names."""
    if type(database) is str:
        return database
    if type(database) is bytes:
        return os.fsdecode(database)
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and type(database) in (pathlib.PosixPath, pathlib.PurePosixPath):
        return str(database)
    return "?"


def record(module):
    """Put the recording classes in the place of the library's own."""
    put(module, Connection, Cursor)


def put(module, connection_class, cursor_class):
    """These classes are now the library's, for those who derive from them too."""
    connect = module.connect

    @wraps(connect)
    def connect_with_class(*arguments, **named):
        if len(arguments) < 6 and "factory" not in named:
            named["factory"] = connection_class
        return connect(*arguments, **named)

    for class_, original in ((connection_class, _sqlite3.Connection), (cursor_class, _base)):
        if class_ is not original:
            class_.__module__, class_.__qualname__ = "sqlite3", original.__qualname__
    # The package took over the names before this module could change them, or will do so now.
    for holder in (module, sys.modules.get("sqlite3")):
        if getattr(holder, "connect", None) is connect:
            holder.connect, holder.Connection, holder.Cursor = connect_with_class, connection_class, cursor_class


def record_aiosqlite(module):
    """aiosqlite works in a thread of its own: what it is answered there belongs to the request that asked."""
    class_ = module.Connection
    execute, connect = class_._execute, class_._connect

    @wraps(execute)
    def _execute(self, function, *arguments, **named):
        return execute(self, _of_request(function), *arguments, **named)

    @wraps(connect)
    def _connect(self):
        self._connector = _of_request(self._connector)
        return connect(self)

    class_._execute, class_._connect = _execute, _connect


def _of_request(function):
    occasion = in_flight.get()
    if occasion is None:
        return function

    def asked(*arguments, **named):
        before = in_flight.set(occasion)
        try:
            return function(*arguments, **named)
        finally:
            in_flight.reset(before)

    return asked
