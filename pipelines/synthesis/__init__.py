"""A made-up world of users, items and events with known tastes, for demos and tests (docs/synthetic-world.md)."""
