"""What is not taken from a server: addresses without encryption, names that lead elsewhere."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from kerasformer.sources.places import FetchError


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
    """Refuses names of files that lead out of their folder, or that some system has no file for.

    Example:

    >>> check_names(["config.json", "1_Pooling/config.json"])
    >>> check_names(["../../.bashrc"])
    Traceback (most recent call last):
    kerasformer.sources.places.FetchError: the name '../../.bashrc' of one of its files ...
    """
    for name in names:
        parts = name.split("/")
        if (
            any(not part or part != part.rstrip(". ") or len(part) > 255 for part in parts)
            or re.search(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\ud800-\udfff]', name)
            or len(name) > 1024
        ):
            raise FetchError(f"the name {name[:200]!r} of one of its files is not safe")
