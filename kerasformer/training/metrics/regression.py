"""Metrics of predicted numbers, as SciPy and scikit-learn compute them."""

from typing import Any

import numpy as np
import numpy.typing as npt


def regression_metrics(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> dict[str, Any]:
    """Correlations and errors of predicted numbers.

    Predictions that are all alike correlate with nothing: 0. Where the targets are all alike,
    which a single one is, the correlations are None, as no predictions could give any.

    Args:
        targets: The true numbers, float `[n]` or `[n, outputs]`.
        predictions: The predicted ones, of the same shape.

    Returns:
        A dict that JSON can hold: `pearson` and `spearman` (ties take their mean rank), `mse`,
        `mae`, and `r2`, the coefficient of determination (None for a single example). Of several
        outputs the means, and each one's own in `per_output`.

    Raises:
        ValueError: There is no example, the shapes differ, or a number is not finite.

    Example:

    >>> metrics = regression_metrics([1.0, 2.0, 4.0], [1.5, 1.5, 3.0])
    >>> [round(metrics[name], 3) for name in ("pearson", "spearman", "mae")]
    [0.945, 0.866, 0.667]
    """
    targets, predictions = np.asarray(targets, "float64"), np.asarray(predictions, "float64")
    if targets.shape != predictions.shape or targets.ndim not in (1, 2):
        raise ValueError(
            f"targets have the shape {targets.shape} and predictions {predictions.shape}: both "
            "must be [n], or both [n, outputs]."
        )
    if not targets.size:
        raise ValueError("No examples to evaluate on: give at least one.")
    if not (np.isfinite(targets).all() and np.isfinite(predictions).all()):
        raise ValueError("A target or a prediction is NaN or infinite: give finite numbers.")
    columns = zip(
        targets.reshape(len(targets), -1).T, predictions.reshape(len(targets), -1).T, strict=True
    )
    rows = [_of_one_output(*column) for column in columns]
    if len(rows) == 1:
        return rows[0]
    return {**{name: _mean([row[name] for row in rows]) for name in rows[0]}, "per_output": rows}


def _of_one_output(targets, predictions):
    from scipy.stats import rankdata

    error = targets - predictions
    spread = ((targets - targets.mean()) ** 2).sum()
    squared = (error**2).sum()
    r2 = None
    if len(targets) > 1:  # as scikit-learn: of targets that are all alike 1 if they are met, else 0
        r2 = float(1 - squared / spread) if spread else float(squared == 0)
    return {
        "pearson": _correlation(targets, predictions),
        "spearman": _correlation(rankdata(targets), rankdata(predictions)),
        "mse": float((error**2).mean()),
        "mae": float(np.abs(error).mean()),
        "r2": r2,
    }


def _correlation(targets, predictions):
    if (targets == targets[0]).all():
        return None
    if (predictions == predictions[0]).all():
        return 0.0
    return float(np.corrcoef(targets, predictions)[0, 1])


def _mean(values):
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
