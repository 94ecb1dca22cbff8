"""What a person sees while a model is pretrained."""

import time
from typing import Any

from kerasformer.progress import Bars
from kerasformer.training import Recipe
from kerasformer.training.budget import BudgetFollower

_SECONDS = 0.5  # between two looks at the clock


class CorpusProgress(BudgetFollower):
    """Shows the loss of late, tokens per second and the time that is left.

    Args:
        data: The batches of the first epoch.
        recipe: How the model is trained.
    """

    def __init__(self, data: Any, recipe: Recipe):
        super().__init__()
        self._data, self._recipe = data, recipe
        self._bars: Bars | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Shows the bar."""
        self._bars = Bars()
        self._bars.__enter__()
        self._bars.add("pretraining", total=1)
        self._epoch, self._tokens, self._begun = 0, 0, False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes how long the texts of its batches are."""
        self._epoch, self._lengths = epoch, []
        # Now, as reading ahead goes on to the next epoch before this one ends.
        self._lengths = [int(self._data.lengths_of(rows).sum()) for rows in self._data.batches]
        self._done, self._losses = 0, (0, 0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Shows how far it is, if a moment has passed."""
        assert self._bars is not None
        self._tokens += self._lengths[min(self._done, len(self._lengths) - 1)]
        self._done += 1
        now, share = time.monotonic(), self._share(batch + 1)
        if not self._begun:  # the first step has compiled what it takes
            self._begun, self._since, self._shown, self._tokens = True, now, now, 0
            self._bars.restart("pretraining", 1, completed=share)
        elif now - self._shown >= _SECONDS:
            self._shown, rate = now, self._tokens / (now - self._since)
            text = f"pretraining: loss {self._late(logs):.3f}, {rate:,.0f} tokens/s"
            self._bars.update(description=text, completed=share)

    def _share(self, done: int) -> float:
        if self.budget is not None:
            return min(self.budget.share, 1.0)
        steps = self.params["steps"]
        return (self._epoch * steps + done) / (self._recipe.epochs * steps)

    def _late(self, logs: Any) -> float:
        """The mean loss since it was last shown, of Keras' mean since the epoch began."""
        mean, (count, total) = float((logs or {}).get("loss", 0.0)), self._losses
        self._losses = self._done, mean * self._done
        return (self._losses[1] - total) / max(self._done - count, 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Says what was learnt."""
        assert self._bars is not None
        parts = [f"{name} {value:.4g}" for name, value in (logs or {}).items()]
        self._bars.say(f"after {self._share(self.params['steps']):.0%}: {', '.join(parts)}")

    def on_train_end(self, logs: Any = None) -> None:
        """Takes the bar away."""
        self.close()

    def close(self) -> None:
        """Takes the bar away, where it is still there, as after an error."""
        if self._bars is not None:
            self._bars.__exit__(None, None, None)
            self._bars = None
