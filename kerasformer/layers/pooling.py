"""From one vector for each token to one vector for the sequence."""

from typing import Any

import keras
from keras import ops

from kerasformer.layers.arguments import BaseLayer, check_rank
from kerasformer.layers.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="kerasformer")
class SequencePooling(BaseLayer):
    """Pools the real tokens of a sequence into one vector.

    Reimers & Gurevych, "Sentence-BERT", https://arxiv.org/abs/1908.10084, section 3.

    Args:
        pooling: `"mean"` or `"max"` over the real tokens; `"mean_sqrt_len"`, their sum divided by
            the square root of their number; `"weightedmean"`, their mean weighted by their places
            in the sequence, the first being 1 (Muennighoff, "SGPT",
            https://arxiv.org/abs/2202.08904); `"lasttoken"`, the last real token; or `"cls"`, the
            first token.

    Call arguments:
        inputs: `[batch, seq, hidden]`.
        padding_mask: Boolean or 0/1, `[batch, seq]`; 1 is a real token. By default the
            implicit Keras mask, or else all tokens.

    Returns:
        `[batch, hidden]`. Zeros for a row without real tokens, except from `"cls"`.

    Raises:
        ValueError: An unknown pooling, or an input or a mask with another number of axes.

    Example:

    >>> tokens = np.array([[[1.0], [3.0], [100.0]]])
    >>> pooled = SequencePooling("mean")(tokens, padding_mask=np.array([[1, 1, 0]]))
    >>> float(pooled[0, 0])
    2.0
    """

    POOLINGS = ("mean", "max", "mean_sqrt_len", "cls", "weightedmean", "lasttoken")

    def __init__(self, pooling: str = "mean", **kwargs: Any):
        super().__init__(**kwargs)
        if pooling not in self.POOLINGS:
            known = ", ".join(map(repr, self.POOLINGS))
            raise ValueError(f"pooling={pooling!r} is not one of {known}.")
        self.pooling = pooling
        self.supports_masking = True

    def call(
        self, inputs: Tensor, padding_mask: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """See the class; `mask` is Keras' implicit mask."""
        check_rank("inputs", inputs, "[batch, seq, hidden]")
        check_rank("padding_mask", padding_mask, "[batch, seq]")
        if self.pooling == "cls":
            return inputs[:, 0]
        padding_mask = mask if padding_mask is None else padding_mask
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], "bool")
        real = ops.expand_dims(ops.cast(padding_mask, "bool"), axis=-1)
        if self.pooling == "max":
            lowest = ops.where(real, inputs, ops.full_like(inputs, float("-inf")))
            return ops.where(ops.any(real, axis=1), ops.max(lowest, axis=1), 0)
        if self.pooling == "lasttoken":
            return self._last(inputs, real)
        # Not in float16, whose sum overflows; `where`, as 0 times a NaN under padding is NaN.
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        vectors = ops.where(real, ops.cast(inputs, dtype), 0.0)
        weights = ops.cast(real, dtype)
        if self.pooling == "weightedmean":
            weights *= self._places(inputs, dtype) + 1
            vectors *= weights
        total = ops.sum(vectors, axis=1)
        count = ops.maximum(ops.sum(weights, axis=1), 1.0)
        divisor = ops.sqrt(count) if self.pooling == "mean_sqrt_len" else count
        return ops.cast(total / divisor, inputs.dtype)

    @staticmethod
    def _places(inputs, dtype):
        """The places 0, 1, ... of the tokens, `[1, seq, 1]`."""
        return ops.cast(ops.arange(ops.shape(inputs)[1]), dtype)[None, :, None]

    def _last(self, inputs, real):
        last = ops.max(ops.where(real, self._places(inputs, "int32"), 0), axis=1, keepdims=True)
        return ops.take_along_axis(ops.where(real, inputs, 0), last, axis=1)[:, 0]

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """None: the output has no sequence axis."""
        return

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`[batch, hidden]`."""
        return (input_shape[0], input_shape[-1])

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SequencePooling":
        """Makes the layer, also from a config of when `pooling` was called `mode`."""
        config = {"pooling" if key == "mode" else key: value for key, value in config.items()}
        return super().from_config(config)
