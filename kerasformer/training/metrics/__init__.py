"""The field's metrics of each task: pure functions of arrays and lists, which need no Keras."""

from kerasformer.training.metrics.answers import answer_metrics, answer_scores
from kerasformer.training.metrics.classification import classification_metrics
from kerasformer.training.metrics.entities import entity_counts, entity_metrics
from kerasformer.training.metrics.multilabel import multilabel_metrics
from kerasformer.training.metrics.regression import regression_metrics

__all__ = [
    "answer_metrics",
    "answer_scores",
    "classification_metrics",
    "entity_counts",
    "entity_metrics",
    "multilabel_metrics",
    "regression_metrics",
]
