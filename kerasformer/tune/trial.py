"""One trial of a search: a model, trained and judged on the validation split."""

import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from kerasformer.data.dataset import Dataset
from kerasformer.errors import DivergenceError, UserError
from kerasformer.files import read_optional_json, write_whole
from kerasformer.formatting import listed
from kerasformer.tasks.kinds import main_metric
from kerasformer.transaction import finish_saving, saving
from kerasformer.tune.progress import Progress
from kerasformer.tune.space import Choice
from kerasformer.tune.study import COMPLETE, DIVERGED, PRUNED, Study

MODEL, CANDIDATE = "model", "trial.json"
# Without one of these no program reads a model that a task saves.
_LAST = ("config.json", "classifier.json")


class Judge(keras.callbacks.Callback):
    """Notes the metric of the validation split after each epoch, and may end the training there.

    Args:
        validation: The validation split.
        study: Whose metric it is; where none is known yet, it is the main one of the task.
        report: Told epoch, counted from 1, and value, says whether to end the training.
        progress: Told how far the training is.

    Attributes:
        values: The metric after each epoch.
        pruned: Whether the training was ended.
    """

    def __init__(
        self,
        validation: Any,
        study: Study,
        report: Callable[[int, float], bool],
        progress: Progress,
    ):
        super().__init__()
        self._validation, self._study = validation, study
        self._report, self._progress = report, progress
        self.values: list[float] = []
        self.pruned = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Shows how far the training is."""
        epoch, steps = len(self.values), self.params["steps"] or 1
        self._progress.move(epoch + 1, self.params["epochs"], epoch + (batch + 1) / steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Judges the model."""
        self.values.append(self._value(logs or {}))
        if self._report(len(self.values), self.values[-1]):
            self.pruned = self.model.stop_training = True

    def _value(self, logs: dict[str, Any]) -> float:
        if self._study.metric and f"val_{self._study.metric}" in logs:
            return float(logs[f"val_{self._study.metric}"])
        scores = self.model.evaluate(self._validation, return_dict=True, verbose=0)
        if self._study.metric is None:
            self._study.metric = main_metric(scores, getattr(self.model, "problem_type", ""))
        value = scores.get(self._study.metric, "")
        if value is None:  # such as the correlation with targets that are all alike
            return float("nan")
        if isinstance(value, bool) or not isinstance(value, int | float):
            numbers = [name for name, one in scores.items() if isinstance(one, int | float)]
            raise UserError(
                f"metric is {self._study.metric!r}, which this task does not have: give one of "
                f"{listed(numbers)}."
            )
        return float(value)


class Trainer:
    """Trains the models of trials, each made anew, and keeps the best one.

    Args:
        make: Makes a model, given what freezes a part of it.
        dataset: The data, of which no other splits are needed than these two.
        study: The trials.
        folder: Where the best model is kept, under `MODEL`.
        seed: Of the first weights of the head, of the order of the batches and of dropout: the same
            in all trials, which so differ in their hyperparameters alone.
        progress: Told what goes on.
    """

    def __init__(
        self,
        make: Callable[[dict[str, Any]], Any],
        dataset: Dataset,
        study: Study,
        folder: Path,
        seed: int,
        progress: Progress,
    ):
        self._make, self._dataset = make, dataset
        self._study, self._folder, self._seed = study, folder, seed
        self._progress = progress

    def run(self) -> dict[str, Any]:
        """Runs the next trial; returns it as in `Study.trials`."""
        self._progress.start(len(self._study.trials) + 1)
        trial, choice = self._study.ask()
        ended = self._kept(choice)
        if ended is None:
            ended = self._run(trial, choice)
        told = self._study.tell(trial, *ended)
        self._progress.finish(told, self._study.best, self._study.metric or "")
        gc.collect()  # the model's graphs, which refer to themselves
        return told

    def _run(self, trial: Any, choice: Choice) -> tuple[str, list[float], float]:
        started = time.monotonic()
        keras.utils.set_random_seed(self._seed)
        model = self._make(choice.options)
        judge = Judge(
            self._dataset.splits["validation"],
            self._study,
            lambda epoch, value: self._study.report(trial, epoch, choice.epochs, value),
            self._progress,
        )
        outcome = COMPLETE
        try:
            model.fit(
                self._dataset,
                recipe=model.recipe.change(**choice.changes),
                seed=self._seed,
                callbacks=[judge],
                verbose=0,
            )
        except DivergenceError:
            outcome = DIVERGED
        if judge.pruned:
            outcome = PRUNED
        elif not judge.values or judge.values[-1] != judge.values[-1]:
            outcome = DIVERGED
        ended = outcome, judge.values, time.monotonic() - started
        if outcome == COMPLETE and self._is_best(judge.values[-1]):
            self._keep(model, choice, ended)
        return ended

    def _kept(self, choice: Choice) -> tuple[str, list[float], float] | None:
        """How the next trial ended, if a process was killed after it had kept its model."""
        path = self._folder / MODEL / CANDIDATE
        finish_saving(path.parent)
        about = read_optional_json(path)
        expected = {"trial": len(self._study.trials) + 1, **vars(choice)}
        if not about or any(about.get(name) != value for name, value in expected.items()):
            return None
        outcome, values, seconds = about["ended"]
        return outcome, values, seconds

    def _is_best(self, value: float) -> bool:
        best = self._study.best
        return best is None or self._study.score(value) > self._study.score(best["value"])

    def _keep(self, model: Any, choice: Choice, ended: tuple) -> None:
        """Puts the model in the place of the best one so far, with what it is, in one step."""
        about = {"trial": len(self._study.trials) + 1, **vars(choice), "ended": ended}
        with saving(self._folder / MODEL, _LAST) as new:
            model.save_pretrained(new)
            write_whole(new / CANDIDATE, json.dumps(about))
