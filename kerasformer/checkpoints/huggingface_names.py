"""The names of BERT's weights in the Hugging Face layout: one table, read in both directions."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kerasformer.models.config import EncoderConfig


class Weight(NamedTuple):
    """One line of the table of names: a weight here and there.

    Attributes:
        ours: The variable's path below the encoder.
        theirs: The tensor's name in the file, without the prefix `bert.`.
        shape: The tensor's shape in the file; in the table, names of `EncoderConfig` attributes.
        transposed: Whether the file's matrix is `[outputs, inputs]`, torch's order.
    """

    ours: str
    theirs: str
    shape: tuple
    transposed: bool = False

    def to_keras(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The file's tensor as the variable of this shape, heads on an axis of their own."""
        return (tensor.T if self.transposed else tensor).reshape(shape)

    def from_keras(self, value: np.ndarray) -> np.ndarray:
        """The variable's value as the file's tensor, the inverse of `to_keras`."""
        return value.reshape(self.shape[::-1]).T if self.transposed else value.reshape(self.shape)


def _dense(ours: str, theirs: str, outputs: str, inputs: str) -> tuple[Weight, Weight]:
    return (
        Weight(f"{ours}/kernel", f"{theirs}.weight", (outputs, inputs), transposed=True),
        Weight(f"{ours}/bias", f"{theirs}.bias", (outputs,)),
    )


def _layer_norm(ours: str, theirs: str) -> tuple[Weight, Weight]:
    return (
        Weight(f"{ours}/gamma", f"{theirs}.weight", ("hidden_size",)),
        Weight(f"{ours}/beta", f"{theirs}.bias", ("hidden_size",)),
    )


def _table(ours: str, theirs: str, rows: str) -> Weight:
    return Weight(f"embeddings/{ours}/embeddings", f"embeddings.{theirs}.weight", (rows, _HIDDEN))


_HIDDEN, _INNER = "hidden_size", "intermediate_size"
_EMBEDDINGS = (
    _table("word_embeddings", "word_embeddings", "vocab_size"),
    _table("position_embedding", "position_embeddings", "max_length"),
    _table("type_embeddings", "token_type_embeddings", "type_vocab_size"),
    *_layer_norm("embeddings/layer_norm", "embeddings.LayerNorm"),
)
_BLOCK = (
    *_dense("self_attention/query", "attention.self.query", _HIDDEN, _HIDDEN),
    *_dense("self_attention/key", "attention.self.key", _HIDDEN, _HIDDEN),
    *_dense("self_attention/value", "attention.self.value", _HIDDEN, _HIDDEN),
    *_dense("self_attention/attention_output", "attention.output.dense", _HIDDEN, _HIDDEN),
    *_layer_norm("self_attention_layer_norm", "attention.output.LayerNorm"),
    *_dense("intermediate", "intermediate.dense", _INNER, _HIDDEN),
    *_dense("output", "output.dense", _HIDDEN, _INNER),
    *_layer_norm("output_layer_norm", "output.LayerNorm"),
)
POOLER = _dense("pooler_transform", "pooler.dense", _HIDDEN, _HIDDEN)


def encoder_weights(config: EncoderConfig) -> Iterator[Weight]:
    """The whole table of names for an encoder, with its sizes filled in.

    Args:
        config: The encoder's configuration.

    Yields:
        A `Weight` for each variable of `BertEncoder(config)`.

    Example:

    >>> weights = list(encoder_weights(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> weights[5].ours
    'layer_0/self_attention/query/kernel'
    >>> weights[5].theirs, weights[5].shape
    ('encoder.layer.0.attention.self.query.weight', (128, 128))
    """
    yield from (_sized(weight, config) for weight in _EMBEDDINGS)
    for i in range(config.num_layers):
        for weight in _BLOCK:
            ours, theirs = f"layer_{i}/{weight.ours}", f"encoder.layer.{i}.{weight.theirs}"
            yield _sized(weight._replace(ours=ours, theirs=theirs), config)
    if config.pooler:
        yield from (_sized(weight, config) for weight in POOLER)


def _sized(weight: Weight, config: EncoderConfig) -> Weight:
    return weight._replace(shape=tuple(getattr(config, size) for size in weight.shape))
