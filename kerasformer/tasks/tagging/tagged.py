"""Sentences of words with a tag for each word, from anything that holds them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasformer.data import TaggedSplit
from kerasformer.data.dataset import Dataset
from kerasformer.data.dataset import Examples as DataExamples
from kerasformer.errors import UserError
from kerasformer.tasks.examples import (
    Examples,
    check_weights,
    decoded,
    read_columns,
    refuse_endless,
)
from kerasformer.tasks.texts.labels import label_ids, sample_weights
from kerasformer.text.words import check_words


def holds_words(x: Any) -> bool:
    """Whether x has sentences of words rather than tensors.

    Raises:
        UserError: It has texts that are not divided into words.

    Example:

    >>> holds_words([["A", "film"], []]), holds_words([[3, 4], [5]])
    (True, False)
    """
    if isinstance(x, Dataset | DataExamples):
        if isinstance(x, TaggedSplit):
            return True
        wanted = "one of its splits" if isinstance(x, Dataset) else "a TaggedSplit"
        raise UserError(f"Expected words, got a {type(x).__name__}: give {wanted}.")
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
        return getattr(spec, "dtype", None) == "string"
    if hasattr(x, "to_numpy"):  # a column of pandas or polars
        x = x.to_numpy()
    is_text = isinstance(x, str | bytes)
    if isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.dtype.kind in "UO"):
        is_text = any(isinstance(one, str | bytes) for one in x)
        has_words = len(x) == 0 or any(map(_is_sentence, x))
    else:
        has_words = getattr(x, "dtype", None) == "string"  # a tensor of TensorFlow's
    if is_text:
        raise UserError(
            "Expected a list of words for each sentence, got text: divide it into words, or find "
            "its entities with entities(texts)."
        )
    return has_words


def _is_sentence(one: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype.kind in "UO"
    return isinstance(one, list | tuple) and (not one or isinstance(one[0], str | bytes))


def read_tagged(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    steps: int | None = None,
    batch_size: int = 32,
) -> Examples:
    """The sentences of what `holds_words`, in `texts`, with the tags of their words in `labels`.

    Args:
        x: Lists of words; a `TaggedSplit`; or a `tf.data.Dataset` of words and tags, of sentences
            `[words]` or ragged batches of them `[batch, words]`, which is read once.
        y: Their tags, names or indices of classes.
        sample_weight: A weight for each sentence, or for each word of each.
        steps: The most batches of a data set to read; None for all.
        batch_size: How many sentences are a batch of a data set that gives one at a time.

    Raises:
        UserError: A word is no string, or tags or weights are not as many as words.
        ValueError: A data set comes with tags beside it, or all of an endless one is asked for.
    """
    size = None
    if hasattr(x, "element_spec"):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A data set holds its tags and weights: give y and sample_weight as parts of its "
                "elements."
            )
        size, (x, y, sample_weight) = _read_dataset(x, steps, batch_size)
    elif isinstance(x, TaggedSplit):
        if y is not None:
            raise ValueError("A TaggedSplit holds its tags: leave y out.")
        x, y = x.words, x.tags
    words = check_words([_plain(sentence, f"words[{i}]") for i, sentence in enumerate(_rows(x))])
    tags = None if y is None else _beside(words, y, "tags")
    if sample_weight is not None:
        sample_weight = _weights(words, sample_weight)
    return Examples(words, tags, sample_weight, size)  # type: ignore[arg-type]


def flat_labels(
    examples: Examples, class_names: Sequence[str], class_weight: str | Mapping | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The classes of all words of all sentences, int32 `[words]`, and their weights, if any.

    Raises:
        UserError: There are no tags or no word, a tag is no class, or a weight is none.
    """
    if examples.labels is None:
        raise UserError(
            f"Got {len(examples.texts):,} sentences and no tags: give one for each word."
        )
    tags = list(itertools.chain.from_iterable(examples.labels))
    if not tags:
        raise UserError("There is no word to train or evaluate on; give at least one.")
    labels = label_ids(tags, class_names)
    weights = examples.sample_weight
    if weights is not None:
        weights = np.array(list(itertools.chain.from_iterable(weights)), "float32")
    return labels, sample_weights(labels, class_names, class_weight, weights)


def _rows(x: Any) -> Any:
    """Tensors and columns as what can be iterated over, row by row."""
    for method in ("to_list", "to_numpy", "numpy"):  # of a RaggedTensor, a column, a tensor
        if hasattr(x, method):
            return getattr(x, method)()
    return x


def _plain(values: Any, name: str) -> Any:
    """One sentence's words, tags or weights as a list of Python's own."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, list | tuple):
        return values
    return [decoded(value, f"{name}[{k}]") for k, value in enumerate(values)]


def _beside(words: list[list[str]], given: Any, name: str) -> list[list[Any]]:
    """Lists that have one value for each word."""
    rows = [_plain(row, f"{name}[{i}]") for i, row in enumerate(_rows(given))]
    if len(rows) != len(words):
        raise UserError(
            f"Expected {name} for each sentence, got {len(words):,} sentences and {name} for "
            f"{len(rows):,}."
        )
    for i, (sentence, row) in enumerate(zip(words, rows, strict=True)):
        if not isinstance(row, list):
            raise UserError(
                f"{name}[{i}] is {row!r:.80}, but must be a list with one for each word."
            )
        if len(row) != len(sentence):
            raise UserError(
                f"words[{i}] has {len(sentence)} words and {len(row)} {name}: give one for each."
            )
    return rows


def _weights(words: list[list[str]], given: Any) -> list[list[float]]:
    """The weight of each word, of sentences that have one each or one for each word."""
    rows = [_plain(row, f"sample_weight[{i}]") for i, row in enumerate(_rows(given))]
    if len(rows) == len(words) and all(isinstance(row, int | float) for row in rows):
        rows = [[weight] * len(sentence) for weight, sentence in zip(rows, words, strict=True)]
    weights = _beside(words, rows, "sample_weight")
    flat = list(itertools.chain.from_iterable(weights))
    if not all(isinstance(weight, int | float) for weight in flat):
        raise UserError("Expected sample_weight to be numbers, for each sentence or each word.")
    check_weights("sample_weight", np.array(flat, "float32"))
    return weights


def _read_dataset(dataset: Any, steps: int | None, batch_size: int) -> tuple[int | None, list[Any]]:
    """How many sentences a batch holds, None for one at a time, and their columns."""
    refuse_endless(int(dataset.cardinality()) == -1, steps)
    spec = dataset.element_spec
    is_batched = (spec[0] if isinstance(spec, tuple) else spec).shape.rank != 1
    most = steps if steps is None or is_batched else steps * batch_size
    return read_columns(itertools.islice(dataset, most), is_batched, _rows)
