"""From files of many forms to rows of one contract: find, split, read, check, keep what is new (docs/ingest.md)."""
