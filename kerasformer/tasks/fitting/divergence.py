"""Training whose numbers left the range of numbers: seen, and said."""

import sys
import threading
from typing import Any

import keras
import numpy as np

from kerasformer.errors import DivergenceError
from kerasformer.models.finite import are_finite


class DivergenceCheck(keras.callbacks.Callback):
    """Stops training where the loss is no number; `refuse` then says so.

    On JAX Keras calls it in threads, which wait for the loss, while further steps begin: as long as
    no other callback looks at each step that is not `async_safe`. On TensorFlow Keras itself waits.
    """

    async_safe = True

    def __init__(self):
        super().__init__()
        self._epoch = 0
        self._seen = ""
        self._lock, self._batch = threading.Lock(), sys.maxsize

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops training if the loss so far is not finite."""
        loss = float((logs or {}).get("loss", 0.0))
        if np.isfinite(loss):
            return
        with self._lock:
            self.model.stop_training = True
            if batch < self._batch:
                self._batch = batch
                self._seen = f"the loss is {loss} at batch {batch + 1} of epoch {self._epoch + 1}"

    def refuse(self, learning_rate: float) -> None:
        """Raises a DivergenceError if the loss was no number, or if a weight is none.

        Args:
            learning_rate: The highest that training had.
        """
        lost = not are_finite(self.model.trainable_variables)
        if self._seen or lost:
            seen = self._seen or "weights are not finite after the last batch"
            remedy = "make the model anew, for its weights are lost, and try" if lost else "try"
            raise DivergenceError(
                f"Training diverged, {seen}: {remedy} a learning_rate far below {learning_rate:g}."
            )
