"""Architectures, with nothing trained: BERT's encoder, GPT's decoder, static vectors."""

import importlib

# Imported when first used: a checkpoint is described by an `EncoderConfig`, without Keras.
_LAZY = {
    "BertEncoder": "encoder",
    "CausalDecoder": "decoder",
    "DecoderConfig": "config",
    "EncoderConfig": "config",
    "StaticVectors": "static_vectors",
    "distil_static": "distilled_vectors",
    "shallower": "depth",
}

__all__ = [
    "BertEncoder",
    "CausalDecoder",
    "DecoderConfig",
    "EncoderConfig",
    "StaticVectors",
    "distil_static",
    "shallower",
]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
