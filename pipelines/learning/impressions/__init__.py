"""What a ranker learns from: what was shown, in which context, and how it was answered."""
