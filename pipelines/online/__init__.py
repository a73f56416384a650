"""Between the lake and the online store: warming the one, draining the other."""
