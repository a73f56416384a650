"""Training a net on several workers: shards, steps, checkpoints, and reasons to stop."""
