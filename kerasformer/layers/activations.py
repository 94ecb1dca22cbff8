"""Activations by the names that checkpoints give them."""

import math

import keras
from keras import ops

from kerasformer.layers.kernels import kernels
from kerasformer.layers.typing import Activation, Tensor

_SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)


@keras.saving.register_keras_serializable(package="kerasformer")
def gelu(x: Tensor) -> Tensor:
    """The exact GELU, on the `Kernels` in use.

    Hendrycks & Gimpel, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415.
    """
    return kernels().gelu(x)


@keras.saving.register_keras_serializable(package="kerasformer")
def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its tanh approximation, the variant of TF Hub's BERT.

    Hendrycks & Gimpel, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415, section 2.
    """
    # In this order of products TensorFlow's optimizer makes one operation of the matrix product
    # before it, its bias and this; of keras.activations.gelu(x, approximate=True) it does not.
    cubic = (0.044715 * ops.square(x)) * x
    return (0.5 * x) * (1.0 + ops.tanh(_SQRT_TWO_OVER_PI * (x + cubic)))


# Hugging Face's `hidden_act` has several names for the tanh variant; `gelu` alone means erf there
# and in Keras.
_TANH_NAMES = ("gelu_tanh", "gelu_new", "gelu_fast", "gelu_pytorch_tanh")


def get_activation(name: str) -> Activation:
    """An activation function by its name in Keras or in a Hugging Face configuration.

    Args:
        name: `"gelu"` (the exact, erf variant), `"gelu_tanh"` (its tanh approximation; also
            `"gelu_new"`, `"gelu_fast"`, `"gelu_pytorch_tanh"`), or any name that
            `keras.activations.get` accepts.

    Raises:
        ValueError: The name is unknown.

    Example:

    >>> get_activation("gelu_new").__name__
    'gelu_tanh'
    """
    if not isinstance(name, str):
        raise ValueError(f"activation={name!r} is not a string: give an activation's name.")
    if name == "gelu":
        return gelu
    if name in _TANH_NAMES:
        return gelu_tanh
    try:
        return keras.activations.get(name)
    except ValueError:
        known = ", ".join(["gelu", *_TANH_NAMES, "relu", "tanh"])
        raise ValueError(
            f"{name!r} is not a known activation: give one of {known} or another name that "
            "keras.activations.get accepts."
        ) from None
