"""How well the tags of words were predicted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasformer.data.tagging import mark_entities
from kerasformer.tasks.prediction import softmax
from kerasformer.training import classification_metrics, entity_metrics


def tag_scores(
    labels: np.ndarray,
    logits: np.ndarray,
    lengths: Sequence[int],
    class_names: Sequence[str],
    sample_weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Of tags of entities, what `entity_metrics` gives; of others, `classification_metrics`.

    Args:
        labels: The classes of all words, int `[words]`.
        logits: float `[words, classes]`.
        lengths: How many of these words each sentence has.
        class_names: The names of the classes.
        sample_weight: Of loss and accuracy of words, float `[words]`.

    Returns:
        `loss`, the mean cross-entropy, `accuracy`, of words, and more.

    Example:

    >>> scores = tag_scores(np.array([0, 1]), np.eye(2), [2], ["O", "B-PER"])
    >>> scores["accuracy"], scores["f1"], len(scores["per_type"])
    (1.0, 1.0, 1)
    """
    scores = classification_metrics(labels, softmax(logits), class_names, sample_weight)
    if not mark_entities(class_names):
        return scores
    names, ends = np.array(class_names, object), np.cumsum(lengths)[:-1]
    true, predicted = (
        [part.tolist() for part in np.split(names[ids], ends)]
        for ids in (labels, logits.argmax(axis=-1))
    )
    of_words = {name: scores[name] for name in ("loss", "accuracy")}
    return entity_metrics(true, predicted) | of_words
