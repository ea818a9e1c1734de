"""Replays of PostgreSQL through asyncpg: no server is there, a protocol of ours gives the recorded answers; recording is in `sql_asyncpg`.

Connections, pools, transactions, cursors and prepared statements are the library's own. Records are too: Python
cannot make them, so its own C functions are called for that, which the library exports.
"""

import weakref
from uuid import UUID

from ..calls import Unfaithful
from . import errors, matching, replaying, sql
from .sql_asked import many
from .sql_asyncpg import DRIVER, PREPARE, SETTINGS, server_of, settled

# What changes nothing that is told later: it is as good as done where nobody recorded it.
_harmless = ("rollback", "begin", "savepoint", "release", "select pg_advisory_unlock_all", "close all", "unlisten", "reset all", "discard")


def replay(module):
    protocol = module.protocol
    records = Records(protocol)

    async def _connect_addr(*, addr, loop, params, config, connection_class, record_class):
        server = server_of(addr, params)
        question = _question(server, sql.CONNECT, (server,))
        answer = replaying.look(question)
        if answer is None:
            raise lost(module, replaying.vain(question, "nobody recorded an answer"))
        if "error" in answer:
            raise errors.made(answer["error"])
        settings = Settings(dict(zip(SETTINGS, sql.rows_of(answer)[0])))
        spoken = RecordedProtocol(module, records, server, settings, config, record_class)
        connection = connection_class(spoken, Transport(), loop, addr, config, params)
        spoken.set_connection(connection)
        return connection

    module._connect_addr = _connect_addr


def lost(module, reason):
    return module.exceptions.ConnectionDoesNotExistError("connection was closed in the middle of operation (%s)" % reason)


def _question(server, statement, parameters):
    question = sql.described_question((DRIVER, server, settled(statement), parameters))
    question["kind"] = "sql"
    return question


class Records:
    """Makes the library's records from values."""

    def __init__(self, protocol):
        import ctypes
        import sys

        self.class_ = protocol.Record
        # The items of a record come behind its fixed fields.
        self.offset = protocol.Record.__basicsize__
        self.identifier = sys.modules["asyncpg.pgproto.pgproto"].UUID
        library = ctypes.PyDLL(sys.modules["asyncpg.protocol.protocol"].__file__)
        self.new_description = library.ApgRecordDesc_New
        self.new_description.argtypes, self.new_description.restype = (ctypes.py_object, ctypes.py_object), ctypes.py_object
        self.new = library.ApgRecord_New
        self.new.argtypes, self.new.restype = (ctypes.py_object, ctypes.py_object, ctypes.c_ssize_t), ctypes.py_object
        self.hold, self.place = ctypes.pythonapi.Py_IncRef, ctypes.c_void_p
        self.hold.argtypes = (ctypes.py_object,)

    def made(self, class_, names, rows):
        """Records of this class with these columns."""
        description = self.new_description({name: place for place, name in enumerate(names)}, tuple(names))
        return [self._record(class_, description, row) for row in rows]

    def _record(self, class_, description, row):
        record = self.new(class_, description, len(row))
        at = id(record) + self.offset
        for number, value in enumerate(row):
            value = self._value(value)
            self.hold(value)
            self.place.from_address(at + 8 * number).value = id(value)
        return record

    def _value(self, value):
        if type(value) is UUID:
            return self.identifier(str(value))
        return [self._value(one) for one in value] if type(value) is list else value


class Transport:
    """Where a connection had its socket."""

    def abort(self):
        pass

    close = abort

    def is_closing(self):
        return False

    def get_extra_info(self, name, default=None):
        return default


class Settings:
    """What the server told of itself; how values travel is of no matter here."""

    def __init__(self, told):
        self._told = {name: value for name, value in told.items() if value is not None}

    def __getattr__(self, name):
        if name.startswith("__") or name not in self._told:
            raise AttributeError(name)
        return self._told[name]

    def _ignored(self, *arguments, **named):
        pass

    add_python_codec = remove_python_codec = set_builtin_type_codec = clear_type_cache = register_data_types = _ignored


class State:
    """A prepared statement, as far as the library asks for it."""

    closed = False
    prepared = True
    refs = 0

    def __init__(self, protocol, name, query, record_class, ignore_custom_codec):
        self.protocol = protocol
        self.name = name
        self.query = query
        self.record_class = record_class
        self.ignore_custom_codec = ignore_custom_codec

    def attach(self):
        self.refs += 1

    def detach(self):
        self.refs -= 1

    def mark_closed(self):
        self.closed = True

    def mark_unprepared(self):
        self.prepared = False

    def _init_types(self):
        return set()

    def _init_codecs(self):
        pass

    def _get_parameters(self):
        raise lost(self.protocol.module, replaying.vain(_question("", self.query, None), "nobody recorded the types of its parameters"))

    def _get_attributes(self):
        """The columns, by any recorded answer to this statement."""
        types = self.protocol.module.protocol
        names = {oid: name for name, oid in types.BUILTIN_TYPE_NAME_MAP.items()}
        from asyncpg.types import Attribute, Type

        question = _question("", self.query, None)
        for recorded in replaying.alike(question):
            if matching.texts(recorded["statement"], question["statement"]) == matching.NOT:
                continue
            columns = recorded["answer"].get("columns")
            if columns:
                return tuple(Attribute(name, Type(oid, names.get(oid, "?"), "scalar", "pg_catalog")) for name, oid in columns)
        return ()


class Portal:
    """An answer that is being fetched by a cursor."""

    def __init__(self, question, answer, rows):
        self.question = question
        self.answer = answer
        self.rows = rows
        self.then = answer.get("then")

    def take(self, module, limit):
        """The next rows, and whether they were the last."""
        complete = self.answer["complete"]
        if limit and len(self.rows) >= limit:
            taken, self.rows = self.rows[:limit], self.rows[limit:]
            return taken, complete and not self.rows and not limit
        if self.then is not None:
            raise errors.made(self.then)
        if not complete:
            raise lost(module, replaying.vain(self.question, "nobody recorded more rows"))
        taken, self.rows = self.rows, []
        return taken, True


class RecordedProtocol:
    """Answers for the server."""

    is_ssl = False
    backend_pid = 0
    backend_secret = 0

    def __init__(self, module, records, server, settings, config, record_class):
        self.module = module
        self.records = records
        self.server = server
        self.settings = settings
        self.config = config
        self.record_class = record_class
        self.queries_count = 0
        self.closing = False
        self.in_transaction = False
        self.portals = {}

    def set_connection(self, connection):
        self.connection = weakref.ref(connection)

    def get_settings(self):
        return self.settings

    def get_record_class(self):
        return self.record_class

    def get_server_pid(self):
        return self.backend_pid

    def is_in_transaction(self):
        return self.in_transaction

    def is_connected(self):
        return not self.closing

    def is_closed(self):
        return self.closing

    def _is_cancelling(self):
        return False

    async def _wait_for_cancellation(self):
        pass

    def abort(self):
        self.closing = True

    async def close(self, timeout):
        self.closing = True

    async def close_statement(self, state, timeout):
        state.closed = True

    async def close_portal(self, portal_name, timeout):
        self.portals.pop(portal_name, None)

    def _get_timeout(self, timeout):
        if timeout is None:
            return self.config.command_timeout
        try:
            if type(timeout) is bool:
                raise ValueError
            return float(timeout)
        except ValueError:
            raise ValueError("invalid timeout value: expected non-negative float (got %r)" % (timeout,)) from None

    def _check(self):
        if self.closing:
            raise self.module.exceptions.InterfaceError("cannot perform operation: connection is closed")

    async def prepare(self, stmt_name, query, timeout, *, state=None, ignore_custom_codec=False, record_class):
        self._check()
        answer = replaying.look(_question(self.server, PREPARE + query, None))
        if answer is not None and "error" in answer:
            raise errors.made(answer["error"])
        return State(self, stmt_name, query, record_class, ignore_custom_codec)

    def _ask(self, question):
        self._check()
        self.queries_count += 1
        reason = None
        try:
            answer = replaying.ask(question)
        except replaying.Unanswered as unanswered:
            reason = unanswered
        if reason is not None:
            raise lost(self.module, reason)
        if "error" in answer:
            raise errors.made(answer["error"])
        try:
            rows = sql.rows_of(answer)
        except Unfaithful as unfaithful:
            reason = "the recorded answer %s" % unfaithful
        if reason is not None:
            raise lost(self.module, replaying.vain(question, reason))
        return answer, rows

    def _records(self, state, answer, rows):
        names = [name for name, _ in answer["columns"] or ()]
        return self.records.made(state.record_class, names, rows)

    async def bind_execute(self, state, args, portal_name, limit, return_extra, timeout):
        question = _question(self.server, state.query, args)
        answer, rows = self._ask(question)
        portal = Portal(question, answer, rows)
        rows, complete = portal.take(self.module, limit)
        if portal_name:
            self.portals[portal_name] = portal
        found = self._records(state, answer, rows)
        status = answer["status"]
        return (found, None if status is None else status.encode(), complete) if return_extra else found

    async def bind_execute_many(self, state, args, portal_name, timeout, return_rows):
        args = args if type(args) in (list, tuple) else list(args)
        answer, rows = self._ask(_question(self.server, state.query, many(args)))
        return self._records(state, answer, rows) if return_rows else None

    async def bind(self, state, args, portal_name, timeout):
        question = _question(self.server, state.query, args)
        self.portals[portal_name] = Portal(question, *self._ask(question))

    async def execute(self, state, portal_name, limit, return_extra, timeout):
        portal = self.portals[portal_name]
        rows, complete = portal.take(self.module, limit)
        found = self._records(state, portal.answer, rows)
        return (found, None, complete) if return_extra else found

    async def query(self, query, timeout):
        self._get_timeout(timeout)
        question = _question(self.server, query, None)
        words = query.strip().lower()
        if words.startswith(_harmless):
            self._check()
            answer = replaying.look(question)
            if answer is not None and "error" in answer:
                raise errors.made(answer["error"])
        else:
            answer, _ = self._ask(question)
        if words.startswith(("begin", "start transaction")):
            self.in_transaction = True
        elif words.startswith(("commit", "end", "rollback")) and " to " not in words:
            self.in_transaction = False
        return answer["status"] if answer is not None else words.split()[0].rstrip(";").upper()

    async def _copy(self, copy_stmt, *arguments):
        raise lost(self.module, replaying.vain(_question(self.server, copy_stmt, None), "nobody recorded what was copied"))

    copy_in = copy_out = _copy
