"""The operations of the layers that a backend may have faster kernels for."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
from keras import ops

from kerasformer.layers.typing import Tensor

# The score of what a mask excludes. Not minus infinity: a row without any real token gets a
# uniform distribution rather than NaN.
MASKED = -1e9


class Kernels:
    """In `keras.ops`, for every backend, for training and inference."""

    def layer_norm(self, layer: keras.layers.Layer, inputs: Tensor) -> Tensor:
        """The call of a `keras.layers.LayerNormalization`, which computes in float32."""
        return keras.layers.LayerNormalization.call(layer, inputs)

    def dropout(self, layer: keras.layers.Dropout, inputs: Tensor) -> Tensor:
        """The call of a `keras.layers.Dropout` in training."""
        return keras.layers.Dropout.call(layer, inputs, training=True)

    def gelu(self, x: Tensor) -> Tensor:
        """`x * cdf(x)`, with the distribution function of the normal distribution."""
        return keras.activations.gelu(x)

    def attention_probabilities(self, scores: Tensor, allowed: Tensor | None) -> Tensor:
        """The softmax of scores `[batch, heads, seq, seq]` over the last axis, in float32 at least.

        `allowed`, a boolean that broadcasts to the scores, is which positions each attends to.
        """
        dtype = keras.backend.result_type(scores.dtype, "float32")
        if allowed is None:
            scores = ops.cast(scores, dtype)
        elif scores.dtype == dtype:
            # TensorFlow makes a sum, not a choice, part of the matrix product.
            scores = scores + mask_bias(allowed, dtype)
        else:  # a float16 score may be infinite
            scores = ops.where(allowed, ops.cast(scores, dtype), MASKED)
        return softmax(scores)


def is_plain(layer: keras.layers.Layer) -> bool:
    """Whether a layer's weights are what its call computes with: not quantized, without LoRA.

    Whoever reads the weights of a layer, in place of calling it, asks this first.
    """
    return layer.quantization_mode is None and not getattr(layer, "lora_enabled", False)


def embedding_table(layer: keras.layers.Embedding) -> Tensor:
    """All vectors of an embedding `[rows, size]`, as its call returns them."""
    return layer.embeddings if is_plain(layer) else layer(ops.arange(layer.input_dim))


_DEFAULT = Kernels()
_KERNELS: contextvars.ContextVar[Kernels] = contextvars.ContextVar("kernels")


def kernels() -> Kernels:
    """The `Kernels` in use."""
    return _KERNELS.get(_DEFAULT)


@contextlib.contextmanager
def use_kernels(chosen: Kernels) -> Iterator[None]:
    """A context in which the layers use these `Kernels`; a graph traced in it keeps them."""
    token = _KERNELS.set(chosen)
    try:
        yield
    finally:
        _KERNELS.reset(token)


def mask_bias(allowed: Tensor, dtype: str) -> Tensor:
    """The bias added to scores: 0 where attention is allowed, `MASKED` elsewhere."""
    return ops.where(allowed, ops.cast(0.0, dtype), ops.cast(MASKED, dtype))


def softmax(scores: Tensor) -> Tensor:
    """The softmax over the last axis."""
    # keras.ops.softmax warns about an axis of size 1, which a sequence of one token rightly has.
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)


@keras.saving.register_keras_serializable(package="kerasformer")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis, on the `Kernels` in use.

    Ba et al., "Layer Normalization", https://arxiv.org/abs/1607.06450.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs with mean 0 and variance 1 over the last axis, scaled and moved."""
        return kernels().layer_norm(self, inputs)


@keras.saving.register_keras_serializable(package="kerasformer")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, on the `Kernels` in use."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The inputs, of which training sets a part to zero, and scales the others up."""
        return kernels().dropout(self, inputs) if training and self.rate > 0 else inputs
