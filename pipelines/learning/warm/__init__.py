"""Runs that begin from an earlier one, and what is new since then."""
