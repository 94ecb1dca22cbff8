"""Where answers begin and end, as labels of the tokens of windows, and their loss."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasformer.training.losses import takes_indices

# The outputs of a model of answers.
SPAN = ("start_logits", "end_logits")
_PADDING = -1


@keras.saving.register_keras_serializable(package="kerasformer")
class SpanCrossentropy(keras.losses.CategoricalCrossentropy):
    """The cross-entropy of one token among all tokens of a row, padding left out.

    It takes logits `[batch, seq]`, computes in float32, and takes labels int `[batch, seq]`: 1 for
    the token, 0 for the others, and -1 for padding.

    Args:
        label_smoothing: The share of a label's probability that is spread over all tokens.
        **kwargs: As of `keras.losses.CategoricalCrossentropy`.

    Example:

    >>> loss = SpanCrossentropy()
    >>> round(float(loss(np.array([[1, 0, -1]]), np.array([[0.0, 0.0, 9.0]]))), 3)
    0.693
    """

    def __init__(self, label_smoothing: float = 0.0, **kwargs: Any):
        super().__init__(**{**kwargs, "from_logits": True, "label_smoothing": label_smoothing})
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, float32 `[batch]`."""
        exists = y_true != _PADDING
        lowest = float(np.finfo("float32").min)
        logits = ops.where(exists, ops.cast(y_pred, "float32"), lowest)
        exists, labels = (ops.cast(x, "float32") for x in (exists, y_true))
        even = exists / ops.sum(exists, axis=-1, keepdims=True)
        labels = (1 - self.label_smoothing) * labels + self.label_smoothing * even
        return -ops.sum(exists * labels * ops.log_softmax(logits, axis=-1), axis=-1)


def span_targets(
    positions: np.ndarray, lengths: np.ndarray, width: int, loss: Any = None
) -> dict[str, np.ndarray]:
    """The labels of rows in the form that a loss takes.

    Args:
        positions: The first and the last token of each row's answer, int `[rows, 2]`.
        lengths: The tokens of each row, int `[rows]`.
        width: The tokens and padding of a row.
        loss: Of the model; None for `SpanCrossentropy`.

    Returns:
        For each output int32 `[rows]` where the loss takes indices, or `[rows, width]`: 1 for the
        token, and where the loss is `SpanCrossentropy` -1 for padding.

    Example:

    >>> span_targets(np.array([[1, 2]]), np.array([3]), width=4)["end_logits"].tolist()
    [[0, 0, 1, -1]]
    """
    losses = keras.tree.flatten(loss)
    places = dict(zip(SPAN, positions.T.astype("int32"), strict=True))
    if all(map(takes_indices, losses)):
        return places
    column = np.arange(width)
    padding = column >= lengths[:, None] if _is_ours(losses) else False
    return {
        name: np.where(padding, _PADDING, column == place[:, None]).astype("int32")
        for name, place in places.items()
    }


def _is_ours(losses: list) -> bool:
    return all(one is None or isinstance(one, SpanCrossentropy) for one in losses)


def span_loss(
    positions: np.ndarray, logits: dict[str, np.ndarray], sample_weight: np.ndarray | None = None
) -> float:
    """The mean cross-entropy of the first and the last tokens, as `SpanCrossentropy`.

    Args:
        positions: As of `span_targets`.
        logits: The outputs, float `[rows, width]`, with -infinity under padding.
        sample_weight: float `[rows]`, or None.

    Example:

    >>> logits = dict.fromkeys(SPAN, np.array([[0.0, 0.0, -np.inf]]))
    >>> round(span_loss(np.array([[0, 1]]), logits), 3)
    0.693
    """
    rows, losses = np.arange(len(positions)), np.zeros(len(positions))
    for name, place in zip(SPAN, positions.T, strict=True):
        values = logits[name].astype("float64")
        values = values - values.max(axis=1, keepdims=True)
        losses += (np.log(np.exp(values).sum(axis=1)) - values[rows, place]) / len(SPAN)
    return float(np.average(losses, weights=sample_weight))
