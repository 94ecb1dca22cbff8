"""Texts with their labels, from anything that Keras users train on."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.text.texts import check_texts


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


class Examples(NamedTuple):
    """Texts, and what is known of each.

    Attributes:
        texts: The texts.
        labels: Names or indices of classes `[n]`, or class probabilities `[n, classes]`; or None.
        sample_weight: float `[n]`, or None.
    """

    texts: list[str]
    labels: Any = None
    sample_weight: Any = None

    def split(self, share: float) -> tuple["Examples", "Examples"]:
        """The examples without their last part, and that part, as Keras' `validation_split`."""
        if not 0 < share < 1:
            raise ValueError(f"validation_split={share!r} must be between 0 and 1.")
        cut = int(len(self.texts) * (1 - share))
        if not 0 < cut < len(self.texts):
            raise UserError(
                f"validation_split={share} of {len(self.texts)} texts leaves no text on one side: "
                "give more texts, or validation_data."
            )
        return self.part(slice(None, cut)), self.part(slice(cut, None))

    def first(self, steps: int | None, batch_size: int) -> "Examples":
        """As many of the examples as so many batches hold; None for all."""
        return self if steps is None else self.part(slice(steps * batch_size))

    def part(self, rows: slice) -> "Examples":
        """Some of the examples."""
        columns = (None if column is None else column[rows] for column in self[1:])
        return Examples(self.texts[rows], *columns)


def hold_strings(x: Any) -> bool:
    """Whether x has texts rather than tensors: as a sequence, a column, a tensor or a data set.

    Raises:
        UserError: It is one text alone, or nothing that holds texts in an order.
    """
    if isinstance(x, str | bytes) or (getattr(x, "ndim", 1) == 0 and _is_text(np.asarray(x)[()])):
        raise UserError("Expected a list of texts, got one string: put it in [ ].")
    if isinstance(x, Set) or (isinstance(x, Mapping) and any(map(_holds_a_text, x.values()))):
        raise UserError(f"Expected a list of texts, got a {type(x).__name__}.")
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
        return getattr(spec, "dtype", None) == "string"
    if isinstance(x, keras.utils.PyDataset):
        first = x[0] if len(x) else ()
        return isinstance(first, tuple) and bool(first) and hold_strings(first[0])
    if hasattr(x, "to_numpy"):  # a column of pandas or polars
        x = x.to_numpy()
    if isinstance(x, list | tuple):
        return not x or any(one is None or _is_text(one) or _holds_a_text(one) for one in x)
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "USO"
    return getattr(x, "dtype", None) == "string"  # a tensor of TensorFlow's


def _is_text(x: Any) -> bool:
    return isinstance(x, str | bytes)


def _holds_a_text(x: Any) -> bool:
    return isinstance(x, list | tuple) and any(map(_is_text, x))


def read_examples(x: Any, y: Any = None, sample_weight: Any = None) -> Examples:
    """The texts of what `hold_strings`, with their labels.

    A data set is read as a whole, each of its batches once: texts are short, and batches are
    formed anew, by length.

    Raises:
        UserError: A text is no string, or there are not as many labels or weights as texts.
        ValueError: A data set comes with labels beside it, or is endless.
    """
    if hasattr(x, "element_spec") or isinstance(x, keras.utils.PyDataset):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A data set holds its labels and weights: give y and sample_weight "
                "as parts of its elements."
            )
        x, y, sample_weight = _read_dataset(x)
    elif hasattr(x, "numpy"):  # a tensor of TensorFlow's
        x = x.numpy()
    if len(shape := getattr(x, "shape", "n")) != 1:
        raise UserError(f"Expected one column of texts, got an array of shape {tuple(shape)}.")
    texts = check_texts([decoded(t, f"texts[{i}]") for i, t in enumerate(x)])
    labels = _column(y, "labels", len(texts))
    weights = _column(sample_weight, "sample_weight", len(texts))
    if weights is not None and (weights.ndim != 1 or weights.dtype.kind not in "biuf"):
        raise UserError("Expected sample_weight to be a list of numbers, one for each text.")
    return Examples(texts, labels, None if weights is None else weights.astype("float32"))


def decoded(text: Any, name: str) -> Any:
    """The str that bytes are in UTF-8; anything else as it is.

    Raises:
        UserError: They are not UTF-8.
    """
    try:
        return text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise UserError(f"{name} is {text[:20]!r}, which is not UTF-8: decode it first.") from None


def _column(values: Any, name: str, count: int) -> np.ndarray | None:
    """Labels or weights as an array, of which there is one for each text."""
    if values is None:
        return None
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        array = np.asarray(None)
    if not array.ndim:
        raise UserError(f"Expected {name} to be a list or an array, got {type(values).__name__}.")
    if len(array) != count:
        raise UserError(
            f"Expected one of {name} for each text, got {count:,} texts and {len(array):,} {name}."
        )
    return array


def read_splits(
    x: Any, y: Any, sample_weight: Any, validation_data: Any, validation_split: float
) -> tuple[Examples, Examples | None]:
    """The examples to train on, and those to evaluate on or None, as `fit` is given them."""
    train = read_examples(x, y, sample_weight)
    if validation_data is not None:
        is_list = isinstance(validation_data, list | tuple)
        columns = list(validation_data) if is_list else [validation_data]
        if not 1 <= len(columns) <= 3 or not hold_strings(columns[0]):
            raise UserError(
                "Expected validation_data to be (texts, labels) or (texts, labels, weights), or a "
                "data set of these."
            )
        return train, read_examples(*columns)
    return train.split(validation_split) if validation_split else (train, None)


def _read_dataset(dataset: Any) -> list[Any]:
    if hasattr(dataset, "cardinality") and dataset.cardinality() == -1:
        raise ValueError("The data set is endless: leave out its repeat(), epochs do the same.")
    is_sequence = isinstance(dataset, keras.utils.PyDataset)  # iterating one never ends
    batches = map(dataset.__getitem__, range(len(dataset))) if is_sequence else dataset
    columns: list[list[Any]] = [[], [], []]
    for batch in batches:
        parts = batch if isinstance(batch, tuple) else (batch,)
        for column, part in zip(columns, parts, strict=False):
            column.extend(decoded(row, "a text") for row in np.atleast_1d(np.asarray(part)))
    return [columns[0], *(column or None for column in columns[1:])]


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
        UserError: `class_weight` names no class.
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
            weights[label_ids([label], class_names)] = weight
    else:
        raise ValueError(f"class_weight={class_weight!r} is neither 'balanced' nor a dict.")
    weights = weights[ids].astype("float32")
    return weights if sample_weight is None else weights * sample_weight
