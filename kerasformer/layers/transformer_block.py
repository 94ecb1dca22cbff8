"""The transformer block: self-attention and a feed-forward network, each with a residual."""

from typing import Any

import keras
from keras import ops

from kerasformer.layers.activations import get_activation
from kerasformer.layers.arguments import (
    BaseLayer,
    check_positive,
    check_rank,
    check_rates,
    check_sizes,
    clone_initializer,
)
from kerasformer.layers.attention import SelfAttention
from kerasformer.layers.kernels import Dropout
from kerasformer.layers.remat import rematerialized
from kerasformer.layers.typing import Cache, Initializer, Shape, Tensor
from kerasformer.private_api import set_mask


@keras.saving.register_keras_serializable(package="kerasformer")
class TransformerBlock(BaseLayer):
    """One block of a transformer encoder, or with `causal=True` of a decoder-only one.

    Post-LN by default, as in Vaswani et al., https://arxiv.org/abs/1706.03762, figure 1, and in
    BERT, https://arxiv.org/abs/1810.04805: `x = LN(x + attention(x)); x = LN(x + ffn(x))`. With
    `norm_first=True` pre-LN, Xiong et al., https://arxiv.org/abs/2002.04745:
    `x = x + attention(LN(x)); x = x + ffn(LN(x))`.

    Args:
        hidden_size: Width of the block's input and output; a multiple of `num_heads`.
        num_heads: Number of attention heads, each `hidden_size // num_heads` wide.
        intermediate_size: Width of the feed-forward network's inner layer.
        dropout: Fraction dropped from the output of the attention and of the feed-forward network.
        attention_dropout: Fraction of attention probabilities dropped; `dropout` where None.
        activation: Name of the feed-forward activation, see `get_activation`.
        norm_first: Whether LayerNorm comes before each part (pre-LN) or after the residual.
        causal: Whether a position attends only to itself and those before it.
        layer_norm_epsilon: Added to the variance in LayerNorm.
        kernel_initializer: Initializer of every kernel.
        seed: Seed of the dropouts.

    Attributes:
        remat: Whether training computes the block again in the backward pass, rather than keep what
            is within it (gradient checkpointing, https://arxiv.org/abs/1604.06174).

    Call arguments:
        inputs: `[batch, seq, hidden_size]`.
        padding_mask: Boolean or 0/1, `[batch, seq]`; 1 is a real token. By default the
            implicit Keras mask.
        attention_mask: Boolean or 0/1, `[batch, seq, seq]` or `[seq, seq]`: which positions (last
            axis) each position attends to, beside `padding_mask` and `causal`.
        return_attention_scores: Whether to return the attention probabilities too.
        training: Whether dropout is on.
        cache: As of `SelfAttention`; `padding_mask` is then of its columns.

    Returns:
        `[batch, seq, hidden_size]`; where asked for, the scores too, `[batch, heads, seq, seq]`;
        with `cache` not the scores, but its keys and values.

    Raises:
        ValueError: A size that is not a positive integer, a rate outside [0, 1), a `hidden_size`
            that is not a multiple of `num_heads`, an unknown activation, an epsilon that is not
            above 0, an input of another width, or a mask with another number of axes.

    Example:

    >>> block = TransformerBlock(hidden_size=32, num_heads=2, intermediate_size=64)
    >>> mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
    >>> tuple(block(np.ones((2, 4, 32)), padding_mask=mask).shape)
    (2, 4, 32)
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        intermediate_size: int,
        dropout: float = 0.1,
        attention_dropout: float | None = None,
        activation: str = "gelu",
        norm_first: bool = False,
        causal: bool = False,
        layer_norm_epsilon: float = 1e-12,
        kernel_initializer: Initializer = "glorot_uniform",
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_sizes(
            hidden_size=hidden_size, num_heads=num_heads, intermediate_size=intermediate_size
        )
        attention_dropout = dropout if attention_dropout is None else attention_dropout
        check_rates(dropout=dropout, attention_dropout=attention_dropout)
        check_positive(layer_norm_epsilon=layer_norm_epsilon)
        if hidden_size % num_heads:
            raise ValueError(
                f"hidden_size={hidden_size} is not a multiple of num_heads={num_heads}: every head "
                "has hidden_size / num_heads dimensions."
            )
        self.hidden_size = hidden_size
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.activation = activation
        self.norm_first = norm_first
        self.causal = causal
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.seed = seed
        self.supports_masking = True
        self.remat = False
        self._activation = get_activation(activation)
        self.self_attention = self._attention()
        self.self_attention_layer_norm = self._layer_norm("self_attention_layer_norm")
        self.intermediate = self._dense(intermediate_size, "intermediate")
        self.output_dense = self._dense(hidden_size, "output")
        self.output_layer_norm = self._layer_norm("output_layer_norm")
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def _attention(self):
        return SelfAttention(
            self.num_heads,
            self.hidden_size // self.num_heads,
            dropout=self.attention_dropout,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            seed=self.seed,
            dtype=self.dtype_policy,
            name="self_attention",
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the variables for inputs `[batch, seq, hidden_size]`."""
        if len(input_shape) != 3 or input_shape[-1] != self.hidden_size:
            raise ValueError(
                f"Expected an input of shape [batch, seq, {self.hidden_size}] for TransformerBlock("
                f"hidden_size={self.hidden_size}), got {tuple(input_shape)}."
            )
        self.self_attention.build(input_shape)
        self.self_attention_layer_norm.build(input_shape)
        self.intermediate.build((None, self.hidden_size))
        self.output_dense.build((None, self.intermediate_size))
        self.output_layer_norm.build(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: self.hidden_size})
        self._restore_quantized()

    def call(
        self,
        inputs: Tensor,
        padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Any:
        """See the class; `mask` is Keras' implicit mask, `inputs_mask` beside an attention mask."""
        check_rank("padding_mask", padding_mask, "[batch, seq]")
        check_rank("attention_mask", attention_mask, "[batch, seq, seq]", "[seq, seq]")
        if padding_mask is None:
            # Keras' name for the implicit mask where a call has more than one tensor.
            padding_mask = inputs_mask if mask is None else mask
        allowed = _combine(padding_mask, attention_mask)
        if cache is not None:
            return self._compute(inputs, allowed, False, training, cache)

        def compute(inputs):
            return self._compute(inputs, allowed, return_attention_scores, training)

        if self.remat and training:
            x, *scores = rematerialized(self, compute, inputs)
        else:
            x, *scores = compute(inputs)
        if padding_mask is not None:
            set_mask(x, ops.cast(padding_mask, "bool"))
        return (x, *scores) if return_attention_scores else x

    def _compute(self, inputs, allowed, scores, training, cache=None):
        """The block's output, and the scores where asked for, and the new states of a cache."""
        x = self.self_attention_layer_norm(inputs) if self.norm_first else inputs
        attended = self.self_attention(
            x,
            attention_mask=allowed,
            return_attention_scores=scores,
            use_causal_mask=self.causal,
            training=training,
            cache=cache,
        )
        x, *more = attended if isinstance(attended, tuple) else [attended]
        x = inputs + self.dropout_layer(x, training=training)
        if not self.norm_first:
            x = self.self_attention_layer_norm(x)

        normal = self.output_layer_norm(x) if self.norm_first else x
        x = self._add_feed_forward(x, normal, training)
        if not self.norm_first:
            x = self.output_layer_norm(x)
        return x, *more

    def _add_feed_forward(self, residual, x, training):
        # On [batch * seq, hidden] each layer is one plain matrix product, the sum a part of it.
        flat, flat_residual = (ops.reshape(each, (-1, self.hidden_size)) for each in (x, residual))
        flat = self.output_dense(self._activation(self.intermediate(flat)))
        flat = flat_residual + self.dropout_layer(flat, training=training)
        return ops.reshape(flat, ops.shape(x))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def compute_output_spec(
        self, inputs: Tensor, return_attention_scores: bool = False, **_: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The output's shape and dtype, and the probabilities' where asked for."""
        return self.self_attention.compute_output_spec(
            inputs, return_attention_scores=return_attention_scores
        )

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None, **_: Any) -> Tensor | None:
        """Passes on the implicit mask."""
        return mask


def _combine(padding_mask, attention_mask):
    """One boolean mask `[batch, 1 or seq, seq]` of the two that are given, or None."""
    if padding_mask is not None:
        padding_mask = ops.expand_dims(ops.cast(padding_mask, "bool"), axis=1)
    if attention_mask is not None:
        attention_mask = ops.cast(attention_mask, "bool")
    if padding_mask is None or attention_mask is None:
        return attention_mask if padding_mask is None else padding_mask
    return ops.logical_and(padding_mask, attention_mask)
