"""Metrics of several labels for each text, as scikit-learn computes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_TINY = np.finfo("float32").tiny


def multilabel_metrics(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    class_names: Sequence[str],
    threshold: float | npt.ArrayLike = 0.5,
) -> dict[str, Any]:
    """Precision, recall and F1 of each class against the rest, their averages, and ranking.

    What is divided by zero is 0, as with scikit-learn's `zero_division=0`. A class that is in
    all or in none of the examples has no ROC AUC, and one that is in none no average precision:
    these are None, and their means are over the other classes.

    Args:
        labels: Which classes each example is of, 0 or 1, `[n, classes]`.
        probabilities: The probability of each class, float `[n, classes]`.
        class_names: The names of the classes, in order.
        threshold: The least probability that predicts a class; one for all, or one for each.

    Returns:
        A dict that JSON can hold: `accuracy` (the share of examples with all classes right, the
        subset accuracy); `precision`, `recall`, `f1` (macro: the mean over classes);
        `micro_precision`, ... (over all pairs of example and class); `samples_precision`, ... (the
        mean over examples); `roc_auc` and `average_precision` (macro); `loss` (mean binary
        cross-entropy in nats); `per_class` (a list of dicts with `name`, `precision`, `recall`,
        `f1`, `support`, `roc_auc`, `average_precision`).

    Raises:
        ValueError: There is no example, or the shapes differ.

    Example:

    >>> metrics = multilabel_metrics([[1, 0], [1, 1]], [[0.9, 0.6], [0.8, 0.7]], ["new", "good"])
    >>> metrics["accuracy"], round(metrics["micro_f1"], 3), metrics["per_class"][0]["roc_auc"]
    (0.5, 0.857, None)
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    shape = (len(labels), len(class_names))
    if labels.shape != shape or probabilities.shape != shape:
        raise ValueError(
            f"labels have the shape {labels.shape} and probabilities {probabilities.shape}: of "
            f"{len(class_names)} classes both must be [n, {len(class_names)}]."
        )
    if not len(labels):
        raise ValueError("No examples to evaluate on: give at least one.")
    labels, predicted = labels.astype(int), (probabilities >= threshold).astype(int)
    result: dict[str, Any] = {"accuracy": float((labels == predicted).all(axis=1).mean())}
    for prefix, average in (("", "macro"), ("micro_", "micro"), ("samples_", "samples")):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        result |= {
            f"{prefix}precision": float(precision),
            f"{prefix}recall": float(recall),
            f"{prefix}f1": float(f1),
        }
    each = precision_recall_fscore_support(labels, predicted, average=None, zero_division=0)
    ranking = [_ranking(*column) for column in zip(labels.T, probabilities.T, strict=True)]
    for name in ("roc_auc", "average_precision"):
        defined = [row[name] for row in ranking if row[name] is not None]
        result[name] = float(np.mean(defined)) if defined else None
    true = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), _TINY, None)
    result["loss"] = float(-np.log(true).mean())
    rows = zip(class_names, *(values.tolist() for values in each), ranking, strict=True)
    result["per_class"] = [
        {"name": name, "precision": p, "recall": r, "f1": f, "support": s, **ranks}
        for name, p, r, f, s, ranks in rows
    ]
    return result


def _ranking(labels, probabilities):
    """The ROC AUC and average precision of a class, None where undefined."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    roc_auc = average_precision = None
    if labels.any():
        average_precision = float(average_precision_score(labels, probabilities))
        if not labels.all():
            roc_auc = float(roc_auc_score(labels, probabilities))
    return {"roc_auc": roc_auc, "average_precision": average_precision}
