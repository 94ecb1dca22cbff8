"""Token and position embeddings: the classic pair, and BERT's with segments and LayerNorm."""

from typing import Any

import keras
from keras import ops

from kerasformer.layers.arguments import (
    BaseLayer,
    check_positive,
    check_rank,
    check_rates,
    check_sizes,
    clone_initializer,
)
from kerasformer.layers.kernels import Dropout, embedding_table
from kerasformer.layers.typing import Initializer, Shape, Tensor


def check_length(length: int | None, max_length: int):
    """Raises a ValueError where a statically known length exceeds the position table's."""
    if isinstance(length, int) and length > max_length:
        raise ValueError(
            f"The input has {length} positions and the position table {max_length}: truncate the "
            f"input to {max_length} tokens, or make max_length larger."
        )


def check_ids(name: str, ids: Any, rows: int):
    """Raises a ValueError for an id that an embedding of so many rows does not have.

    A graph has no values to check yet, and there the backends differ: such an id gives NaN, zeros
    or the vector of another one.
    """
    try:
        ids = ops.convert_to_numpy(ids)
    except (NotImplementedError, TypeError):  # TensorFlow's symbolic tensors, and JAX's tracers
        return
    known = (ids >= 0) & (ids < rows) if ids.dtype.kind in "biuf" else None
    if known is not None and not known.all():
        wrong = ids[~known][0]
        raise ValueError(
            f"{name} has the id {wrong}, but the embedding has the ids 0 to {rows - 1}: give those "
            "of the model's own tokenizer."
        )


class _Embedding(BaseLayer):
    """What both embeddings share."""

    def __init__(
        self, vocab_size, max_length, hidden_size, dropout, embeddings_initializer, **kwargs
    ):
        super().__init__(**kwargs)
        check_sizes(vocab_size=vocab_size, max_length=max_length, hidden_size=hidden_size)
        check_rates(dropout=dropout)
        self.vocab_size = vocab_size
        self.max_length = max_length
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self.autocast = False  # ids given as floats: float16 ends at 65504 and rounds from 2048 on

    def _table(self, rows, name):
        return keras.layers.Embedding(
            rows,
            self.hidden_size,
            embeddings_initializer=clone_initializer(self.embeddings_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def _positions(self, inputs):
        """The vectors of the positions of ids `[batch, seq]`: `[seq, hidden_size]`."""
        # A slice fails where the input is longer than the table; taking rows may give NaN or zeros.
        table = embedding_table(self.position_embedding)
        return ops.cast(table, self.compute_dtype)[: ops.shape(inputs)[1]]

    def check_inputs(self, input_word_ids: Any, input_type_ids: Any = None):
        """Raises a ValueError for arrays that are longer than the table or have other ids."""
        if len(getattr(input_word_ids, "shape", ())) == 2:
            check_length(input_word_ids.shape[1], self.max_length)
        check_ids("input_word_ids", input_word_ids, self.vocab_size)
        if input_type_ids is not None and hasattr(self, "type_vocab_size"):
            check_ids("input_type_ids", input_type_ids, self.type_vocab_size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`[batch, seq, hidden_size]`."""
        check_length(input_shape[1], self.max_length)
        return (*input_shape, self.hidden_size)


@keras.saving.register_keras_serializable(package="kerasformer")
class TokenAndPositionEmbedding(_Embedding):
    """The sum of a token's and its position's learnt vectors.

    The embedding of keras.io's "Text classification with Transformer", with a padding mask and for
    any length up to `max_length`.

    Args:
        vocab_size: Number of token ids.
        max_length: Longest sequence.
        hidden_size: Width of the vectors.
        mask_zero: Whether id 0 is padding; if so, the output carries an implicit Keras mask.
        dropout: Fraction of the sum dropped in training.
        embeddings_initializer: Initializer of both tables.

    Call arguments:
        inputs: Integer ids `[batch, seq]`, with `seq <= max_length`.
        training: Whether dropout is on.
        positions: Integer positions of the ids, `[batch, seq]`; by default 0, 1, 2...

    Returns:
        `[batch, seq, hidden_size]`.

    Raises:
        ValueError: A size that is not a positive integer, a rate outside [0, 1), or an input that
            is longer than `max_length`, not `[batch, seq]` or, outside of graphs, has other ids.

    Example:

    >>> layer = TokenAndPositionEmbedding(vocab_size=100, max_length=16, hidden_size=8)
    >>> tuple(layer(np.array([[5, 6, 7, 0]])).shape)
    (1, 4, 8)
    """

    def __init__(
        self,
        vocab_size: int,
        max_length: int,
        hidden_size: int,
        mask_zero: bool = True,
        dropout: float = 0.0,
        embeddings_initializer: Initializer = "uniform",
        **kwargs: Any,
    ):
        super().__init__(
            vocab_size, max_length, hidden_size, dropout, embeddings_initializer, **kwargs
        )
        self.mask_zero = mask_zero
        self.word_embeddings = self._table(vocab_size, "word_embeddings")
        self.position_embedding = self._table(max_length, "position_embedding")
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Creates both tables."""
        self.word_embeddings.build(input_shape)
        self.position_embedding.build(input_shape)
        self._restore_quantized()

    def call(
        self, inputs: Tensor, training: bool | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """See the class."""
        check_rank("inputs", inputs, "[batch, seq]")
        self.check_inputs(inputs)
        if positions is None:
            places = self._positions(inputs)
        else:
            places = self.position_embedding(positions)
        x = self.word_embeddings(inputs) + places
        return self.dropout_layer(x, training=training)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """True where the id is not 0, with `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else mask


@keras.saving.register_keras_serializable(package="kerasformer")
class BertEmbedding(_Embedding):
    """BERT's embeddings: token, position and segment vectors summed, LayerNorm, dropout.

    Devlin et al., https://arxiv.org/abs/1810.04805, figure 2.

    Args:
        vocab_size: Number of token ids.
        max_length: Longest sequence.
        type_vocab_size: Number of segment ids.
        hidden_size: Width of the vectors.
        dropout: Fraction of the result dropped in training.
        layer_norm_epsilon: Added to the variance in LayerNorm.
        embeddings_initializer: Initializer of the three tables.

    Call arguments:
        input_word_ids: Integer ids `[batch, seq]`, with `seq <= max_length`.
        input_type_ids: Integer segment ids `[batch, seq]`; all zeros where None.
        training: Whether dropout is on.

    Returns:
        `[batch, seq, hidden_size]`.

    Raises:
        ValueError: A size that is not a positive integer, a rate outside [0, 1), or an input that
            is longer than `max_length`, not `[batch, seq]` or, outside of graphs, has other ids.

    Example:

    >>> layer = BertEmbedding(vocab_size=100, max_length=16, type_vocab_size=2, hidden_size=8)
    >>> tuple(layer(np.array([[5, 6, 7]]), np.array([[0, 0, 1]])).shape)
    (1, 3, 8)
    """

    def __init__(
        self,
        vocab_size: int,
        max_length: int,
        type_vocab_size: int,
        hidden_size: int,
        dropout: float = 0.1,
        layer_norm_epsilon: float = 1e-12,
        embeddings_initializer: Initializer = "uniform",
        **kwargs: Any,
    ):
        super().__init__(
            vocab_size, max_length, hidden_size, dropout, embeddings_initializer, **kwargs
        )
        check_sizes(type_vocab_size=type_vocab_size)
        check_positive(layer_norm_epsilon=layer_norm_epsilon)
        self.type_vocab_size = type_vocab_size
        self.layer_norm_epsilon = layer_norm_epsilon
        self.word_embeddings = self._table(vocab_size, "word_embeddings")
        self.type_embeddings = self._table(type_vocab_size, "type_embeddings")
        self.position_embedding = self._table(max_length, "position_embedding")
        self.layer_norm = self._layer_norm("layer_norm")
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Creates the three tables and the LayerNorm for ids `[batch, seq]`."""
        self.word_embeddings.build(input_shape)
        self.type_embeddings.build(input_shape)
        self.position_embedding.build(input_shape)
        self.layer_norm.build((*input_shape, self.hidden_size))
        self._restore_quantized()

    def call(
        self,
        input_word_ids: Tensor,
        input_type_ids: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """See the class."""
        check_rank("input_word_ids", input_word_ids, "[batch, seq]")
        self.check_inputs(input_word_ids, input_type_ids)
        if input_type_ids is None:
            input_type_ids = ops.zeros_like(input_word_ids)
        x = self.word_embeddings(input_word_ids) + self.type_embeddings(input_type_ids)
        x = self.layer_norm(x + self._positions(input_word_ids))
        return self.dropout_layer(x, training=training)
