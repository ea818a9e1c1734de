"""PostgreSQL through psycopg (3.2 and later), with and without asyncio: records what the server answered, and answers again in a replay.

What cursors do is written as generators that both kinds of connection run, in `BaseCursor`. That class becomes a
subclass of itself before anyone derives from it; rows are seen where the library hands them to its row factories.
In a replay libpq is connected to a stand-in (`postgres_stand_in`), and cells are loaded by a loader of ours.
"""

from .. import guard
from . import postgres, sql
from .recording import TOO_LARGE

DRIVER = "psycopg"

# Arguments of `connect` that are not about whom to connect to.
_own_arguments = ("autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory")


def record_cursor_base(module):
    module.BaseCursor = _subclass(module, _Recording)


def replay_cursor_base(module):
    module.BaseCursor = _subclass(module, _Replaying)


def _subclass(module, methods):
    """The class itself with a place for what we keep, and with these methods in front of its own."""
    original = module.BaseCursor

    class BaseCursor(original[module.ConnectionType, module.Row]):
        __slots__ = ("_homeostasis",)

    for name, make in vars(methods).items():
        if not name.startswith("__"):
            setattr(BaseCursor, name, make(getattr(original, name)))
    BaseCursor.__module__, BaseCursor.__doc__ = original.__module__, original.__doc__
    BaseCursor.__qualname__ = original.__qualname__
    return BaseCursor


def _statement(cursor, query):
    """The text of a query, which may be bytes or composed."""
    if type(query) is str:
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    if type(query).__module__ in ("psycopg.sql", "psycopg"):
        return query.as_string(cursor)
    return str.__str__(query) if isinstance(query, str) else repr(type(query))


def _quietly(function, *arguments):
    """The program never sees an error of ours."""
    try:
        return function(*arguments)
    except Exception:
        guard.failed(DRIVER)
        return None


def _ask(cursor, query, parameters):
    """Note the question, whose answer is still to come."""
    cursor._homeostasis = None
    if not guard.enabled:
        return None
    connection = cursor._conn
    server = getattr(connection, "_homeostasis_server", None)
    statement = query if type(query) is str else _statement(cursor, query)
    if server is None or not statement:
        return None
    if parameters is not None:
        parameters = postgres.copied_parameters(parameters)
    connection._homeostasis_last = (statement, parameters)
    cursor._homeostasis = answer = postgres.note_answer(DRIVER, server, statement, parameters, None)
    return answer


def _refuse(answer, error):
    if answer is not None and answer.result is not TOO_LARGE:
        answer.result = error


def _current(cursor):
    try:
        return cursor._homeostasis
    except AttributeError:
        return None


def _asking(original):
    """Around a generator that sends a query."""

    def asking(self, query, params=None, *more, **named):
        answer = _quietly(_ask, self, query, params)
        try:
            return (yield from original(self, query, params, *more, **named))
        except Exception as error:
            _refuse(answer, error)
            raise

    return asking


def _asking_many(original):
    def asking(self, query, params_seq, *more, **named):
        seen = sql.Many()
        answer = _quietly(_ask, self, query, seen)
        if answer is not None:
            # Its place is taken by a copy.
            answer.question = answer.question[:3] + (seen,)
        try:
            yield from original(self, query, _seeing(params_seq, seen), *more, **named)
        except Exception as error:
            _refuse(answer, error)
            raise

    return asking


def _seeing(parameters, seen):
    """The same parameters one after the other, remembered as they go by."""
    for one in parameters:
        seen.append(postgres.copied_parameters(one))
        yield one


def _begin_result(cursor, number):
    """A result has become the one that is fetched from."""
    answer = _current(cursor)
    if answer is None or answer.result is TOO_LARGE:
        return
    if type(answer.result) is Copied:
        answer.result.count = cursor._rowcount
        return
    result = cursor.pgresult
    if number:
        # One of several results of one execution; only the first is kept.
        answer.result = postgres.UNSEEN
        cursor._homeostasis = None
        return
    columns = [(result.fname(place), result.ftype(place)) for place in range(result.nfields)]
    status = result.command_status
    answer.result = kept = postgres.Result(
        columns if columns or result.status == 2 else None, cursor._rowcount, status.decode() if status else None
    )
    if columns:
        # A cursor on the server is described before anything is fetched.
        kept.complete = result.status == 2 and not cursor._rowcount
        cursor._make_row = _keeping(answer, kept, cursor._make_row)


def _keeping(answer, result, make):
    """The row maker, keeping the cells that it is given."""
    kept = result.kept
    announced = result.count
    keep_one = result.keep_one
    going = True

    def make_row(values):
        nonlocal going
        if going:
            try:
                if result.steady and len(kept) & 15 > 1:
                    kept.append(values)
                else:
                    going = answer.result is result and keep_one(answer, tuple(values))
                if len(kept) == announced:
                    result.complete = True
            except Exception:
                going = False
                answer.result = postgres.UNSEEN
                guard.failed(DRIVER)
        return make(values)

    return make_row


class Copied(postgres.Result):
    """What a COPY brought or took: a column of the data as they came."""

    __slots__ = ()


def _begin_copy(cursor):
    answer = _current(cursor)
    if answer is None:
        return
    answer.result = copied = Copied(None, -1, "COPY")
    result = cursor.pgresult
    # COPY_OUT, as libpq numbers it.
    if result.status == 3:
        data = postgres.BINARY_DATA if result.binary_tuples else postgres.DATA
        copied.description = ((data, 17), (postgres.WIDTH, result.nfields))


class _Recording:
    """Methods of `BaseCursor`, each made from the original one."""

    _execute_gen = _asking
    _executemany_gen_pipeline = _asking_many
    _executemany_gen_no_pipeline = _asking_many
    _stream_send_gen = _asking

    def _start_copy_gen(original):
        asking = _asking(original)

        def _start_copy_gen(self, *arguments, **named):
            result = yield from asking(self, *arguments, **named)
            _quietly(_begin_copy, self)
            return result

        return _start_copy_gen

    def _check_results(original):
        def _check_results(self, results):
            try:
                original(self, results)
            except Exception as error:
                _refuse(_current(self), error)
                raise

        return _check_results

    def _select_current_result(original):
        def _select_current_result(self, i, format=None):
            original(self, i, format)
            try:
                _begin_result(self, i)
            except Exception:
                guard.failed(DRIVER)

        return _select_current_result

    def _set_results(original):
        def _set_results(self, results):
            original(self, results)
            if self._execmany_returning is False:
                _quietly(_count_many, self, results)

        return _set_results

    def _stream_fetchone_gen(original):
        def _stream_fetchone_gen(self, first):
            result = yield from original(self, first)
            if first and result is not None:
                _quietly(_begin_stream, self)
            elif result is None:
                _quietly(_end_stream, self)
            return result

        return _stream_fetchone_gen

    def _scroll(original):
        def _scroll(self, value, mode):
            _quietly(_lose, self)
            return original(self, value, mode)

        return _scroll


def _count_many(cursor, results):
    """One more execution of many is done; what is known is their sum, and what the server said of the last."""
    answer = _current(cursor)
    if answer is None or isinstance(answer.result, BaseException):
        return
    status = results[-1].command_status
    answer.result = postgres.Result(None, cursor._rowcount, status.decode() if status else None)


def _begin_stream(cursor):
    answer = _current(cursor)
    if answer is None:
        return
    cursor._results = []
    _begin_result(cursor, 0)
    if type(answer.result) is postgres.Result:
        answer.result.status = "SELECT"


def _end_stream(cursor):
    answer = _current(cursor)
    if answer is not None and type(answer.result) is postgres.Result:
        answer.result.complete = True


def _lose(cursor):
    """What is fetched after this is not in its order any more."""
    answer = _current(cursor)
    if answer is not None and type(answer.result) is postgres.Result:
        answer.result = postgres.UNSEEN
        cursor._homeostasis = None


def record_server_cursor_base(module):
    mixin = module.ServerCursorMixin
    mixin._declare_gen = _asking(mixin._declare_gen)
    fetch = mixin._fetch_gen

    def _fetch_gen(self, num):
        try:
            rows = yield from fetch(self, num)
        except Exception as error:
            _quietly(_fail, self, error)
            raise
        if num is None or len(rows) < num:
            _quietly(_end_stream, self)
        return rows

    def _scroll_gen(self, value, mode, scroll=mixin._scroll_gen):
        _quietly(_lose, self)
        return (yield from scroll(self, value, mode))

    mixin._fetch_gen = _fetch_gen
    mixin._scroll_gen = _scroll_gen


def record_copy_base(module):
    original = module.BaseCopy._read_gen

    def _read_gen(self):
        data = yield from original(self)
        if data:
            _quietly(_keep_data, self.cursor, data)
        return data

    module.BaseCopy._read_gen = _read_gen


def _keep_data(cursor, data):
    answer = _current(cursor)
    if answer is not None and type(answer.result) is Copied:
        answer.result.complete = answer.result.keep(answer, ((bytes(data),),))


def record_copy(module):
    """An error may come when all data were sent."""
    finish = module.Copy.finish

    def finish_and_tell(self, exc):
        try:
            return finish(self, exc)
        except Exception as error:
            _refuse(_current(self.cursor), error)
            raise

    module.Copy.finish = finish_and_tell


def record_copy_async(module):
    finish = module.AsyncCopy.finish

    async def finish_and_tell(self, exc):
        try:
            return await finish(self, exc)
        except Exception as error:
            _refuse(_current(self.cursor), error)
            raise

    module.AsyncCopy.finish = finish_and_tell


def record_cursor(module):
    _keep_row_factory(module.Cursor)
    for name in ("fetchone", "fetchmany", "fetchall"):
        setattr(module.Cursor, name, _fetching(getattr(module.Cursor, name)))


def record_cursor_async(module):
    _keep_row_factory(module.AsyncCursor)
    for name in ("fetchone", "fetchmany", "fetchall"):
        setattr(module.AsyncCursor, name, _fetching_async(getattr(module.AsyncCursor, name)))


def _fetching(original):
    def fetching(self, *arguments, **named):
        try:
            return original(self, *arguments, **named)
        except Exception as error:
            _quietly(_fail, self, error)
            raise

    return _like(fetching, original)


def _fetching_async(original):
    async def fetching(self, *arguments, **named):
        try:
            return await original(self, *arguments, **named)
        except Exception as error:
            _quietly(_fail, self, error)
            raise

    return _like(fetching, original)


def _fail(cursor, error):
    """Fetching failed, by the server's doing or by that of who loads cells."""
    answer = _current(cursor)
    if answer is not None and type(answer.result) is postgres.Result and answer.result.then is None:
        answer.result.then = error


def _keep_row_factory(class_):
    """A row factory that is set after a statement was executed makes a row maker anew."""
    plain = class_.row_factory

    def set_row_factory(self, row_factory):
        plain.fset(self, row_factory)
        answer = _current(self)
        if answer is not None and self.pgresult and type(answer.result) is postgres.Result:
            self._make_row = _keeping(answer, answer.result, self._make_row)

    class_.row_factory = property(plain.fget, set_row_factory, plain.fdel, plain.__doc__)


def record_connection_base(module):
    original = module.BaseConnection._exec_command

    def _exec_command(self, command, *more, **named):
        try:
            return (yield from original(self, command, *more, **named))
        except Exception as error:
            _quietly(_note_failed_command, self, command, error)
            raise

    module.BaseConnection._exec_command = _exec_command


def _note_failed_command(connection, command, error):
    server = getattr(connection, "_homeostasis_server", None)
    if server is not None and guard.enabled:
        last = getattr(connection, "_homeostasis_last", None)
        postgres.note_failed_end(DRIVER, server, _statement(connection, command), last, error)


def _given(conninfo, named):
    """The parameters of a connection as the program gave them."""
    from psycopg.conninfo import conninfo_to_dict

    return conninfo_to_dict(conninfo, **{name: value for name, value in named.items() if name not in _own_arguments})


def _note_connected(connection, conninfo, named):
    connection._homeostasis_server = server = postgres.server_of(_given(conninfo, named))
    pgconn = connection.pgconn

    def parameter_status(name):
        value = pgconn.parameter_status(name.encode())
        return value.decode() if value is not None else None

    postgres.note_connected(DRIVER, server, parameter_status)


def _note_refused_connection(conninfo, named, error):
    postgres.note_refused_connection(DRIVER, postgres.server_of(_given(conninfo, named)), error)


def record_connection(module):
    original = module.Connection.connect.__func__

    def connect(cls, conninfo="", **named):
        try:
            connection = original(cls, conninfo, **named)
        except module.e.Error as error:
            _quietly(_note_refused_connection, conninfo, named, error)
            raise
        _quietly(_note_connected, connection, conninfo, named)
        return connection

    module.Connection.connect = classmethod(_like(connect, original))


def record_connection_async(module):
    original = module.AsyncConnection.connect.__func__

    async def connect(cls, conninfo="", **named):
        try:
            connection = await original(cls, conninfo, **named)
        except module.e.Error as error:
            _quietly(_note_refused_connection, conninfo, named, error)
            raise
        _quietly(_note_connected, connection, conninfo, named)
        return connection

    module.AsyncConnection.connect = classmethod(_like(connect, original))


def _like(function, original):
    from functools import update_wrapper

    return update_wrapper(function, original)


POOL = "CONNECTION FROM "


def record_pool(module):
    original = module.ConnectionPool.getconn

    def getconn(self, *arguments, **named):
        try:
            return original(self, *arguments, **named)
        except Exception as error:
            _quietly(postgres.note_answer, DRIVER, "", POOL + self.name, None, error)
            raise

    module.ConnectionPool.getconn = _like(getconn, original)


def record_pool_async(module):
    original = module.AsyncConnectionPool.getconn

    async def getconn(self, *arguments, **named):
        try:
            return await original(self, *arguments, **named)
        except Exception as error:
            _quietly(postgres.note_answer, DRIVER, "", POOL + self.name, None, error)
            raise

    module.AsyncConnectionPool.getconn = _like(getconn, original)


# Replay.


def _operational_error(reason):
    from psycopg import OperationalError

    return OperationalError(str(reason))


def _answer_to(cursor, query, parameters):
    """The statement with its recorded answer, or None where there is nothing to ask."""
    from .replaying import Unanswered, ask

    connection = cursor._conn
    statement = _statement(cursor, query)
    if not statement or cursor.closed or connection.closed:
        return None
    connection._homeostasis_last = (statement, parameters)
    try:
        return statement, ask(postgres.question(DRIVER, connection._homeostasis_server, statement, parameters))
    except Unanswered as reason:
        raise _operational_error(reason) from None


def _told(connection, told, generator, executions=1):
    """Run a generator that has a statement executed, which gets the answer told."""
    if told is None:
        return (yield from generator)
    statement, answer = told
    stand_in = connection._homeostasis_stand_in
    if connection._pipeline:
        stand_in.also_tell(statement, answer, executions)
        return (yield from generator)
    stand_in.tell(statement, answer, executions)
    try:
        return (yield from generator)
    except Exception as error:
        # What was raised without the server's doing says itself how it came about.
        if "error" in answer and not answer["error"].get("diagnosis"):
            recorded = postgres.made_error(answer)
            if type(recorded) is not type(error) or recorded.args != error.args:
                raise recorded from None
        raise
    finally:
        stand_in.forget()


def _answering(original):
    def answering(self, query, params=None, *more, **named):
        told = _answer_to(self, query, params)
        return (yield from _told(self._conn, told, original(self, query, params, *more, **named)))

    return answering


def _answering_many(original):
    def answering(self, query, params_seq, *more, **named):
        many = sql.Many(params_seq)
        told = _answer_to(self, query, many) if many else None
        return (yield from _told(self._conn, told, original(self, query, many, *more, **named), len(many)))

    return answering


def _load_cells(cursor):
    """Cells are loaded from their places, whatever their types."""
    result = cursor.pgresult
    if result is not None and result.nfields and result.status not in COPIES:
        cursor._tx.set_loader_types([LOADER_TYPE] * result.nfields, 0)


# Results of COPY, as libpq numbers them.
COPIES = (3, 4)
# No type of a server has this number.
LOADER_TYPE = (1 << 32) - 2


def _loader():
    from psycopg.adapt import Loader

    from .replaying import Unanswered

    class CellLoader(Loader):
        def load(self, data):
            try:
                return postgres.cell_at(bytes(data))
            except Unanswered as reason:
                raise _operational_error(reason) from None

    return CellLoader


class _Replaying:
    """Methods of `BaseCursor`, each made from the original one."""

    _execute_gen = _answering
    _executemany_gen_pipeline = _answering_many
    _executemany_gen_no_pipeline = _answering_many
    _stream_send_gen = _answering
    _start_copy_gen = _answering

    def _select_current_result(original):
        def _select_current_result(self, i, format=None):
            original(self, i, format)
            _load_cells(self)

        return _select_current_result

    def _stream_fetchone_gen(original):
        def _stream_fetchone_gen(self, first):
            result = yield from original(self, first)
            if first and result is not None:
                _load_cells(self)
            return result

        return _stream_fetchone_gen


def replay_server_cursor_base(module):
    mixin = module.ServerCursorMixin
    mixin._declare_gen = _answering(mixin._declare_gen)


def replay_connection_base(module):
    original = module.BaseConnection._exec_command
    information = module.BaseConnection.info

    def _exec_command(self, command, *more, **named):
        generator = original(self, command, *more, **named)
        server = getattr(self, "_homeostasis_server", None)
        if server is None:
            return (yield from generator)
        statement = _statement(self, command)
        answer = postgres.refusal_of_end(DRIVER, server, statement, getattr(self, "_homeostasis_last", None))
        if answer is None:
            return (yield from generator)
        return (yield from _told(self, (statement, answer), generator))

    def info(self):
        given = getattr(self, "_homeostasis_given", None)
        return information.fget(self) if given is None else _information()(self.pgconn, given)

    module.BaseConnection._exec_command = _exec_command
    module.BaseConnection.info = property(info, doc=information.__doc__)


def _information():
    from psycopg import ConnectionInfo
    from psycopg.conninfo import make_conninfo

    class Information(ConnectionInfo):
        """What libpq knows of the connection, but for where it really goes."""

        def __init__(self, pgconn, given):
            super().__init__(pgconn)
            self._given = {name: str(value) for name, value in given.items() if value is not None}

        host = property(lambda self: self._given.get("host", ""))
        hostaddr = property(lambda self: self._given.get("hostaddr", ""))
        port = property(lambda self: int(self._given.get("port") or 5432))
        password = property(lambda self: self._given.get("password", ""))
        options = property(lambda self: self._given.get("options", ""))

        def get_parameters(self):
            known = {name: value for name, value in super().get_parameters().items() if name not in ("host", "port")}
            known.update(self._given)
            known.pop("password", None)
            return known

        @property
        def dsn(self):
            return make_conninfo(**self.get_parameters())

    return Information


def _stand_in(given):
    """A server for a new connection; raises what connecting raised, where that was recorded."""
    from psycopg import pq

    from .postgres_stand_in import StandIn
    from .replaying import Unanswered, ask

    server = postgres.server_of(given)
    try:
        parameters = postgres.parameters_of_server(DRIVER, server)
    except Unanswered as reason:
        raise _operational_error(reason) from None
    return StandIn(
        parameters, lambda statement: ask(postgres.question(DRIVER, server, statement, None)), pq.version()
    )


def _to_stand_in(stand_in, given, named):
    """The arguments of `connect` for a connection to the stand-in."""
    kept = {name: value for name, value in named.items() if name in _own_arguments}
    for name in ("user", "dbname", "client_encoding", "application_name"):
        if given.get(name):
            kept[name] = given[name]
    return dict(kept, host=stand_in.host, port=stand_in.port)


def _remember(connection, stand_in, given):
    from weakref import finalize

    connection._homeostasis_server = postgres.server_of(given)
    connection._homeostasis_stand_in = stand_in
    connection._homeostasis_given = given
    # Its cursors take their loaders from here when they are made.
    connection.adapters.register_loader(LOADER_TYPE, _loader())
    finalize(connection, stand_in.close)


def replay_connection(module):
    original = module.Connection.connect.__func__
    module.conninfo_attempts = lambda params: [params]

    def connect(cls, conninfo="", **named):
        given = _given(conninfo, named)
        stand_in = _stand_in(given)
        connection = original(cls, "", **_to_stand_in(stand_in, given, named))
        _remember(connection, stand_in, given)
        return connection

    module.Connection.connect = classmethod(_like(connect, original))


def replay_connection_async(module):
    original = module.AsyncConnection.connect.__func__

    async def attempts(params):
        return [params]

    async def connect(cls, conninfo="", **named):
        given = _given(conninfo, named)
        stand_in = _stand_in(given)
        connection = await original(cls, "", **_to_stand_in(stand_in, given, named))
        _remember(connection, stand_in, given)
        return connection

    module.conninfo_attempts_async = attempts
    module.AsyncConnection.connect = classmethod(_like(connect, original))


def _recorded_refusal(pool):
    from .replaying import look

    answer = look(postgres.question(DRIVER, "", POOL + pool.name, None))
    if answer is not None:
        raise postgres.made_error(answer)


def replay_pool(module):
    original = module.ConnectionPool.getconn

    def getconn(self, *arguments, **named):
        _recorded_refusal(self)
        return original(self, *arguments, **named)

    module.ConnectionPool.getconn = _like(getconn, original)


def replay_pool_async(module):
    original = module.AsyncConnectionPool.getconn

    async def getconn(self, *arguments, **named):
        _recorded_refusal(self)
        return await original(self, *arguments, **named)

    module.AsyncConnectionPool.getconn = _like(getconn, original)
