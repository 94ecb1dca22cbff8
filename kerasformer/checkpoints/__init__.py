"""Where weights and data come from, and other people's formats of them."""

import importlib

from kerasformer.checkpoints.fetching.presets import PRESETS
from kerasformer.checkpoints.resolve import resolve

# Read when first used: they need Keras, and finding a file does not.
_LAZY = {
    "Checkpoint": "checkpoint",
    "LoadReport": "checkpoint",
    "load_encoder": "checkpoint",
    "open_checkpoint": "checkpoint",
}

__all__ = ["PRESETS", "Checkpoint", "LoadReport", "load_encoder", "open_checkpoint", "resolve"]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
