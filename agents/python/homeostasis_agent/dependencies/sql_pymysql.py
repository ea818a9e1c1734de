"""Records what MySQL and MariaDB answer through PyMySQL; replays are in `sql_pymysql_replay`.

The statement and its parameters are kept as the cursor was given them, what came back as the connection read it:
before cursors make dictionaries of it.
"""

from functools import wraps

from .. import guard
from . import sql
from .recording import TOO_LARGE, note
from .sql_asked import failure, grow, kept, many, note_asked, size_of, size_of_rows

DRIVER = "pymysql"
# What the server says of itself and of the connection, in this order.
ATTRIBUTES = (
    "server_version", "protocol_version", "server_capabilities", "server_language", "server_charset", "server_status",
    "server_thread_id", "host_info",
)
# Methods of a connection that bring nothing but an error, and what they ask.
COMMANDS = {
    "commit": lambda connection: "COMMIT",
    "rollback": lambda connection: "ROLLBACK",
    "begin": lambda connection: "BEGIN",
    "ping": lambda connection, reconnect=True: "PING",
    "select_db": lambda connection, db: "USE %s" % db,
    "_send_autocommit_mode": lambda connection: "SET AUTOCOMMIT = %d" % bool(connection.autocommit_mode),
    "set_character_set": lambda connection, charset, collation=None: "SET NAMES %s" % charset,
}
NEXT = "next result of "


class Result:
    """What a statement brought, a `sql.Result`; what of it can wait is made when it is described."""

    __slots__ = ("description", "fields", "rows", "count", "id", "next", "complete", "then")

    def __init__(self, read, unbuffered):
        self.description = read.description
        self.fields = getattr(read, "fields", ())
        self.count = read.affected_rows
        self.id = read.insert_id
        self.next = read.has_next
        self.then = None
        self.complete = self.description is None or not unbuffered
        self.rows = (read.rows or ()) if self.complete else []

    @property
    def columns(self):
        return None if self.description is None else [column[:2] for column in self.description]

    @property
    def status(self):
        """What cursors look at beside: whether there are more results, and the tables of columns with the same name."""
        names = [field.name for field in self.fields]
        tables = ",".join(field.table_name for field in self.fields) if len(set(names)) < len(names) else ""
        return "next=%d tables=%s" % (bool(self.next), tables)


def record(module):
    ask_with_parameters(module.Connection, module.Cursor)
    connection_class = module.Connection
    connection_class.connect = _recording_connect(connection_class.connect)
    connection_class.query = _recording_query(connection_class.query)
    connection_class.next_result = _recording_next_result(connection_class.next_result)
    for name, told in COMMANDS.items():
        if hasattr(connection_class, name):
            setattr(connection_class, name, _recording_command(getattr(connection_class, name), told))
    result_class = module.MySQLResult
    result_class._read_rowdata_packet_unbuffered = _recording_row(result_class._read_rowdata_packet_unbuffered)


def ask_with_parameters(connection_class, cursor_class):
    """Cursors leave the statement and its parameters for the connection, which is given both in one text."""
    execute, executemany = cursor_class.execute, cursor_class.executemany

    @wraps(execute)
    def execute_with_parameters(self, query, args=None):
        connection = self.connection
        if connection is None:
            return execute(self, query, args)
        asked = connection.__dict__
        # Many insertions come as one text without parameters.
        whole = asked.get("_homeostasis_many")
        asked["_homeostasis_asked"] = whole if whole is not None and args is None else (query, kept(args))
        try:
            return execute(self, query, args)
        finally:
            asked.pop("_homeostasis_asked", None)

    @wraps(executemany)
    def executemany_with_parameters(self, query, args):
        connection = self.connection
        if connection is None or type(args) not in (list, tuple):
            return executemany(self, query, args)
        connection.__dict__["_homeostasis_many"] = query, many(args)
        try:
            return executemany(self, query, args)
        finally:
            connection.__dict__.pop("_homeostasis_many", None)

    cursor_class.execute, cursor_class.executemany = execute_with_parameters, executemany_with_parameters


def asked_of(connection, text):
    """Statement and parameters that are asked with this text."""
    asked = connection.__dict__.pop("_homeostasis_asked", None)
    if asked is None or type(asked[0]) is not str:
        asked = (text if type(text) is str else bytes(text).decode("utf-8", "replace")), None
    connection._homeostasis_last = asked[0]
    return asked


def server_of(connection):
    database = connection.db
    database = database.decode("utf-8", "replace") if type(database) is bytes else database or ""
    place = connection.unix_socket or "%s:%s" % (connection.host, connection.port)
    return "%s/%s" % (place, database)


def _note(connection, statement, parameters, result):
    try:
        size = size_of(statement, parameters)
        if type(result) is Result and type(result.rows) is tuple:
            size += size_of_rows(result.rows)
            if len(result.rows) > sql.MAX_ROWS:
                result, size = TOO_LARGE, 200
        return note_asked(DRIVER, connection._homeostasis_server, statement, parameters, result, size)
    except Exception:
        guard.failed("pymysql")
        return None


def _recording_connect(original):
    @wraps(original)
    def connect(self, sock=None):
        self._homeostasis_server = server = server_of(self)
        try:
            original(self, sock)
        except Exception as error:
            _note(self, sql.CONNECT, (server,), failure(error))
            raise
        try:
            result = sql.Result([(name, None) for name in ATTRIBUTES])
            result.rows.append(tuple([getattr(self, name, None) for name in ATTRIBUTES]))
            result.complete = True
            _note(self, sql.CONNECT, (server,), result)
        except Exception:
            guard.failed("pymysql")

    return connect


def _recording_query(original):
    @wraps(original)
    def query(self, sql, unbuffered=False):
        statement, parameters = asked_of(self, sql)
        try:
            found = original(self, sql, unbuffered)
        except Exception as error:
            _note(self, statement, parameters, failure(error))
            raise
        _note_result(self, statement, parameters, unbuffered)
        return found

    return query


def _recording_next_result(original):
    @wraps(original)
    def next_result(self, unbuffered=False):
        statement = NEXT + getattr(self, "_homeostasis_last", "")
        try:
            found = original(self, unbuffered)
        except Exception as error:
            _note(self, statement, None, failure(error))
            raise
        _note_result(self, statement, None, unbuffered)
        return found

    return next_result


def _note_result(connection, statement, parameters, unbuffered):
    read = connection._result
    result = Result(read, unbuffered)
    answer = _note(connection, statement, parameters, result)
    if not result.complete:
        read._homeostasis_answer = answer


def _recording_command(original, told):
    @wraps(original)
    def command(self, *arguments, **named):
        try:
            found = original(self, *arguments, **named)
        except Exception as error:
            _note_command(self, told, arguments, named, failure(error))
            raise
        _note_command(self, told, arguments, named, sql.Result())
        return found

    return command


def _note_command(connection, told, arguments, named, result):
    try:
        statement = told(connection, *arguments, **named)
        note("sql", (DRIVER, getattr(connection, "_homeostasis_server", ""), statement, None), result, 250)
    except Exception:
        guard.failed("pymysql")


def _recording_row(original):
    """Rows of unbuffered cursors are kept as they are read."""

    @wraps(original)
    def _read_rowdata_packet_unbuffered(self):
        try:
            row = original(self)
        except Exception as error:
            _heard(self, None, failure(error))
            raise
        _heard(self, row, None)
        return row

    return _read_rowdata_packet_unbuffered


def _heard(read, row, error):
    answer = read.__dict__.get("_homeostasis_answer")
    if answer is None:
        return
    try:
        if row is not None:
            if not grow(answer, [row]):
                read._homeostasis_answer = None
            return
        if error is None:
            answer.result.complete = True
        elif isinstance(error, BaseException):
            answer.result.then = error
        else:
            answer.result = error
        read._homeostasis_answer = None
    except Exception:
        guard.failed("pymysql")
