"""Metrics of ranked lists. Relevance is binary; a `rank` is 0-based, and -1 means "not in the list"."""

from models.metrics.coverage import catalogue_coverage
from models.metrics.hit_rate import hit_rate
from models.metrics.ndcg import ndcg
from models.metrics.ranks import ranks_of_relevant
from models.metrics.recall import recall
from models.metrics.reciprocal_rank import reciprocal_rank

__all__ = ["catalogue_coverage", "hit_rate", "ndcg", "ranks_of_relevant", "recall", "reciprocal_rank"]
