"""Types that Keras has no names for."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any  # of the backend, symbolic, or a numpy array
Shape: TypeAlias = tuple[int | None, ...]
Initializer: TypeAlias = str | dict | keras.Initializer
Activation: TypeAlias = Callable[[Tensor], Tensor]
