"""What a classifier of texts learns and answers, by the model's `problem_type`."""

import abc
import dataclasses
import warnings
from typing import Any, ClassVar

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models.problems import MULTI_LABEL, PROBLEMS, REGRESSION, SINGLE_LABEL
from kerasformer.tasks.prediction import check_answers, softmax
from kerasformer.tasks.texts.labels import (
    class_weights_of_each,
    label_ids,
    multi_hot,
    sample_weights,
    targets,
)
from kerasformer.training import (
    classification_metrics,
    multilabel_metrics,
    regression_metrics,
)
from kerasformer.training.losses import (
    BinaryCrossentropyOfEach,
    cross_entropy,
    labels_for,
)


@dataclasses.dataclass(frozen=True)
class Problem(abc.ABC):
    """What the logits of a model are of.

    Args:
        class_names: The names of the classes, in order.
    """

    class_names: tuple[str, ...]

    least_outputs: ClassVar[int] = 1

    @abc.abstractmethod
    def labels(self, labels: np.ndarray, loss: Any = None) -> np.ndarray:
        """The labels that a person gave, in the form that a loss takes, or None, the own one."""

    @abc.abstractmethod
    def weights(
        self, labels: np.ndarray, class_weight: Any, sample_weight: np.ndarray | None, loss: Any
    ) -> np.ndarray | None:
        """The weights of examples with these `labels`, for a loss, or None, the own one."""

    @abc.abstractmethod
    def loss(self, data: Batches) -> keras.losses.Loss:
        """The loss of the logits, for the labels of batches."""

    @abc.abstractmethod
    def scores(self, data: Batches, logits: np.ndarray) -> dict[str, Any]:
        """The metrics of the field for the examples of batches."""

    @abc.abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 `[n, classes]`."""

    @abc.abstractmethod
    def names(self, logits: np.ndarray, threshold: Any = None) -> list[Any]:
        """The class, or classes, of each example."""


class SingleLabel(Problem):
    """One class of many."""

    least_outputs = 2

    def labels(self, labels: np.ndarray, loss: Any = None) -> np.ndarray:
        """Class indices `[n]` or probabilities `[n, classes]`."""
        return labels_for(loss, label_ids(labels, self.class_names), len(self.class_names))

    def weights(
        self, labels: np.ndarray, class_weight: Any, sample_weight: np.ndarray | None, loss: Any
    ) -> np.ndarray | None:
        """That of an example's class times its own, float32 `[n]`."""
        return sample_weights(labels, self.class_names, class_weight, sample_weight)

    def loss(self, data: Batches) -> keras.losses.Loss:
        """The cross-entropy of the softmax."""
        return cross_entropy(one_hot=data.labels.ndim == 2)

    def scores(self, data: Batches, logits: np.ndarray) -> dict[str, Any]:
        """All that `classification_metrics` gives."""
        ids = data.labels if data.labels.ndim == 1 else data.labels.argmax(axis=-1)
        probabilities = self.probabilities(logits)
        return classification_metrics(ids, probabilities, self.class_names, data.sample_weight)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The softmax."""
        return softmax(check_answers(logits))

    def names(self, logits: np.ndarray, threshold: Any = None) -> list[Any]:
        """The most probable class."""
        if threshold is not None:
            raise UserError(
                f"threshold={threshold!r} is for several labels, and this model gives one class a "
                "text: leave it out, or use predict_proba."
            )
        rows = self.probabilities(logits)
        return [self.class_names[int(i)] for i in rows.argmax(axis=-1)]


class MultiLabel(Problem):
    """Each class by itself."""

    def labels(self, labels: np.ndarray, loss: Any = None) -> np.ndarray:
        """0 and 1, float32 `[n, classes]`."""
        return multi_hot(labels, self.class_names)

    def weights(
        self, labels: np.ndarray, class_weight: Any, sample_weight: np.ndarray | None, loss: Any
    ) -> np.ndarray | None:
        """Those of examples, `[n, 1]`, or with those of classes `[n, classes]`."""
        if class_weight is not None and not isinstance(loss, BinaryCrossentropyOfEach | None):
            raise UserError(
                f"class_weight={class_weight!r} for several labels a text needs the loss that fit "
                "compiles: give it to a loss of your own, or fit with restart=True."
            )
        return class_weights_of_each(labels, self.class_names, class_weight, sample_weight)

    def loss(self, data: Batches) -> keras.losses.Loss:
        """The mean cross-entropy of the sigmoids."""
        return BinaryCrossentropyOfEach(from_logits=True)

    def scores(self, data: Batches, logits: np.ndarray) -> dict[str, Any]:
        """All that `multilabel_metrics` gives, at a threshold of a half."""
        scores = multilabel_metrics(data.labels, self.probabilities(logits), self.class_names)
        losses = np.logaddexp(0, np.where(data.labels == 1, -1, 1) * logits.astype("float64"))
        return scores | {"loss": _mean(losses, data.sample_weight)}

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The sigmoid of each logit.

        >>> MultiLabel(("a", "b")).probabilities(np.zeros((1, 2), "float32")).tolist()
        [[0.5, 0.5]]
        """
        # Written as exp, it overflows.
        return 0.5 * (1 + np.tanh(0.5 * check_answers(logits)))

    def names(self, logits: np.ndarray, threshold: Any = None) -> list[Any]:
        """The list of the classes that are as probable as `threshold` or more."""
        least = np.asarray(0.5 if threshold is None else threshold)
        if least.dtype.kind not in "iuf" or least.shape not in ((), (len(self.class_names),)):
            raise UserError(
                f"threshold={threshold!r} is neither a probability nor one for each of the "
                f"{len(self.class_names)} classes."
            )
        rows = self.probabilities(logits) >= least
        return [[self.class_names[int(i)] for i in np.flatnonzero(row)] for row in rows]


class Regression(Problem):
    """Numbers, as they are."""

    def labels(self, labels: np.ndarray, loss: Any = None) -> np.ndarray:
        """Finite numbers, float32 `[n, outputs]`."""
        return targets(labels, len(self.class_names))

    def weights(
        self, labels: np.ndarray, class_weight: Any, sample_weight: np.ndarray | None, loss: Any
    ) -> np.ndarray | None:
        """Those of examples, float32 `[n]`."""
        if class_weight is not None:
            raise UserError(
                f"class_weight={class_weight!r} is of classes, and this model returns numbers "
                "(regression): give sample_weight."
            )
        return sample_weight

    def loss(self, data: Batches) -> keras.losses.Loss:
        """The mean squared error."""
        return keras.losses.MeanSquaredError()

    def scores(self, data: Batches, logits: np.ndarray) -> dict[str, Any]:
        """All that `regression_metrics` gives."""
        scores = regression_metrics(data.labels, check_answers(logits))
        errors = np.square(data.labels.astype("float64") - logits)
        return scores | {"loss": _mean(errors, data.sample_weight)}

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """There are none: a UserError."""
        raise UserError(
            "This model returns numbers (regression), which are no classes: use predict, which "
            "gives them as they are."
        )

    def names(self, logits: np.ndarray, threshold: Any = None) -> list[Any]:
        """There are none: a UserError."""
        return list(self.probabilities(logits))


_KINDS = {SINGLE_LABEL: SingleLabel, MULTI_LABEL: MultiLabel, REGRESSION: Regression}


def _mean(losses: np.ndarray, sample_weight: np.ndarray | None) -> float:
    """The mean over examples, as they weigh, of losses `[n, outputs]`."""
    weights = None if sample_weight is None else sample_weight.reshape(len(losses))
    return float(np.average(losses.mean(axis=-1), weights=weights))


def kind_of(problem_type: str) -> type[Problem]:
    """The class of a problem by transformers' name for it.

    Raises:
        ValueError: There is no such problem.
    """
    if problem_type not in _KINDS:
        raise ValueError(f"problem_type={problem_type!r} is not one of {', '.join(PROBLEMS)}.")
    return _KINDS[problem_type]


def warn_untrained(model: Any) -> None:
    """Warns of a model whose head is new and has not been trained."""
    # Trained by hand, its bias, if it has one, is not what it started as: zeros.
    bias = model.head.bias
    if model.head_is_new and (bias is None or not np.any(keras.ops.convert_to_numpy(bias))):
        warnings.warn(
            f"The head of this {type(model).__name__} has not been trained, so its answers are "
            "arbitrary: train it with fit, or load a trained one.",
            stacklevel=3,
        )
