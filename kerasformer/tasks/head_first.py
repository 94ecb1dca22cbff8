"""Training the head of a task first, and then all of it."""

from typing import Any

import keras

from kerasformer.models.distribution import strategy_scope
from kerasformer.training import Recipe


class HeadFirst(keras.callbacks.Callback):
    """Goes on to train all of a task, whose head alone was trained, within one `fit`.

    Args:
        recipe: The recipe for all of it.
        epochs: The epoch, counted from 0, that all of it is trained from.
        steps: The steps from there on.
    """

    def __init__(self, recipe: Recipe, epochs: int, steps: int):
        super().__init__()
        self._recipe, self._epochs, self._steps = recipe, epochs, steps

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Unfreezes the rest, if it is time."""
        task = self.model
        if epoch < self._epochs or not task.head_alone:
            return
        task.head_alone = False
        with strategy_scope(task):
            optimizer = self._recipe.optimizer(task, self._steps)
            if isinstance(task.optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(task.trainable_variables)
        # Not compiled anew, metrics and all, which Keras builds before the first epoch alone.
        task.optimizer = optimizer
        task.note_compiled(self._recipe)
        task.make_train_function(force=True)
