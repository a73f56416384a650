"""The online store, event log and catalogue on one machine, in one SQLite file."""
