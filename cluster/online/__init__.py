"""The online store as the rest sees it: protocols that Redis and SQLite fulfil, and what needs nothing else."""
