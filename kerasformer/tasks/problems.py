"""What the logits of a classifier of texts answer, by the model's `problem_type`."""

import warnings
from collections.abc import Sequence

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.models.problems import MULTI_LABEL, PROBLEMS, REGRESSION, SINGLE_LABEL
from kerasformer.tasks.prediction import check_answers, softmax


def least_outputs(problem_type: str) -> int:
    """How many logits there must be at least.

    Raises:
        ValueError: There is no such problem.
    """
    if problem_type not in PROBLEMS:
        raise ValueError(f"problem_type={problem_type!r} is not one of {', '.join(PROBLEMS)}.")
    return 2 if problem_type == SINGLE_LABEL else 1


def probabilities(logits: np.ndarray, problem_type: str) -> np.ndarray:
    """Class probabilities of logits `[n, classes]`, float32.

    Raises:
        UserError: The logits are numbers of a regression, or one of them is no number.

    Example:

    >>> probabilities(np.zeros((1, 3), "float32"), "multi_label_classification").tolist()
    [[0.5, 0.5, 0.5]]
    """
    if problem_type == REGRESSION:
        raise UserError(
            "This model returns numbers (regression), which are no classes: use predict, which "
            "gives them as they are."
        )
    check_answers(logits)
    if problem_type == MULTI_LABEL:
        return 0.5 * (1 + np.tanh(0.5 * logits))  # the sigmoid, which overflows written as exp
    return softmax(logits)


def names_of(logits: np.ndarray, class_names: Sequence[str], problem_type: str) -> list:
    """The most probable class of each text; of several labels the list of those at least a half.

    Raises:
        UserError: The logits are numbers of a regression.
    """
    rows = probabilities(logits, problem_type)
    if problem_type == MULTI_LABEL:
        return [[class_names[int(i)] for i in np.flatnonzero(row >= 0.5)] for row in rows]
    return [class_names[int(i)] for i in rows.argmax(axis=-1)]


def refuse_to_train(problem_type: str) -> None:
    """Raises a UserError where texts and labels cannot be trained or evaluated on."""
    if problem_type != SINGLE_LABEL:
        raise UserError(
            f"This model has problem_type={problem_type!r}, and texts are trained and evaluated "
            "on for one class of many alone: compile it by hand and give tensors, or read the "
            "source with class_names and new_head=True."
        )


def warn_untrained(model: keras.Model) -> None:
    """Warns of a model whose head has not been trained."""
    # Its bias starts as zeros, and no step of training leaves it so.
    if not np.any(keras.ops.convert_to_numpy(model.head.bias)):
        warnings.warn(
            f"The head of this {type(model).__name__} has not been trained, so its answers are "
            "arbitrary: train it with fit, or load a trained one.",
            stacklevel=3,
        )
