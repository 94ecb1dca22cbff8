"""A table of vectors in place of an encoder."""

import dataclasses
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class StaticConfig:
    """The sizes of a `StaticEncoder`, named as an `EncoderConfig`'s.

    Attributes:
        vocab_size: The number of tokens.
        hidden_size: The width of a vector.
        num_layers: One, for its vectors are those of the last layer.
        max_length: The most tokens of a text: there is no limit.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int = 1
    max_length: int = 2**31 - 1


@keras.saving.register_keras_serializable(package="kerasformer")
class StaticEncoder(keras.layers.Embedding):
    """Keras' `Embedding` as an encoder: a token has one vector, whatever stands around it.

    A text's vector is the mean of its tokens': sentence-transformers' `StaticEmbedding`, and
    Minish's model2vec. `TextEmbedder` takes it as it takes a `BertEncoder`.

    Example:

    >>> encoder = StaticEncoder(30_000, 256)
    >>> encoder.build()
    >>> encoder.config.hidden_size, encoder(keras.ops.ones((7,), "int32")).shape
    (256, TensorShape([7, 256]))
    """

    pooler = None

    @property
    def config(self) -> StaticConfig:
        """The sizes."""
        return StaticConfig(self.input_dim, self.output_dim)

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None):
        """As of the base class, which by default takes no child of its own."""
        super().quantize(mode, type_check=False, config=config)
