"""Scratch against pretrained, side by side on one data set of any task."""

from kerasformer.compare.arms import arms_of
from kerasformer.compare.settings import Settings

__all__ = ["Settings", "arms_of", "compare"]


def __getattr__(name):
    if name == "compare":  # imported when used: `kerasformer --help` needs only the settings
        from kerasformer.compare.runner import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
