"""Architectures, with nothing trained: BERT's encoder, GPT's decoder, their configurations."""

import importlib

# Imported when first used: a checkpoint is described by an `EncoderConfig`, without Keras.
_LAZY = {
    "BertEncoder": "encoder",
    "CausalDecoder": "decoder",
    "DecoderConfig": "config",
    "EncoderConfig": "config",
}

__all__ = ["BertEncoder", "CausalDecoder", "DecoderConfig", "EncoderConfig"]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
