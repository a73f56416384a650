"""Answers requests with what was published: gateway, router, retrieval, ranking."""
