"""Training whose numbers left the range of numbers: seen, and said."""

from typing import Any

import keras
import numpy as np

from kerasformer.errors import DivergenceError
from kerasformer.models.finite import are_finite


class DivergenceCheck(keras.callbacks.Callback):
    """Stops training where the loss is no number; `refuse` then says so."""

    def __init__(self):
        super().__init__()
        self._epoch = 0
        self._seen = ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops training if the loss so far is not finite."""
        loss = float((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss) and not self._seen:
            self._seen = f"the loss is {loss} at batch {batch + 1} of epoch {self._epoch + 1}"
            self.model.stop_training = True

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
