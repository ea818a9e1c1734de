"""SQLite behind asyncio: every call runs in a thread, writes one after the other. No SQL is hidden here."""

import asyncio
import sqlite3
import threading
from contextlib import closing

from . import settings
from .seed import SCHEMA, fill

writing = threading.Lock()


async def open_database():
    await _in_thread(_create)


async def rows(sql, *values):
    return await _in_thread(_rows, sql, values)


async def row(sql, *values):
    """The first row, or None."""
    found = await rows(sql, *values)
    return found[0] if found else None


async def write(sql, *values):
    """Executes one statement and returns the id of the row it wrote."""
    return (await write_all([(sql, values)]))[0]


async def write_all(statements):
    """Executes all statements or none."""
    return await _in_thread(_write_all, statements)


async def _in_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def _connect():
    connection = sqlite3.connect(settings.data_folder() / "greenhouse.db", timeout=30)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _create():
    settings.data_folder().mkdir(parents=True, exist_ok=True)
    with closing(_connect()) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                connection.execute(statement)
            fill(connection)


def _rows(sql, values):
    with closing(_connect()) as connection:
        return [dict(found) for found in connection.execute(sql, values)]


def _write_all(statements):
    with writing, closing(_connect()) as connection, connection:
        return [connection.execute(sql, values).lastrowid for sql, values in statements]
