"""The live progress of a search: trial, epoch, the best so far, time left."""

import math
import time
from typing import Any

from kerasformer.formatting import MISSING
from kerasformer.progress import Bars


class Budget:
    """For how long a search goes on.

    Args:
        trials: The most trials; None for any number.
        minutes: No trial begins that is expected to end after so many minutes.
    """

    def __init__(self, trials: int | None, minutes: float | None):
        self.trials, self.minutes = trials, minutes
        self._started = time.monotonic()

    @property
    def share(self) -> float:
        """The share of the minutes that has passed."""
        passed = time.monotonic() - self._started
        return passed / (60 * self.minutes) if self.minutes else 0.0

    def allows(self, trials: list[dict[str, Any]], since: int) -> bool:
        """Whether another trial may begin.

        Args:
            trials: All that have ended.
            since: How many of them had before this process began.
        """
        if self.trials is not None and len(trials) >= self.trials:
            return False
        own = [trial["seconds"] for trial in trials[since:]]
        if self.minutes is None or not own:
            return True
        passed = time.monotonic() - self._started
        return passed + sum(own) / len(own) <= 60 * self.minutes


class Progress(Bars):
    """A live line on a terminal, else a line for each trial."""

    def __init__(self, budget: Budget, done: int):
        super().__init__()
        self._budget, self._done, self._best = budget, done, ""
        self._title = "starting"
        self.add(self._title, **self._place(0))

    def _place(self, part: float) -> dict[str, float]:
        """How much of the search is done, when a part of a trial is."""
        trials, total = self._budget.trials, self._budget.trials or 1
        by_trials = (self._done + part) / total if trials else 0.0
        return {"total": 1.0, "completed": min(1.0, max(by_trials, self._budget.share))}

    def start(self, number: int) -> None:
        """A trial begins, by its number from 1."""
        of = f" of {self._budget.trials}" if self._budget.trials else ""
        self._title = f"trial {number}{of}"
        self.move(0, 0, 0.0)

    def move(self, epoch: int, epochs: int, done: float) -> None:
        """Of the epochs of a trial so many are done, with their parts; 0 epochs: it is starting."""
        at = f"epoch {epoch} of {epochs}" if epochs else "loading the model"
        text = f"{self._title}, {at}{self._best}"
        self.update(description=text, **self._place(done / epochs if epochs else 0))

    def finish(self, trial: dict[str, Any], best: dict[str, Any] | None, metric: str) -> None:
        """A trial has ended."""
        self._done += 1
        if best:
            self._best = f"; best {metric} {best['value']:.4f} in trial {best['trial']}"
        value = MISSING if trial["value"] is None else f"{trial['value']:.4f}"
        self.say(
            f"{self._title}: {trial['outcome']}, validation {metric} {value}, "
            f"{math.ceil(trial['seconds'])} s{self._best}"
        )
