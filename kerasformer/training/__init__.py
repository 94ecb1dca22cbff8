"""The optimizer, the recipe and the metrics of training.

The names are imported when they are first used: `classification_metrics` needs no Keras.
"""

import importlib

_EXPORTS = {
    "AdamW": "optimizer",
    "Recipe": "recipe",
    "WarmupDecay": "schedule",
    "WarmupLinearDecay": "schedule",
    "adamw": "optimizer",
    "answer_metrics": "metrics",
    "answer_scores": "metrics",
    "classification_metrics": "metrics",
    "entity_counts": "metrics",
    "entity_metrics": "metrics",
    "multilabel_metrics": "metrics",
    "regression_metrics": "metrics",
}

__all__ = list(_EXPORTS)


def __getattr__(name):
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
