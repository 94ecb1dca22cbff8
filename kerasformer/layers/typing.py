"""Types that Keras has no names for."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any  # of the backend, symbolic, or a numpy array
Shape: TypeAlias = tuple[int | None, ...]
Initializer: TypeAlias = str | dict | keras.Initializer
Activation: TypeAlias = Callable[[Tensor], Tensor]
# Keys and values of positions, `[batch, heads, columns, key_dim]`, and the place of the next one.
Cache: TypeAlias = tuple[Tensor, Tensor, Tensor]
