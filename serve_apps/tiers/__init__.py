"""What runs behind a hop: retrieval and ranking, on arrays."""
