"""Commands that need no pipeline, and what every command shares."""
