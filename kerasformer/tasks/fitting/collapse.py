"""Training that ended in numbers, but learnt nothing: seen, and said."""

import warnings
import zlib
from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.formatting import readable
from kerasformer.tasks.prediction import predict_batch
from kerasformer.training.recipe import inner

# Below these a model may well not have begun to learn.
_LEAST_EXAMPLES, _LEAST_STEPS = 32, 20
_MOST_BATCHES = 8  # to look at the predictions for


class CollapseCheck(keras.callbacks.Callback):
    """Watches training; `warn` then says what has gone wrong, in one sentence.

    Args:
        data: The batches to train on.
        validation: The batches to evaluate on, if any.
    """

    def __init__(self, data: Batches, validation: Batches | None):
        super().__init__()
        self._data, self._validation = data, validation
        self._steps = 0
        self._before: list[int] = []
        self._logs: dict[str, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Notes what the weights are."""
        self._before = _checksums(self.model.trainable_variables)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Counts; behind a step Keras would wait for its results first."""
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes the metrics."""
        self._logs = {} if logs is None else logs  # to which ValidationScores adds its own

    def warn(self, learning_rate: float) -> None:
        """Warns of training that changed nothing, that no gradient reached, or of one class alone.

        Args:
            learning_rate: The highest that training had.
        """
        if self._steps:
            kind = type(self.model).__name__
            seen = self._unchanged() or self._unreached()
            seen = seen or self._one_answer(learning_rate) or self._constant(learning_rate)
            if seen:
                warnings.warn(f"This {kind} {seen}.", stacklevel=5)

    def _unchanged(self) -> str:
        if self._before != _checksums(self.model.trainable_variables):
            return ""
        return (
            f"has the weights that it had before these {self._steps} steps: give a learning_rate "
            "above 0, or check that its loss follows from its outputs"
        )

    def _unreached(self) -> str:
        moments = getattr(inner(self.model.optimizer), "moments", None)
        if moments is None:  # an optimizer of the user's own
            return ""
        trained = self.model.trainable_variables
        dead = [v.path for v in trained if not float(keras.ops.max(moments(v)[1]))]
        if 2 * len(dead) <= len(trained):
            return ""
        return (
            f"got no gradient for {len(dead)} of the {len(trained)} weights to be trained, such as "
            f"{dead[0]}: start from other weights, or with an activation that does not die, such "
            "as gelu for relu"
        )

    def _one_answer(self, rate: float) -> str:
        """Of a task whose answers are no classes."""
        held = self._validation is not None
        data, which = (self._validation, "validation") if held else (self._data, "training")
        seen = self.model.same_answers(data, which, _LEAST_EXAMPLES, _MOST_BATCHES)
        return seen and f"{seen}: {self._remedy(rate)}"

    def _remedy(self, rate: float, classes: str = "") -> str:
        if self._steps < _LEAST_STEPS:
            return f"fewer than {_LEAST_STEPS} steps are too few to tell, try more epochs"
        return (
            f"try a learning_rate below {rate:g}, a longer warmup (warmup_ratio), more epochs, "
            f"{classes}or another seed"
        )

    def _constant(self, rate: float) -> str:
        labels, loss = _class_ids(self._data), self.model.loss
        if labels is None or not isinstance(loss, _CROSS_ENTROPIES):
            return ""
        remedy = self._remedy(rate, "class_weight='balanced' ")
        held = _class_ids(self._validation)
        # One tag for all words is no tagging, however short the training.
        if self._steps < _LEAST_STEPS and (held is None or not self._data.width_varies):
            return ""
        is_alike = held is not None and _is_a_share(self._logs.get("val_accuracy"), held)
        if is_alike and (seen := self._one_class(self._validation, held, "validation")):
            return f"{seen}: {remedy}"
        is_plain = len(set(labels.tolist())) > 1 and self._data.sample_weight is None
        if len(labels) < _LEAST_EXAMPLES or not is_plain or self._steps < _LEAST_STEPS:
            return ""
        entropy, reached = self._entropy(labels), self._logs.get("loss", 0.0)
        if reached < entropy:
            return ""
        seen = self._one_class(self._data, labels, "training") or (
            f"has a loss of {reached:.3g} after its last epoch, no less than the {entropy:.3g} of "
            "giving each class its share whatever the text"
        )
        return f"{seen}: {remedy}"

    def _entropy(self, labels: np.ndarray) -> float:
        """The lowest loss of a model that does not look at its inputs, in nats."""
        shares = np.bincount(labels, minlength=len(getattr(self.model, "class_names", ())))
        shares = shares / shares.sum()
        smoothing = getattr(self.model.loss, "label_smoothing", 0.0)
        shares = (1 - smoothing) * shares + smoothing / len(shares)
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())

    def _one_class(self, data: Any, labels: Any, which: str) -> str:
        """Says that the model predicts one class for all of many examples of several."""
        count = min(len(data), _MOST_BATCHES)
        if data.width_varies:  # the labels are of words, and what is no word has the weight 0
            batches = [data.columns(rows) for rows in data.batches[:count]]
            judged = [batch[2] > 0 for batch in batches]
            labels = np.concatenate([b[1][own] for b, own in zip(batches, judged, strict=True)])
        else:
            labels = labels[np.concatenate(data.batches[:count])]
        if len(labels) < _LEAST_EXAMPLES or len(set(labels.tolist())) < 2:
            return ""
        outputs = [predict_batch(self.model, data, rows) for rows in data.batches[:count]]
        if data.width_varies:
            outputs = [each[own] for each, own in zip(outputs, judged, strict=True)]
        predicted = set(np.concatenate(outputs).argmax(axis=-1).tolist())
        if len(predicted) > 1:
            return ""
        names = getattr(self.model, "class_names", None)
        index = predicted.pop()
        name = f"class {index}" if names is None else f"class {readable(names[index])!r}"
        return f"predicts the {name} for all of {len(labels):,} {which} examples"


_CROSS_ENTROPIES = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.CategoricalCrossentropy,
)


def _checksums(variables: list) -> list[int]:
    """What shows whether a bit of the variables has changed, in little memory."""
    arrays = (np.ravel(keras.ops.convert_to_numpy(variable)) for variable in variables)
    return [zlib.crc32(array.view("uint8").data) for array in arrays]


def _class_ids(data: Batches | None) -> np.ndarray | None:
    """The classes `[n]` of the examples of batches; None where their labels are no such thing."""
    labels = data.labels if data is not None and data.are_classes else None
    if not isinstance(labels, np.ndarray):
        return None
    if labels.ndim == 2 and labels.dtype.kind == "f":
        return labels.argmax(axis=-1)
    return labels if labels.ndim == 1 and labels.dtype.kind in "iu" else None


def _is_a_share(accuracy: Any, labels: np.ndarray) -> bool:
    """Whether an accuracy is that of always giving one class."""
    right = -1.0 if accuracy is None else accuracy * len(labels)
    return bool((np.abs(np.bincount(labels) - right) < 0.5).any())
