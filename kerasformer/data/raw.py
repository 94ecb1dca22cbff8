"""A labelled data set as it was read, before its classes are numbered."""

from dataclasses import dataclass, field

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    "test": "test",
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
