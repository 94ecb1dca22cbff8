"""The heads over the vocabulary: BERT's and GPT's."""

from typing import Any

import keras
from keras import ops

from kerasformer.layers.activations import get_activation
from kerasformer.layers.arguments import BaseLayer, check_positive, check_rank, check_sizes
from kerasformer.layers.typing import Initializer, Shape, Tensor
from kerasformer.private_api import set_mask


@keras.saving.register_keras_serializable(package="kerasformer")
class MaskedLMHead(BaseLayer):
    """Scores of every token of the vocabulary, from an encoder's vectors.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1, as in Google's
    `run_pretraining.get_masked_lm_output`: a dense layer with activation, LayerNorm, and a product
    with the encoder's own token embeddings, passed in by the caller: the two share one weight.

    Args:
        vocab_size: Number of token ids.
        embedding_size: Width of the token embeddings.
        activation: Activation of the dense layer, see `get_activation`.
        layer_norm_epsilon: Added to the variance in LayerNorm.
        kernel_initializer: Initializer of the dense layer's kernel.

    Call arguments:
        inputs: An encoder's `sequence_output`, `[batch, seq, hidden]`.
        embedding_table: The encoder's token embeddings, `[vocab_size, embedding_size]`.
        positions: Integer `[batch, predictions]`: the positions to score; all of them where None.

    Returns:
        Logits, float32 `[batch, seq or predictions, vocab_size]`.

    Raises:
        ValueError: A size that is not a positive integer, an epsilon that is not above 0, an
            unknown activation, or an input or positions with another number of axes.

    Example:

    >>> head = MaskedLMHead(vocab_size=100, embedding_size=8)
    >>> table = np.ones((100, 8), "float32")
    >>> tuple(head(np.ones((2, 5, 8)), table, positions=np.array([[1, 4], [0, 2]])).shape)
    (2, 2, 100)
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_sizes(vocab_size=vocab_size, embedding_size=embedding_size)
        check_positive(layer_norm_epsilon=layer_norm_epsilon)
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True
        self._activation = get_activation(activation)
        self.transform = self._dense(embedding_size, "transform")
        self.layer_norm = self._layer_norm("layer_norm")

    def build(
        self,
        inputs_shape: Shape,
        embedding_table_shape: Shape | None = None,
        positions_shape: Shape | None = None,
    ) -> None:
        """Creates the variables for inputs `[batch, seq, hidden]`."""
        self.transform.build((None, inputs_shape[-1]))
        self.layer_norm.build((None, self.embedding_size))
        self.bias = self.add_weight(shape=(self.vocab_size,), initializer="zeros", name="bias")
        self._restore_quantized()

    def call(
        self,
        inputs: Tensor,
        embedding_table: Tensor,
        positions: Tensor | None = None,
        inputs_mask: Tensor | None = None,
    ) -> Tensor:
        """See the class; `inputs_mask` is Keras' implicit mask."""
        check_rank("inputs", inputs, "[batch, seq, hidden]")
        check_rank("positions", positions, "[batch, predictions]")
        if positions is not None:
            inputs = ops.take_along_axis(inputs, ops.expand_dims(positions, -1), axis=1)
        x = self.layer_norm(self._activation(self.transform(inputs)))
        flat = ops.reshape(x, (-1, self.embedding_size))
        table = ops.transpose(ops.cast(embedding_table, x.dtype))
        # Softmax over a vocabulary is a loss: its scores are float32 whatever the policy.
        logits = ops.cast(ops.matmul(flat, table), "float32") + ops.cast(self.bias, "float32")
        logits = ops.reshape(logits, (*ops.shape(x)[:2], self.vocab_size))
        if positions is None and inputs_mask is not None:
            set_mask(logits, inputs_mask)
        return logits

    def compute_mask(self, *_: Any) -> None:
        """None, as a call passes on the implicit mask itself where it scores all positions."""
        return

    def compute_output_shape(
        self,
        inputs_shape: Shape,
        embedding_table_shape: Shape | None = None,
        positions_shape: Shape | None = None,
    ) -> Shape:
        """`[batch, seq or predictions, vocab_size]`."""
        batch, length = (positions_shape or inputs_shape)[:2]
        return (batch, length, self.vocab_size)


@keras.saving.register_keras_serializable(package="kerasformer")
class CausalLMHead(BaseLayer):
    """Scores of every token of the vocabulary to be the next one, from a decoder's vectors.

    Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018, equation 2:
    the product with the decoder's own token embeddings, passed in by the caller. It has no weights.

    Call arguments:
        inputs: A decoder's `sequence_output`, `[batch, seq, hidden]`.
        embedding_table: The decoder's token embeddings, `[vocab_size, hidden]`.

    Returns:
        Logits, float32 `[batch, seq, vocab_size]`.

    Raises:
        ValueError: An input with another number of axes.

    Example:

    >>> tuple(CausalLMHead()(np.ones((2, 5, 8)), np.ones((100, 8), "float32")).shape)
    (2, 5, 100)
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, inputs_shape: Shape, embedding_table_shape: Shape | None = None) -> None:
        """There is nothing to create."""

    def call(
        self, inputs: Tensor, embedding_table: Tensor, inputs_mask: Tensor | None = None
    ) -> Tensor:
        """See the class; `inputs_mask` is Keras' implicit mask."""
        check_rank("inputs", inputs, "[batch, seq, hidden]")
        batch, length, hidden = ops.shape(inputs)
        table = ops.transpose(ops.cast(embedding_table, inputs.dtype))
        logits = ops.matmul(ops.reshape(inputs, (-1, hidden)), table)
        # Softmax over a vocabulary is a loss: its scores are float32 whatever the policy.
        logits = ops.reshape(ops.cast(logits, "float32"), (batch, length, table.shape[1]))
        if inputs_mask is not None:
            set_mask(logits, inputs_mask)
        return logits

    def compute_mask(self, *_: Any) -> None:
        """None, as a call passes on the implicit mask itself."""
        return

    def compute_output_shape(
        self, inputs_shape: Shape, embedding_table_shape: Shape | None = None
    ) -> Shape:
        """`[batch, seq, vocab_size]`."""
        rows = (embedding_table_shape or (None,))[0]
        return (*inputs_shape[:2], rows)
