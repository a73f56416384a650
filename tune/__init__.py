"""Repeats the training pipeline over a search space and keeps the best recipe."""
