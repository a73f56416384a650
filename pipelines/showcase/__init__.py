"""The demo: the whole path on one machine, and what a person wants to see at its end."""
