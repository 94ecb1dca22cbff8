"""Other people's formats of models: read without running anything of them, and written."""

import importlib

# Imported when first used: looking at a file needs no Keras.
_LAZY = {"Checkpoint": "checkpoint", "LoadReport": "load_report", "open_checkpoint": "formats"}

__all__ = ["Checkpoint", "LoadReport", "open_checkpoint"]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
