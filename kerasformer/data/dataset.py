"""A labelled data set: texts, the names of their classes, splits, and where they came from."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from kerasformer.data.hashing import LIMIT_SALT, RULE, held_out, sample, text_key
from kerasformer.errors import UserError

SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def split_name(name: str) -> str | None:
    """The split that a file, a split or a cell is named after, such as "Dev", if any."""
    return _SPLIT_NAMES.get(name.strip().lower())


@dataclass
class RawSplit:
    """The texts of a split as they were read, and the name of each one's class."""

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


@dataclass
class RawDataset:
    """What a reader found; `classes` are in their order where the source has one."""

    name: str
    splits: dict[str, RawSplit]
    classes: tuple[str, ...] | None
    provenance: dict


@dataclass(frozen=True, eq=False)
class Split:
    """Texts, and their classes: int32 `[n]`, indices into the data set's `class_names`."""

    texts: list[str]
    labels: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype="int32"))
        if self.labels.shape != (len(self.texts),):
            raise ValueError(
                f"A split needs one label for each text; got {len(self.texts)} texts and labels of "
                f"shape {self.labels.shape}."
            )

    def __len__(self):
        return len(self.texts)

    @cached_property
    def keys(self) -> list[bytes]:
        """The `text_key` of each text: equal for duplicates."""
        return [text_key(text) for text in self.texts]

    def take(self, indices: np.ndarray) -> "Split":
        """The rows at `indices`, int `[m]`, as a new split."""
        taken = Split([self.texts[index] for index in indices], self.labels[indices])
        if "keys" in self.__dict__:  # known already: hashing every text again would take longer
            taken.__dict__["keys"] = [self.keys[index] for index in indices]
        return taken


@dataclass(frozen=True, eq=False)
class LabeledDataset:
    """Labelled texts in splits, which `load_dataset` reads.

    Attributes:
        name: What to call it.
        class_names: The name of each class, in the order of the labels.
        splits: Some of "train", "validation" and "test".
        provenance: What it was made from and how, ready for JSON.

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

    @property
    def train(self) -> Split:
        """What models learn from."""
        return self.splits["train"]

    @property
    def validation(self) -> Split | None:
        """What models are tuned on, if there is such a split; see `with_validation`."""
        return self.splits.get("validation")

    @property
    def test(self) -> Split:
        """What models are judged on, and never tuned on."""
        return self.splits["test"]

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that each text is joined of, where it was read from columns."""
        columns = self.provenance.get("columns", {})
        first = columns if "text" in columns else next(iter(columns.values()), {})
        return tuple(first.get("text", ()))

    def __repr__(self):
        sizes = ", ".join(f"{name}: {len(split):,}" for name, split in self.splits.items())
        return f"<LabeledDataset {self.name}: {len(self.class_names)} classes; {sizes}>"

    def with_validation(self, fraction: float = 0.1, seed: int = 0) -> "LabeledDataset":
        """Carves a validation split out of training, by a hash that test's does not depend on.

        Duplicates stay on one side. A data set that came with a validation split keeps that one.

        Args:
            fraction: The part of the training texts to hold out.
            seed: Another seed holds out other texts.

        Raises:
            UserError: The fraction is not between 0 and 1, or no class has two different texts.
        """
        if "validation" in self.splits:
            return self
        return self._carve("validation", fraction, salt=f"kerasformer:validation:{seed}")

    def with_test(self, fraction: float = 0.2) -> "LabeledDataset":
        """As `with_validation`, a test split, where the data set came with none."""
        if "test" in self.splits:
            return self
        return self._carve("test", fraction, salt="kerasformer:test")

    def _carve(self, name, fraction, salt):
        if not 0 < fraction < 1:
            raise UserError(
                f"The {name} part of the data is {fraction}: give a fraction between 0 and 1."
            )
        out = held_out(self.train.keys, self.train.labels, fraction, salt)
        if not out.any():
            raise UserError(
                f"{self.name} has no two different texts of one class, so no {name} split can be "
                "made: give more texts."
            )
        rule = f"{name} is the part of train whose hash under the salt {salt!r} is below {fraction}"
        splits = {
            **self.splits,
            "train": self.train.take(np.flatnonzero(~out)),
            name: self.train.take(np.flatnonzero(out)),
        }
        return self._with(splits, f"{rule}; the hash is {RULE}; duplicates stay on one side.")

    def limited(self, limit: int) -> "LabeledDataset":
        """About `limit` examples over all splits, with the balance of splits and classes as it is.

        Raises:
            UserError: The limit is less than one example of each class in each split.
        """
        least = sum(len(np.unique(split.labels)) for split in self.splits.values())
        if limit < least:
            raise UserError(
                f"The limit {limit} is too small for {self.name}: give at least {least}, one "
                "example of each class in each split."
            )
        total = sum(map(len, self.splits.values()))
        if limit >= total:
            return self
        splits = {
            name: split.take(sample(split.keys, split.labels, limit / total))
            for name, split in self.splits.items()
        }
        return self._with(
            splits,
            f"Of {total} examples about {limit} are used: in each class of each split, those of "
            f"the lowest hash under the salt {LIMIT_SALT!r}.",
        )

    def _with(self, splits, rule):
        """The same data set in other splits, the rule added to its provenance."""
        rules = [*self.provenance.get("rules", []), rule]
        ordered = {name: splits[name] for name in SPLITS if name in splits}
        return replace(self, splits=ordered, provenance={**self.provenance, "rules": rules})

    def fingerprint(self) -> str:
        """The sha256 over class names, splits, texts and labels, in their order."""
        digest = hashlib.sha256()

        def add(part: bytes):
            digest.update(len(part).to_bytes(8, "little"))  # no two lists of parts look the same
            digest.update(part)

        add(json.dumps(self.class_names).encode())
        for name, split in self.splits.items():
            add(name.encode())
            add(split.labels.astype("<i4").tobytes())
            for text in split.texts:
                add(text.encode())
        return digest.hexdigest()

    def describe(self) -> dict:
        """Name, classes, fingerprint, provenance, and class sizes in each split, ready for JSON."""
        classes = len(self.class_names)
        return {
            "name": self.name,
            "class_names": list(self.class_names),
            "fingerprint": self.fingerprint(),
            "provenance": self.provenance,
            "splits": {
                name: {
                    "examples": len(split),
                    "class_counts": np.bincount(split.labels, minlength=classes).tolist(),
                }
                for name, split in self.splits.items()
            },
        }
