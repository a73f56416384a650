"""Metrics of recommendations: of ranked lists, of scored pairs, and of how sure a mean of them is.

Metrics of lists take `hits`, [num_lists, width] booleans: whether the item at each position earns something
(`hit_matrix`). Relevance is binary. They answer one value a list, so that users can be resampled and sliced.
"""

from models.metrics.auc import auc, user_auc
from models.metrics.average_precision import average_precision
from models.metrics.bootstrap import Estimate, bootstrap
from models.metrics.by_rank import RankMetric, by_rank
from models.metrics.calibration import Reliability, expected_calibration_error, reliability
from models.metrics.candidate_ranks import candidate_ranks
from models.metrics.coverage import catalogue_coverage
from models.metrics.diversity import category_vectors, intra_list_diversity
from models.metrics.gini import gini
from models.metrics.hit_rate import hit_rate
from models.metrics.hits import hit_matrix, hits_at
from models.metrics.log_loss import log_loss, sigmoid
from models.metrics.mean import mean
from models.metrics.missing_scores import against_the_model
from models.metrics.ndcg import ndcg
from models.metrics.novelty import novelty
from models.metrics.paired_test import PairedTest, paired_test
from models.metrics.precision import precision
from models.metrics.recall import recall
from models.metrics.reciprocal_rank import reciprocal_rank

__all__ = [
    "Estimate",
    "PairedTest",
    "RankMetric",
    "Reliability",
    "against_the_model",
    "auc",
    "average_precision",
    "bootstrap",
    "by_rank",
    "candidate_ranks",
    "catalogue_coverage",
    "category_vectors",
    "expected_calibration_error",
    "gini",
    "hit_matrix",
    "hit_rate",
    "hits_at",
    "intra_list_diversity",
    "log_loss",
    "mean",
    "ndcg",
    "novelty",
    "paired_test",
    "precision",
    "recall",
    "reciprocal_rank",
    "reliability",
    "sigmoid",
    "user_auc",
]
