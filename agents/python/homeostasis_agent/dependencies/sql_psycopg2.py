"""PostgreSQL through psycopg2: records what the server answered, and answers again in a replay; asynchronous connections are left alone.

The classes `connection` and `cursor` of `psycopg2.extensions` become subclasses of themselves before anyone derives from
them, so that the rows are seen as the library made them, whatever the program's own classes do with them then.
In a replay libpq is connected to a stand-in (`postgres_stand_in`), so that all that the C code does is done by the C code.
"""

from .. import guard
from . import postgres
from .recording import Answer

DRIVER = "psycopg2"


def record_extensions(module):
    module.cursor = _recording_cursor(module.cursor)
    module.connection = _recording_connection(module, module.connection, module.cursor)


def use_connection(package):
    """`psycopg2.connect` makes the class that C knows unless it is told another one."""
    connect = package._connect

    def _connect(dsn, connection_factory=None, **more):
        if connection_factory is None:
            connection_factory = package.extensions.connection
        return connect(dsn, connection_factory=connection_factory, **more)

    package._connect = _connect


def _server_of(module, dsn):
    return postgres.server_of(module.parse_dsn(dsn)) if isinstance(dsn, str) else "?"


def _named_alike(class_, original):
    class_.__name__, class_.__qualname__ = original.__name__, original.__qualname__
    class_.__module__, class_.__doc__ = original.__module__, original.__doc__
    return class_


def _recording_connection(module, original, cursor_class):
    make_cursor = original.cursor

    class connection(original):
        __slots__ = ("_homeostasis_server", "_homeostasis_last")

        def __init__(self, dsn, *more, **named):
            self._homeostasis_server = None
            self._homeostasis_last = None
            try:
                original.__init__(self, dsn, *more, **named)
            except module_errors(module) as error:
                _quietly(_note_refused_connection, module, dsn, error)
                raise
            _quietly(_note_connected, self, module, dsn)

        def cursor(self, *arguments, **named):
            if len(arguments) < 2 and named.get("cursor_factory") is None and self.cursor_factory is None:
                if not arguments and not named:
                    return make_cursor(self, cursor_factory=cursor_class)
                named["cursor_factory"] = cursor_class
            return make_cursor(self, *arguments, **named)

        def commit(self):
            """commit() -- Commit all changes to database."""
            _end_transaction(self, "COMMIT", original.commit)

        def rollback(self):
            """rollback() -- Roll back all changes done to database."""
            _end_transaction(self, "ROLLBACK", original.rollback)

    return _named_alike(connection, original)


def module_errors(module):
    import psycopg2._psycopg

    return psycopg2._psycopg.Error


def _quietly(function, *arguments):
    """The program never sees an error of ours."""
    try:
        function(*arguments)
    except Exception:
        guard.failed(DRIVER)


def _note_refused_connection(module, dsn, error):
    postgres.note_refused_connection(DRIVER, _server_of(module, dsn), error)


def _note_connected(connection, module, dsn):
    if connection.async_:
        return
    server = _server_of(module, dsn)
    connection._homeostasis_server = server
    postgres.note_connected(DRIVER, server, connection.get_parameter_status)


def _end_transaction(connection, command, end):
    try:
        end(connection)
    except Exception as error:
        _quietly(_note_failed_end, connection, command, error)
        raise


def _note_failed_end(connection, command, error):
    server = connection._homeostasis_server
    if server is not None and guard.enabled:
        postgres.note_failed_end(DRIVER, server, command, connection._homeostasis_last, error)


def _recording_cursor(original):
    execute, executemany, callproc = original.execute, original.executemany, original.callproc
    fetchone, fetchmany, fetchall, next_row = original.fetchone, original.fetchmany, original.fetchall, original.__next__
    scroll, copy_from, copy_to, copy_expert = original.scroll, original.copy_from, original.copy_to, original.copy_expert

    class cursor(original):
        __slots__ = ("_homeostasis_answer",)

        def execute(self, query, vars=None):
            """execute(query, vars=None) -- Execute query with bound vars."""
            try:
                execute(self, query, vars)
            except Exception as error:
                _quietly(_note, self, query, vars, error)
                raise
            try:
                if guard.enabled:
                    _note(self, query, vars)
            except Exception:
                guard.failed(DRIVER)

        def executemany(self, query, vars_list):
            """executemany(query, vars_list) -- Execute many queries with bound vars."""
            seen = postgres.sql.Many()
            try:
                executemany(self, query, _seeing(vars_list, seen))
            except Exception as error:
                _quietly(_note, self, query, seen, error)
                raise
            if seen:
                _quietly(_note, self, query, seen)

        def callproc(self, procname, parameters=None):
            """callproc(procname, parameters=None) -- Execute stored procedure."""
            try:
                result = callproc(self, procname, parameters)
            except Exception as error:
                _quietly(_note, self, "CALLPROC %s" % procname, parameters, error)
                raise
            _quietly(_note, self, "CALLPROC %s" % procname, parameters)
            return result

        def fetchone(self):
            """fetchone() -> tuple or None"""
            try:
                row = fetchone(self)
            except Exception as error:
                _quietly(_fail, self, error)
                raise
            _keep(self, (row,) if row is not None else (), 1)
            return row

        def fetchmany(self, size=None):
            """fetchmany(size=self.arraysize) -> list of tuple"""
            try:
                rows = fetchmany(self, size)
            except Exception as error:
                _quietly(_fail, self, error)
                raise
            _keep(self, rows, self.arraysize if size is None else size)
            return rows

        def fetchall(self):
            """fetchall() -> list of tuple"""
            try:
                rows = fetchall(self)
            except Exception as error:
                _quietly(_fail, self, error)
                raise
            _keep(self, rows, None)
            return rows

        def __next__(self):
            try:
                row = next_row(self)
            except StopIteration:
                _keep(self, (), 1)
                raise
            except Exception as error:
                _quietly(_fail, self, error)
                raise
            _keep(self, (row,), 1)
            return row

        def scroll(self, value, mode="relative"):
            """scroll(value, mode='relative') -- Scroll to new position according to mode."""
            _quietly(_lose, self)
            scroll(self, value, mode)

        def copy_from(self, *arguments, **named):
            """copy_from(file, table, sep='\\t', null='\\\\N', size=8192, columns=None) -- Copy table from file."""
            _copied_in(self, copy_from, arguments, named)

        def copy_to(self, file, *arguments, **named):
            """copy_to(file, table, sep='\\t', null='\\\\N', columns=None) -- Copy table to file."""
            _copied_out(self, copy_to, file, arguments, named)

        def copy_expert(self, sql, file, *arguments, **named):
            """copy_expert(sql, file, size=8192) -- Submit a user-composed COPY statement."""
            if hasattr(file, "write"):
                _copied_out(self, lambda cursor, file: copy_expert(cursor, sql, file, *arguments, **named), file, (), {})
            else:
                _copied_in(self, copy_expert, (sql, file, *arguments), named)

    return _named_alike(cursor, original)


def _statement(cursor, query):
    """The text of a query, which may be bytes or composed."""
    if type(query) is str:
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    if type(query).__module__ == "psycopg2.sql":
        return query.as_string(cursor)
    return str.__str__(query) if isinstance(query, str) else repr(type(query))


def _note(cursor, query, parameters, error=None):
    cursor._homeostasis_answer = None
    connection = cursor.connection
    server = connection._homeostasis_server
    if server is None or not guard.enabled:
        return
    statement = query if type(query) is str else _statement(cursor, query)
    if parameters is not None:
        parameters = postgres.copied_parameters(parameters)
    connection._homeostasis_last = (statement, parameters)
    result = error if error is not None else postgres.Result(cursor.description, cursor.rowcount, cursor.statusmessage)
    if cursor.name is not None and error is None:
        # The columns of a cursor on the server are known when rows come.
        result.complete = False
    cursor._homeostasis_answer = postgres.note_answer(DRIVER, server, statement, parameters, result)


def _seeing(parameters, seen):
    """The same parameters one after the other, remembered as they go by."""
    for one in parameters:
        seen.append(postgres.copied_parameters(one))
        yield one


def _keep(cursor, rows, asked):
    """Keep fetched rows with their answer; `asked` is how many were asked for, None for all."""
    try:
        answer = cursor._homeostasis_answer
    except AttributeError:
        return
    if answer is None:
        return
    try:
        result = answer.result
        if type(result) is not postgres.Result:
            cursor._homeostasis_answer = None
            return
        if rows:
            if result.description is None:
                result.description = cursor.description
            if type(rows[0]) is not tuple:
                rows = [_cells(row, result.description) for row in rows]
            if not (result.keep_one(answer, rows[0]) if len(rows) == 1 else result.keep(answer, rows)):
                cursor._homeostasis_answer = None
                return
        if cursor.name is None:
            result.complete = len(result.kept) >= result.count
        elif asked is None or len(rows) < asked:
            result.complete = True
            if result.description is None:
                result.description = cursor.description
    except Exception:
        cursor._homeostasis_answer = None
        answer.result = postgres.UNSEEN
        guard.failed(DRIVER)


def _fail(cursor, error):
    """Fetching failed, by the server's doing or by that of who makes cells."""
    answer = getattr(cursor, "_homeostasis_answer", None)
    if answer is not None and type(answer.result) is postgres.Result and answer.result.then is None:
        answer.result.then = error


def _cells(row, description):
    """The cells of a row that a row factory made, which fills lists by place and dictionaries by name."""
    if isinstance(row, tuple):
        return tuple(tuple.__iter__(row))
    if isinstance(row, list):
        return tuple(list.__iter__(row))
    if isinstance(row, dict):
        return tuple([dict.__getitem__(row, column[0]) for column in description])
    raise TypeError("the cells of a %s cannot be seen" % type(row).__name__)


def _lose(cursor):
    """What is fetched after this is not in its order any more."""
    answer = getattr(cursor, "_homeostasis_answer", None)
    if type(answer) is Answer:
        answer.result = postgres.UNSEEN
        cursor._homeostasis_answer = None


def _copied_in(cursor, copy, arguments, named):
    try:
        copy(cursor, *arguments, **named)
    except Exception as error:
        _quietly(_note, cursor, cursor.query or b"COPY", None, error)
        raise
    _quietly(_note, cursor, cursor.query or b"COPY", None)


def _copied_out(cursor, copy, file, arguments, named):
    import io

    data = []
    tee = (_TextTee if isinstance(file, io.TextIOBase) else _Tee)(file, data)
    try:
        copy(cursor, tee, *arguments, **named)
    except Exception as error:
        _quietly(_note, cursor, cursor.query or b"COPY", None, error)
        raise
    _quietly(_note_copied_out, cursor, data)


def _note_copied_out(cursor, data):
    _note(cursor, cursor.query or b"COPY", None)
    answer = cursor._homeostasis_answer
    if answer is not None and data:
        answer.result.description = ((postgres.DATA, 17),)
        answer.result.keep(answer, [(part.encode() if type(part) is str else bytes(part),) for part in data])
        answer.result.complete = True


class _Tee:
    """A file that is written to, remembering what goes by."""

    def __init__(self, file, data):
        self._write = file.write
        self._data = data

    def write(self, data):
        if len(self._data) <= postgres.sql.MAX_ROWS:
            self._data.append(data)
        return self._write(data)


def _text_tee():
    import io

    class _TextTee(_Tee, io.TextIOBase):
        """The same for text, which the library knows by its class."""

    return _TextTee


def _TextTee(file, data):
    return _text_tee()(file, data)


def replay_extensions(module):
    module.cursor = _replaying_cursor(module, module.cursor)
    module.connection = _replaying_connection(module, module.connection, module.cursor)


def _replaying_connection(module, original, cursor_class):
    class Information(module.ConnectionInfo):
        """What libpq knows of the connection, but for where it really goes."""

        def __init__(self, connection):
            module.ConnectionInfo.__init__(self, connection)
            self._given = connection._homeostasis_given

        host = property(lambda self: self._given.get("host"))
        port = property(lambda self: int(self._given.get("port") or 5432))
        password = property(lambda self: self._given.get("password"))
        options = property(lambda self: self._given.get("options", ""))
        dsn_parameters = property(lambda self: _without_password(self._given))

    class connection(original):
        __slots__ = ("_homeostasis_server", "_homeostasis_last", "_homeostasis_given", "_homeostasis_stand_in", "_homeostasis_dsn")

        def __init__(self, dsn, *more, **named):
            self._homeostasis_last = None
            self._homeostasis_dsn = dsn
            self._homeostasis_given = given = module.parse_dsn(dsn)
            self._homeostasis_server = server = postgres.server_of(given)
            self._homeostasis_stand_in = None
            stand_in = _stand_in(module, server)
            self._homeostasis_stand_in = stand_in
            kept = {name: given[name] for name in ("user", "dbname", "client_encoding", "application_name") if name in given}
            original.__init__(self, module.make_dsn(host=stand_in.host, port=stand_in.port, **kept), *more, **named)

        def __del__(self):
            stand_in = getattr(self, "_homeostasis_stand_in", None)
            if stand_in is not None:
                stand_in.close()

        def __repr__(self):
            return "<connection object at %#x; dsn: '%s', closed: %d>" % (id(self), self.dsn, self.closed)

        @property
        def dsn(self):
            if "password" not in self._homeostasis_given:
                return self._homeostasis_dsn
            return module.make_dsn(**dict(self._homeostasis_given, password="xxx"))

        @property
        def info(self):
            return Information(self)

        def get_dsn_parameters(self):
            return _without_password(dict(original.get_dsn_parameters(self), **self._homeostasis_given))

        def cursor(self, *arguments, **named):
            if len(arguments) < 2 and named.get("cursor_factory") is None and self.cursor_factory is None:
                named["cursor_factory"] = cursor_class
            return original.cursor(self, *arguments, **named)

        def commit(self):
            _replay_end(self, "COMMIT", original.commit)

        def rollback(self):
            _replay_end(self, "ROLLBACK", original.rollback)

    return _named_alike(connection, original)


def _without_password(parameters):
    return {name: value for name, value in parameters.items() if name != "password" and value}


def _operational_error(reason):
    from psycopg2 import OperationalError

    return OperationalError(str(reason))


def _stand_in(module, server):
    """A server for a new connection; raises what connecting raised, where that was recorded."""
    from .postgres_stand_in import StandIn
    from .replaying import Unanswered, ask

    try:
        parameters = postgres.parameters_of_server(DRIVER, server)
    except Unanswered as reason:
        raise _operational_error(reason) from None
    return StandIn(
        parameters, lambda statement: ask(postgres.question(DRIVER, server, statement, None)), module.libpq_version()
    )


def _replay_end(connection, command, end):
    answer = postgres.refusal_of_end(DRIVER, connection._homeostasis_server, command, connection._homeostasis_last)
    if answer is None:
        end(connection)
    else:
        _told(connection, command, answer, lambda: end(connection))


def _told(connection, statement, answer, do, executions=1):
    """Do something that has this statement executed, which gets this answer."""
    stand_in = connection._homeostasis_stand_in
    stand_in.tell(statement, answer, executions)
    try:
        return do()
    except Exception as error:
        # What was raised without the server's doing says itself how it came about.
        if "error" in answer and not answer["error"].get("diagnosis"):
            recorded = postgres.made_error(answer)
            if type(recorded) is not type(error) or recorded.args != error.args:
                raise recorded from None
        raise
    finally:
        stand_in.forget()


def _replaying_cursor(module, original):
    casts = {}

    def cast(value, cursor):
        from .replaying import Unanswered

        if value is None:
            return None
        try:
            return postgres.cell_at(value)
        except Unanswered as reason:
            raise _operational_error(reason) from None

    def casting(columns):
        for _, code in columns or ():
            code = code or 25
            if code not in casts:
                casts[code] = module.new_type((code,), "HOMEOSTASIS", cast)
        return casts

    def with_casts(cursor, columns, do):
        """Which function makes a cell is decided when rows arrive."""
        before = cursor.string_types
        cursor.string_types = casting(columns)
        try:
            return do()
        finally:
            cursor.string_types = before

    def ask(cursor, query, parameters, do, executions=1):
        from .replaying import Unanswered, ask

        connection = cursor.connection
        if cursor.closed or connection.closed:
            return do()
        statement = _statement(cursor, query)
        connection._homeostasis_last = (statement, parameters)
        try:
            answer = ask(postgres.question(DRIVER, connection._homeostasis_server, statement, parameters))
        except Unanswered as reason:
            raise _operational_error(reason) from None
        cursor._homeostasis_columns = answer.get("columns")
        return with_casts(cursor, answer.get("columns"), lambda: _told(connection, statement, answer, do, executions))

    def fetching(name):
        fetch = getattr(original, name)

        def fetched(self, *arguments, **named):
            if self.name is None:
                return fetch(self, *arguments, **named)
            return with_casts(self, getattr(self, "_homeostasis_columns", None), lambda: fetch(self, *arguments, **named))

        return fetched

    class cursor(original):
        __slots__ = ("_homeostasis_columns",)

        def execute(self, query, vars=None):
            return ask(self, query, vars, lambda: original.execute(self, query, vars))

        def executemany(self, query, vars_list):
            many = postgres.sql.Many(vars_list)
            if not many:
                return original.executemany(self, query, many)
            return ask(self, query, many, lambda: original.executemany(self, query, many), len(many))

        def callproc(self, procname, parameters=None):
            return ask(self, "CALLPROC %s" % procname, parameters, lambda: original.callproc(self, procname, parameters))

    for name in ("fetchone", "fetchmany", "fetchall", "__next__"):
        setattr(cursor, name, fetching(name))
    return _named_alike(cursor, original)
