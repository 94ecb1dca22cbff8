"""What a reader found in a source, before its classes are numbered."""

from dataclasses import dataclass, field


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
