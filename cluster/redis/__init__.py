"""The online store, event log and catalogue on a cluster. The only home of `redis`."""
