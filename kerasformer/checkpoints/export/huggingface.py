"""Writing an encoder, alone or with its heads, in the Hugging Face layout."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerasformer.checkpoints.formats.huggingface_config import config_values
from kerasformer.checkpoints.formats.huggingface_heads import OWN_SETTINGS
from kerasformer.checkpoints.formats.huggingface_names import (
    ARCHITECTURES,
    MODEL_TYPES,
    WITHOUT_POOLER,
    ModelType,
    own_classifier,
)
from kerasformer.checkpoints.io.safetensors_file import WEIGHTS, PendingTensor, writing_tensors
from kerasformer.checkpoints.names import Weight
from kerasformer.errors import UserError
from kerasformer.files import write_whole
from kerasformer.private_api import all_layers

if TYPE_CHECKING:  # the encoder imports this module to save itself
    from kerasformer.models import BertEncoder


def save_pretrained(
    folder,
    encoder: BertEncoder,
    heads: Mapping[str, keras.layers.Layer] | None = None,
    *,
    tokenizer=None,
    class_names=None,
    dropout=None,
    settings: Mapping[str, object] | None = None,
):
    """Writes `config.json`, `model.safetensors` and the tokenizer's files.

    transformers reads them by the class that `architectures` in config.json names, and
    `kerasformer.checkpoints.open_checkpoint` too. What LoRA has trained is merged into the weights
    that it adapts. An encoder whose embeddings have a width of
    their own is written as ELECTRA, every other one as BERT. Each variable keeps its dtype. The
    pooler is left out where transformers' class has none: beside a masked-LM, token or span head.

    A classifier over other vectors than BERT's pooled one, which transformers has no class for, is
    written beside a `BertModel`, under a name of its own.

    Args:
        folder: Output folder, created if missing.
        encoder: The encoder.
        heads: Its heads' layers, by their names in the tables.
        tokenizer: The tokenizer; none is written where None.
        class_names: The names of a classifier's classes.
        dropout: The dropout before a classifier.
        settings: Further arguments of `TextClassifier`.

    Raises:
        UserError: The folder cannot be written to; or transformers has no such model; or it is
            quantized, or has a weight that is none of the encoder's own.
    """
    folder, config, heads, settings = Path(folder), encoder.config, heads or {}, settings or {}
    model_type = "bert" if config.embedding_size == config.hidden_size else "electra"
    kind = MODEL_TYPES[model_type]
    # What is not BertForSequenceClassification has a name of its own beside a plain encoder.
    is_own = "classifier" in heads and (
        "classifier" not in kind.table.heads or settings["pooling"] != "pooled"
    )
    suffix = ARCHITECTURES[() if is_own else tuple(heads)]
    if not is_own:
        _check_known(kind, config, heads, suffix)
    tensors = list(_encoder_tensors(kind, encoder, suffix))
    for head, layer in heads.items():
        table = kind.table
        if is_own:
            table = dataclasses.replace(table, heads={head: own_classifier(layer.kernel.shape[0])})
        tensors += _tensors(table.head_weights(head, config, len(class_names or ())), layer)

    values = config_values(config, model_type)
    values |= {"architectures": [kind.class_name + suffix], "dtype": encoder.variable_dtype}
    if class_names:
        values["id2label"] = {str(i): name for i, name in enumerate(class_names)}
        values["label2id"] = {name: i for i, name in enumerate(class_names)}
        values["classifier_dropout"] = dropout
    if settings:
        values[OWN_SETTINGS] = dict(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writing_tensors(folder / WEIGHTS, tensors):
            text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True)
            write_whole(folder / "config.json", text + "\n")
            if tokenizer is not None:
                tokenizer.save_pretrained(folder)
    except OSError as error:
        raise UserError(
            f"Cannot save to {folder} ({error.strerror or error}): give a folder that can be "
            "written to, on a disk with room."
        ) from None


def _check_known(kind: ModelType, config, heads, suffix: str):
    """Raises a UserError where transformers has no class that computes the same."""
    if not heads.keys() <= kind.table.heads.keys():
        raise UserError(
            f"transformers has no {kind.class_name}{suffix}, which a model with embeddings of "
            f"another width ({config.embedding_size}) than its blocks ({config.hidden_size}) would "
            "be there: save the encoder alone, by its own save_pretrained."
        )
    if "masked_lm" in heads and kind.class_name == "Electra" and config.activation != "gelu":
        raise UserError(
            f"transformers' {kind.class_name}{suffix} has a head with the activation 'gelu', but "
            f"this model has {config.activation!r}: save the encoder alone, by its own "
            "save_pretrained."
        )


def _encoder_tensors(kind: ModelType, encoder: BertEncoder, suffix: str) -> Iterator[PendingTensor]:
    prefix = "" if suffix == "Model" else kind.prefix
    left_out = {weight.theirs for weight in kind.table.pooler if suffix in WITHOUT_POOLER}
    for tensor in _tensors(kind.table.encoder_weights(encoder.config), encoder):
        if tensor.name not in left_out:
            yield tensor._replace(name=prefix + tensor.name)


def _tensors(weights: Iterable[Weight], layer: keras.layers.Layer) -> Iterator[PendingTensor]:
    """The layer's variables as the format's tensors.

    Raises:
        UserError: The layer has other variables than the table.
    """
    variables = {
        path.removeprefix(f"{layer.path}/"): v for path, v in merged_weights(layer).items()
    }
    by_name = {weight.ours: weight for weight in weights}
    others = sorted(variables.keys() ^ by_name.keys())
    if others:
        raise UserError(
            f"{layer.name} cannot be saved in this format, as {others[0]!r} shows: save it by its "
            "own save, as a .keras file."
        )
    for name, weight in by_name.items():
        variable = variables[name]
        dtype = keras.backend.standardize_dtype(variable.dtype)
        value = functools.partial(_value, weight, variable)
        yield PendingTensor(weight.theirs, dtype, weight.shape, value)


def merged_weights(layer: keras.layers.Layer) -> dict[str, Any]:
    """A layer's variables by their paths, what LoRA trained added to the weights that it adapts.

    Raises:
        UserError: The layer is quantized, or one within.
    """
    weights: dict[str, Any] = {weight.path: weight for weight in layer.weights}
    for part in all_layers(layer):
        if part.quantization_mode is not None:
            raise UserError(
                f"{layer.name} is quantized to {part.quantization_mode}, which this format cannot "
                "hold: save it by its own save, as a .keras file, or save it here before quantize."
            )
        if getattr(part, "lora_enabled", False):
            name = "embeddings" if isinstance(part, keras.layers.Embedding) else "kernel"
            down, up = (weights.pop(f"{part.path}/lora_{name}_{one}") for one in "ab")
            base = weights[f"{part.path}/{name}"]
            # Not the layer's own `kernel`, which is rounded to the dtype that it computes in.
            change = keras.ops.matmul(down, up) * (part.lora_alpha / part.lora_rank)
            merged = keras.ops.cast(base, "float32") + change
            weights[f"{part.path}/{name}"] = keras.ops.cast(merged, base.dtype)
    return weights


def _value(weight: Weight, variable):
    return weight.from_keras(keras.ops.convert_to_numpy(variable))
