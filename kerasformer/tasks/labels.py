"""The classes of texts: their names, the labels that name them, and their weights."""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.tasks.examples import check_weights, decoded


def check_class_names(class_names: int | Iterable[str], least: int = 2) -> tuple[str, ...]:
    """The names of classes as a tuple.

    Args:
        class_names: The names in order, or how many there are: they are then called "0", "1"...
        least: How many there must be.

    Raises:
        ValueError: They are not so many different strings, in an order of their own.

    Example:

    >>> check_class_names(2), check_class_names(["bad", "good"])
    (('0', '1'), ('bad', 'good'))
    """
    if isinstance(class_names, int) and not isinstance(class_names, bool):
        if class_names < least:
            raise ValueError(f"class_names={class_names}: a classifier needs at least {least}.")
        return tuple(map(str, range(class_names)))
    is_list = isinstance(class_names, Iterable) and not isinstance(class_names, str | set)
    names = tuple(class_names) if is_list else ()  # type: ignore[arg-type]
    if not is_list or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"class_names={class_names!r} is neither a list of strings nor a number of classes."
        )
    if len(names) < least or len(set(names)) < len(names):
        number = {1: "one name", 2: "two names"}[least]
        raise ValueError(
            f"class_names={listed(names, 5)} must be at least {number}, all different."
        )
    return names


def label_ids(labels: Any, class_names: Sequence[str]) -> np.ndarray:
    """Class names or indices as indices; class probabilities as they are.

    Args:
        labels: A sequence of names or of integer indices; or float or int `[n, classes]`, such as
            one-hot vectors.
        class_names: The names of the classes, in order.

    Returns:
        int32 `[n]`, or float32 `[n, classes]`.

    Raises:
        UserError: A label is none of these.
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == len(class_names) and array.dtype.kind in "biuf":
        return array.astype("float32")
    index = {name: i for i, name in enumerate(class_names)}
    names = (decoded(one, "a label") for one in array.tolist())
    ids = [index.get(one, one) if isinstance(one, str) else one for one in names]
    for label in ids:
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(index):
            raise UserError(
                f"The label {label!r} is not one of the {len(index)} classes "
                f"{listed(class_names, 5)}, nor an index of one."
            )
    return np.asarray(ids, "int32")


def sample_weights(
    labels: np.ndarray,
    class_names: Sequence[str],
    class_weight: str | Mapping[Any, float] | None = None,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray | None:
    """The weight of each example: that of its class times its own.

    Args:
        labels: Class indices `[n]`, or class probabilities `[n, classes]`.
        class_names: The names of the classes, in order.
        class_weight: Weights by name or index, or `"balanced"`: inversely to their frequency, as
            in scikit-learn.
        sample_weight: float `[n]`.

    Returns:
        float32 `[n]`; None where all weigh the same.

    Raises:
        UserError: `class_weight` names no class; a weight is negative or not finite, or all are 0.
        ValueError: `class_weight` is neither.
    """
    if class_weight is None:
        return sample_weight
    count = len(class_names)
    ids = labels if labels.ndim == 1 else labels.argmax(axis=-1)
    if isinstance(class_weight, str) and class_weight == "balanced":
        frequency = np.bincount(ids, minlength=count)
        weights = len(ids) / (count * np.maximum(frequency, 1))
    elif isinstance(class_weight, Mapping):
        weights = np.ones(count)
        for label, weight in class_weight.items():
            if isinstance(weight, bool) or not isinstance(weight, numbers.Real):
                raise UserError(f"class_weight of {label!r} is {weight!r}: expected a number.")
            weights[label_ids([label], class_names)] = weight
        check_weights("class_weight", weights)
    else:
        raise ValueError(f"class_weight={class_weight!r} is neither 'balanced' nor a dict.")
    weights = weights[ids].astype("float32")
    weights = weights if sample_weight is None else weights * sample_weight
    check_weights("class_weight", weights)
    return weights
