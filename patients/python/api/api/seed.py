"""The tables and the sample data of a new database; a filled one is left alone."""

SCHEMA = [
    """CREATE TABLE IF NOT EXISTS stations (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, crop TEXT NOT NULL,
        gardener TEXT, budget INTEGER NOT NULL DEFAULT 100, plan TEXT NOT NULL DEFAULT '{}')""",
    """CREATE TABLE IF NOT EXISTS readings (
        id INTEGER PRIMARY KEY, station INTEGER NOT NULL, sensor TEXT NOT NULL,
        value REAL NOT NULL, unit TEXT NOT NULL, taken_at TEXT NOT NULL, label TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX IF NOT EXISTS readings_by_station ON readings (station, taken_at)",
    "CREATE TABLE IF NOT EXISTS valves (id INTEGER PRIMARY KEY, station INTEGER NOT NULL, flow INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS waterings (
        id INTEGER PRIMARY KEY, station INTEGER NOT NULL, valve INTEGER NOT NULL,
        litres INTEGER NOT NULL, label TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, station INTEGER NOT NULL, text TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS alerts (
        id INTEGER PRIMARY KEY, station INTEGER NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS sensors (name TEXT PRIMARY KEY, model TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS calibrations (
        sensor TEXT PRIMARY KEY REFERENCES sensors (name), offset REAL NOT NULL, factor REAL NOT NULL)""",
]

STATIONS = [
    (1, "North house", "tomatoes", "Mira", 1_000_000, '{"target": 22, "shade": true}'),
    (2, "South house", "peppers", "Jonas", 1_000_000, '{"target": 24}'),
    (3, "Nursery", "seedlings", None, 1_000_000, "{}"),
    (4, "Orchid room", "orchids", "Mira", 20, '{"target": 26, "shade": tr'),
    (5, "Cold frame", "lettuce", "Jonas", 20, '{"target": 9}'),
]

READINGS = [
    (1, "t1", 20.0, "celsius", "2024-05-01T06:00:00"),
    (1, "t1", 24.0, "celsius", "2024-05-01T12:00:00"),
    (1, "t1", 22.0, "celsius", "2024-05-01T18:00:00"),
    (2, "t2", 23.5, "celsius", "2024-05-01T12:00:00"),
    (5, "m1", 41.0, "percent", "2024-05-01T06:00:00"),
    (5, "v1", 0.8, "kilopascal", "2024-05-01T06:10:00"),
]


def fill(connection):
    if connection.execute("SELECT 1 FROM stations").fetchone():
        return
    connection.executemany("INSERT INTO stations VALUES (?, ?, ?, ?, ?, ?)", STATIONS)
    connection.executemany(
        "INSERT INTO readings (station, sensor, value, unit, taken_at) VALUES (?, ?, ?, ?, ?)", READINGS
    )
    connection.executemany("INSERT INTO valves VALUES (?, ?, ?)", [(1, 1, 40), (2, 2, 40), (3, 5, 15)])
    connection.executemany("INSERT INTO sensors VALUES (?, ?)", [("t1", "PT100"), ("t2", "PT100"), ("t3", "PT1000")])
    connection.executemany("INSERT INTO calibrations VALUES (?, ?, ?)", [("t1", 0.0, 1.0), ("t2", -0.5, 1.0)])
