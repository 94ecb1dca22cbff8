"""Texts with choices for each: what a person has of them, and their batches."""

import itertools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.data.shapes import are_few
from kerasformer.errors import UserError
from kerasformer.tasks.examples import Examples, decoded, read_columns, refuse_endless
from kerasformer.tasks.texts.reading import read_weights
from kerasformer.text import Tokenized, pack
from kerasformer.text.texts import check_iterable, check_text, check_texts

EXAMPLE = '(text, choices), such as ("He sat", ["down", "under"])'


def hold_choices(x: Any) -> bool:
    """Whether x has texts with their choices rather than tensors.

    Raises:
        UserError: It has texts alone.

    Example:

    >>> hold_choices([("He sat", ["down", "under"])]), hold_choices([[[2, 7, 3], [2, 8, 3]]])
    (True, False)
    """
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        specs = keras.tree.flatten(x.element_spec)
        return getattr(specs[0], "dtype", None) == "string"
    if not isinstance(x, list | tuple):
        return False
    first = x[0] if x else ()
    if _is_text(first):
        raise UserError(f"Expected a list of examples, got texts: make each {EXAMPLE}.")
    return not x or (isinstance(first, list | tuple) and bool(first) and _is_text(first[0]))


def _is_text(x: Any) -> bool:
    return isinstance(x, str | bytes)


def read_choices(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    steps: int | None = None,
    batch_size: int = 32,
) -> Examples:
    """The examples of what `hold_choices`, as tuples of a text and its choices.

    Args:
        x: A list of these; or a `tf.data.Dataset` of them, each with its label, one at a time.
        y: The index of the right choice of each.
        sample_weight: A weight for each.
        steps: The most batches of a data set to read; None for all.
        batch_size: How many examples are a batch.

    Raises:
        UserError: An example is no such tuple, or has fewer than two choices; or a label is not the
            index of one of its choices.
        ValueError: A data set comes with labels beside it.
    """
    if hasattr(x, "element_spec"):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A data set holds its labels and weights: give y and sample_weight as parts of its "
                "elements."
            )
        x, y, sample_weight = _read_dataset(x, steps and steps * batch_size)
    examples = [_checked(example, f"x[{i}]") for i, example in enumerate(x)]
    labels = None if y is None else _labels(examples, y)
    return Examples(examples, labels, read_weights(sample_weight, len(examples)))  # type: ignore[arg-type]


def _checked(example: Any, name: str) -> tuple[str, list[str]]:
    if not isinstance(example, list | tuple) or len(example) != 2:
        raise UserError(f"{name} is {str(example)[:80]!r}, but must be {EXAMPLE}.")
    text = check_text(decoded(example[0], f"{name}[0]"), f"{name}[0]")
    given = check_iterable(example[1], f"{name}[1]")
    choices = check_texts([decoded(choice, f"{name}[1]") for choice in given], f"{name}[1]")
    if len(choices) < 2:
        raise UserError(f"{name} must have two choices at least, not {len(choices)}.")
    return text, choices


def _labels(examples: list[tuple[str, list[str]]], given: Any) -> np.ndarray:
    labels = np.asarray(given)
    if labels.shape != (len(examples),) or (labels.dtype.kind not in "iu" and len(labels)):
        raise UserError(
            f"Expected y to be {len(examples):,} indices of choices, one for each text, got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    for i, (label, (_, choices)) in enumerate(zip(labels.tolist(), examples, strict=True)):
        if not 0 <= label < len(choices):
            raise UserError(
                f"y[{i}] is {label}, and x[{i}] has {len(choices)} choices: give the index of the "
                f"right one, 0 to {len(choices) - 1}."
            )
    return labels.astype("int32")


def _read_dataset(dataset: Any, most: int | None) -> list[Any]:
    """The columns of a data set: examples, labels and weights, where there are any."""
    refuse_endless(int(dataset.cardinality()) == -1, most)
    elements = itertools.islice(dataset.as_numpy_iterator(), most)
    examples = (one if isinstance(one[0], tuple) else (one,) for one in elements)
    return read_columns(examples, is_batched=False, rows=lambda part: part)[1]


class ChoiceBatches(Batches):
    """Batches of texts with their choices, whose inputs are int `[batch, choices, seq]`.

    Choices that an example lacks beside others are padding: their `input_mask` is 0.

    Args:
        tokenized: The texts with each of their choices, example by example.
        counts: How many choices each example has.
        labels: The index of the right one of each, int `[n]`; or None.
        *args, **kwargs: As of `Batches`.

    Example:

    >>> rows = Tokenized([[2, 7, 3], [2, 8, 3], [2, 9, 3], [2, 7, 3], [2, 8, 3]])
    >>> batches = ChoiceBatches(rows, [3, 2], max_length=8)
    >>> batches[0][0]["input_mask"][:, :, 0].tolist()
    [[1, 1, 1], [1, 1, 0]]
    """

    are_classes = False

    def __init__(
        self,
        tokenized: Tokenized,
        counts: Iterable[int],
        labels: np.ndarray | None = None,
        *args: Any,
        tokens: int | None = None,
        **kwargs: Any,
    ):
        self.tokenized = tokenized
        self.counts = np.array(list(counts), int)
        self._starts = np.cumsum(self.counts) - self.counts
        lengths = np.split(tokenized.lengths, self._starts[1:])
        longest = [int(each.max(initial=0)) for each in lengths[: len(self.counts)]]
        tokens = tokens and tokens // int(self.counts.max(initial=1))  # of each choice
        super().__init__(longest, labels, *args, tokens=tokens, **kwargs)

    def _places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the choices of examples are, int `[batch, choices]`, and which are any."""
        counts = self.counts[rows][:, None]
        most = counts.max()
        if are_few():
            most = min(1 << int(most - 1).bit_length(), self.counts.max())
        columns = np.arange(most)
        return self._starts[rows][:, None] + np.minimum(columns, counts - 1), columns < counts

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes, with an axis for the choices."""
        places, are_choices = self._places(rows)
        width = self.width(rows)
        packed = pack(self.tokenized, places.ravel(), pad_to=width)
        packed["input_mask"] *= are_choices.ravel()[:, None]
        return {name: array.reshape(*places.shape, width) for name, array in packed.items()}


class ChoiceFeatureBatches(ChoiceBatches):
    """As `ChoiceBatches`, of the vectors that a frozen encoder gave, as the input `features`.

    Args:
        features: Of each text with each of its choices, float `[rows, size]`.
        *args, **kwargs: As of `ChoiceBatches`.
    """

    width_varies = True

    def __init__(self, features: np.ndarray, *args: Any, **kwargs: Any):
        self.features = features
        super().__init__(*args, **kwargs)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict of `features`, float `[batch, choices, size]`, and `choice_mask`."""
        places, are_choices = self._places(rows)
        mask = are_choices.astype("int32")
        return {"features": self.features[places], "choice_mask": mask}
