"""What the services of the suite live in: real servers with their data, and secrets made anew for each run."""

import os
import random
import sqlite3
import string
import urllib.request
from pathlib import Path

import psycopg2
import redis

import servers

HERE = Path(__file__).resolve().parent
# No proxy of the user's environment stands between this and loopback.
NO_PROXY = urllib.request.ProxyHandler({})


class Secrets:
    """Random texts that must never be found in what was kept, by what they are."""

    def __init__(self):
        self.all = {}

    def make(self, name, length=24):
        alphabet = string.ascii_letters + string.digits
        self.all[name] = "".join(random.SystemRandom().choice(alphabet) for _ in range(length))
        return self.all[name]

    def found_in(self, texts):
        whole = "\n".join(texts)
        return sorted(name for name, secret in self.all.items() if secret in whole)


class World:
    """PostgreSQL, Redis and the other service, filled with what the cases need, and the variables that name them."""

    def __init__(self, root):
        self.root = root
        self.secrets = Secrets()
        self.started = []

    def start(self):
        make = self.secrets.make
        password, token = make("password of the database"), make("token of the peer")
        self.passwords = {name: make("password of " + name) for name in ("ann", "bob")}
        self.key = make("secret key", 40)
        self.header = make("key in a header")
        database, self.database_port = servers.postgres(self.root / "postgres", password)
        self.started.append(database)
        cache, cache_port = servers.redis(self.root / "redis")
        self.started.append(cache)
        peer, peer_port = servers.peer(self.root / "peer", token)
        self.started.append(peer)
        self.environment = dict(
            {name: value for name, value in os.environ.items() if not name.startswith(("HOMEOSTASIS", "PYTHON"))},
            DATABASE_DSN="host=127.0.0.1 port=%d dbname=shop user=postgres password=%s" % (self.database_port, password),
            DATABASE_URL="postgresql://postgres:%s@127.0.0.1:%d/shop" % (password, self.database_port),
            DATABASE_PORT=str(self.database_port), DATABASE_PASSWORD=password, SECRET_KEY=self.key,
            PEER_URL="http://127.0.0.1:%d" % peer_port, PEER_TOKEN=token, REDIS_URL="redis://127.0.0.1:%d/0" % cache_port,
            CLOSED_URL="http://127.0.0.1:%d" % servers.free_port(), PYTHONDONTWRITEBYTECODE="1",
        )
        self.fill_database(password)
        self.fill_cache(cache_port)

    def fill_database(self, password):
        def connect(name):
            connection = psycopg2.connect(host="127.0.0.1", port=self.database_port, user="postgres", password=password, dbname=name)
            connection.autocommit = True
            return connection

        with connect("postgres").cursor() as cursor:
            for name in ("shop", "library"):
                cursor.execute("CREATE DATABASE " + name)
        seed = (HERE / "seed.sql").read_text()
        for name in ("ann", "bob"):
            seed = seed.replace("'{%s_password}'" % name, "'%s'" % self.passwords[name])
            seed = seed.replace("'{%s_token}'" % name, "'%s'" % self.secrets.make("token in the row of " + name))
        with connect("shop").cursor() as cursor:
            cursor.execute((HERE / "schema.sql").read_text())
            cursor.execute(seed)

    def fill_cache(self, port):
        cache = redis.Redis(port=port)
        cache.set("cart:ann", '["pear"]')
        cache.set("cart:broken", '["pear"')
        cache.rpush("visits:list", "1")
        cache.hset("profile:ann", mapping={"city": "Bern", "token": self.secrets.make("token of ann in Redis")})
        cache.hset("profile:bob", mapping={"token": self.secrets.make("token of bob in Redis")})
        cache.mset({"points:ann": 1, "bonus:ann": 2, "points:bob": 3})
        cache.rpush("queue:desk", "ann")

    def fill_archive(self, folder):
        with sqlite3.connect(folder / "archive.db") as connection:
            connection.execute("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, pages INTEGER)")
            connection.executemany("INSERT INTO books VALUES (?, ?, ?)", [(1, "Atlas", 100), (2, None, 50)])
        connection.close()

    def end(self):
        while self.started:
            self.started.pop().end()
