"""Training that takes so many minutes or steps, and a learning rate that ends with it."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import keras

from kerasformer.training.recipe import Recipe, inner
from kerasformer.training.schedule import WarmupDecay

_FINENESS = 1000  # values of the learning rate over the whole budget


class Budget(keras.callbacks.Callback):
    """Ends training with the minutes or the steps of a recipe.

    With minutes it also sets the learning rate, to what the recipe's schedule has at the share of
    the minutes, or of the steps if that is larger, that is over.

    Args:
        recipe: A `Recipe` with `minutes` or `max_steps`.
        sets_rate: Whether it may set the learning rate; nothing else then should.

    Attributes:
        seconds: How long training has taken, that before an interruption included.
        steps: How many steps it has made.
        sets_rate: Whether it sets the learning rate.

    Example:

    >>> budget = Budget(Recipe(minutes=2.0, max_steps=100))
    >>> budget.seconds, budget.steps = 30.0, 20
    >>> round(budget.share, 2)
    0.25
    """

    def __init__(self, recipe: Recipe, sets_rate: bool = True):
        super().__init__()
        self.steps = 0
        self.sets_rate = sets_rate and recipe.minutes is not None
        self._recipe = recipe
        self._before, self._place = 0.0, -1
        self._since: float | None = None
        warmup = round(recipe.warmup_ratio * _FINENESS)
        self._rate = WarmupDecay(recipe.learning_rate, _FINENESS, warmup, recipe.schedule)

    @property
    def seconds(self) -> float:
        """How long training has taken so far."""
        return self._before + (0.0 if self._since is None else time.monotonic() - self._since)

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._before, self._since = value, time.monotonic()

    @property
    def share(self) -> float:
        """How much of the budget is used, from 0 on."""
        minutes, steps = self._recipe.minutes, self._recipe.max_steps
        used = 0.0 if minutes is None else self.seconds / 60 / minutes
        return used if steps is None else max(used, self.steps / steps)

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the clock."""
        self.seconds = self._before

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the learning rate, where it has changed."""
        if not self.sets_rate or (place := int(min(self.share, 1) * _FINENESS)) == self._place:
            return
        self._place = place
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        rate = keras.ops.convert_to_numpy(self._rate(place))
        inner(self.model.optimizer).learning_rate = float(rate)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts, and ends training if the budget is used up."""
        done = batch + 1
        is_last = done == self.params["steps"]  # which makes a step in any case
        self.steps += is_last or done % self._recipe.accumulate == 0
        if self.share >= 1:
            self.model.stop_training = True


class BudgetFollower(keras.callbacks.Callback):
    """A callback that is told which `Budget` ends its training, if one does.

    Attributes:
        budget: The budget.
    """

    def __init__(self):
        super().__init__()
        self.budget: Budget | None = None


class Milestones(BudgetFollower):
    """Calls a function when shares of a budget are used.

    Args:
        shares: The shares, above 0.
        reach: Called after the step that reaches one, or several, with the last of these.

    Attributes:
        passed: The share that was used after the last batch.
    """

    def __init__(self, shares: Iterable[float], reach: Callable[[float], object]):
        super().__init__()
        self._shares, self._reach = sorted(shares), reach
        self.passed = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Has passed none; a training that goes on sets it to where it was."""
        self.passed = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the function, if one is reached since the last batch."""
        # What the function itself takes, or a checkpoint, belongs to the next batch.
        before, self.passed = self.passed, self.budget.share if self.budget else 0.0
        reached = [share for share in self._shares if before < share <= self.passed]
        if not reached:
            return
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self._reach(reached[-1])


def with_budget(
    recipe: Recipe, callbacks: list[keras.callbacks.Callback]
) -> list[keras.callbacks.Callback]:
    """The callbacks of a training, and before them what ends it, if its recipe has a budget."""
    if not recipe.has_budget:
        return callbacks
    budget = Budget(recipe, sets_rate=not any(map(sets_rate, callbacks)))
    for one in callbacks:
        if isinstance(one, BudgetFollower):
            one.budget = budget
    return [budget, *callbacks]


def sets_rate(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback sets the learning rate, which then follows no schedule of ours."""
    if isinstance(callback, Budget):
        return callback.sets_rate
    setters = keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau
    return isinstance(callback, setters)
