-- The heal log, the read models folded from it, and what came in. Types are those that PostgreSQL has too:
-- times are microseconds since the Unix epoch in BIGINT, documents are JSON in TEXT, large ones in BLOB.

CREATE TABLE heal_log (
    heal   TEXT   NOT NULL,
    number BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    event  TEXT   NOT NULL,
    PRIMARY KEY (heal, number)
);

-- One row for each heal: the fold of its log, written in the transaction that appends to it.
CREATE TABLE heals (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    ordinal  BIGINT NOT NULL,
    source   TEXT   NOT NULL,
    length   BIGINT NOT NULL,
    phase    TEXT   NOT NULL,
    outcome  TEXT,
    class    TEXT,
    opened   BIGINT NOT NULL,
    updated  BIGINT NOT NULL,
    UNIQUE (incident, ordinal)
);
CREATE INDEX heals_by_phase ON heals (phase);
CREATE INDEX heals_by_source ON heals (source);

CREATE TABLE incidents (
    id          TEXT   NOT NULL PRIMARY KEY,
    service     TEXT   NOT NULL,
    environment TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    title       TEXT   NOT NULL,
    culprit     TEXT   NOT NULL,
    route       TEXT,
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    count       BIGINT NOT NULL
);
CREATE INDEX incidents_by_last_seen ON incidents (last_seen);

-- `sequence` is the order of arrival within one incident.
CREATE TABLE events (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    body     BLOB   NOT NULL
);
CREATE UNIQUE INDEX events_by_incident ON events (incident, sequence);

-- The agents' own names for failures; they outlive the events they came with.
CREATE TABLE signatures (
    service   TEXT NOT NULL,
    signature TEXT NOT NULL,
    incident  TEXT NOT NULL,
    PRIMARY KEY (service, signature)
);

-- Requests by route and process in buckets that begin at `bucket` (seconds since the epoch).
CREATE TABLE traffic (
    service  TEXT   NOT NULL,
    route    TEXT   NOT NULL,
    bucket   BIGINT NOT NULL,
    pid      BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failed   BIGINT NOT NULL,
    PRIMARY KEY (service, route, bucket, pid)
);
CREATE INDEX traffic_by_bucket ON traffic (bucket);

CREATE TABLE blobs (
    sha256 TEXT NOT NULL PRIMARY KEY,
    body   BLOB NOT NULL
);

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE audit (
    number   BIGINT NOT NULL PRIMARY KEY,
    previous TEXT   NOT NULL,
    hash     TEXT   NOT NULL,
    body     TEXT   NOT NULL
);
