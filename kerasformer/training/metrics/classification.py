"""Classification metrics, as scikit-learn computes them."""

import numpy as np


def classification_metrics(labels, probabilities, class_names, sample_weight=None) -> dict:
    """Accuracy, macro precision, recall and F1, each class's, and the confusion matrix.

    A class that is never predicted has precision 0, as with scikit-learn's `zero_division=0`.

    Args:
        labels: True class indices, int `[n]`.
        probabilities: Class probabilities, float `[n, classes]`.
        class_names: The names of the classes, in order.
        sample_weight: A weight for each example, float `[n]`.

    Returns:
        A dict that JSON can hold: `accuracy`, `precision`, `recall`, `f1` (macro), `loss` (mean
        cross-entropy in nats), `per_class` (a list of dicts with `name`, `precision`, `recall`,
        `f1`, `support`), `confusion_matrix` (rows are true classes, columns predicted ones).

    Raises:
        ValueError: There is no example.

    Example:

    >>> metrics = classification_metrics([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], "ab")
    >>> round(metrics["accuracy"], 3), metrics["confusion_matrix"]
    (0.667, [[1, 0], [1, 1]])
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    if not len(labels):
        raise ValueError("No examples to evaluate on: give at least one.")
    predicted = probabilities.argmax(axis=-1)
    classes = range(len(class_names))
    weight = {"sample_weight": sample_weight}
    scores = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0, **weight
    )
    precision, recall, f1 = (values.mean() for values in scores[:3])
    true = np.clip(probabilities[np.arange(len(labels)), labels], np.finfo("float32").tiny, None)
    return {
        "accuracy": float(accuracy_score(labels, predicted, **weight)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "loss": float(-np.average(np.log(true), weights=sample_weight)),
        "per_class": [
            {"name": name, "precision": p, "recall": r, "f1": f, "support": s}
            for name, p, r, f, s in zip(class_names, *(v.tolist() for v in scores), strict=True)
        ],
        "confusion_matrix": confusion_matrix(labels, predicted, labels=classes, **weight).tolist(),
    }
