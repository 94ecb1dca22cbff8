"""The trials of a search: an Optuna study, kept in a file of JSON lines."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasformer.errors import UserError, require
from kerasformer.tune.space import Bounds, Choice

if TYPE_CHECKING:
    from optuna import Trial

JOURNAL = "study.jsonl"
COMPLETE, PRUNED, DIVERGED = "complete", "pruned", "diverged"
_NAME = "tune"
_RANDOM = 5  # trials before those that learn from the ones before, and before any is pruned
_PARTS = 4  # of a training, after each of which it is compared with others
_LOWER_IS_BETTER = ("loss", "mse", "mae")


def falls(metric: str) -> bool:
    """Whether less of a metric is better.

    >>> falls("loss"), falls("accuracy")
    (True, False)
    """
    return metric in _LOWER_IS_BETTER


class Study:
    """An Optuna study that one process at a time reads and goes on with.

    A trial that was killed is asked for again, and has the same parameters again: what is drawn
    depends on the seed and on the trials that have ended. These are numbered from 1; the first one
    has the default hyperparameters.

    Args:
        folder: Where `JOURNAL` is or will be, which no other process writes to.
        bounds: What is searched.
        seed: Of what is drawn.

    Attributes:
        trials: Those that have ended, dicts ready for JSON.

    Raises:
        UserError: The file is damaged, or cannot be written.
    """

    def __init__(self, folder: Path, bounds: Bounds, seed: int):
        self._optuna = require("optuna", extra="tune")
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        self._bounds, self._seed = bounds, seed
        path = folder / JOURNAL
        with _read(path):
            self._study = self._open(path)
            self.trials = self._ended()

    def _open(self, path: Path) -> Any:
        journal = self._optuna.storages.journal
        lock = path.with_name(f"{path.name}.lock")  # a killed process leaves it
        lock.unlink(missing_ok=True)
        _cut_torn_line(path)
        backend = journal.JournalFileBackend(str(path), journal.JournalFileOpenLock(str(path)))
        study = self._optuna.create_study(
            storage=journal.JournalStorage(backend),
            study_name=_NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=self._optuna.pruners.MedianPruner(n_startup_trials=_RANDOM),
        )
        state = self._optuna.trial.TrialState
        for trial in study.get_trials(states=(state.RUNNING,)):  # killed
            study.tell(trial.number, state=state.FAIL)
        return study

    def _ended(self) -> list[dict[str, Any]]:
        state = self._optuna.trial.TrialState
        trials = self._study.get_trials(states=(state.COMPLETE, state.PRUNED))
        return [
            {
                "trial": number,
                **vars(Bounds.choice(trial.params)),
                "outcome": trial.user_attrs["outcome"],
                "value": _number(trial.user_attrs["value"]),
                "validation": [_number(one) for one in trial.user_attrs["validation"]],
                "seconds": float(trial.user_attrs["seconds"]),
            }
            for number, trial in enumerate(trials, start=1)
        ]

    @property
    def metric(self) -> str | None:
        """The metric of the validation split, if it is known yet."""
        metric = self._study.user_attrs.get("metric")
        return metric if isinstance(metric, str) else None

    @metric.setter
    def metric(self, name: str) -> None:
        self._study.set_user_attr("metric", name)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best complete trial, of equal ones the first."""
        complete = [trial for trial in self.trials if trial["outcome"] == COMPLETE]
        return max(complete, key=lambda trial: self.score(trial["value"]), default=None)

    def score(self, value: float) -> float:
        """The value of the metric, with the sign that makes more of it better."""
        return -value if self.metric and falls(self.metric) else value

    def ask(self) -> tuple["Trial", Choice]:
        """The next trial, which has begun, and what it is to try."""
        number = len(self.trials)
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM)
        waiting = self._study.get_trials(states=(self._optuna.trial.TrialState.WAITING,))
        if number == 0 and not waiting:
            self._study.enqueue_trial(self._bounds.default())
        trial = self._study.ask()
        return trial, self._bounds.suggest(trial)

    def report(self, trial: "Trial", epoch: int, epochs: int, value: float) -> bool:
        """Notes the value after an epoch, counted from 1; whether the trial is not worth going on.

        It is compared with others at the same part of their training, as the learning rate falls to
        0 at its end, however many epochs it has.
        """
        part, before = _PARTS * epoch // epochs, _PARTS * (epoch - 1) // epochs
        if part == before or epoch == epochs:
            return False
        trial.report(self.score(value), part)
        return trial.should_prune()

    def tell(
        self, trial: "Trial", outcome: str, validation: list[float], seconds: float
    ) -> dict[str, Any]:
        """Ends a trial; returns it as in `trials`."""
        value = validation[-1] if validation and outcome != DIVERGED else None
        told = {"outcome": outcome, "value": value, "validation": validation, "seconds": seconds}
        for name, one in told.items():
            trial.set_user_attr(name, one)
        state = self._optuna.trial.TrialState
        if outcome == COMPLETE and value is not None:
            self._study.tell(trial, self.score(value))
        else:
            self._study.tell(trial, state=state.PRUNED)
        self.trials = self._ended()
        return self.trials[-1]


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _cut_torn_line(path: Path) -> None:
    """Removes the end of the last line, if a kill tore it off its beginning."""
    if not path.is_file():
        return
    with open(path, "r+b") as stream:
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)


@contextlib.contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be read or written: {error.strerror}.") from None
    except UserError:
        raise
    except Exception as error:  # Optuna checks nothing of what it reads
        raise UserError(
            f"{path} is damaged ({type(error).__name__}): start a new search in another --output."
        ) from None
