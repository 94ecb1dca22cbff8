"""Which heads a model in the Hugging Face layout has, and what its `config.json` says of them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from kerasformer.checkpoints.formats.gpt_names import CLASSIFIER
from kerasformer.checkpoints.formats.huggingface_config import read_number
from kerasformer.checkpoints.formats.huggingface_names import (
    ARCHITECTURES,
    CHOICES,
    MODEL_TYPES,
    OWN_CLASSIFIERS,
    SEQUENCES,
    TOKENS,
    ModelType,
    Pooler,
    own_classifier,
)
from kerasformer.checkpoints.names import Weights
from kerasformer.errors import UserError
from kerasformer.models.config import EncoderConfig
from kerasformer.models.problems import PROBLEMS, REGRESSION, SINGLE_LABEL

# Under this key of config.json is what transformers has no key for.
OWN_SETTINGS = "kerasformer"
_SETTING_TYPES = {
    "pooling": (str,),
    "layers": (str, list),
    "combine": (str,),
    "max_length": (int,),
    "overlap": (int,),
    "threshold": (float,),
    "freeze_encoder": (bool,),
    "trained_blocks": (int,),
    "whole_words": (bool,),
}
# The class that each head with the names of a classifier is of.
_CLASSES = {"classifier": SEQUENCES, "token_classifier": TOKENS, "multiple_choice": CHOICES}
_TASKS = {"classifier": "TextClassifier", "token_classifier": "TokenClassifier"}
_SUMMARY = {"summary_type": "first", "summary_use_proj": True, "summary_activation": "gelu"}


@dataclasses.dataclass(frozen=True)
class Heads:
    """What is known of the heads of a model; see `Checkpoint` for the other attributes.

    Attributes:
        pooler: The pooler that the model has.
    """

    architecture: str
    pooler: Pooler | None
    heads: Mapping[str, Weights]
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
    pooler = _pooler(kind, shapes)
    architecture = _architecture(values, kind, pooler, shapes)
    heads: dict[str, Weights] = dict(kind.table.heads)
    if kind.poolers:
        heads |= (pooler or kind.poolers[0]).heads
    refused = _refused(values, kind, config, pooler, architecture, shapes)
    settings = _own_settings(values, path)
    names, name = None, ""
    own = [head for head, its in OWN_CLASSIFIERS.items() if f"{its}.weight" in shapes]
    if own:
        # Its width follows from the settings; the task compares it.
        name = OWN_CLASSIFIERS[head := own[0]]
        heads[head] = own_classifier(head, (*shapes[f"{name}.weight"], 0)[1])
        refused |= dict.fromkeys(_CLASSES, f"it is that of a {_TASKS[head]}")
        del refused[head]
    elif kind.is_decoder and f"{CLASSIFIER}.weight" in shapes:
        name, settings = CLASSIFIER, {"pooling": "lasttoken", **settings}
    elif any(tensor.startswith("classifier.") for tensor in shapes):
        is_sequences = architecture == kind.class_name + SEQUENCES
        name = pooler.output if pooler and is_sequences else "classifier"
        settings = {"pooling": "pooled", **settings}
    if name:
        rows = (shapes.get(f"{name}.weight") or (0,))[0]
        names = _class_names(values.get("id2label"), rows)
        if "classifier" not in refused:
            settings["problem_type"] = values.get("problem_type") or _problem_type(rows)
            refused |= _unsolved(settings["problem_type"], rows)
        if "token_classifier" not in refused and rows == 1:
            refused["token_classifier"] = "it returns one number, and no classes"
        key, default = kind.dropout
        if "token_classifier" not in refused:
            key, default = "classifier_dropout", None
        default = config.dropout if default is None else default
        settings["dropout"] = read_number(values, key, path, default, 0.0, 0.999)
    heads = {head: weights for head, weights in heads.items() if head not in refused}
    if pooler and not pooler.is_encoders and heads.keys().isdisjoint(pooler.heads):
        pooler = None  # nothing of ours goes without the head that it belongs to
    return Heads(architecture, pooler, heads, refused, names, settings)


def _pooler(kind: ModelType, shapes: Mapping) -> Pooler | None:
    for pooler in kind.poolers:
        held = [weight.theirs in shapes for weight in pooler.lines]
        # A missing part of the encoder's own is told when the encoder is loaded.
        if any(held) if pooler.is_encoders else all(held):
            return pooler
    return None


def _refused(values, kind: ModelType, config, pooler, architecture, shapes) -> dict[str, str]:
    """The heads that cannot be read, with the reasons."""
    refused: dict[str, str] = {}
    if values.get("tie_word_embeddings") is False and kind.decoder in shapes:
        head = "causal_lm" if kind.is_decoder else "masked_lm"
        refused[head] = "its decoder is a matrix of its own, not the word embeddings"
    if kind.class_name == "Electra" and config.activation != "gelu":
        refused["masked_lm"] = "transformers computes it with GELU, whatever hidden_act is"
    if not any(tensor.startswith("classifier.") for tensor in shapes):
        return refused
    suffix = architecture.removeprefix(kind.class_name)
    for head, its in _CLASSES.items():
        if suffix != its:
            refused[head] = f"it is that of a {architecture}"
        elif suffix != TOKENS and (pooler is None or suffix not in pooler.classes):
            refused[head] = "the dense layer before it is missing"
    summary = {key: values.get(key, expected) for key, expected in _SUMMARY.items()}
    if kind.class_name == "Electra" and suffix == CHOICES and summary != _SUMMARY:
        refused["multiple_choice"] = "its summary is not a dense layer with GELU over [CLS]"
    return refused


def _problem_type(rows: int) -> str:
    """What transformers takes a classifier for where `problem_type` says nothing."""
    return REGRESSION if rows == 1 else SINGLE_LABEL


def _unsolved(problem_type: object, rows: int) -> dict[str, str]:
    """Why a classifier of sequences cannot be read, if so."""
    if problem_type not in PROBLEMS:
        return {"classifier": f"its problem_type is {str(problem_type)[:80]!r}"}
    if problem_type == SINGLE_LABEL and rows == 1:
        return {"classifier": f"it returns one number, and its problem_type is {problem_type!r}"}
    return {}


def _architecture(values, kind: ModelType, pooler: Pooler | None, shapes) -> str:
    """The name of the model's class; by default that of the class with its heads."""
    architectures = values.get("architectures")
    if isinstance(architectures, list) and architectures and isinstance(architectures[0], str):
        return architectures[0][:80]
    if pooler and f"{pooler.output}.weight" in shapes and pooler.classes:
        return kind.class_name + pooler.classes[0]
    if "classifier.weight" in shapes:
        return kind.class_name + TOKENS
    if kind.is_decoder and f"{CLASSIFIER}.weight" in shapes:
        return kind.class_name + SEQUENCES
    held = tuple(
        head
        for head, weights in kind.table.heads.items()
        if all(weight.theirs in shapes for weight in weights)
    )
    return kind.class_name + ARCHITECTURES.get(held, "Model")


def _own_settings(values: dict, path: Path) -> dict:
    """What a task's `save_pretrained` wrote beside what transformers reads."""
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
