"""Texts and pairs of texts with their labels, read from anything that Keras users train on."""

import itertools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.data import Split
from kerasformer.errors import UserError
from kerasformer.tasks.examples import (
    Examples,
    check_weights,
    decoded,
    read_columns,
    refuse_endless,
)
from kerasformer.text.texts import check_text


def read_examples(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    steps: int | None = None,
    batch_size: int = 32,
) -> Examples:
    """The texts, or pairs of texts, of what `hold_strings`, with their labels.

    A data set is read once, its batches one after another: texts are short, and batches are formed
    anew, by length.

    Args:
        x, y, sample_weight: As of `fit`.
        steps: The most batches of a data set to read; None for all.
        batch_size: How many texts are a batch of a data set that gives one at a time.

    Raises:
        UserError: A text is no string, some are pairs and some are not, or there are not as many
            labels or weights as texts.
        ValueError: A data set comes with labels beside it, or all of an endless one is asked for.
    """
    size = None
    if isinstance(x, Split):
        if y is not None:
            raise ValueError("A Split holds its labels: leave y out.")
        x, y = x.texts, x.labels
    elif hasattr(x, "element_spec") or isinstance(x, keras.utils.PyDataset):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A data set holds its labels and weights: give y and sample_weight "
                "as parts of its elements."
            )
        size, (x, y, sample_weight) = _read_dataset(x, steps, batch_size)
    texts = read_texts(x)
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


def read_texts(x: Any) -> list[Any]:
    """Texts as str, or pairs of texts as tuples of two, out of a sequence, a column or a tensor.

    Raises:
        UserError: One of them is neither, or some are pairs and some are not.

    Example:

    >>> read_texts([b"fine"]), read_texts(np.array([["It rains.", "It is wet."]]))
    (['fine'], [('It rains.', 'It is wet.')])
    """
    for method in ("to_numpy", "numpy"):  # of a column of pandas or polars, a tensor of TensorFlow
        x = getattr(x, method)() if hasattr(x, method) else x
    shape = getattr(x, "shape", None)
    if shape is not None and len(shape) != 1 and (len(shape) != 2 or shape[1] != 2):
        raise UserError(
            f"Expected one column of texts, got an array of shape {tuple(shape)}; pairs are two."
        )
    x = x.tolist() if isinstance(x, np.ndarray) else x
    texts = [_read_text(one, f"texts[{i}]") for i, one in enumerate(x)]
    kinds = [type(text) for text in texts]
    if len(set(kinds)) > 1:
        other = next(i for i, kind in enumerate(kinds) if kind != kinds[0])
        pair, single = (other, 0) if kinds[0] is str else (0, other)
        raise UserError(
            f"texts[{pair}] is a pair and texts[{single}] is not: give either texts or pairs."
        )
    return texts


def columns(texts: list[Any]) -> tuple[list[str], list[str] | None]:
    """The first texts and the second ones of pairs; or texts as they are, and None.

    >>> columns([("It rains.", "It is wet.")]), columns(["fine"])
    ((['It rains.'], ['It is wet.']), (['fine'], None))
    """
    if not texts or isinstance(texts[0], str):
        return texts, None
    return [first for first, _ in texts], [second for _, second in texts]


def as_array(labels: Any) -> np.ndarray:
    """Labels as an array, in which the lists of some are objects where they differ in length.

    >>> as_array([["new"], []]).shape, as_array([0, 1]).tolist()
    ((2,), [0, 1])
    """
    try:
        return np.asarray(labels)
    except ValueError:
        array = np.empty(len(labels), object)
        array[:] = labels
        return array


def _read_text(one: Any, name: str) -> Any:
    if not isinstance(one, list | tuple | np.ndarray):
        return check_text(decoded(one, name), name)
    if len(one) != 2:
        raise UserError(
            f"{name} is a {type(one).__name__} of {len(one)}, but must be a str, or a pair of two."
        )
    names = (f"{name}[{k}]" for k in range(2))
    return tuple(check_text(decoded(text, its), its) for text, its in zip(one, names, strict=True))


def _column(values: Any, name: str, count: int) -> np.ndarray | None:
    """Labels or weights as an array, of which there is one for each text."""
    if values is None:
        return None
    array = as_array(values)
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
    refuse_endless(count is None, steps)
    is_batched = isinstance(dataset, keras.utils.PyDataset) or _is_batched(dataset.element_spec)
    most = steps if steps is None or is_batched else steps * batch_size

    def rows(part: Any) -> Any:
        array = np.stack(part, axis=-1) if isinstance(part, tuple) else np.asarray(part)
        if is_batched:
            return [decoded(row, "a text") for row in array]
        return decoded(array[()], "a text")

    return read_columns(itertools.islice(batches, most), is_batched, rows)


def _is_batched(spec: Any) -> bool:
    """Whether elements of a `tf.data.Dataset` are batches of texts, and not one text or pair."""
    texts, *others = spec if isinstance(spec, tuple) else (spec,)
    is_pair = isinstance(texts, tuple)
    ranks = [one.shape.rank for one in (texts[0] if is_pair else texts, *others[:1])]
    if not is_pair and others and ranks == [1, 0]:  # [2], the texts of one pair, with its label
        return False
    return ranks[0] is None or ranks[0] > 0
