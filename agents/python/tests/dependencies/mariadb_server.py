"""A real MariaDB server of a test's own, in a temporary folder and on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from conftest import free_port

USER = "mysql"


class MariaDB:
    """Started empty with a database `shop`; user `root` comes in without a password."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mariadb-")
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.data = self.folder + "/data"
        subprocess.run(
            _as_user("mariadb-install-db", "--no-defaults", "--datadir=" + self.data, "--auth-root-authentication-method=normal", "--skip-test-db"),
            check=True, capture_output=True, timeout=120, cwd=self.folder,
        )
        self.process = None
        self.port = free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            _as_user(
                "mariadbd", "--no-defaults", "--datadir=" + self.data, "--port=%d" % self.port, "--bind-address=127.0.0.1",
                "--socket=%s/socket" % self.folder, "--pid-file=%s/pid" % self.folder, "--skip-log-bin",
                "--innodb-flush-method=fsync", "--innodb-buffer-pool-size=16M",
            ),
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    break
            except OSError:
                time.sleep(0.05)
        else:
            raise AssertionError("the server does not listen")
        self.execute("CREATE DATABASE IF NOT EXISTS shop")

    def execute(self, *statements, database=None):
        import pymysql

        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
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
