"""What a run learns from: the log as sequences, split, encoded, and cut into examples."""
