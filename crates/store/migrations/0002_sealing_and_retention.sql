-- Values can be sealed with a key that the user holds, and old ones go. `sealed` is the number of the key that a row's
-- value is sealed with, 0 when it is plain. Small columns come before large ones, which SQLite would have to read
-- through on the way to them.

CREATE TABLE keys (
    number BIGINT NOT NULL PRIMARY KEY,
    name   TEXT   NOT NULL,
    proof  BLOB   NOT NULL
);

CREATE TABLE new_events (
    id       TEXT   NOT NULL PRIMARY KEY,
    incident TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    received BIGINT NOT NULL,
    sealed   BIGINT NOT NULL,
    body     BLOB   NOT NULL
);
-- When earlier events came was not kept; their incident was seen then or later.
INSERT INTO new_events (id, incident, sequence, received, sealed, body)
    SELECT events.id, events.incident, events.sequence,
        COALESCE((SELECT incidents.last_seen FROM incidents WHERE incidents.id = events.incident), 0), 0, events.body
    FROM events;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE UNIQUE INDEX events_by_incident ON events (incident, sequence);

CREATE TABLE new_heal_log (
    heal   TEXT   NOT NULL,
    number BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    sealed BIGINT NOT NULL,
    event  TEXT   NOT NULL,
    PRIMARY KEY (heal, number)
);
INSERT INTO new_heal_log (heal, number, at, sealed, event)
    SELECT heal_log.heal, heal_log.number, heal_log.at, 0, heal_log.event FROM heal_log;
DROP TABLE heal_log;
ALTER TABLE new_heal_log RENAME TO heal_log;

CREATE TABLE new_blobs (
    sha256 TEXT   NOT NULL PRIMARY KEY,
    sealed BIGINT NOT NULL,
    body   BLOB   NOT NULL
);
INSERT INTO new_blobs (sha256, sealed, body) SELECT blobs.sha256, 0, blobs.body FROM blobs;
DROP TABLE blobs;
ALTER TABLE new_blobs RENAME TO blobs;

-- Which heal needs which blob; one that no heal needs can go. For whom the earlier ones are was not kept: they stay.
CREATE TABLE blob_uses (
    heal   TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (heal, sha256)
);
CREATE INDEX blob_uses_by_sha256 ON blob_uses (sha256);
INSERT INTO blob_uses (heal, sha256) SELECT '', blobs.sha256 FROM blobs;

CREATE INDEX signatures_by_incident ON signatures (incident);

ALTER TABLE heals ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
