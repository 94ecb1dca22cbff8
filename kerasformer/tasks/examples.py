"""Texts with their labels, from anything that Keras users train on."""

import itertools
import numbers
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.text.texts import check_texts


class Examples(NamedTuple):
    """Texts, and what is known of each.

    Attributes:
        texts: The texts.
        labels: Names or indices of classes `[n]`, or class probabilities `[n, classes]`; or None.
        sample_weight: float `[n]`, or None.
        batch_size: How many a batch of the data set holds that they come from, if they do.
    """

    texts: list[str]
    labels: Any = None
    sample_weight: Any = None
    batch_size: int | None = None

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
        if steps is None or self.batch_size:  # of a data set no more batches were read
            return self
        return self.part(slice(steps * batch_size))

    def part(self, rows: slice) -> "Examples":
        """Some of the examples."""
        labels, weights = (None if c is None else c[rows] for c in self[1:3])
        return Examples(self.texts[rows], labels, weights, self.batch_size)


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
        first = x[0] if x.num_batches != 0 else ()
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


def gather(x: Any) -> Any:
    """An iterator of texts, or of lists of words, as a list, since it can be read only once.

    Anything else is given back as it is.

    Raises:
        UserError: It gives batches of texts.

    Example:

    >>> gather(text for text in ["fine", "dull"])
    ['fine', 'dull']
    """
    if not isinstance(x, Iterator):
        return x
    first = list(itertools.islice(x, 1))
    if not first or _is_text(first[0]) or (isinstance(first[0], list) and _holds_a_text(first[0])):
        return [*first, *x]
    if (
        isinstance(first[0], tuple)
        and first[0]
        and (_is_text(first[0][0]) or hold_strings(first[0][0]))
    ):
        raise UserError(
            f"Expected texts, got a {type(x).__name__} of tuples: give a list of texts and one of "
            "labels, or a tf.data.Dataset."
        )
    return (one for one in itertools.chain(first, x))  # of iterators Keras takes generators alone


def check_counts(least: int = 1, **counts: Any) -> None:
    """Raises a ValueError for the first of the named numbers that is not an integer, or too low.

    None passes, which is Keras' default for most of them.
    """
    for name, count in counts.items():
        is_count = isinstance(count, numbers.Integral) and not isinstance(count, bool)
        if count is not None and (not is_count or count < least):
            kind = "a positive integer" if least else "an integer of at least 0"
            raise ValueError(f"{name}={count!r} is not {kind}.")


def check_frequency(validation_freq: Any) -> None:
    """Raises a ValueError unless it is a number of epochs, or a collection of epochs."""
    is_several = isinstance(validation_freq, Collection) and not isinstance(validation_freq, str)
    for epoch in validation_freq if is_several else [validation_freq]:
        check_counts(validation_freq=1 if epoch is None else epoch)


def read_examples(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    steps: int | None = None,
    batch_size: int = 32,
) -> Examples:
    """The texts of what `hold_strings`, with their labels.

    A data set is read once, its batches one after another: texts are short, and batches are formed
    anew, by length.

    Args:
        x, y, sample_weight: As of `fit`.
        steps: The most batches of a data set to read; None for all.
        batch_size: How many texts are a batch of a data set that gives one at a time.

    Raises:
        UserError: A text is no string, or there are not as many labels or weights as texts.
        ValueError: A data set comes with labels beside it, or all of an endless one is asked for.
    """
    size = None
    if hasattr(x, "element_spec") or isinstance(x, keras.utils.PyDataset):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A data set holds its labels and weights: give y and sample_weight "
                "as parts of its elements."
            )
        size, (x, y, sample_weight) = _read_dataset(x, steps, batch_size)
    elif hasattr(x, "numpy"):  # a tensor of TensorFlow's
        x = x.numpy()
    if len(shape := getattr(x, "shape", "n")) != 1:
        raise UserError(f"Expected one column of texts, got an array of shape {tuple(shape)}.")
    texts = check_texts([decoded(t, f"texts[{i}]") for i, t in enumerate(x)])
    labels = _column(y, "labels", len(texts))
    return Examples(texts, labels, read_weights(sample_weight, len(texts)), size)


def read_weights(sample_weight: Any, count: int) -> np.ndarray | None:
    """The weights of so many examples as float32 `[count]`, if there are any.

    Raises:
        UserError: They are others.

    Example:

    >>> read_weights([1, 2], count=2).tolist()
    [1.0, 2.0]
    """
    weights = _column(sample_weight, "sample_weight", count)
    if weights is None:
        return None
    if weights.ndim != 1 or weights.dtype.kind not in "biuf":
        raise UserError("Expected sample_weight to be a list of numbers, one for each text.")
    weights = weights.astype("float32")
    check_weights("sample_weight", weights)
    return weights


def check_weights(name: str, weights: np.ndarray) -> None:
    """Raises a UserError for weights that training or a mean cannot have.

    Example:

    >>> check_weights("class_weight", np.array([0.0, 2.0]))
    """
    bad = weights[~(np.isfinite(weights) & (weights >= 0))]
    if len(bad):
        raise UserError(f"{name} has the value {bad[0]}: expected finite numbers of at least 0.")
    if len(weights) and not weights.any():
        raise UserError(f"{name} is 0 for every text: give one of them at least a weight above 0.")


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


def _read_dataset(dataset: Any, steps: int | None, batch_size: int) -> tuple[int | None, list[Any]]:
    """How many examples a batch holds, None for one at a time, and their columns."""
    batches: Iterable = dataset
    if isinstance(dataset, keras.utils.PyDataset):  # iterating one never ends
        count = dataset.num_batches
        batches = map(dataset.__getitem__, itertools.count() if count is None else range(count))
    else:
        count = None if (count := int(dataset.cardinality())) == -1 else count
    if steps is None and count is None:
        raise ValueError(
            "The data set is endless: leave out its repeat(), epochs do the same, or say how many "
            "steps to take of it."
        )
    is_batched = isinstance(dataset, keras.utils.PyDataset) or _rank(dataset.element_spec) > 0
    most = steps if steps is None or is_batched else steps * batch_size
    columns: list[list[Any]] = [[], [], []]
    size = None
    for batch in itertools.islice(batches, most):
        parts = batch if isinstance(batch, tuple) else (batch,)
        for column, part in zip(columns, parts, strict=False):
            column.extend(decoded(row, "a text") for row in np.atleast_1d(np.asarray(part)))
        size = size or (len(columns[0]) if is_batched else None)
    return size, [columns[0], *(column or None for column in columns[1:])]


def _rank(spec: Any) -> int:
    shape = (spec[0] if isinstance(spec, tuple) else spec).shape
    return 1 if shape.rank is None else shape.rank
