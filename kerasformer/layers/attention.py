"""Multi-head self-attention: Keras' own layer and variables, with a fused forward pass."""

import math
from typing import Any

import keras
from keras import ops

from kerasformer.layers.arguments import check_rank, check_rates, check_sizes
from kerasformer.layers.kernels import is_plain, kernels
from kerasformer.layers.quantization import HoldsQuantized
from kerasformer.layers.typing import Cache, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="kerasformer")
class SelfAttention(HoldsQuantized, keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention` of a sequence over itself.

    The variables are those of `MultiHeadAttention` (`query`, `key` and `value` kernels
    `[hidden, heads, key_dim]`, `attention_output` kernel `[heads, key_dim, hidden]`), so weights
    move between the two unchanged. The forward pass differs: the three projections are one
    product over `[batch * seq, hidden]`, and the softmax is never computed in less than float32.
    Projections that are quantized, or have LoRA, compute as they do in Keras.

    Vaswani et al., "Attention Is All You Need", https://arxiv.org/abs/1706.03762, section 3.2.

    Args:
        num_heads: Number of heads.
        key_dim: Size of each head; `hidden_size // num_heads` in the paper.
        dropout: Fraction of attention probabilities dropped in training.
        kernel_initializer: Initializer of the four kernels.
        bias_initializer: Initializer of the four biases.
        seed: Seed of the dropout.
        **kwargs: `name`, `dtype` and `trainable`, as of every Keras layer.

    Call arguments:
        inputs: `[batch, seq, hidden]`, the one positional argument: query, key and value at once.
        attention_mask: Boolean or 0/1, `[batch, seq, seq]`, or anything that broadcasts to it
            such as `[batch, 1, seq]` or `[seq, seq]`: which positions (last axis) each position
            attends to. By default the implicit Keras mask.
        return_attention_scores: Whether to return the probabilities too.
        use_causal_mask: Whether a position attends only to itself and those before it.
        training: Whether dropout is on.
        cache: Keys and values of `columns` positions, each `[batch, heads, columns, key_dim]`, and
            the column of the input, an int32. Those of the input take their places there, and it
            attends to all columns. Either the input is one token, or its column is 0.

    Returns:
        `[batch, seq, hidden]`; with `return_attention_scores`, also the probabilities
        `[batch, heads, seq, seq]`, before dropout; with `cache` (where `seq` of the mask and of the
        probabilities' last axis is `columns`) also its keys and values, with those of the inputs.

    Raises:
        ValueError: A size that is not a positive integer, a dropout outside [0, 1), a further
            argument of `MultiHeadAttention`, a second positional argument, or an input or a mask
            with another number of axes or positions.

    Example:

    >>> layer = SelfAttention(num_heads=2, key_dim=8)
    >>> output, scores = layer(np.ones((3, 5, 16)), return_attention_scores=True)
    >>> tuple(output.shape), tuple(scores.shape)
    ((3, 5, 16), (3, 2, 5, 5))
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        dropout: float = 0.0,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        seed: int | None = None,
        **kwargs: Any,
    ):
        check_sizes(num_heads=num_heads, key_dim=key_dim)
        check_rates(dropout=dropout)
        unknown = kwargs.keys() - {"name", "dtype", "trainable", "autocast", "quantized"}
        if unknown:
            raise ValueError(
                f"SelfAttention takes no {min(unknown)}={kwargs[min(unknown)]!r}: leave it out, or "
                "use keras.layers.MultiHeadAttention."
            )
        super().__init__(
            num_heads=num_heads,
            key_dim=key_dim,
            dropout=dropout,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            seed=seed,
            **kwargs,
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the variables of `MultiHeadAttention` for inputs `[batch, seq, hidden]`."""
        if len(input_shape) != 3:
            raise ValueError(
                "Expected an input of shape [batch, seq, hidden] for SelfAttention, got "
                f"{tuple(input_shape)}."
            )
        super().build(input_shape, input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: input_shape[-1]})
        self._restore_quantized()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See the class; the mask has to be named, as `MultiHeadAttention` takes `(query, value)`.

        Args:
            *args: The inputs alone.
            **kwargs: The other call arguments.
        """
        if len(args) > 1:
            raise ValueError(
                f"SelfAttention got {len(args)} positional arguments, but attends from one "
                "sequence to itself: give it once, and a mask by name, as attention_mask=mask."
            )
        return super().__call__(*args, **kwargs)

    def call(
        self,
        inputs: Tensor,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Any:
        """See the class; `mask` is Keras' implicit mask."""
        check_rank("attention_mask", attention_mask, "[batch, seq, seq]", "[seq, seq]")
        if attention_mask is None and mask is not None and cache is None:
            attention_mask = ops.expand_dims(mask, axis=1)
        query, key, value = self._project(inputs)
        start: Any = 0
        if cache is not None:
            *states, start = cache
            key, value = (_put(*each, start) for each in zip((key, value), states, strict=True))
        if attention_mask is not None:
            _check_positions(attention_mask.shape[-1], key.shape[2])
        query = ops.multiply(query, ops.cast(1.0 / math.sqrt(self.key_dim), query.dtype))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        allowed = self._allowed(attention_mask, use_causal_mask, start, scores)
        probabilities = kernels().attention_probabilities(scores, allowed)
        probabilities = ops.cast(probabilities, self.compute_dtype)
        # Keras' attention makes its dropout itself, and has no public name for it.
        dropout = next(p for p in vars(self).values() if isinstance(p, keras.layers.Dropout))
        is_on = training and dropout.rate > 0
        dropped = kernels().dropout(dropout, probabilities) if is_on else probabilities
        output = self._merge(ops.matmul(dropped, value), inputs)
        more = [*([probabilities] if return_attention_scores else [])]
        more += [] if cache is None else [(key, value)]
        return (output, *more) if more else output

    @staticmethod
    def _allowed(attention_mask, use_causal_mask, start, scores):
        """Which positions each attends to, boolean, broadcast to `[batch, heads, seq, seq]`.

        `start` is the position of the first query.
        """
        allowed = None
        if attention_mask is not None:
            allowed = ops.cast(ops.expand_dims(attention_mask, axis=-3), "bool")
        if use_causal_mask:
            length, columns = ops.shape(scores)[2:]
            past = ops.arange(columns)[None] <= start + ops.arange(length)[:, None]
            allowed = past if allowed is None else ops.logical_and(past, allowed)
        return allowed

    def _project(self, inputs):
        """Query, key and value, each `[batch, heads, seq, key_dim]`, from one matrix product.

        Of one token, as in generation, from three: joining the matrices would take longer.
        """
        batch, length, hidden = ops.shape(inputs)
        denses = (self.query_dense, self.key_dense, self.value_dense)
        if not all(map(_can_be_fused, denses)):
            unmasked = ops.reshape(inputs, ops.shape(inputs))  # Keras' dense layers take no mask
            return [ops.transpose(dense(unmasked), (0, 2, 1, 3)) for dense in denses]
        width = self.num_heads * self.key_dim
        kernels = [ops.reshape(dense.kernel, (hidden, width)) for dense in denses]
        biases = [ops.reshape(dense.bias, (width,)) for dense in denses]
        flat = ops.reshape(inputs, (-1, hidden))
        if inputs.shape[1] == 1:
            each = [ops.matmul(flat, k) + bias for k, bias in zip(kernels, biases, strict=True)]
            return [ops.reshape(x, (batch, self.num_heads, 1, self.key_dim)) for x in each]
        fused = ops.matmul(flat, ops.concatenate(kernels, axis=1)) + ops.concatenate(biases, axis=0)
        fused = ops.reshape(fused, (batch, length, 3, self.num_heads, self.key_dim))
        return ops.unstack(ops.transpose(fused, (2, 0, 3, 1, 4)), 3, axis=0)

    def _merge(self, heads, inputs):
        """The heads `[batch, heads, seq, key_dim]` projected to `[batch, seq, hidden]`."""
        if not _can_be_fused(self.output_dense):
            return self.output_dense(ops.transpose(heads, (0, 2, 1, 3)))
        batch, length, hidden = ops.shape(inputs)
        width = self.num_heads * self.key_dim
        flat = ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (-1, width))
        output = ops.matmul(flat, ops.reshape(self.output_dense.kernel, (width, hidden)))
        return ops.reshape(output + self.output_dense.bias, (batch, length, hidden))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def compute_output_spec(
        self, inputs: Tensor, return_attention_scores: bool = False, **_: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The output's shape and dtype, and the probabilities' where asked for."""
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        batch, length, _ = inputs.shape
        shape = (batch, self.num_heads, length, length)
        return output, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, without those that only `MultiHeadAttention` has."""
        ours = {"num_heads", "key_dim", "dropout", "kernel_initializer", "bias_initializer", "seed"}
        ours.add("quantized")
        base = keras.layers.Layer.get_config(self)
        return {k: v for k, v in super().get_config().items() if k in ours or k in base}


def _can_be_fused(dense):
    """Whether a projection's call is the product with its kernel, plus its bias."""
    return type(dense) is keras.layers.EinsumDense and is_plain(dense)


def _put(new, old, start):
    """Keys or values `[batch, heads, columns, key_dim]`, new ones in their places.

    Either one of them, or the first ones. Not by `ops.slice_update`, for which TensorFlow has no
    kernel on processors and compiles one.
    """
    new = ops.cast(new, old.dtype)
    if new.shape[2] == 1:
        return ops.where(ops.arange(ops.shape(old)[2])[:, None] == start, new, old)
    return ops.concatenate([new, old[:, :, ops.shape(new)[2] :]], axis=2)


def _check_positions(masked, length):
    """Raises a ValueError where a mask is known to be of another number of positions."""
    if None not in (masked, length) and masked not in (1, length):
        raise ValueError(
            f"The mask is of {masked} positions, but the input has {length}: give one of as many."
        )
