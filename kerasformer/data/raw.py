"""A labelled data set as it was read, before its classes are numbered."""

from dataclasses import dataclass, field

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def split_name(name: str) -> str | None:
    """The split that a file's, a data set's or a cell's name stands for, if any.

    Example:

    >>> split_name("Dev"), split_name("extra")
    ('validation', None)
    """
    return _SPLIT_NAMES.get(name.strip().lower())


@dataclass
class RawSplit:
    """The texts of a split as they were read, and the name of each one's class."""

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def extend(self, other: "RawSplit"):
        """Adds the rows of another."""
        self.texts += other.texts
        self.labels += other.labels


@dataclass
class RawDataset:
    """What a reader found: the name, the rows of "train" and perhaps "validation" and "test", the
    labels in their order where the source has one, and the provenance, ready for JSON.
    """

    name: str
    splits: dict[str, RawSplit]
    classes: tuple[str, ...] | None
    provenance: dict
