"""A stand-in for a PostgreSQL server within the process: it speaks the protocol, and says what it was told to say.

Libraries for PostgreSQL are made around libpq, whose connections cannot be made up. So a replay gives libpq a real
connection, to this. It keeps the state of transactions and of cursors as a server does; the answers are those that
were recorded, with the place of each cell (`postgres.place_of`) on the wire instead of its value.
It knows no SQL beyond what the libraries send on their own account.
"""

import os
import re
import struct
from _socket import AF_UNIX, SOCK_STREAM, socket
from itertools import count

from . import postgres, sql

PROTOCOL = 3 << 16
_requests = {80877102: "cancel", 80877103: "encryption", 80877104: "encryption"}
# Rows that were not fetched when they were recorded are announced up to this number.
MAX_ANNOUNCED = 100000

_own = re.compile(
    r"(?is)^\s*(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|SET|RESET|DEALLOCATE|DISCARD|"
    r"PREPARE TRANSACTION|DECLARE|FETCH|MOVE|CLOSE|LISTEN|UNLISTEN)\b"
)
_fetch = re.compile(r'(?is)^\s*(FETCH|MOVE)\s+(?:FORWARD\s+)?(ABSOLUTE\s+)?(-?\d+|ALL)\s+FROM\s+("(?:[^"]|"")*"|\w+)')
_declare = re.compile(r'(?is)^\s*DECLARE\s+("(?:[^"]|"")*"|\w+)')
_close = re.compile(r'(?is)^\s*CLOSE\s+("(?:[^"]|"")*"|\w+)')
_set = re.compile(r"(?is)^\s*SET\s+(?:SESSION\s+|LOCAL\s+)?(\w+)\s*(?:=|TO\b)\s*(.*?)\s*;?\s*$")

_numbers = count(1)


class Told:
    """An answer that the next statement gets; of many executions of one statement the first gets most of it."""

    def __init__(self, statement, answer, executions):
        self.statement = statement
        self.answer = answer
        self.executions = executions
        self.used = False


class Portal:
    """A statement with its answer, on the way of being fetched."""

    def __init__(self, statement, answer, format=0):
        self.statement = statement
        self.answer = answer
        self.format = format
        self.rows = None
        self.at = 0


class StandIn:
    """The server of one connection.

    `ask(statement)` gives the answer to statements that the library made up out of sight; it may raise.
    """

    def __init__(self, parameters, ask, libpq_version):
        self.parameters = dict(parameters)
        self.ask = ask
        self.told = []
        self.lost = False
        self.listener = socket(AF_UNIX, SOCK_STREAM)
        self.port = "5432"
        name = "homeostasis-%d-%d" % (os.getpid(), next(_numbers))
        if libpq_version >= 140000:
            self.host = "@" + name
            address = "\0" + name
        else:
            from tempfile import mkdtemp

            address = self.host = mkdtemp(prefix=name)
        self.listener.bind(address + "/.s.PGSQL." + self.port)
        self.listener.listen(4)
        _start_thread(self._accept)

    def tell(self, statement, answer, executions=1):
        """The program's next statement, or so many executions of it, have this answer."""
        self.told = [Told(statement, answer, executions)]

    def also_tell(self, statement, answer, executions=1):
        """The same in a pipeline, where answers wait for their turn."""
        self.told.append(Told(statement, answer, executions))

    def forget(self):
        """What was told and not asked for is forgotten."""
        self.told = []

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                descriptor, _ = self.listener._accept()
            except OSError:
                return
            _start_thread(Session(self, socket(AF_UNIX, SOCK_STREAM, fileno=descriptor)).serve)


def _start_thread(function):
    import sys

    # Where threads were replaced by greenlets, libpq would wait for one that cannot run.
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        start = monkey.get_original("_thread", "start_new_thread")
    else:
        from _thread import start_new_thread as start
    start(function, ())


class Ended(Exception):
    """The session is over."""


class Refusal(Exception):
    """The statement is refused, with these fields of the protocol."""

    def __init__(self, fields):
        self.fields = fields


class Session:
    """What is said over one connection."""

    def __init__(self, server, connection):
        self.server = server
        self.connection = connection
        self.received = b""
        self.out = []
        self.status = b"I"
        self.statements = {}
        self.portals = {}
        self.skipping = False
        # Is the statement the end of a transaction, which is over even when it is refused?
        self.ending = False

    def serve(self):
        try:
            self._start()
            while True:
                kind, body = self._message()
                self._answer(kind, body)
        except (Ended, OSError):
            pass
        finally:
            self.connection.close()

    def _read(self, length):
        while len(self.received) < length:
            data = self.connection.recv(1 << 16)
            if not data:
                raise Ended
            self.received += data
        data, self.received = self.received[:length], self.received[length:]
        return data

    def _message(self):
        kind = self._read(1)
        return kind, self._read(struct.unpack("!i", self._read(4))[0] - 4)

    def _start(self):
        while True:
            body = self._read(struct.unpack("!i", self._read(4))[0] - 4)
            request = _requests.get(struct.unpack("!i", body[:4])[0])
            if request == "cancel":
                raise Ended
            if request is None:
                break
            self.connection.sendall(b"N")
        parts = body[4:].split(b"\0")
        asked = dict(zip(parts[::2], parts[1::2]))
        for name in ("client_encoding", "application_name", "TimeZone", "DateStyle"):
            value = asked.get(name.encode()) or asked.get(name.lower().encode())
            if value:
                self.server.parameters[name] = value.decode()
        self._send(b"R", struct.pack("!i", 0))
        for name, value in self.server.parameters.items():
            self._send(b"S", _texts(name, value))
        self._send(b"K", struct.pack("!ii", os.getpid(), 1))
        self._ready()

    def _send(self, kind, body=b""):
        self.out.append(kind + struct.pack("!i", len(body) + 4) + body)

    def _flush(self):
        out, self.out = b"".join(self.out), []
        self.connection.sendall(out)

    def _ready(self):
        self._send(b"Z", self.status)
        self._flush()

    def _answer(self, kind, body):
        if kind == b"X":
            raise Ended
        if kind == b"S":
            self.skipping = False
            self._ready()
            return
        if self.skipping:
            self._skip(kind, body)
            return
        try:
            if kind == b"Q":
                self._simple(body[:-1].decode("utf-8", "replace"))
            elif kind in _extended:
                _extended[kind](self, body)
            elif kind == b"H":
                self._flush()
            elif kind == b"F":
                raise Refusal(_unanswered("nobody recorded an answer: call of a function over the wire"))
        except Refusal as refusal:
            self._refuse(refusal.fields)
            self.skipping = kind != b"Q"
        if kind == b"Q":
            self._ready()

    def _skip(self, kind, body):
        """After a refusal in a pipeline nothing is done until it ends, and what was told of it is not needed any more."""
        if kind == b"P":
            name, text = body.split(b"\0", 2)[:2]
            self.statements[name] = text.decode("utf-8", "replace")
        elif kind == b"B":
            name, statement = body.split(b"\0", 2)[:2]
            self.portals[name] = (self.statements.get(statement, ""), 0)
        elif kind == b"E":
            portal = self.portals.get(body.split(b"\0", 1)[0])
            if type(portal) is tuple and self.server.told and (_own.match(portal[0]) is None or self._is_told_of(portal[0])):
                try:
                    self._take(self.server.told, portal[0])
                except (Refusal, Ended):
                    pass

    def _refuse(self, fields):
        if self.status == b"T":
            self.status = b"I" if self.ending else b"E"
        self._send(b"E", b"".join(letter.encode() + _texts(text) for letter, text in fields.items()) + b"\0")
        if fields.get("V", fields.get("S")) in ("FATAL", "PANIC"):
            self._flush()
            raise Ended

    def _simple(self, text):
        if not text.strip(" ;\n\t"):
            self._send(b"I")
            return
        portal = self._portal(text)
        self._describe(portal)
        self._execute(portal)

    def _parse(self, body):
        name, text = body.split(b"\0", 2)[:2]
        self.statements[name] = text.decode("utf-8", "replace")
        self._send(b"1")

    def _bind(self, body):
        name, statement, rest = body.split(b"\0", 2)
        self.portals[name] = (self.statements[statement], _result_format(rest))
        self._send(b"2")

    def _opened(self, name):
        """The portal of this name, whose statement now needs its answer."""
        portal = self.portals.get(name)
        if type(portal) is tuple:
            # Where it is refused there is no portal.
            self.portals[name] = None
            portal = self.portals[name] = self._portal(*portal)
        if portal is None:
            raise Refusal(_refused("34000", 'cursor "%s" does not exist' % name.decode()))
        return portal

    def _describe_portal(self, body):
        kind, name = body[:1], body[1:-1]
        if kind == b"S":
            self._send(b"t", struct.pack("!h", 0))
            self._send(b"n")
            return
        portal = self._opened(name)
        if not self._describe(portal):
            self._send(b"n")

    def _execute_portal(self, body):
        portal = self._opened(body.split(b"\0", 1)[0])
        if not portal.statement.strip(" ;\n\t"):
            self._send(b"I")
        else:
            self._execute(portal)

    def _close_portal(self, body):
        (self.portals if body[:1] == b"P" else self.statements).pop(body[1:-1], None)
        self._send(b"3")

    def _portal(self, statement, format=0):
        """The statement with its answer: what was told, what the server does by itself, or what was recorded."""
        told = self.server.told
        own = _own.match(statement)
        self.ending = own is not None and own.group(1).upper() in ("COMMIT", "END")
        if told and (own is None or self._is_told_of(statement)):
            return Portal(statement, self._take(told, statement), format)
        if own is not None:
            return self._own(statement, own.group(1).upper(), format)
        if not statement.strip(" ;\n\t"):
            return Portal(statement, {"columns": None})
        try:
            answer = self.server.ask(statement)
        except Exception as error:
            raise Refusal(_unanswered(str(error)))
        return Portal(statement, _checked(answer, statement), format)

    def _is_told_of(self, statement):
        """Is the told answer meant for this statement, which libraries send on their own account as well?"""
        first = statement.split(None, 1)[0].upper()
        # A cursor on the server is declared for the program's statement.
        return first == "DECLARE" or self.server.told[0].statement.lstrip().upper().startswith(first)

    def _take(self, told, statement):
        first = told[0]
        answer = first.answer
        first.executions -= 1
        if first.executions == 0:
            del told[0]
        if "error" in answer:
            return _checked(answer, statement)
        if not first.used and first.executions == 0:
            return answer
        # Known is what all of them brought, and what the server said of the last.
        last = _count_in(answer.get("status"))
        found = last if first.executions == 0 else 0 if first.used else answer["count"] - last
        rows = () if first.used else answer["rows"]
        first.used = True
        return dict(answer, rows=rows, count=found, complete=True, status=_with_count(answer.get("status"), found))

    def _own(self, statement, command, format):
        """What libraries send on their own account."""
        answer = {"columns": None, "status": command}
        if command in ("FETCH", "MOVE"):
            return self._fetched(statement, format)
        if command == "CLOSE":
            closed = _close.match(statement)
            if closed is not None:
                self.portals.pop(_name(closed.group(1)), None)
            answer["status"] = "CLOSE CURSOR"
        elif command in ("COMMIT", "END"):
            answer["status"] = "ROLLBACK" if self.status == b"E" else "COMMIT"
        elif command == "ABORT":
            answer["status"] = "ROLLBACK"
        elif command == "START TRANSACTION":
            answer["status"] = "BEGIN"
        return Portal(statement, answer, format)

    def _fetched(self, statement, format):
        found = _fetch.match(statement)
        cursor = self.portals.get(_name(found.group(4))) if found is not None else None
        if type(cursor) is not Portal:
            raise Refusal(_refused("34000", "cursor does not exist: %s" % statement))
        rows = self._rows(cursor)
        then = cursor.answer.get("then")
        if then and then.get("diagnosis") and cursor.at >= len(rows):
            raise Refusal(_fields(then["diagnosis"]))
        move, absolute, asked = found.group(1).upper() == "MOVE", found.group(2), found.group(3).upper()
        end = len(rows) if asked == "ALL" else max(0, int(asked) + (0 if absolute else cursor.at))
        if not cursor.answer.get("complete"):
            rows = rows + [None] * (min(end, MAX_ANNOUNCED) - len(rows) + (asked == "ALL"))
        wanted = rows[cursor.at : end if asked != "ALL" else None]
        cursor.at = min(end, len(rows))
        fetched = Portal(statement, dict(cursor.answer, status="%s %d" % ("MOVE" if move else "FETCH", len(wanted))), format)
        fetched.rows = wanted
        if move:
            fetched.answer = {"columns": None, "status": fetched.answer["status"]}
        return fetched

    def _describe(self, portal):
        columns = portal.answer.get("columns")
        if columns is None or _declare.match(portal.statement) or _is_copy(portal.statement):
            return False
        body = struct.pack("!h", len(columns))
        for name, code in columns:
            body += _texts(name) + struct.pack("!ihihih", 0, 0, (code or 25) - (1 << 32 if (code or 25) >= 1 << 31 else 0), -1, -1, portal.format)
        self._send(b"T", body)
        return True

    def _rows(self, portal):
        """The recorded rows, and None for each that was there and not fetched."""
        if portal.rows is None:
            portal.rows = sql.rows_of(portal.answer)
        return portal.rows

    def _execute(self, portal):
        answer, statement = portal.answer, portal.statement
        status = answer.get("status") or "OK"
        declared = _declare.match(statement)
        if declared is not None:
            self.portals[_name(declared.group(1))] = Portal("", answer, portal.format)
            status = "DECLARE CURSOR"
        elif _is_copy(statement):
            self._copy(statement, answer)
            if answer["count"] >= 0:
                status = "COPY %d" % answer["count"]
        elif answer.get("columns") is not None:
            rows = self._rows(portal)
            if not answer.get("complete") and not status.startswith("FETCH"):
                rows = rows + [None] * (min(answer["count"], MAX_ANNOUNCED) - len(rows))
            rest = postgres.place_of_rest(answer)
            for row in rows:
                self._send_row(row, len(answer["columns"]), rest)
        setting = _set.match(statement)
        if setting is not None:
            self._report(setting.group(1), setting.group(2).strip("'\""))
        self._change_status(status, statement)
        self._send(b"C", _texts(status))

    def _send_row(self, row, width, rest):
        body = struct.pack("!h", width)
        for cell in row if row is not None else (rest,) * width:
            if cell is None:
                body += struct.pack("!i", -1)
                continue
            place = b"%d" % (postgres.place_of(cell) if row is not None else cell)
            body += struct.pack("!i", len(place)) + place
        self._send(b"D", body)

    def _copy(self, statement, answer):
        """The data of a copy go by, or are what was recorded."""
        if _copies_out(statement):
            columns = answer["columns"] or [[postgres.DATA, 17]]
            binary = columns[0][0] == postgres.BINARY_DATA
            width = columns[1][1] if len(columns) > 1 else 0
            self._send(b"H", struct.pack("!bh", binary, width) + struct.pack("!h", binary) * width)
            for (data,) in sql.rows_of(answer):
                self._send(b"d", data)
            self._send(b"c")
            return
        self._send(b"G", struct.pack("!bh", 0, 0))
        self._flush()
        while True:
            kind, _ = self._message()
            if kind == b"f":
                raise Refusal(_refused("57014", "COPY from stdin failed"))
            if kind == b"c":
                break
        if "error" in answer:
            raise Refusal(_fields(answer["error"]["diagnosis"]))

    def _report(self, name, value):
        for known in postgres.REPORTED:
            if known.lower() == name.lower():
                self._send(b"S", _texts(known, value))

    def _change_status(self, status, statement):
        if status in ("BEGIN", "START TRANSACTION"):
            self.status = b"T"
        elif status in ("COMMIT", "PREPARE TRANSACTION"):
            self.status = b"I"
        elif status == "ROLLBACK":
            self.status = b"T" if re.match(r"(?is)^\s*ROLLBACK\s+(?:WORK\s+|TRANSACTION\s+)?TO\b", statement) else b"I"


_extended = {
    b"P": Session._parse, b"B": Session._bind, b"D": Session._describe_portal,
    b"E": Session._execute_portal, b"C": Session._close_portal,
}


def _texts(*texts):
    return b"".join(text.encode("utf-8", "replace") + b"\0" for text in texts)


def _name(identifier):
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"').encode()
    return identifier.lower().encode()


def _result_format(rest):
    """The first format that a Bind message asks results in."""
    (formats,) = struct.unpack_from("!h", rest)
    at = 2 + 2 * formats
    (parameters,) = struct.unpack_from("!h", rest, at)
    at += 2
    for _ in range(parameters):
        (length,) = struct.unpack_from("!i", rest, at)
        at += 4 + max(length, 0)
    (formats,) = struct.unpack_from("!h", rest, at)
    return struct.unpack_from("!h", rest, at + 2)[0] if formats else 0


def _is_copy(statement):
    return statement.lstrip()[:4].upper() == "COPY"


def _copies_out(statement):
    return re.search(r"(?i)\bTO\s+STDOUT\b", statement) is not None


def _count_in(status):
    found = re.search(r"\d+$", status or "")
    return int(found.group()) if found is not None else 0


def _with_count(status, number):
    return re.sub(r"\d+$", str(max(number, 0)), status) if status else status


def _checked(answer, statement):
    """The answer, unless it is a refusal or the end of the connection."""
    if "error" not in answer:
        return answer
    diagnosis = answer["error"].get("diagnosis")
    if not diagnosis:
        raise Ended
    if _is_copy(statement) and diagnosis.get("context", "").startswith("COPY "):
        # It was refused when the data had come.
        return answer
    raise Refusal(_fields(diagnosis))


def _fields(diagnosis):
    return {postgres.DIAGNOSIS[name]: text for name, text in diagnosis.items()}


def _refused(state, message):
    return {"S": "ERROR", "V": "ERROR", "C": state, "M": message}


def _unanswered(message):
    # A connection exception: in both libraries an OperationalError.
    return _refused("08000", message)
