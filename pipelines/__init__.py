"""Turns events into a published model: ingest, examples, train, evaluate, publish."""
