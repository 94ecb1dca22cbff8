"""Splits and samples decided by a hash of the text alone, so that they never depend on order.

A text's place is a number in [0, 1) that looks random and never changes: between runs, machines
and orders of the rows. Two texts that differ only in case, in white space or in compatibility
characters have the same place, so they can never be on two sides of a split.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

LIMIT_SALT = "kerasformer:limit"
RULE = (
    "the first 8 bytes, as a fraction of 2**64, of sha256(salt + ':' + sha256(text)), the text "
    "being NFKC, case folded, with white space collapsed"
)


def text_key(text: str) -> bytes:
    """The sha256 of the normalised text: equal for texts that count as duplicates.

    >>> text_key("A  good film\\n") == text_key("a good film")
    True
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).digest()


def joint_key(keys: Iterable[bytes]) -> bytes:
    """The key of what has several texts, by the key of each in their order."""
    return hashlib.sha256(b"".join(keys)).digest()


def places(keys: Iterable[bytes], salt: str) -> np.ndarray:
    """The place of each key under a salt, float64 `[n]` in [0, 1); salts are independent."""
    prefix = f"{salt}:".encode()
    digests = (hashlib.sha256(prefix + key).digest()[:8] for key in keys)
    return np.frombuffer(b"".join(digests), dtype=">u8") / 2.0**64


def held_out(keys: Sequence[bytes], labels: np.ndarray, fraction: float, salt: str) -> np.ndarray:
    """Which rows are held out, bool `[n]`: those whose place is below `fraction`.

    Few texts may leave a class wholly on one side by chance. A class of two or more different
    texts then gives the text nearest to the boundary to the other side; a class of one text stays
    in training.
    """
    place = places(keys, salt)
    out = place < fraction
    classes = labels.max() + 1
    lowest, highest = np.ones(classes), np.zeros(classes)
    np.minimum.at(lowest, labels, place)
    np.maximum.at(highest, labels, place)
    none_out = (lowest >= fraction) & (lowest < highest)
    out |= np.isin(place, lowest[none_out])
    none_left = np.bincount(labels[~out], minlength=classes) == 0
    out &= ~np.isin(place, highest[none_left])
    return out


def sample(keys: Sequence[bytes], labels: np.ndarray, share: float) -> np.ndarray:
    """The indices, in order, of a sample with a `share` of each class, at least one row."""
    counts = np.bincount(labels)
    quota = np.maximum(1, np.round(counts * share))
    order = np.lexsort((places(keys, LIMIT_SALT), labels))  # by class, then by place
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[labels[order]]
    return np.sort(order[rank < quota[labels[order]]])
