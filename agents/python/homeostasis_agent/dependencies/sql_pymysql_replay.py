"""Replays of MySQL and MariaDB through PyMySQL: no server is there, connections give the recorded answers; recording is in `sql_pymysql`.

Cursors are the library's own. A recorded result takes the place of one that was read from the server, so that
dictionaries, unbuffered reading and several results are made of it as ever.
"""

from functools import wraps

from ..calls import Unfaithful
from . import errors, replaying, sql
from .sql_pymysql import ATTRIBUTES, COMMANDS, DRIVER, NEXT, ask_with_parameters, asked_of, server_of

# What changes nothing that is told later: it is as good as done where nobody recorded it.
_harmless = ("ROLLBACK", "BEGIN", "PING", "SET AUTOCOMMIT", "SET NAMES")
_AUTOCOMMIT = 2
_LOST, _NO_CONNECTION = 2013, 2003


def replay(module):
    connection_class = module.Connection
    ask_with_parameters(connection_class, module.Cursor)
    result_class = _recorded_result(module)
    connection_class.connect = _connecting(module, connection_class.connect)

    def query(self, sql, unbuffered=False):
        if not self._sock:
            raise module.err.InterfaceError(0, "")
        return _answered(module, self, result_class, asked_of(self, sql), unbuffered)

    def next_result(self, unbuffered=False):
        return _answered(module, self, result_class, (NEXT + self._homeostasis_last, None), unbuffered)

    def _execute_command(self, command, sql):
        if not self._sock:
            raise module.err.InterfaceError(0, "")
        text = bytes(sql).decode("utf-8", "replace") if type(sql) is not str else sql
        raise lost(module, _question(self, text, None))

    connection_class.query, connection_class.next_result = query, next_result
    connection_class._execute_command = _execute_command
    for name, told in COMMANDS.items():
        if hasattr(connection_class, name):
            setattr(connection_class, name, _commanding(module, getattr(connection_class, name), name, told))


def lost(module, question, why="nobody recorded an answer"):
    told = replaying.vain(question, why)
    return module.err.OperationalError(_LOST, "Lost connection to MySQL server during query (%s)" % told)


def _question(connection, statement, parameters):
    server = getattr(connection, "_homeostasis_server", "")
    question = sql.described_question((DRIVER, server, statement, parameters))
    question["kind"] = "sql"
    return question


class NoSocket:
    """Where a connection had its socket."""

    def close(self):
        pass

    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        pass


def _connecting(module, original):
    @wraps(original)
    def connect(self, sock=None):
        self._closed = False
        self._homeostasis_server = server = server_of(self)
        question = _question(self, sql.CONNECT, (server,))
        answer = replaying.look(question)
        if answer is None:
            told = replaying.vain(question, "nobody recorded an answer")
            raise module.err.OperationalError(_NO_CONNECTION, "Can't connect to MySQL server on %r (%s)" % (self.host, told))
        if "error" in answer:
            raise errors.made(answer["error"])
        for name, value in zip(ATTRIBUTES, sql.rows_of(answer)[0]):
            setattr(self, name, value)
        self._sock, self._rfile, self._next_seq_id, self.salt = NoSocket(), None, 0, b""
        for name in ("user", "db"):
            # The handshake makes bytes of them.
            if isinstance(getattr(self, name), str):
                setattr(self, name, getattr(self, name).encode(self.encoding))

    return connect


def _commanding(module, original, name, told):
    @wraps(original)
    def command(self, *arguments, **named):
        if self._sock is None:
            if name == "ping" and (arguments or tuple(named.values()) or (True,))[0]:
                return self.connect()
            raise module.err.InterfaceError(0, "")
        statement = told(self, *arguments, **named)
        question = _question(self, statement, None)
        answer = replaying.look(question)
        if answer is None and not statement.startswith(_harmless):
            raise lost(module, question)
        if answer is not None and "error" in answer:
            raise errors.made(answer["error"])
        if name == "_send_autocommit_mode":
            on = _AUTOCOMMIT if self.autocommit_mode else 0
            self.server_status = self.server_status & ~_AUTOCOMMIT | on
        elif name == "set_character_set":
            _set_character_set(module, self, *arguments, **named)

    return command


def _set_character_set(module, connection, charset, collation=None):
    connection.encoding = module.charset_by_name(charset).encoding
    connection.charset, connection.collation = charset, collation


def _answered(module, connection, result_class, asked, unbuffered):
    question = _question(connection, *asked)
    reason = None
    try:
        answer = replaying.ask(question)
    except replaying.Unanswered as unanswered:
        reason = str(unanswered)
    if reason is not None:
        raise module.err.OperationalError(_LOST, "Lost connection to MySQL server during query (%s)" % reason)
    connection._result = None
    if "error" in answer:
        raise errors.made(answer["error"])
    try:
        connection._result = result_class(connection, question, answer, unbuffered)
    except Unfaithful as unfaithful:
        reason = "the recorded answer %s" % unfaithful
    if reason is not None:
        raise lost(module, question, reason)
    connection._affected_rows = connection._result.affected_rows
    return connection._affected_rows


class Field:
    """A column, as far as cursors ask for it."""

    def __init__(self, name, code, table):
        self.name = name
        self.type_code = code
        self.table_name = table


def _recorded_result(module):
    class RecordedResult(module.MySQLResult):
        """A result that was recorded; of an unbuffered one the rows come one after the other."""

        def __init__(self, connection, question, answer, unbuffered):
            module.MySQLResult.__init__(self, connection)
            self.question = question
            self.recorded = sql.rows_of(answer)
            self.then = answer.get("then")
            self.whole = answer["complete"]
            more, tables = _status(answer["status"])
            self.has_next = more
            self.affected_rows = answer["count"]
            self.insert_id = int(answer["id"]["v"]) if answer["id"] is not None else None
            columns = answer["columns"]
            if columns is None:
                return
            self.fields = [Field(name, code, table) for (name, code), table in zip(columns, tables + [""] * len(columns))]
            self.field_count = len(columns)
            self.description = tuple((name, code, None, None, None, None, None) for name, code in columns)
            if unbuffered:
                self.unbuffered_active = True
                self.recorded.reverse()
            else:
                self.rows = tuple(self.recorded)
                self.connection = None

        def _read_rowdata_packet_unbuffered(self):
            if not self.unbuffered_active:
                return None
            if self.recorded:
                row = self.recorded.pop()
                self.affected_rows = 1
                self.rows = (row,)
                return row
            if self.then is not None:
                raise errors.made(self.then)
            if not self.whole:
                raise lost(module, self.question, "nobody recorded more rows")
            self._finish_unbuffered_query()
            self.rows = None
            return None

        def _finish_unbuffered_query(self):
            self.unbuffered_active = False
            self.connection = None

    return RecordedResult


def _status(status):
    more, _, tables = (status or "next=0 tables=").partition(" tables=")
    return more == "next=1", tables.split(",") if tables else []
