"""Scratch against pretrained, side by side on one labelled data set."""

from kerasformer.compare.arms import ARMS
from kerasformer.compare.settings import Settings

__all__ = ["ARMS", "Settings", "compare"]


def __getattr__(name):
    if name == "compare":  # imported when used: `kerasformer --help` needs only the settings
        from kerasformer.compare.runner import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
