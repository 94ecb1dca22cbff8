"""Keras callbacks of a recipe: the best epoch, and the end of an epoch in accumulation."""

import re
import sys
from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.training.recipe import Recipe, inner

_FALLING = re.compile("loss|error|perplexity|entropy|(^|_)(mse|mae|rmse|brier)($|_)")
# What Keras logs of a model that `fit` compiles; None is no metric to monitor.
LOGGED = (None, "loss", "accuracy", "val_loss", "val_accuracy")


class BestEpoch(keras.callbacks.EarlyStopping):
    """Keeps the weights of the epoch in which a metric was best, as the recipe says.

    Args:
        recipe: A `Recipe` with `monitor`.

    Example:

    >>> BestEpoch(Recipe(monitor="val_f1")).mode, BestEpoch(Recipe(monitor="val_loss")).mode
    ('max', 'min')
    """

    def __init__(self, recipe: Recipe):
        super().__init__(
            recipe.monitor,
            patience=sys.maxsize if recipe.patience is None else recipe.patience,
            mode="min" if _FALLING.search(recipe.monitor or "") else "max",
            restore_best_weights=True,
        )

    def get_monitor_value(self, logs: Any) -> Any:
        """The metric; None after an epoch that nothing was evaluated after.

        Raises:
            UserError: There is no such metric.
        """
        names = list(logs or {})
        is_later = self.monitor.startswith("val_") and not any(n.startswith("val_") for n in names)
        if self.monitor not in names and not is_later:
            raise unknown_metric(self.monitor, names)
        return (logs or {}).get(self.monitor)


def unknown_metric(monitor: str, names: Iterable[str]) -> UserError:
    """The error of a metric that training has not, but others.

    >>> unknown_metric("val_f2", ["loss", "val_f1"])
    UserError("monitor='val_f2' is no metric of this training, which has loss, val_f1: name one...
    """
    return UserError(
        f"monitor={monitor!r} is no metric of this training, which has {listed(list(names))}: name "
        "one of these."
    )


class LastGroup(keras.callbacks.Callback):
    """Has the last batches of an epoch make a step where they are too few for a whole one.

    Args:
        batches: Those of an epoch.
    """

    def __init__(self, batches: int):
        super().__init__()
        self._batches = batches

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Takes the step after the last batch."""
        if batch + 1 == self._batches:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()
            inner(self.model.optimizer).finish_group()


def as_callbacks(given: Any) -> list[keras.callbacks.Callback]:
    """What Keras takes as `callbacks`, as a list."""
    if isinstance(given, keras.callbacks.CallbackList):
        given = given.callbacks
    return keras.tree.flatten(given or [])
