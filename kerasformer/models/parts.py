"""The layers that an encoder or a decoder consists of."""

from typing import Any

import keras

from kerasformer.layers import BertEmbedding, TransformerBlock, get_activation
from kerasformer.models.config import AnyConfig, EncoderConfig


class EncoderParts:
    """New layers of an encoder.

    Args:
        config: The sizes.
        dtype: Their dtype policy.

    Attributes:
        embedding: The embeddings.
        embedding_projection: From their width to the blocks', or None where it is the same.
        blocks: The blocks.
        pooler: The dense layer over the first token, or None.
    """

    def __init__(self, config: EncoderConfig, dtype: Any):
        initializer = initializer_of(config)

        def dense(name, activation="linear"):
            return keras.layers.Dense(
                config.hidden_size,
                activation=get_activation(activation),
                kernel_initializer=initializer,
                dtype=dtype,
                name=name,
            )

        self.embedding = BertEmbedding(
            config.vocab_size,
            config.max_length,
            config.type_vocab_size,
            config.embedding_size or config.hidden_size,
            dropout=config.dropout,
            layer_norm_epsilon=config.layer_norm_epsilon,
            embeddings_initializer=initializer,
            dtype=dtype,
            name="embeddings",
        )
        self.embedding_projection: Any = None
        if config.embedding_size != config.hidden_size:
            self.embedding_projection = dense("embedding_projection")
        self.blocks = new_blocks(config, initializer, dtype)
        self.pooler: Any = None
        if config.pooler:
            self.pooler = dense("pooler_transform", config.pooler_activation)


def initializer_of(config: AnyConfig) -> Any:
    """What the weights of a model start from."""
    stddev = config.initializer_range
    return keras.initializers.TruncatedNormal(stddev=stddev) if stddev else "zeros"


def new_blocks(
    config: AnyConfig, initializer: Any, dtype: Any, **kind: Any
) -> list[TransformerBlock]:
    """The blocks of a model; `kind` is `norm_first` and `causal` of theirs."""
    return [
        TransformerBlock(
            config.hidden_size,
            config.num_heads,
            config.intermediate_size or 0,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            activation=config.activation,
            layer_norm_epsilon=config.layer_norm_epsilon,
            kernel_initializer=initializer,
            dtype=dtype,
            name=f"layer_{i}",
            **kind,
        )
        for i in range(config.num_layers)
    ]


def output_specs(config: AnyConfig, shape: Any, dtype: str) -> dict[str, Any]:
    """The shapes and dtypes of all outputs of an encoder for ids of a shape `[batch, seq]`."""
    batch, length = shape

    def spec(*shape):
        return keras.KerasTensor((batch, *shape), dtype=dtype)

    hidden, blocks = config.hidden_size, range(config.num_layers)
    return {
        "sequence_output": spec(length, hidden),
        "embedding_output": spec(length, hidden),
        "encoder_outputs": [spec(length, hidden) for _ in blocks],
        "attention_scores": [spec(config.num_heads, length, length) for _ in blocks],
        "pooled_output": spec(hidden),
        "default": spec(hidden),
    }
