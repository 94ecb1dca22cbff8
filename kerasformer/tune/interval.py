"""How far a metric of the test split may be from the true one."""

from typing import Any

import numpy as np

from kerasformer.data import AnswerSplit, Split, TaggedSplit
from kerasformer.models.problems import MULTI_LABEL, REGRESSION
from kerasformer.training import (
    answer_scores,
    classification_metrics,
    entity_counts,
    multilabel_metrics,
    regression_metrics,
)
from kerasformer.training.intervals import wilson_interval
from kerasformer.training.resampling import bootstrap_interval


def interval(
    model: Any, split: Any, metric: str, scores: dict[str, Any]
) -> tuple[float, float] | None:
    """The 95 % interval of a metric, over examples; None of one that it is not known of.

    Wilson's of a share of the examples, else one by the bootstrap.

    Args:
        model: The model.
        split: The examples that it was evaluated on.
        metric: The metric.
        scores: What `evaluate` gave.
    """
    if isinstance(split, TaggedSplit):
        return _of_sentences(model, split, metric)
    if isinstance(split, AnswerSplit):
        return _of_questions(model, split, metric)
    if isinstance(split, Split):
        if metric == "accuracy":  # with several labels too: those with all of them right
            return wilson_interval(scores[metric], len(split))
        return _of_texts(model, split, metric)
    return None


def _of_texts(model: Any, split: Split, metric: str) -> tuple[float, float] | None:
    labels, names = split.labels, model.class_names
    if model.problem_type == REGRESSION:
        outputs = model.predict(split.texts, verbose=0)

        def score(rows):
            return regression_metrics(labels[rows].reshape(outputs[rows].shape), outputs[rows])
    else:
        outputs = model.predict_proba(split.texts, verbose=0)
        several = model.problem_type == MULTI_LABEL
        metrics = multilabel_metrics if several else classification_metrics

        def score(rows):
            return metrics(labels[rows], outputs[rows], names)

    return bootstrap_interval(len(split), lambda rows: score(rows).get(metric))


def _of_sentences(model: Any, split: TaggedSplit, metric: str) -> tuple[float, float] | None:
    """Drawn by sentences, because the words of one are not independent."""
    tags = model.tag(split.words, verbose=0)
    if metric == "accuracy":
        pairs = zip(split.tags, tags, strict=True)
        right = np.array([np.sum(np.array(a) == np.array(b)) for a, b in pairs])
        words = np.array(list(map(len, split.tags)))
        return bootstrap_interval(len(split), lambda rows: right[rows].sum() / words[rows].sum())
    column = {"precision": 1, "recall": 2}.get(metric)
    if metric != "f1" and column is None:
        return None
    counts = entity_counts(split.tags, tags)

    def score(rows):
        right, ours, true = counts[rows].sum(axis=0)
        if column is not None:
            return right / max((ours, true)[column - 1], 1)
        return 2 * right / max(ours + true, 1)

    return bootstrap_interval(len(split), score)


def _of_questions(model: Any, split: AnswerSplit, metric: str) -> tuple[float, float] | None:
    column = {"exact": 0, "f1": 1}.get(metric)
    if column is None:
        return None
    found = model.answer(split.questions, split.contexts, verbose=0)
    right = [[text for text, _ in answers] for answers in split.answers]
    scores = answer_scores([answer.text for answer in found], right)[column]
    if metric == "exact":
        return wilson_interval(float(scores.mean()), len(split))
    return bootstrap_interval(len(split), lambda rows: float(scores[rows].mean()))
