"""The loss and the hits of guesses, summed on the device, where the logits are."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.tasks.prediction import predict_each
from kerasformer.tasks.pretraining.wrappers import TaskWrapper

_SUMS = 3  # of each output: of the weighted losses, the weighted hits and the weights


class GuessScorer(TaskWrapper):
    """A model of the inputs, labels and weights of batches that gives sums of what they score.

    Args:
        task: Gives logits, float `[..., classes]`, or a dict of these.

    Call arguments:
        inputs: A dict of those of the task, and `labels` and `weights`, in the structure of its
            outputs.

    Returns:
        Of each row the sums of the losses, of the hits and of the weights, for one output after
        another: float32 `[batch, 3 * outputs]`.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs = dict(inputs)
        labels, weights = inputs.pop("labels"), inputs.pop("weights")
        outputs = self.task(inputs, training=False)
        parts = map(keras.tree.flatten, (outputs, labels, weights))
        return ops.concatenate([_sums(*part) for part in zip(*parts, strict=True)], axis=-1)


def _sums(logits: Any, labels: Any, weights: Any) -> Any:
    """The sums of one output, float32 `[batch, 3]`."""
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    hits = ops.cast(
        ops.equal(ops.cast(ops.argmax(logits, axis=-1), labels.dtype), labels), "float32"
    )
    # What has no weight is not even looked at: its loss may be no number.
    losses = ops.where(weights > 0, losses, 0.0)
    columns = ops.stack([weights * losses, weights * hits, weights], axis=-1)
    axes = tuple(range(1, len(columns.shape) - 1))
    return ops.sum(columns, axis=axes) if axes else columns


class _Labelled:
    """Batches whose labels and weights are among their inputs."""

    def __init__(self, data: Batches):
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def __len__(self) -> int:
        return len(self._data)

    def inputs(self, rows: np.ndarray) -> dict[str, Any]:
        """Those of the batches, with `labels` and `weights`."""
        x, y, weights = self._data.columns(rows)
        return {**x, "labels": y, "weights": weights}


def score_guesses(scorer: GuessScorer, data: Batches, *shown: Any) -> np.ndarray:
    """The mean loss, and the share of hits, of each output: float64 `[outputs, 2]`.

    Args:
        scorer: Of the task.
        data: Batches with labels and weights; one output's may all weigh nothing.
        *shown: As of `predict_each`, from `verbose` on.

    Raises:
        UserError: Nothing of any weight is to be guessed.
    """
    parts = []

    def keep(rows, part):
        parts.append(part.sum(axis=0, dtype="float64"))

    predict_each(scorer, _Labelled(data), keep, *shown)  # type: ignore[arg-type]
    sums = np.sum(parts, axis=0).reshape(-1, _SUMS)
    check_guessed(sums[0, -1])
    return sums[:, :2] / sums[:, 2:].clip(1e-30)


def check_guessed(weight: float) -> None:
    """Raises a UserError where all that is to be guessed weighs nothing together."""
    if not weight:
        raise UserError("None of so few tokens was chosen to be guessed: give more texts.")


def perplexity(loss: float) -> float:
    """The exponential of a mean loss.

    >>> perplexity(0.0)
    1.0
    """
    return math.exp(min(loss, 700.0))  # more is no float
