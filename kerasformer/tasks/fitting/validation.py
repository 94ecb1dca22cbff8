"""The metrics of the field on held-out examples, after each epoch."""

from collections.abc import Callable, Collection
from typing import Any

import keras


class ValidationScores(keras.callbacks.Callback):
    """Adds metrics to the logs of an epoch, each under `val_` and its name.

    The callbacks after it see them, such as `keras.callbacks.EarlyStopping`, and the history.

    Args:
        evaluate: Gives the metrics of the model as it is; those that are no numbers are left out.
        validation_freq: After each so many epochs, or the epochs, counted from 1, as in Keras.

    Example:

    >>> logs = {"loss": 0.5}
    >>> ValidationScores(lambda: {"f1": 0.8, "per_class": []}).on_epoch_end(0, logs)
    >>> logs
    {'loss': 0.5, 'val_f1': 0.8}
    """

    def __init__(
        self, evaluate: Callable[[], dict[str, Any]], validation_freq: int | Collection[int] = 1
    ):
        super().__init__()
        self._evaluate = evaluate
        self._freq = validation_freq

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates, if the epoch is one to evaluate after."""
        freq, number = self._freq, epoch + 1
        is_due = number in freq if isinstance(freq, Collection) else number % freq == 0
        if is_due and logs is not None:
            scores = self._evaluate().items()
            logs |= {f"val_{k}": v for k, v in scores if isinstance(v, int | float)}
