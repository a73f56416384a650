"""Upkeep of the lake: compaction, vacuum, retention, and what its tables have been through."""
