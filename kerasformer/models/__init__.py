"""Encoders and classifiers assembled from the layers."""

import importlib

# Read when first used: a checkpoint is described by an `EncoderConfig`, without Keras.
_LAZY = {
    "BertEncoder": "encoder",
    "EncoderConfig": "config",
    "FeatureCache": "feature_cache",
    "TransformerClassifier": "classifier",
}

__all__ = ["BertEncoder", "EncoderConfig", "FeatureCache", "TransformerClassifier"]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
