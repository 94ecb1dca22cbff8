"""BERT presets of KerasHub: a folder with `config.json`, `model.weights.h5` and a vocabulary.

The layout's reference is `keras_hub.models.BertBackbone`, whose GELU is the tanh approximation and
whose LayerNorm epsilon is 1e-12:
https://github.com/keras-team/keras-hub/blob/master/keras_hub/src/models/bert/bert_backbone.py
"""

import re
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats.huggingface_config import read_integer
from kerasformer.checkpoints.formats.keras_file import KERAS
from kerasformer.checkpoints.io.hdf5 import open_h5
from kerasformer.checkpoints.names import HIDDEN, NameTable
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.models.config import EncoderConfig
from kerasformer.text import WordPieceTokenizer

_CONFIG, _WEIGHTS, _SHARDS = "config.json", "model.weights.h5", "model.weights.json"
_TOKENIZER, _VOCABULARY = "tokenizer.json", Path("assets", "tokenizer", "vocabulary.txt")
# key: our attribute, the largest size that is believed. The loader then compares with the weights.
_SIZES = {
    "vocabulary_size": ("vocab_size", 10**8),
    "hidden_dim": ("hidden_size", 10**6),
    "num_layers": ("num_layers", 1000),
    "num_heads": ("num_heads", 10**6),
    "intermediate_dim": ("intermediate_size", 10**7),
    "max_sequence_length": ("max_length", 10**7),
    "num_segments": ("type_vocab_size", 10**6),
}

# `keras_hub.models.BertBackbone`, as `save_to_preset` writes it.
KERASHUB = NameTable(
    embeddings=KERAS.embedding(
        "layers/reversible_embedding",
        "layers/position_embedding",
        "layers/embedding",
        "layers/layer_normalization",
    ),
    block_name="layers/transformer_encoder_{}/",
    block=KERAS.block(
        *("_self_attention_layer/query_dense", "_self_attention_layer/key_dense"),
        *("_self_attention_layer/value_dense", "_self_attention_layer/output_dense"),
        "_self_attention_layer_norm",
        *("_feedforward_intermediate_dense", "_feedforward_output_dense"),
        "_feedforward_layer_norm",
    ),
    pooler=KERAS.dense("pooler_transform", "layers/dense", HIDDEN, HIDDEN),
)


def is_here(path: Path) -> bool:
    """Whether the path is the folder of a preset."""
    return any((path / name).is_file() for name in (_WEIGHTS, _SHARDS))


def open_path(folder: Path) -> Checkpoint:
    """Opens a preset's backbone; the head of a task, in other files, is not read."""
    if not (folder / _WEIGHTS).is_file():
        raise UserError(f"{folder} has its weights in several files: save them in one.")
    config = _read_config(folder / _CONFIG)
    tensors = open_h5(folder / _WEIGHTS)
    return Checkpoint(
        path=folder,
        format="KerasHub",
        architecture="BertBackbone",
        config=config,
        table=KERASHUB,
        tensors=tensors,
        names={
            re.sub("^layers/transformer_encoder/", "layers/transformer_encoder_0/", name): name
            for name in tensors
        },
        read_tokenizer=lambda: _read_tokenizer(folder),
        has_tokenizer=(folder / _VOCABULARY).is_file(),
    )


def _read_values(path: Path, kind: str) -> dict:
    """The arguments of a serialized object of KerasHub."""
    described = read_json(path)
    if described.get("class_name") != kind or not isinstance(described.get("config"), dict):
        raise UserError(
            f"{path} describes a {described.get('class_name')!r}: expected KerasHub's {kind!r}."
        )
    return described["config"]


def _read_config(path: Path) -> EncoderConfig:
    values = _read_values(path, "BertBackbone")
    sizes: dict[str, Any] = {}
    for key, (name, highest) in _SIZES.items():
        sizes[name] = read_integer(values, key, path, 1, highest)
    dropout = values.get("dropout", 0.1)
    try:
        return EncoderConfig(
            **sizes, dropout=dropout, attention_dropout=dropout, activation="gelu_tanh"
        )
    except ValueError as error:
        raise UserError(f"{path} describes no BERT encoder: {error}") from None


def _read_tokenizer(folder: Path) -> WordPieceTokenizer:
    if not (folder / _VOCABULARY).is_file():
        raise UserError(f"{folder} has no tokenizer: expected {_VOCABULARY} in it.")
    values = _read_values(folder / _TOKENIZER, "BertTokenizer")
    settings = [values.get(name, False) for name in ("lowercase", "strip_accents")]
    if not all(isinstance(value, bool) for value in settings):
        raise UserError(f"{folder / _TOKENIZER} has a lowercase or strip_accents that is no bool.")
    return WordPieceTokenizer.from_vocabulary(
        folder / _VOCABULARY, lowercase=settings[0], strip_accents=settings[1]
    )
