"""From one vector for each token to one vector for the sequence."""

import keras
from keras import ops

from kerasformer.layers.arguments import check_rank


@keras.saving.register_keras_serializable(package="kerasformer")
class SequencePooling(keras.layers.Layer):
    """Pools the real tokens of a sequence into one vector.

    The pooling modes of Reimers & Gurevych, "Sentence-BERT", https://arxiv.org/abs/1908.10084,
    section 3.

    Args:
        mode: `"mean"` or `"max"` over the real tokens; `"mean_sqrt_len"`, their sum divided by the
            square root of their number; or `"cls"`, the first token.

    Call arguments:
        inputs: `[batch, seq, hidden]`.
        padding_mask: Boolean or 0/1, `[batch, seq]`; 1 is a real token. Without it the implicit
            Keras mask is taken, and without that one all tokens are real.

    Returns:
        `[batch, hidden]`. A row without any real token gives zeros, except from `"cls"`.

    Raises:
        ValueError: An unknown mode, or an input or a mask with another number of axes.

    Example:

    >>> tokens = np.array([[[1.0], [3.0], [100.0]]])
    >>> pooled = SequencePooling("mean")(tokens, padding_mask=np.array([[1, 1, 0]]))
    >>> float(pooled[0, 0])
    2.0
    """

    MODES = ("mean", "max", "mean_sqrt_len", "cls")

    def __init__(self, mode="mean", **kwargs):
        super().__init__(**kwargs)
        if mode not in self.MODES:
            raise ValueError(f"mode={mode!r} is not one of {', '.join(map(repr, self.MODES))}.")
        self.mode = mode
        self.supports_masking = True

    def call(self, inputs, padding_mask=None, mask=None):
        """See the class; `mask` is Keras' implicit mask."""
        check_rank("inputs", inputs, "[batch, seq, hidden]")
        check_rank("padding_mask", padding_mask, "[batch, seq]")
        if self.mode == "cls":
            return inputs[:, 0]
        padding_mask = mask if padding_mask is None else padding_mask
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(inputs)[:2], "bool")
        real = ops.expand_dims(ops.cast(padding_mask, "bool"), axis=-1)
        if self.mode == "max":
            lowest = ops.where(real, inputs, ops.full_like(inputs, float("-inf")))
            return ops.where(ops.any(real, axis=1), ops.max(lowest, axis=1), 0)
        # Not in float16, whose sum overflows; `where`, as 0 times a NaN under padding is NaN.
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        total = ops.sum(ops.where(real, ops.cast(inputs, dtype), 0.0), axis=1)
        count = ops.maximum(ops.sum(ops.cast(real, dtype), axis=1), 1.0)
        divisor = count if self.mode == "mean" else ops.sqrt(count)
        return ops.cast(total / divisor, inputs.dtype)

    def compute_mask(self, inputs, mask=None):
        """None: there is no sequence any more."""
        return

    def compute_output_shape(self, input_shape):
        """`[batch, hidden]`."""
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "mode": self.mode}
