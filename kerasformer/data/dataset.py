"""What all data sets of examples have in common: splits, how they are made, and a description."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from kerasformer.data.hashing import LIMIT_SALT, RULE, held_out, sample
from kerasformer.errors import UserError

_VALIDATION_SALT = "kerasformer:validation:{}"  # and the seed
SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "testa"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "testb"), "test"),
}


def split_name(name: str) -> str | None:
    """The split that a file, a split or a cell is named after, such as "Dev", if any."""
    return _SPLIT_NAMES.get(name.strip().lower())


@dataclass(frozen=True, eq=False)
class Examples(ABC):
    """The examples of a split: each field holds a part of every example, or None."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    @cached_property
    @abstractmethod
    def keys(self) -> list[bytes]:
        """A hash of each example: equal for duplicates."""

    @cached_property
    def groups(self) -> list[bytes]:
        """A hash of what must not be on two sides of a split: equal for examples that share it."""
        return self.keys

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The examples at `indices`, int `[m]`, as a new split."""
        indices = np.asarray(indices, "int64")
        parts = {field.name: _rows(getattr(self, field.name), indices) for field in fields(self)}
        taken = type(self)(**parts)
        for name in vars(self).keys() - parts.keys():  # hashes: to make them again takes longer
            vars(taken)[name] = _rows(vars(self)[name], indices)
        return taken


def _rows(part, indices) -> Any:
    if part is None or isinstance(part, np.ndarray):
        return part if part is None else part[indices]
    return [part[index] for index in indices]


def _joined(parts: list[Any]) -> Any:
    if any(part is None for part in parts):
        return None
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [row for part in parts for row in part]


ExamplesT = TypeVar("ExamplesT", bound=Examples)


class Dataset(ABC, Generic[ExamplesT]):
    """Examples in splits, which `load_dataset` reads.

    Attributes:
        name: What to call it.
        splits: Some of "train", "validation" and "test".
        provenance: What it was made from and how, ready for JSON.
    """

    name: str
    splits: dict[str, ExamplesT]
    provenance: dict

    noun: ClassVar[str]  # what its examples are, in the plural
    _divided: ClassVar[str]  # what a split needs two of, in the plural
    _hashed: ClassVar[str] = ""  # the text whose hash is the place of an example, if it has several

    @property
    def train(self) -> ExamplesT:
        """What models learn from."""
        return self.splits["train"]

    @property
    def validation(self) -> ExamplesT | None:
        """What models are tuned on, if there is such a split; see `with_validation`."""
        return self.splits.get("validation")

    @property
    def test(self) -> ExamplesT:
        """What models are judged on, and never tuned on."""
        return self.splits["test"]

    @property
    def whole(self) -> ExamplesT:
        """The examples of all splits, one split after another."""
        splits = list(self.splits.values())
        parts = {
            field.name: _joined([getattr(split, field.name) for split in splits])
            for field in fields(splits[0])
        }
        return type(splits[0])(**parts)

    def _repr(self, classes: str) -> str:
        sizes = ", ".join(f"{name}: {len(split):,}" for name, split in self.splits.items())
        return f"<{type(self).__name__} {self.name}: {classes}{sizes}>"

    @abstractmethod
    def _strata(self, split: ExamplesT) -> np.ndarray:
        """The class of each example whose share the splits and samples keep, int `[n]`."""

    def _must_keep_classes(self) -> bool:
        """Whether training is of no use without an example of each class."""
        return False

    @abstractmethod
    def _head(self) -> Any:
        """What the fingerprint begins with, ready for JSON."""

    @abstractmethod
    def _content(self, split: ExamplesT) -> Iterator[bytes]:
        """All that the fingerprint of a split depends on, in its order."""

    @abstractmethod
    def _classes(self) -> dict[str, Any]:
        """What the examples are labelled with, ready for JSON."""

    @abstractmethod
    def _counts(self, split: ExamplesT) -> dict[str, Any]:
        """How many there are of what in a split, beside its examples, ready for JSON."""

    def with_validation(self, fraction: float = 0.1, seed: int = 0) -> Self:
        """Carves a validation split out of training, by a hash that test's does not depend on.

        Duplicates stay on one side. A data set that came with a validation split keeps that one.

        Args:
            fraction: The part of the training examples to hold out.
            seed: Another seed holds out other examples.

        Raises:
            UserError: The fraction is not between 0 and 1, or there are too few different examples.
        """
        if "validation" in self.splits:
            return self
        return self._carve("validation", fraction, _VALIDATION_SALT.format(seed))

    def held_out(self, fraction: float = 0.1, seed: int = 0) -> np.ndarray:
        """The training examples that `with_validation` holds out, bool `[n]`."""
        return self._held_out("validation", fraction, _VALIDATION_SALT.format(seed))

    def with_test(self, fraction: float = 0.2) -> Self:
        """As `with_validation`, a test split, where the data set came with none."""
        if "test" in self.splits:
            return self
        return self._carve("test", fraction, salt="kerasformer:test")

    def _held_out(self, name, fraction, salt):
        if not 0 < fraction < 1:
            raise UserError(
                f"The {name} part of the data is {fraction}: give a fraction between 0 and 1."
            )
        strata = self._strata(self.train)
        out = held_out(self.train.groups, strata, fraction, salt)
        if not out.any() and not self._must_keep_classes():
            out = held_out(self.train.groups, np.zeros_like(strata), fraction, salt)
        if not out.any():
            raise UserError(
                f"{self.name} has no two different {self._divided}, so no {name} split can be "
                "made: give more."
            )
        return out

    def _carve(self, name, fraction, salt):
        out = self._held_out(name, fraction, salt)
        rule = f"{name} is the part of train whose hash under the salt {salt!r} is below {fraction}"
        splits = {
            **self.splits,
            "train": self.train.take(np.flatnonzero(~out)),
            name: self.train.take(np.flatnonzero(out)),
        }
        hashed = f"{RULE}{self._hashed}"
        return self._with(splits, f"{rule}; the hash is {hashed}; duplicates stay on one side.")

    @property
    def least_limit(self) -> int:
        """The lowest number that `limited` takes: one example of each class in each split."""
        return sum(len(np.unique(self._strata(split))) for split in self.splits.values())

    def limited(self, limit: int) -> Self:
        """About `limit` examples over all splits, with the balance of splits and classes as it is.

        Raises:
            UserError: The limit is less than one example of each class in each split.
        """
        if limit < (least := self.least_limit):
            raise UserError(
                f"The limit {limit} is too small for {self.name}: give at least {least}, one "
                "example of each class in each split."
            )
        total = sum(map(len, self.splits.values()))
        if limit >= total:
            return self
        splits = {
            name: split.take(sample(split.keys, self._strata(split), limit / total))
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
        provenance = {**self.provenance, "rules": rules}
        # Every data set is a dataclass; its base is none, whose fields would come first.
        return replace(self, splits=ordered, provenance=provenance)  # type: ignore[type-var]

    def fingerprint(self) -> str:
        """The sha256 over the classes, the splits and all of their examples, in their order."""
        digest = hashlib.sha256()

        def add(part: bytes):
            digest.update(len(part).to_bytes(8, "little"))  # no two lists of parts look the same
            digest.update(part)

        add(json.dumps(self._head()).encode())
        for name, split in self.splits.items():
            add(name.encode())
            for part in self._content(split):
                add(part)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Name, classes, fingerprint, provenance, and what is in each split, ready for JSON."""
        return {
            "name": self.name,
            **self._classes(),
            "fingerprint": self.fingerprint(),
            "provenance": self.provenance,
            "splits": {
                name: {"examples": len(split), **self._counts(split)}
                for name, split in self.splits.items()
            },
        }


def rarest(present: np.ndarray) -> np.ndarray:
    """The class of each example that the fewest have, int `[n]`; one past the last for none.

    Args:
        present: Which classes each example has, bool `[n, classes]`.

    >>> rarest(np.array([[1, 0], [1, 1], [0, 0]], bool)).tolist()
    [0, 1, 2]
    """
    order = np.argsort(present.sum(axis=0), kind="stable")
    ordered = np.concatenate([present[:, order], np.ones((len(present), 1), bool)], axis=1)
    return np.append(order, len(order))[ordered.argmax(axis=1)]
