"""Texts with their labels, from anything that Keras users train on."""

import itertools
import numbers
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasformer.data import Split
from kerasformer.data.dataset import Dataset
from kerasformer.data.dataset import Examples as DataExamples
from kerasformer.errors import UserError


class Examples(NamedTuple):
    """Texts, and what is known of each.

    Attributes:
        texts: The texts, or what else a task is given: pairs of texts as tuples, lists of words,
            a corpus.
        labels: Names or indices of classes `[n]`, or numbers `[n, classes]`; or None.
        sample_weight: float `[n]`, or None.
        batch_size: How many a batch of the data set holds that they come from, if they do.
    """

    texts: Any
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
    if isinstance(x, Dataset | DataExamples):
        if isinstance(x, Split):
            return True
        wanted = "one of its splits" if isinstance(x, Dataset) else "a Split"
        raise UserError(f"Expected texts, got a {type(x).__name__}: give {wanted}.")
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
        specs = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec,)  # of pairs
        return all(getattr(one, "dtype", None) == "string" for one in specs)
    if isinstance(x, keras.utils.PyDataset):
        first = x[0] if x.num_batches != 0 else ()
        return isinstance(first, tuple) and bool(first) and hold_strings(first[0])
    if hasattr(x, "to_numpy"):  # a column of pandas or polars
        x = x.to_numpy()
    if isinstance(x, list | tuple):
        if isinstance(x, tuple) and any(isinstance(one, list) and _holds_a_text(one) for one in x):
            raise UserError("Expected a list of texts or pairs, got a tuple of lists: zip them.")
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


def gather_tuples(x: Any, wanted: str, labels: str) -> Any:
    """An iterator of tuples that have texts as a list; anything else as it is.

    Args:
        x: What a person gave.
        wanted: What each tuple is to be, for the message.
        labels: What the labels of one are called there.

    Raises:
        UserError: It gives tuples with their labels, or batches of these.

    Example:

    >>> gather_tuples((pair for pair in [("Who?", "Ada codes.")]), "pairs", "labels")
    [('Who?', 'Ada codes.')]
    """
    if not isinstance(x, Iterator):
        return x
    first = list(itertools.islice(x, 1))
    parts = [p for one in first if isinstance(one, list | tuple | np.ndarray) for p in one]
    if not parts or any(map(_is_text, parts)):
        return [*first, *x]  # if they are no such tuples, that is said when they are read
    if any(map(_holds_a_text, parts)):
        raise UserError(
            f"Expected {wanted}, got a {type(x).__name__} that gives more: give a list of them and "
            f"one of {labels}, or a tf.data.Dataset."
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


def refuse_endless(is_endless: bool, most: int | None) -> None:
    """Raises a ValueError for an endless data set of which all is asked for."""
    if is_endless and most is None:
        raise ValueError(
            "The data set is endless: leave out its repeat(), epochs do the same, or say how many "
            "steps to take of it."
        )


def read_columns(
    elements: Iterable[Any], is_batched: bool, rows: Callable[[Any], Any]
) -> tuple[int | None, list[Any]]:
    """How many examples a batch of a data set holds, None for one at a time, and their columns.

    Args:
        elements: Examples alone, or tuples of them with their labels and their weights.
        is_batched: Whether an element has several examples.
        rows: Gives what a part of an element has: its rows, or the one.

    Returns:
        The number, and examples, labels and weights; None for what there is not.

    Example:

    >>> read_columns([(["fine", "dull"], [1, 0]), (["so so"], [0])], True, list)
    (2, [['fine', 'dull', 'so so'], [1, 0, 0], None])
    """
    columns: list[list[Any]] = [[], [], []]
    size = None
    for element in elements:
        parts = element if isinstance(element, tuple) else (element,)
        for column, part in zip(columns, parts, strict=False):
            column.extend(rows(part)) if is_batched else column.append(rows(part))
        size = size or (len(columns[0]) if is_batched else None)
    return size, [columns[0], *(column or None for column in columns[1:])]


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


def refuse_given(**arguments: Any) -> None:
    """Raises a ValueError for arguments that only a model that `fit` itself compiles has."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise ValueError(
                f"{name}={value!r} needs texts and a model that fit compiles: with tensors, or a "
                "model compiled by hand, give it to compile."
            )
