"""Answers in batch: recommendations for many users, scores for many pairs."""
