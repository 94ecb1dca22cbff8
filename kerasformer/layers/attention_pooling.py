"""From one vector for each token to their weighted sum, by learnt attention."""

from typing import Any

import keras
from keras import ops

from kerasformer.layers.arguments import BaseLayer, check_rank, check_sizes, clone_initializer
from kerasformer.layers.kernels import MASKED, softmax
from kerasformer.layers.typing import Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="kerasformer")
class AdditiveAttentionPooling(BaseLayer):
    """The sum of the real tokens' vectors, weighted by additive attention.

    Bahdanau et al., https://arxiv.org/abs/1409.0473, appendix A.1.2, whose query, the state of a
    decoder, is here a learnt constant, as in Yang et al., https://aclanthology.org/N16-1174:
    `softmax_t(v . tanh(W h_t + b))`. The softmax is in float32.

    Args:
        units: Width of the hidden layer.
        kernel_initializer: Initializer of both kernels.

    Call arguments:
        inputs: `[batch, seq, hidden]`.
        padding_mask: Boolean or 0/1, `[batch, seq]`; 1 is a real token. By default the
            implicit Keras mask, or else all tokens.
        return_attention_scores: Whether to return the weights as well, as of Keras' attention.

    Returns:
        `[batch, hidden]`, zeros for a row without real tokens; or that and the weights, float32
        `[batch, seq]`, which are 0 where padding is and sum to 1.

    Raises:
        ValueError: A size that is not a positive integer, or an input or a mask with another number
            of axes.

    Example:

    >>> layer = AdditiveAttentionPooling(4)
    >>> states, mask = np.ones((1, 3, 8)), np.array([[1, 1, 0]])
    >>> pooled, weights = layer(states, padding_mask=mask, return_attention_scores=True)
    >>> tuple(pooled.shape), np.array(weights).tolist()
    ((1, 8), [[0.5, 0.5, 0.0]])
    """

    def __init__(
        self, units: int, kernel_initializer: Initializer = "glorot_uniform", **kwargs: Any
    ):
        super().__init__(**kwargs)
        check_sizes(units=units)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True
        self.hidden = self._dense(units, "hidden")
        self.score = keras.layers.Dense(
            1,
            use_bias=False,  # which a softmax would not notice
            kernel_initializer=clone_initializer(self.kernel_initializer),
            dtype=self.dtype_policy,
            name="score",
        )

    def build(self, input_shape: Shape) -> None:
        """Creates both kernels."""
        self.hidden.build(input_shape)
        self.score.build((*input_shape[:-1], self.units))
        self._restore_quantized()

    def call(
        self,
        inputs: Tensor,
        padding_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        mask: Tensor | None = None,
    ) -> Any:
        """See the class; `mask` is Keras' implicit mask."""
        check_rank("inputs", inputs, "[batch, seq, hidden]")
        check_rank("padding_mask", padding_mask, "[batch, seq]")
        scores = self.score(ops.tanh(self.hidden(inputs)))[..., 0]
        dtype = keras.backend.result_type(scores.dtype, "float32")
        scores = ops.cast(scores, dtype)
        padding_mask = mask if padding_mask is None else padding_mask
        if padding_mask is None:
            weights = softmax(scores)
        else:
            real = ops.cast(padding_mask, "bool")
            weights = softmax(ops.where(real, scores, MASKED))
            weights = ops.where(real, weights, 0.0)  # of a row that is all padding too
            inputs = ops.where(real[..., None], inputs, 0)  # 0 times a NaN under padding is NaN
        pooled = ops.einsum("bt,bth->bh", weights, ops.cast(inputs, dtype))
        pooled = ops.cast(pooled, inputs.dtype)
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """None: the output has no sequence axis."""
        return

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`[batch, hidden]`."""
        return (input_shape[0], input_shape[-1])

    def compute_output_spec(
        self,
        inputs: Tensor,
        padding_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        mask: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The output's shape and dtype, and the weights' where asked for."""
        pooled = keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
        if not return_attention_scores:
            return pooled
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        return pooled, keras.KerasTensor(inputs.shape[:2], dtype)
