"""What all arms have in common: how they are timed, and what a run is in the record."""

import abc
import dataclasses
import time

import numpy as np

from kerasformer.compare.quality import quality_of

MOST_ERRORS, LONGEST_TEXT = 10, 300  # of the test errors that the record keeps, in characters
_LATENCY_EXAMPLES = 20  # predicted one by one, to time each


class Method(abc.ABC):
    """What an arm does.

    A child that learns has `imports` and `code`, Python that makes the same model; one whose
    `model` can be saved has `task`, its class in `kerasformer.tasks`.

    Args:
        dataset: The data, limited to what is asked for.
        settings: Those of the comparison.
        events: Told of what goes on.
        kept: A folder whose files serve further runs of the arm, in a later process too.

    Attributes:
        settings: What a run depends on, ready for JSON.
        whole: All of the data.
        dataset: What the next run learns from and is judged on.
        rows: Which of the training examples these are, int `[n]`; None for all.
    """

    def __init__(self, dataset, settings, events, kept):
        self.whole = self.dataset = dataset
        self.rows: np.ndarray | None = None
        self.events = events
        self.quality = quality_of(settings.task, getattr(dataset, "tag_names", ()))

    def learn_from(self, rows):
        """Has the next runs train on these training examples alone, int `[n]`; None for all.

        Without a validation split, whose labels would be more than those that they learn from.
        """
        self.rows, self.dataset = rows, self.whole
        if rows is not None:
            splits = {"train": self.whole.train.take(rows), "test": self.whole.test}
            self.dataset = dataclasses.replace(self.whole, splits=splits)

    @abc.abstractmethod
    def run(self, seed):
        """Trains and measures once; the result as `measure` gives it."""

    @abc.abstractmethod
    def judge(self, split, predictions):
        """`metrics`, `scores` and `errors` of predictions for a split.

        `scores` has a row for each example, from which the main metric follows, as
        `compare.quality` says; `errors` some wrong predictions, the surest first.
        """

    def measure(self, predict, train_seconds, parameters, history=(), epochs=1):
        """A run's result, as the record keeps it.

        Args:
            predict: Gives what `judge` takes of a split.
            train_seconds: How long the training took; 0 where there is none.
            parameters: How many were trained; or these as `trainable`, and all as `total`.
            history: What was measured after each epoch.
            epochs: Passes of the model over the training examples, 0 where there is no training;
                a head on vectors that are computed once counts as one.
        """
        test = self.dataset.test
        started = time.perf_counter()
        predictions = predict(test)
        predict_seconds = time.perf_counter() - started
        latencies = []
        for index in range(min(_LATENCY_EXAMPLES, len(test))):
            one = test.take([index])
            started = time.perf_counter()
            predict(one)
            latencies.append(time.perf_counter() - started)
        if isinstance(parameters, int):
            parameters = {"trainable": parameters, "total": parameters}
        trained = epochs * len(self.dataset.train) if train_seconds else 0
        return {
            **self.judge(test, predictions),
            "history": list(history),
            "train_seconds": train_seconds,
            "train_examples_per_second": trained / train_seconds if trained else None,
            "predict_examples_per_second": len(test) / max(predict_seconds, 1e-9),
            "latency_ms": 1e3 * float(np.median(latencies)),
            "parameters": parameters,
        }
