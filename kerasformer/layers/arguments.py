"""Constructor arguments of the layers: checked, and saved."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from kerasformer.layers.kernels import LayerNormalization
from kerasformer.layers.quantization import HoldsQuantized
from kerasformer.layers.typing import Initializer, Tensor

_LARGEST = 2**31 - 1  # backends index in int32


def check_sizes(**sizes: int):
    """Raises a ValueError for the first of the named sizes that is not a positive integer."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise ValueError(f"{name}={size!r} is not a positive integer.")
        if size > _LARGEST:
            raise ValueError(f"{name}={size!r} is above {_LARGEST}, the largest there can be.")


def check_rates(**rates: float):
    """Raises a ValueError for the first of the named dropout rates that is not in [0, 1)."""
    for name, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(f"{name}={rate!r} is not a number in [0, 1).")


def check_positive(**numbers: float):
    """Raises a ValueError for the first of the named numbers that is not above zero."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
            raise ValueError(f"{name}={number!r} is not a number above 0.")


def check_rank(name: str, tensor: Tensor, axes: str, *other_axes: str):
    """Raises a ValueError for a tensor without such axes as `"[batch, seq]"`; None passes."""
    choices = (axes, *other_axes)
    expected = " or ".join(choices)
    if tensor is not None and getattr(tensor.shape, "rank", 0) is None:  # TensorFlow's alone
        raise ValueError(
            f"Expected {name} of shape {expected}, got a tensor of unknown rank: give tf.function "
            "an input_signature, or the tensor a shape, with that many axes."
        )
    if tensor is not None and len(tensor.shape) not in [c.count(",") + 1 for c in choices]:
        raise ValueError(f"Expected {name} of shape {expected}, got {tuple(tensor.shape)}.")


def clone_initializer(initializer: Initializer) -> keras.Initializer | Callable:
    """A fresh copy of an initializer: one instance used twice gives both weights equal values."""
    initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.Initializer):
        return initializer  # a plain function
    return initializer.clone()


class BaseLayer(HoldsQuantized, keras.layers.Layer):
    """A layer each of whose constructor's arguments is an attribute of the same name."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for name in inspect.signature(type(self).__init__).parameters:
            if name not in ("self", "kwargs"):
                value = getattr(self, name)
                is_initializer = isinstance(value, keras.Initializer)
                config[name] = keras.initializers.serialize(value) if is_initializer else value
        return config

    def _dense(self, units, name):
        initializer = clone_initializer(self.kernel_initializer)
        return keras.layers.Dense(
            units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name
        )

    def _layer_norm(self, name):
        return LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name
        )
