"""Tables of the online store's SQLite file, and how files of earlier versions become one of this.

settled  name → what was fixed when the file was made (its random name, the number of partitions), the last offset,
         and the half-life of what is trending
entries  (partition, offset) → kind, body: the event log. An offset is the microsecond of the append, made
         strictly increasing
seen     the ids taken within SEEN_WINDOW_S, by the offset they were taken at
users    user_id → a short key and the country
history  (user key, time, item, event type): the newest HISTORY_LIMIT of each sign, or a few more
attributes   (user key, name) → value
positions    (job, partition) → how far the job is
leases       (job, partition) → owner, token and deadline
consumers    (job, owner) → until when it is alive
dead_letters (partition, offset) → what could not be used, and why
trending     (list, item) → moment in seconds
counts       (0 for items, 1 for users; id) → counters, and the day they changed
surfaces     by the offset of the exposure: recommendation → surface
"""

from __future__ import annotations

from cluster.online.trending import COUNTED

COUNT_COLUMNS = tuple(f"num_{name}" for name in COUNTED)

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS settled (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (partition, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (offset INTEGER PRIMARY KEY, event_key BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS users (
    user_key INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, country TEXT);
CREATE TABLE IF NOT EXISTS history (
    user_key INTEGER NOT NULL, timestamp_us INTEGER NOT NULL,
    item_id TEXT NOT NULL, event_code INTEGER NOT NULL,
    PRIMARY KEY (user_key, timestamp_us, item_id, event_code)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attributes (
    user_key INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (user_key, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    job TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (job, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    job TEXT NOT NULL, partition INTEGER NOT NULL, owner TEXT NOT NULL, token INTEGER NOT NULL,
    until_us INTEGER NOT NULL, PRIMARY KEY (job, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consumers (
    job TEXT NOT NULL, owner TEXT NOT NULL, until_us INTEGER NOT NULL, PRIMARY KEY (job, owner)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL,
    reason TEXT NOT NULL, refused_by_lake INTEGER NOT NULL, PRIMARY KEY (partition, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trending (
    list TEXT NOT NULL, item_id TEXT NOT NULL, moment_s REAL NOT NULL, PRIMARY KEY (list, item_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trending_order ON trending (list, moment_s);
CREATE INDEX IF NOT EXISTS trending_age ON trending (moment_s);
CREATE TABLE IF NOT EXISTS counts (
    of_users INTEGER NOT NULL, id TEXT NOT NULL, day INTEGER NOT NULL,
    {", ".join(f"{column} INTEGER NOT NULL DEFAULT 0" for column in COUNT_COLUMNS)},
    PRIMARY KEY (of_users, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counts_age ON counts (day);
CREATE TABLE IF NOT EXISTS surfaces (
    offset INTEGER PRIMARY KEY, recommendation_id TEXT NOT NULL UNIQUE, surface TEXT NOT NULL);
INSERT OR IGNORE INTO settled VALUES ('store_id', lower(hex(randomblob(8))))
"""

# A log from before there were partitions is emptied through the first; what comes after it is spread.
MIGRATIONS = {
    4: """
CREATE TABLE IF NOT EXISTS identity (store_id TEXT NOT NULL);
INSERT OR REPLACE INTO settled SELECT 'store_id', store_id FROM identity;
INSERT OR REPLACE INTO settled SELECT 'offset', seq FROM sqlite_sequence WHERE name = 'log';
INSERT INTO entries SELECT 0, offset, kind, body FROM log;
DROP TABLE log;
DROP TABLE identity
"""
}
