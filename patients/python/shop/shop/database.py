"""The SQLite database and its session; the tables are in `shop.models`."""

import fcntl

from sqlalchemy import create_engine, event
from sqlalchemy.orm import scoped_session, sessionmaker

from . import settings
from .models import Base
from .seed import fill

db = scoped_session(sessionmaker())


def init_app(app):
    folder = settings.data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{folder / 'shop.db'}", connect_args={"timeout": 30})
    event.listen(engine, "connect", _configure)
    db.configure(bind=engine)

    # Several workers start at once; only the first may create and fill the tables.
    with open(folder / "shop.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Base.metadata.create_all(engine)
        fill(db)
    db.remove()
    engine.dispose()

    @app.teardown_appcontext
    def close(_error):
        db.remove()


def _configure(connection, _record):
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
