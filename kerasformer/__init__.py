"""A transformer that you can read, and the same Keras 3 layers carrying real pretrained BERT.

The public names are imported when they are first used (PEP 562), so that `import kerasformer`
loads neither TensorFlow nor Keras. Keras finds the layers and models of a file all the same.
"""

import importlib

from kerasformer.registration import register_on_demand

__version__ = "0.1.0"

_EXPORTS = {
    "BertEncoder": "models",
    "CausalDecoder": "models",
    "CausalLanguageModel": "tasks",
    "DecoderConfig": "models",
    "Distillation": "tasks",
    "EncoderConfig": "models",
    "FeatureCache": "tasks",
    "HubEncoder": "hub",
    "HubPreprocessor": "hub",
    "MaskedLanguageModel": "tasks",
    "MultipleChoice": "tasks",
    "NextSentencePredictor": "tasks",
    "PRESETS": "sources",
    "PretrainingModel": "tasks",
    "QuestionAnswerer": "tasks",
    "RecurrentClassifier": "tasks",
    "StaticClassifier": "tasks",
    "StaticVectors": "models",
    "TextClassifier": "tasks",
    "TextEmbedder": "embedder",
    "TokenClassifier": "tasks",
    "TransformerClassifier": "tasks",
    "UserError": "errors",
    "distil_static": "models",
    "load_dataset": "data",
    "resolve": "sources",
}
_SUBPACKAGES = (
    "analysis",
    "checkpoints",
    "compare",
    "corpus",
    "data",
    "embedder",
    "hub",
    "layers",
    "models",
    "sources",
    "tasks",
    "text",
    "training",
    "tune",
)

__all__ = [*_EXPORTS, *_SUBPACKAGES]


def __getattr__(name):
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    if name == "report":  # its place until version 0.1
        return importlib.import_module(f"{__name__}.compare.report")
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])


register_on_demand()
