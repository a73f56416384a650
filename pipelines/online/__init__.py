"""From the lake into the online store."""
