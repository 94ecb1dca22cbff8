"""The classes of texts: their names, the labels that name them, and their weights."""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.tasks.examples import check_weights, decoded

_MOST_CLASSES = 1_000_000  # where a number stands for their names


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
        if class_names > _MOST_CLASSES:
            raise ValueError(f"class_names={class_names}: there can be at most {_MOST_CLASSES:,}.")
        return tuple(map(str, range(class_names)))
    is_list = isinstance(class_names, Iterable) and not isinstance(class_names, str | set)
    names = tuple(class_names) if is_list else ()  # type: ignore[arg-type]
    if not is_list or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"class_names={class_names!r:.99} is neither a list of strings nor a number of classes."
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
    if array.ndim > 1 or (array.dtype == object and any(isinstance(one, list) for one in array)):
        raise UserError(
            f"Expected labels to be a list of names or indices of the {len(index)} classes, got an "
            f"array of shape {array.shape}; for several labels a text, make the model with "
            'problem_type="multi_label_classification".'
        )
    names = (decoded(one, "a label") for one in array.tolist())
    ids = [index.get(one, one) if isinstance(one, str) else one for one in names]
    for label in ids:
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(index):
            raise UserError(
                f"The label {label!r} is not one of the {len(index)} classes "
                f"{listed(class_names, 5)}, nor an index of one."
            )
    return np.asarray(ids, "int32")


def multi_hot(labels: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Which classes each text has, 0 or 1, float32 `[n, classes]`.

    Args:
        labels: Lists of class names, one for each text; or 0 and 1, `[n, classes]`.
        class_names: The names of the classes, in order.

    Raises:
        UserError: They are neither.

    Example:

    >>> multi_hot(np.array([["new", "good"], ["good", "good"]]), ["good", "new"]).tolist()
    [[1.0, 1.0], [1.0, 0.0]]
    """
    count = len(class_names)
    if labels.ndim == 2 and labels.shape[1] and labels.dtype.kind in "biuf":
        if labels.shape[1] != count or not np.isin(labels, (0, 1)).all():
            raise UserError(
                f"Expected labels of 0 and 1 for {count} classes, got {_described(labels)}: give "
                "these, or a list of class names for each text."
            )
        return labels.astype("float32")
    index = {name: i for i, name in enumerate(class_names)}
    rows = np.zeros((len(labels), count), "float32")
    for i, names in enumerate(labels.tolist()):
        if not isinstance(names, list | tuple | np.ndarray):
            raise UserError(
                f"labels[{i}] is {names!r}, but this model is of several labels: give a list of "
                "class names for each text, or 0 and 1 for each class."
            )
        for name in names:
            if (name := decoded(name, "a label")) not in index:
                raise UserError(
                    f"labels[{i}] has {name!r}, which is not one of the {count} classes "
                    f"{listed(class_names, 5)}."
                )
            rows[i, index[name]] = 1
    return rows


def targets(labels: np.ndarray, outputs: int) -> np.ndarray:
    """The numbers that a regression is to give, float32 `[n, outputs]`.

    Raises:
        UserError: They are not so many finite numbers for each text.

    Example:

    >>> targets(np.array([1, 2.5]), outputs=1).tolist()
    [[1.0], [2.5]]
    """
    rows = labels[:, None] if labels.ndim == 1 else labels
    if rows.dtype.kind not in "biuf" or rows.shape != (len(labels), outputs):
        wanted = "one number" if outputs == 1 else f"{outputs} numbers"
        raise UserError(
            f"This model returns numbers (regression): expected {wanted} for each text as labels, "
            f"got {_described(labels)}."
        )
    if not (is_finite := np.isfinite(rows).all(axis=1)).all():
        bad = int(is_finite.argmin())
        raise UserError(f"labels[{bad}] is {rows[bad].tolist()}: expected finite numbers.")
    return rows.astype("float32")


def _described(labels: np.ndarray) -> str:
    if labels.dtype.kind not in "biuf":
        return f"{labels.ravel().tolist()[0]!r}" if labels.size else "none"
    return f"values up to {labels.max():g} in an array of shape {labels.shape}"


def in_order_of(
    labels: np.ndarray, names: Sequence[str], class_names: Sequence[str], is_regression: bool
) -> np.ndarray:
    """A data set's labels, by the numbers that a model gives to the same classes.

    Args:
        labels: Class indices `[n]`, or a column for each class, `[n, classes]`.
        names: The data set's names of the classes.
        class_names: The model's, in another order or more of them. Names that are only numbers, as
            of `class_names=3`, stand for those of the data set, and so do those of a regression.
        is_regression: Whether the columns are numbers, which all must be there.

    Raises:
        UserError: The model lacks a class of the data set's.

    Example:

    >>> in_order_of(np.array([0, 1]), ["no", "yes"], ["yes", "no"], False).tolist()
    [1, 0]
    """
    are_numbered = tuple(class_names) == tuple(map(str, range(len(class_names))))
    are_others = len(names) == len(class_names) and set(names) != set(class_names)
    if are_others and (are_numbered or is_regression):
        return labels
    index = {name: i for i, name in enumerate(class_names)}
    if lacking := [name for name in names if name not in index]:
        raise UserError(
            f"The data set has the class {lacking[0]!r}, which is not one of the model's "
            f"{len(index)}, {listed(class_names, 5)}: make the model with the class_names of the "
            "data set."
        )
    places = np.array([index[name] for name in names])
    if labels.ndim == 1:
        return places.astype("int32")[labels]
    rows = np.zeros((len(labels), len(class_names)), labels.dtype)
    rows[:, places] = labels
    return rows


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
    else:
        weights = _by_class(class_weight, class_names)
    weights = weights[ids].astype("float32")
    weights = weights if sample_weight is None else weights * sample_weight
    check_weights("class_weight", weights)
    return weights


def _by_class(class_weight: Any, class_names: Sequence[str]) -> np.ndarray:
    """The weight of each class, of weights by name or index."""
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight={class_weight!r} is neither 'balanced' nor a dict.")
    weights = np.ones(len(class_names))
    for label, weight in class_weight.items():
        if isinstance(weight, bool) or not isinstance(weight, numbers.Real):
            raise UserError(f"class_weight of {label!r} is {weight!r}: expected a number.")
        weights[label_ids([label], class_names)] = weight
    check_weights("class_weight", weights)
    return weights


def class_weights_of_each(
    labels: np.ndarray,
    class_names: Sequence[str],
    class_weight: str | Mapping[Any, float] | None = None,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray | None:
    """The weights of texts that have several labels, which may differ from class to class.

    Args:
        labels: Which classes each text has, 0 or 1, `[n, classes]`.
        class_names: The names of the classes, in order.
        class_weight: What a class weighs, by name or index, in the texts that have it, as the
            `pos_weight` of PyTorch; or `"balanced"`: in each class those that have it weigh as much
            as those that do not, as in scikit-learn's one-vs-rest.
        sample_weight: float `[n]`.

    Returns:
        float32 `[n, 1]`, or with class weights `[n, classes]`; None where all weigh the same.

    Raises:
        UserError, ValueError: As of `sample_weights`.

    Example:

    >>> class_weights_of_each(np.array([[1, 0], [0, 0]]), ["new", "good"], {"new": 3.0}).tolist()
    [[3.0, 1.0], [1.0, 1.0]]
    """
    own = None if sample_weight is None else sample_weight[:, None]
    if class_weight is None:
        return own
    if isinstance(class_weight, str) and class_weight == "balanced":
        having = labels.sum(axis=0)
        sides = [len(labels) - having, having]  # without a class, and with it
        without, having = (len(labels) / (2 * np.maximum(side, 1)) for side in sides)
    else:
        without, having = np.ones(len(class_names)), _by_class(class_weight, class_names)
    weights = np.where(labels == 1, having, without).astype("float32")
    return weights if own is None else weights * own
