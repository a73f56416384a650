"""The stages of the router, each on a whole batch: hydrate, retrieve, rank, select, record."""
