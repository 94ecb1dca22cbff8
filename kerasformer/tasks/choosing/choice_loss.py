"""The loss of choices, of which one example may have more than another."""

from typing import Any

import keras
from keras import ops

from kerasformer.training.losses import SparseSmoothedCrossentropy

NO_CHOICE = -1e9  # the score of a choice that an example lacks beside others


@keras.saving.register_keras_serializable(package="kerasformer")
class SparseChoiceCrossentropy(SparseSmoothedCrossentropy):
    """`SparseSmoothedCrossentropy` that gives no share of a label to what is no choice.

    Args:
        **kwargs: As of `SparseSmoothedCrossentropy`.

    Example:

    >>> import numpy as np
    >>> loss = SparseChoiceCrossentropy(label_smoothing=0.1, from_logits=True)
    >>> round(float(loss(np.array([1]), np.array([[0.0, 2.0, -1e9]]))), 4)
    0.2269
    """

    def _even(self, log_probabilities: Any) -> Any:
        exists = log_probabilities > NO_CHOICE / 2
        total = ops.sum(ops.where(exists, log_probabilities, 0.0), axis=-1)
        return -total / ops.cast(ops.sum(ops.cast(exists, "int32"), axis=-1), total.dtype)
