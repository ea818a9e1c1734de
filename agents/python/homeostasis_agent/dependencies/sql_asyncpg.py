"""Records what PostgreSQL answers through asyncpg; replays are in `sql_asyncpg_replay`.

All that a connection, a pool, a prepared statement, a cursor or a transaction asks goes through the methods of one
class, its protocol. Records are immutable and kept as they are; what is copied in and out is not recorded.
"""

import re
import sys
from functools import wraps

from .. import guard
from . import sql
from .recording import TOO_LARGE, note
from .sql_asked import MAX_MANY, failure, kept, many, note_asked, size_of, size_of_rows

DRIVER = "asyncpg"
# An error that came before a statement had parameters.
PREPARE = "prepare "
# What the server tells of itself when a connection is made.
SETTINGS = (
    "server_version", "server_encoding", "client_encoding", "application_name", "is_superuser", "DateStyle",
    "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings", "in_hot_standby",
    "default_transaction_read_only",
)
MAX_PORTALS = 100

_unique = re.compile("__asyncpg_([a-z]+)_[0-9a-f]+__")


class Result:
    """What a statement brought, a `sql.Result`; what of it can wait is made when it is described."""

    __slots__ = ("state", "records", "bytes", "complete", "then")

    count = -1
    id = None

    def __init__(self, state, records, status, complete):
        self.state = state
        self.records = records
        self.bytes = status
        self.complete = complete
        self.then = None

    @property
    def columns(self):
        attributes = self.state._get_attributes() if self.state is not None else ()
        return [(attribute.name, attribute.type.oid) for attribute in attributes] or None

    @property
    def status(self):
        return self.bytes.decode("utf-8", "replace") if type(self.bytes) is bytes else self.bytes

    @property
    def rows(self):
        protocol = sys.modules["asyncpg.protocol"]
        cells = protocol.Record.__iter__
        return [tuple(_plain(cell) for cell in cells(record)) for record in self.records or ()]


def _plain(cell):
    """Identifiers are of a class of the library; they come back as one."""
    class_ = type(cell)
    if class_.__name__ == "UUID" and class_.__module__ == "asyncpg.pgproto.pgproto":
        from uuid import UUID

        return UUID(int=cell.int)
    return [_plain(one) for one in cell] if class_ is list else cell


def settled(query):
    """The names of savepoints and portals are counted through the process."""
    return _unique.sub(r"__asyncpg_\1__", query) if "__asyncpg_" in query else query


def server_of(addr, params):
    place = addr if isinstance(addr, str) else "%s:%s" % tuple(addr[:2])
    return "%s/%s" % (place, params.database)


def record_connect(module):
    original = module._connect_addr

    @wraps(original)
    async def _connect_addr(*, addr, params, **named):
        server = server_of(addr, params)
        try:
            connection = await original(addr=addr, params=params, **named)
        except Exception as error:
            _note(server, sql.CONNECT, (server,), failure(error))
            raise
        try:
            protocol = connection._protocol
            protocol._homeostasis_server = server
            settings = protocol.get_settings()
            result = sql.Result([(name, None) for name in SETTINGS])
            result.rows.append(tuple([getattr(settings, name, None) for name in SETTINGS]))
            result.complete = True
            _note(server, sql.CONNECT, (server,), result)
        except Exception:
            guard.failed("asyncpg")
        return connection

    module._connect_addr = _connect_addr


def record(module):
    class_ = module.Protocol
    bind_execute, bind_execute_many, bind = class_.bind_execute, class_.bind_execute_many, class_.bind
    execute, query, prepare, close_portal = class_.execute, class_.query, class_.prepare, class_.close_portal

    @wraps(prepare)
    async def noting_prepare(self, stmt_name, query, timeout, **named):
        try:
            return await prepare(self, stmt_name, query, timeout, **named)
        except Exception as error:
            _note(_server_of(self), PREPARE + query, None, failure(error))
            raise

    @wraps(bind_execute)
    async def noting_bind_execute(self, state, args, portal_name, limit, return_extra, timeout):
        try:
            found = await bind_execute(self, state, args, portal_name, limit, return_extra, timeout)
        except Exception as error:
            _note(_server_of(self), state.query, args, failure(error))
            raise
        try:
            records, status, complete = found if return_extra else (found, None, None)
            if complete is None:
                complete = not limit or len(records or ()) < limit
            # The list is the program's from now on.
            records = list(records) if records else None
            answer = _note(_server_of(self), state.query, kept(args), Result(state, records, status, complete), records)
            if portal_name and not complete:
                _open(self, portal_name, answer)
        except Exception:
            guard.failed("asyncpg")
        return found

    @wraps(bind_execute_many)
    async def noting_bind_execute_many(self, state, args, portal_name, timeout, return_rows):
        if type(args) in (list, tuple):
            parameters = many(args)
        else:
            parameters = sql.Many()
            args = _keeping(args, parameters)
        try:
            found = await bind_execute_many(self, state, args, portal_name, timeout, return_rows)
        except Exception as error:
            _note(_server_of(self), state.query, parameters, failure(error))
            raise
        records = list(found) if return_rows and found else None
        _note(_server_of(self), state.query, parameters, Result(state if return_rows else None, records, None, True), records)
        return found

    @wraps(bind)
    async def noting_bind(self, state, args, portal_name, timeout):
        try:
            found = await bind(self, state, args, portal_name, timeout)
        except Exception as error:
            _note(_server_of(self), state.query, args, failure(error))
            raise
        _open(self, portal_name, _note(_server_of(self), state.query, kept(args), Result(state, [], None, False)))
        return found

    @wraps(execute)
    async def noting_execute(self, state, portal_name, limit, return_extra, timeout):
        try:
            found = await execute(self, state, portal_name, limit, return_extra, timeout)
        except Exception as error:
            _interrupted(self, portal_name, failure(error))
            raise
        try:
            records, _, complete = found if return_extra else (found, None, None)
            _fetched(self, portal_name, records or (), complete)
        except Exception:
            guard.failed("asyncpg")
        return found

    @wraps(close_portal)
    async def noting_close_portal(self, portal_name, timeout):
        _portals_of(self).pop(portal_name, None)
        return await close_portal(self, portal_name, timeout)

    @wraps(query)
    async def noting_query(self, asked, timeout):
        try:
            status = await query(self, asked, timeout)
        except Exception as error:
            _note(_server_of(self), asked, None, failure(error))
            raise
        _note(_server_of(self), asked, None, Result(None, None, status, True))
        return status

    class_.prepare, class_.query = noting_prepare, noting_query
    class_.bind_execute, class_.bind_execute_many = noting_bind_execute, noting_bind_execute_many
    class_.bind, class_.execute, class_.close_portal = noting_bind, noting_execute, noting_close_portal


def _server_of(protocol):
    return protocol.__dict__.get("_homeostasis_server", "")


def _note(server, statement, parameters, result, records=None):
    try:
        if type(statement) is not str:
            return None
        size = size_of(statement, parameters)
        if records:
            size += size_of_rows(records)
            if len(records) > sql.MAX_ROWS:
                result, size = TOO_LARGE, 200
        return note_asked(DRIVER, server, settled(statement), parameters, result, size)
    except Exception:
        guard.failed("asyncpg")
        return None


def _keeping(args, parameters):
    for one in args:
        if len(parameters) < MAX_MANY:
            parameters.append(kept(one))
        yield one


def _portals_of(protocol):
    """The answers that cursors are still fetching."""
    return protocol.__dict__.setdefault("_homeostasis_portals", {})


def _open(protocol, name, answer):
    portals = _portals_of(protocol)
    if len(portals) >= MAX_PORTALS:
        portals.clear()
    if answer is not None and type(answer.result) is Result:
        portals[name] = answer


def _fetched(protocol, name, records, complete):
    portals = _portals_of(protocol)
    answer = portals.get(name)
    if answer is None:
        return
    result = answer.result
    if result.records is None:
        result.records = []
    if len(result.records) + len(records) > sql.MAX_ROWS or not answer.has_room(size_of_rows(records)):
        answer.result = TOO_LARGE
        del portals[name]
        return
    result.records.extend(records)
    if complete:
        result.complete = True
        del portals[name]


def _interrupted(protocol, name, error):
    try:
        answer = _portals_of(protocol).pop(name, None)
        if answer is not None and isinstance(error, BaseException):
            answer.result.then = error
        elif answer is not None:
            answer.result = error
    except Exception:
        guard.failed("asyncpg")
