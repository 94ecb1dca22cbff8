"""Labelled texts and pairs of texts, and the names of their classes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kerasformer.data.dataset import Dataset, Examples, rarest
from kerasformer.data.hashing import joint_key, text_key

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
PROBLEM_TYPES = (SINGLE_LABEL, MULTI_LABEL, REGRESSION)  # as transformers calls them


@dataclass(frozen=True, eq=False)
class Split(Examples):
    """Texts and their labels.

    Attributes:
        texts: The texts, or pairs of texts as tuples.
        labels: The class of each, int32 `[n]`, indices into the data set's `class_names`; for
            several classes a text, which of them it has, 0 or 1, float32 `[n, classes]`; for
            regression, numbers, float32 `[n, outputs]`.

    Example:

    >>> Split([("It rains.", "It is wet."), ("It rains.", "It is dry.")], [1, 0]).labels
    array([1, 0], dtype=int32)
    """

    texts: list[str] | list[tuple[str, str]]
    labels: np.ndarray

    def __post_init__(self):
        labels = np.asarray(self.labels)
        if labels.size and (labels.ndim == 2 or labels.dtype.kind == "f"):
            labels = labels.astype("float32")
            labels = labels[:, None] if labels.ndim == 1 else labels
        elif labels.ndim == 2:
            labels = labels.astype("float32")
        else:
            labels = labels.astype("int32")
        object.__setattr__(self, "labels", labels)
        if labels.ndim not in (1, 2) or len(labels) != len(self.texts):
            raise ValueError(
                f"A split needs one label for each text; got {len(self.texts)} texts and labels of "
                f"shape {labels.shape}."
            )

    @cached_property
    def keys(self) -> list[bytes]:
        """The `text_key` of each text, or of a pair both: equal for duplicates."""
        return [
            text_key(text) if isinstance(text, str) else joint_key(map(text_key, text))
            for text in self.texts
        ]


@dataclass(frozen=True, eq=False, repr=False)
class LabeledDataset(Dataset[Split]):
    """Labelled texts or pairs of texts in splits, which `load_dataset` reads.

    Attributes:
        name: What to call it.
        class_names: The name of each class, in the order of the labels; for regression, of each
            number.
        splits: Some of "train", "validation" and "test".
        provenance: What it was made from and how, ready for JSON.
        problem_type: As transformers has it: "single_label_classification", of several classes a
            text "multi_label_classification", of numbers "regression".

    Example:

    >>> train = Split(["a fine film", "dull", "a joy", "a bore"], [1, 0, 1, 0])
    >>> dataset = LabeledDataset("films", ("negative", "positive"), {"train": train})
    >>> {name: len(split) for name, split in dataset.with_validation(0.5).splits.items()}
    {'train': 2, 'validation': 2}
    """

    name: str
    class_names: tuple[str, ...]
    splits: dict[str, Split]
    provenance: dict = field(default_factory=dict)
    problem_type: str = SINGLE_LABEL

    noun = "texts"
    _divided = "texts of one class"
    _hashed = "; of a pair, sha256(sha256(text) + sha256(text))"

    def __post_init__(self):
        if self.problem_type not in PROBLEM_TYPES:
            raise ValueError(
                f"The problem type is {self.problem_type!r}; expected {', '.join(PROBLEM_TYPES)}."
            )
        shape = () if self.problem_type == SINGLE_LABEL else (len(self.class_names),)
        for name, split in self.splits.items():
            if split.labels.shape[1:] != shape:
                raise ValueError(
                    f"The labels of {name} have the shape {split.labels.shape}; expected "
                    f"{(len(split), *shape)} for {self.problem_type} with these class names."
                )

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that each text is joined of, where it was read from columns."""
        columns = self.provenance.get("columns", {})
        if "label" not in columns:  # those of each file
            columns = next(iter(columns.values()), {})
        return tuple(columns.get("text", ()))

    def __repr__(self) -> str:
        what = "numbers" if self.problem_type == REGRESSION else "classes"
        return self._repr(f"{len(self.class_names)} {what}; ")

    def _strata(self, split):
        if self.problem_type == SINGLE_LABEL:
            return split.labels
        if self.problem_type == MULTI_LABEL:
            return rarest(split.labels > 0)
        return np.zeros(len(split), "int32")

    def _must_keep_classes(self):
        return self.problem_type == SINGLE_LABEL

    def _head(self):
        return self.class_names

    def _content(self, split: Split) -> Iterator[bytes]:
        yield split.labels.astype("<i4" if self.problem_type == SINGLE_LABEL else "<f4").tobytes()
        for text in split.texts:
            for part in (text,) if isinstance(text, str) else text:
                yield part.encode()

    def _classes(self):
        return {"problem_type": self.problem_type, "class_names": list(self.class_names)}

    def _counts(self, split: Split) -> dict[str, Any]:
        if self.problem_type == SINGLE_LABEL:
            counts = np.bincount(split.labels, minlength=len(self.class_names))
            return {"class_counts": counts.tolist()}
        if self.problem_type == MULTI_LABEL:
            return {"class_counts": split.labels.sum(axis=0).astype(int).tolist()}
        labels = split.labels.astype("float64")
        return {name: getattr(labels, name)(axis=0).tolist() for name in ("mean", "std")}
