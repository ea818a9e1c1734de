"""A real PostgreSQL server of a test's own for asyncpg, in a temporary folder and on a free port."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time

from conftest import free_port

USER = "postgres"
PROGRAMS = "/usr/lib/postgresql/15/bin/"


class PostgreSQL:
    """Started empty; user `postgres` comes into database `postgres` without a password."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="asyncpg-")
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.data = self.folder + "/data"
        subprocess.run(
            _as_user(PROGRAMS + "initdb", "-D", self.data, "-A", "trust", "-U", USER, "-N", "--locale=C.UTF-8", "-E", "UTF8"),
            check=True, capture_output=True, timeout=120, cwd=self.folder,
        )
        self.process = None
        self.port = free_port()
        self.start()

    @property
    def url(self):
        return "postgresql://postgres@127.0.0.1:%d/postgres" % self.port

    def start(self):
        self.process = subprocess.Popen(
            _as_user(PROGRAMS + "postgres", "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1", "-k", self.folder, "-c", "fsync=off"),
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.execute("SELECT 1")
                return
            except Exception:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def execute(self, *statements):
        async def work():
            import asyncpg

            connection = await asyncpg.connect(self.url)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(work())

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(2)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _as_user(*command):
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid=" + USER, "--regid=" + USER, "--clear-groups", *command]
