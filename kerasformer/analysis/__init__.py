"""Looking into encoders: layers, contexts, projections, attention."""

import importlib

# Imported when first used: some of them need Keras, and some scikit-learn.
_LAZY = {
    "AttentionMaps": "attention",
    "HeadSummary": "attention",
    "LayerStudy": "layer_study",
    "Projection": "projection",
    "WordContexts": "context",
    "attention_maps": "attention",
    "project": "projection",
    "study_layers": "layer_study",
    "summarize_heads": "attention",
    "word_contexts": "context",
}

__all__ = list(_LAZY)


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
