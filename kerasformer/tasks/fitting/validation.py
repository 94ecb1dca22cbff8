"""The metrics of the field on held-out examples, after each epoch."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import keras

from kerasformer.data.batches import Batches
from kerasformer.data.dataset import Dataset
from kerasformer.training.callbacks import unknown_metric


def to_evaluate_on(x: Any, data: Any, share: float) -> Any:
    """The `validation_data` of `fit`: where nothing is said, the data set x, if it has a split.

    Args:
        x: What is trained on.
        data: The `validation_data` that was given.
        share: The `validation_split` that was given.

    Example:

    >>> to_evaluate_on(["a text"], (["another"], [1]), 0.0)
    (['another'], [1])
    """
    is_said = data is not None or share
    return x if not is_said and isinstance(x, Dataset) and "validation" in x.splits else data


class ValidationScores(keras.callbacks.Callback):
    """Adds metrics to the logs of an epoch, each under `val_` and its name.

    The callbacks after it see them, such as `keras.callbacks.EarlyStopping`, and the history.

    Args:
        evaluate: Gives the metrics of the model as it is; those that are no numbers are left out.
        validation_freq: After each so many epochs, or the epochs, counted from 1, as in Keras.
        data: The batches that are evaluated on.
        evaluate_some: Gives the metrics of a few of the examples.

    Example:

    >>> logs = {"loss": 0.5}
    >>> ValidationScores(lambda: {"f1": 0.8, "per_class": []}).on_epoch_end(0, logs)
    >>> logs
    {'loss': 0.5, 'val_f1': 0.8}
    """

    def __init__(
        self,
        evaluate: Callable[[], dict[str, Any]],
        validation_freq: int | Collection[int] = 1,
        data: Batches | None = None,
        evaluate_some: Callable[[], dict[str, Any]] | None = None,
    ):
        super().__init__()
        self._evaluate_some = evaluate_some or evaluate
        self._evaluate = evaluate
        self._freq = validation_freq
        self.data = data

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates, if the epoch is one to evaluate after."""
        freq, number = self._freq, epoch + 1
        is_due = number in freq if isinstance(freq, Collection) else number % freq == 0
        if is_due and logs is not None:
            logs |= self.metrics()

    def metrics(self) -> dict[str, int | float]:
        """What it adds to the logs, by the model as it is."""
        return _logged(self._evaluate())

    def some_metrics(self) -> dict[str, int | float]:
        """The same of a few examples, to know their names."""
        return _logged(self._evaluate_some())


def _logged(scores):
    return {f"val_{k}": v for k, v in scores.items() if isinstance(v, int | float)}


class ShortProgress(keras.callbacks.ProgbarLogger):
    """Keras' progress line, where some metrics would be too many; the history has all of them.

    Args:
        hidden: How the names begin of the validation metrics to leave out, without `val_`.

    Example:

    >>> ShortProgress(("macro_",)).shown({"loss": 0.5, "val_f1": 0.8, "val_macro_f1": 0.7})
    {'loss': 0.5, 'val_f1': 0.8}
    """

    def __init__(self, hidden: tuple[str, ...]):
        super().__init__()
        self._hidden = tuple(f"val_{name}" for name in hidden)

    def shown(self, logs: dict[str, Any] | None) -> dict[str, Any]:
        """Those of the logs that the line has."""
        return {k: v for k, v in (logs or {}).items() if not k.startswith(self._hidden)}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ends the line."""
        super().on_epoch_end(epoch, self.shown(logs))


def check_monitor(
    task: keras.Model,
    monitor: str | None,
    validation: Any,
    callbacks: Iterable[keras.callbacks.Callback],
) -> None:
    """Raises a UserError for a metric that training will not have, before it begins.

    Args:
        task: The model, compiled, with the variables of its metrics.
        monitor: The metric, if there is one.
        validation: What Keras evaluates on, if anything.
        callbacks: Those of the training; one of a person's own may give any metric.
    """
    if not monitor or not all(map(_is_known, callbacks)):
        return
    names = sorted(task.get_metrics_result())
    scores = [one for one in callbacks if isinstance(one, ValidationScores)]
    names += [f"val_{name}" for name in names] if validation or scores else []
    for one in scores:
        if monitor not in names:
            names += one.some_metrics()
        if monitor not in names:
            names += one.metrics()  # some are only of examples that the first have none of
    if monitor not in names:
        raise unknown_metric(monitor, names)


def _is_known(callback: keras.callbacks.Callback) -> bool:
    is_open = isinstance(callback, keras.callbacks.LambdaCallback)
    return not is_open and type(callback).__module__.startswith(("keras.", "kerasformer."))
