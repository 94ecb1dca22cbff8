"""Writing an encoder or a decoder, alone or with its heads, in the Hugging Face layout."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from kerasformer.checkpoints.export.merged_weights import merged_weights
from kerasformer.checkpoints.formats.huggingface_config import config_values
from kerasformer.checkpoints.formats.huggingface_heads import OWN_SETTINGS
from kerasformer.checkpoints.formats.huggingface_names import (
    ARCHITECTURES,
    MODEL_TYPES,
    WITHOUT_POOLER,
    ModelType,
    Pooler,
    own_classifier,
)
from kerasformer.checkpoints.io.safetensors_file import (
    SAVE_ID,
    SHARD_INDEX,
    WEIGHTS,
    PendingTensor,
    writing_tensors,
)
from kerasformer.checkpoints.names import NameTable, Weight
from kerasformer.errors import UserError
from kerasformer.files import write_whole
from kerasformer.models.config import AnyConfig, DecoderConfig
from kerasformer.models.finite import refuse_to_save
from kerasformer.models.problems import SINGLE_LABEL
from kerasformer.text.files import REPLACED_FILES
from kerasformer.transaction import saving

if TYPE_CHECKING:  # the encoder imports this module to save itself
    from kerasformer.models.transformer import Transformer

_CONFIG = "config.json"
# By which a folder holds a model of any format: an older one would be read in place of the new.
_MODEL_FILES = (
    *(WEIGHTS, SHARD_INDEX, "model-*-of-*.safetensors", "modules.json", "adapter_config.json"),
    *("classifier.json", "classifier.weights.h5", "model.weights.h5", "model.weights.json"),
)


# Heads over the pooler's vector, as a classifier with pooling="pooled".
_ON_POOLED = {"next_sentence", "multiple_choice"}
_POSITIONS = "embeddings/position_embedding/embeddings"
_SEGMENTS = "embeddings/type_embeddings/embeddings"


def save_pretrained(
    folder,
    encoder: Transformer,
    heads: Mapping[str, keras.layers.Layer] | None = None,
    *,
    tokenizer=None,
    class_names=None,
    dropout=None,
    problem_type: str | None = None,
    settings: Mapping[str, object] | None = None,
):
    """Writes `config.json`, `model.safetensors` and the tokenizer's files.

    transformers reads them by the class that `architectures` in config.json names, and
    `kerasformer.checkpoints.open_checkpoint` too. A classifier of DistilBERT or ELECTRA is written
    as such a one again; else an encoder whose embeddings have a width of their own is written as
    ELECTRA, every other one as BERT. A decoder is written as GPT-2 or, post-LN, as the OpenAI
    transformer. Each variable keeps its dtype. The pooler is left out where
    transformers' class has none: beside a masked-LM, token or span head, and of a classifier of
    DistilBERT or ELECTRA without its head. What LoRA trained is merged into the weights.

    A classifier over other vectors than BERT's pooled one, or of tokens over others than the last
    block's, which transformers has no class for, is written beside a `BertModel`, under a name of
    its own.

    Args:
        folder: Output folder, created if missing.
        encoder: The encoder.
        heads: Its heads' layers, by their names in the tables.
        tokenizer: The tokenizer; none is written where None.
        class_names: The names of a classifier's classes.
        dropout: The dropout before a classifier.
        problem_type: What the logits of a classifier of sequences mean.
        settings: Further arguments of the task.

    Raises:
        UserError: The folder cannot be written to; or transformers has no such model; or it is
            quantized, or has a weight that is none of the encoder's own,
            or that is not finite.
    """
    folder, config, heads, settings = Path(folder), encoder.config, heads or {}, settings or {}
    refuse_to_save(encoder, *heads.values())
    layout = _layout(config, heads, settings)
    values = config_values(config, layout.kind.model_type)
    tensors = list(_encoder_tensors(layout, encoder))
    for head, layer in heads.items():
        table = layout.table
        if layout.is_own:
            table = dataclasses.replace(
                table, heads={head: own_classifier(head, layer.kernel.shape[0])}
            )
        tensors += _tensors(table.head_weights(head, config, len(class_names or ())), layer)

    values |= {"architectures": [layout.architecture], "dtype": encoder.variable_dtype}
    if dropout is not None:
        key, _ = layout.kind.dropout if layout.pooler else ("classifier_dropout", None)
        values[key] = dropout
    if problem_type not in (None, SINGLE_LABEL):
        values["problem_type"] = problem_type
    if layout.kind.is_decoder and tokenizer is not None:  # which transformers has here
        ends = {"bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id}
        values |= {f"{role}_id": ends[role] for role in ends if tokenizer.names(role)}
        if class_names and config.pad_token_id is None:
            values["pad_token_id"] = tokenizer.pad_id  # by which it finds the last token
    if class_names:
        values["id2label"] = {str(i): name for i, name in enumerate(class_names)}
        values["label2id"] = {name: i for i, name in enumerate(class_names)}
    if settings:
        values[OWN_SETTINGS] = dict(settings)
    with saving_model(folder, with_tokenizer=tokenizer is not None) as new:
        with writing_tensors(new / WEIGHTS, tensors, _to_json(values)) as save_id:
            pass
        write_whole(new / _CONFIG, _to_json(values | {SAVE_ID: save_id}))
        if tokenizer is not None:
            tokenizer.save_pretrained(new)


def saving_model(
    folder, *, with_tokenizer: bool, last: str = _CONFIG
) -> AbstractContextManager[Path]:
    """`transaction.saving` of a model in this layout, and of nothing of an older one beside it.

    `last` is the file without which no program reads it.
    """
    obsolete = (_CONFIG, *_MODEL_FILES, *(REPLACED_FILES if with_tokenizer else ()))
    return saving(folder, last, obsolete)


def _to_json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


class _Layout(NamedTuple):
    """The class of transformers that a model is written for.

    Attributes:
        kind: Its kind.
        table: Its table of names.
        suffix: What follows the kind's `class_name` in its name.
        pooler: The pooler whose vector its head takes; None where it takes others.
        is_own: Whether it is a plain encoder, beside which there is a classifier of ours.
    """

    kind: ModelType
    table: NameTable
    suffix: str
    pooler: Pooler | None
    is_own: bool

    @property
    def architecture(self) -> str:
        """Its name."""
        return self.kind.class_name + self.suffix


def _layout(config: AnyConfig, heads: Mapping[str, object], settings: Mapping) -> _Layout:
    """Finds the class that computes the same; a UserError where transformers has none."""
    suffix = ARCHITECTURES[tuple(heads)]
    if isinstance(config, DecoderConfig):
        kind = MODEL_TYPES["gpt2" if config.norm_first else "openai-gpt"]
        vectors = settings.get("pooling"), settings.get("layers")
        is_own = "classifier" in heads and vectors != ("lasttoken", "last")
        return _Layout(kind, kind.table, "Model" if is_own else suffix, None, is_own)
    is_pooled = settings.get("pooling") == "pooled"
    takes_pooled = config.pooler and (is_pooled or heads.keys() & _ON_POOLED)
    is_wide = config.embedding_size != config.hidden_size
    for kind in MODEL_TYPES.values():
        for pooler in kind.poolers:
            is_it = suffix in pooler.classes and pooler.activation == config.pooler_activation
            if takes_pooled and is_it and (kind.table.projection or not is_wide):
                lines = {**kind.table.heads, **pooler.heads}
                table = dataclasses.replace(kind.table, pooler=pooler.lines, heads=lines)
                return _Layout(kind, table, suffix, pooler, False)
    kind = MODEL_TYPES["electra" if is_wide else "bert"]
    if takes_pooled and config.pooler_activation != "tanh":
        raise UserError(
            f"transformers has no {kind.class_name}{suffix} with a pooler of the activation "
            f"{config.pooler_activation!r}: save it by its own save, as a .keras file."
        )
    if "classifier" in heads or ("token_classifier" in heads and "layers" in settings):
        return _Layout(kind, kind.table, "Model", None, True)
    _check_known(kind, config, heads, suffix)
    return _Layout(kind, kind.table, suffix, None, False)


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


def _encoder_tensors(layout: _Layout, encoder: Transformer) -> Iterator[PendingTensor]:
    prefix = "" if layout.suffix == "Model" else layout.kind.prefix
    table, pooler = layout.table, layout.pooler
    # A pooler with another activation than BERT's belongs to a head.
    is_heads = pooler is not None and not pooler.is_encoders
    is_others = False
    if encoder.pooler is not None:
        is_others = pooler is None and encoder.config.pooler_activation != "tanh"
    pooler_names = {weight.theirs for weight in table.pooler}
    weights = list(table.encoder_weights(encoder.config))
    same_segments = layout.kind.is_decoder or _SEGMENTS in {w.ours for w in weights}
    segment = None if same_segments else _constant_segment(encoder)
    for tensor in _tensors(weights, encoder, segment):
        is_pooler = tensor.name in pooler_names
        if is_pooler and (is_others or layout.suffix in WITHOUT_POOLER):
            continue
        yield tensor if is_pooler and is_heads else tensor._replace(name=prefix + tensor.name)


def _constant_segment(encoder: Transformer) -> np.ndarray:
    """What all tokens have of the segments, for a format that has none.

    Raises:
        UserError: It is not the same for all.
    """
    rows = keras.ops.convert_to_numpy(merged_weights(encoder)[f"{encoder.path}/{_SEGMENTS}"])
    # Those of segments that training has not seen are zero, as they were read.
    if any(row.any() and (row != rows[0]).any() for row in rows[1:]):
        raise UserError(
            "DistilBERT has no segments, but this model was trained on several: save it by its "
            "own save, as a .keras file."
        )
    return rows[0]


def _tensors(
    weights: Iterable[Weight], layer: keras.layers.Layer, segment: np.ndarray | None = None
) -> Iterator[PendingTensor]:
    """The layer's variables as the format's tensors.

    Args:
        weights: The lines of the table.
        layer: The layer.
        segment: Of an encoder for a format without segments, what the positions have of them.

    Raises:
        UserError: The layer has other variables than the table.
    """
    variables = {
        path.removeprefix(f"{layer.path}/"): v for path, v in merged_weights(layer).items()
    }
    by_name = {weight.ours: weight for weight in weights}
    if segment is not None:
        del variables[_SEGMENTS]
    others = sorted(variables.keys() ^ by_name.keys())
    if others:
        raise UserError(
            f"{layer.name} cannot be saved in this format, as {others[0]!r} shows: save it by its "
            "own save, as a .keras file."
        )
    parts: dict[str, list[tuple[Weight, Any, np.ndarray | None]]] = {}
    for name, weight in by_name.items():
        part = weight, variables[name], segment if name == _POSITIONS else None
        parts.setdefault(weight.theirs, []).append(part)
    for theirs, its in parts.items():
        weight, variable, _ = its[0]
        dtype = keras.backend.standardize_dtype(variable.dtype)
        yield PendingTensor(theirs, dtype, weight.shape, functools.partial(_value, its))


def _value(parts: Iterable[tuple[Weight, Any, np.ndarray | None]]) -> np.ndarray:
    """The tensor of one weight, or of several that are one in the format."""
    values = []
    for weight, variable, added in parts:
        value = keras.ops.convert_to_numpy(variable)
        values.append(weight.from_keras(value if added is None else value + added))
    return values[0] if len(values) == 1 else np.concatenate(values, axis=-1)
