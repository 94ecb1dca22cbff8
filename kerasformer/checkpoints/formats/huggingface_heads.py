"""Which heads a model in the Hugging Face layout has, and what its `config.json` says of them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from kerasformer.checkpoints.formats.huggingface_config import read_number
from kerasformer.checkpoints.formats.huggingface_names import (
    ARCHITECTURES,
    MODEL_TYPES,
    OWN_CLASSIFIER,
    ModelType,
    own_classifier,
)
from kerasformer.checkpoints.names import Weight
from kerasformer.errors import UserError
from kerasformer.models.config import EncoderConfig

# Under this key of config.json is what transformers has no key for.
OWN_SETTINGS = "kerasformer"
_SETTING_TYPES = {
    "pooling": (str,),
    "layers": (str, list),
    "combine": (str,),
    "max_length": (int,),
    "freeze_encoder": (bool,),
}
_SEQUENCES, _TOKENS = "ForSequenceClassification", "ForTokenClassification"
_CLASSIFIERS = ("classifier", "token_classifier")


@dataclasses.dataclass(frozen=True)
class Heads:
    """What is known of the heads of a model; see `Checkpoint` for the attributes."""

    architecture: str
    heads: Mapping[str, tuple[Weight, ...]]
    refused: Mapping[str, str]
    class_names: tuple[str, ...] | None
    settings: Mapping[str, object]


def find_heads(
    values: dict, path: Path, config: EncoderConfig, shapes: Mapping[str, tuple[int, ...]]
) -> Heads:
    """Finds the heads of a model.

    Args:
        values: The values of its `config.json`, with `model_type`.
        path: That file, for messages.
        config: The encoder's configuration out of it.
        shapes: The shapes of the tensors by their names in the table.
    """
    kind = MODEL_TYPES[values["model_type"]]
    architecture = _architecture(values, kind, config, shapes)
    heads, refused = dict(kind.table.heads), {}
    if values.get("tie_word_embeddings") is False and kind.decoder in shapes:
        refused["masked_lm"] = "its decoder is a matrix of its own, not the word embeddings"
    if kind.class_name == "Electra" and config.activation != "gelu":
        refused["masked_lm"] = "transformers computes it with GELU, whatever hidden_act is"

    settings = _own_settings(values, path)
    names, name = None, ""
    if f"{OWN_CLASSIFIER}.weight" in shapes:
        # Its width follows from the settings; `TextClassifier` compares it.
        heads["classifier"] = own_classifier((*shapes[f"{OWN_CLASSIFIER}.weight"], 0)[1])
        del heads["token_classifier"]
        name = OWN_CLASSIFIER
    elif any(tensor.startswith("classifier.") for tensor in shapes):
        suffix, name = architecture.removeprefix(kind.class_name), "classifier"
        if suffix != _TOKENS:
            refused["token_classifier"] = f"it is that of a {architecture}"
        if suffix != _SEQUENCES or "classifier" not in heads:
            refused["classifier"] = f"it is that of a {architecture}"
        settings = {"pooling": "pooled", **settings}
    if name:
        rows = (shapes.get(f"{name}.weight") or (0,))[0]
        names = _class_names(values.get("id2label"), rows)
        reason = _no_classes(values, rows, names)
        if reason:
            refused |= dict.fromkeys(_CLASSIFIERS, reason) | refused
        rate = (config.dropout, 0.0, 0.999)
        settings["dropout"] = read_number(values, "classifier_dropout", path, *rate)
    heads = {head: weights for head, weights in heads.items() if head not in refused}
    return Heads(architecture, heads, refused, names, settings)


def _architecture(values, kind: ModelType, config, shapes) -> str:
    """The name of the model's class; by default that of the class with its heads."""
    architectures = values.get("architectures")
    if isinstance(architectures, list) and architectures and isinstance(architectures[0], str):
        return architectures[0][:80]
    if "classifier.weight" in shapes:
        return kind.class_name + (_SEQUENCES if config.pooler else _TOKENS)
    held = tuple(
        head
        for head, weights in kind.table.heads.items()
        if all(weight.theirs in shapes for weight in weights)
    )
    return kind.class_name + ARCHITECTURES.get(held, "Model")


def _own_settings(values: dict, path: Path) -> dict:
    """What `TextClassifier.save_pretrained` wrote beside what transformers reads."""
    settings = values.get(OWN_SETTINGS, {})
    if not isinstance(settings, dict):
        raise UserError(f"{OWN_SETTINGS} in {path} is {str(settings)[:80]}: expected an object.")
    settings = _renamed(settings)
    for key, value in settings.items():
        is_known = type(value) in _SETTING_TYPES.get(key, ())
        if not is_known or (type(value) is list and not all(type(i) is int for i in value)):
            raise UserError(
                f"{OWN_SETTINGS} in {path} has {str(key)[:80]!r} as {str(value)[:80]}, which "
                "save_pretrained does not write: save the model again."
            )
    return settings


def _renamed(settings: dict) -> dict:
    """With the names of today, where version 0.1 wrote them."""
    settings = {{"hidden_layers": "layers"}.get(key, key): v for key, v in settings.items()}
    if type(settings.get("trainable")) is bool:
        settings["freeze_encoder"] = not settings.pop("trainable")
    return settings


def _class_names(id2label, count: int) -> tuple[str, ...] | None:
    """The names of so many classes; None where `id2label` is no such list of names."""
    if id2label is None:
        return tuple(f"LABEL_{i}" for i in range(count))
    if not isinstance(id2label, dict) or id2label.keys() != {str(i) for i in range(count)}:
        return None
    names = tuple(str(id2label[str(i)]) for i in range(count))
    return names if len(set(names)) == count else None


def _no_classes(values: dict, count: int, names) -> str | None:
    """Why a classification head does not return the probabilities of classes."""
    if count == 1:
        return "it returns one number, as regression and cross-encoders do, and no classes"
    if values.get("problem_type") not in (None, "single_label_classification"):
        return f"its problem_type is {str(values['problem_type'])[:80]!r}, not one class of many"
    if names is None:
        return f"id2label in config.json does not name its {count} classes, each in its own way"
    return None
