"""Architectures, with nothing trained: BERT's encoder and its configuration."""

import importlib

# Imported when first used: a checkpoint is described by an `EncoderConfig`, without Keras.
_LAZY = {"BertEncoder": "encoder", "EncoderConfig": "config", "shallower": "depth"}

__all__ = ["BertEncoder", "EncoderConfig", "shallower"]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
