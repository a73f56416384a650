"""What happens to the event log: consumers move it to the lake and count what is trending, each entry exactly once."""
