"""Gradient checkpointing: what a layer computes is forgotten, and computed again when needed."""

from collections.abc import Callable

import keras
from keras import ops

from kerasformer.layers.typing import Tensor


def rematerialized(
    layer: keras.layers.Layer, compute: Callable[[Tensor], list[Tensor]], inputs: Tensor
) -> list[Tensor]:
    """What `compute(inputs)` of a layer's call gives, by `keras.remat`.

    That alone is for functions of tensors: a dropout within would draw another mask when it is
    computed again, and a variable that one changes is none of the outer computation. So the
    layer's variables go in as tensors, and the states of its random numbers come out as such.

    Args:
        layer: The layer.
        compute: A function of the inputs and the layer's variables.
        inputs: The inputs.
    """
    seeds = [v for v in layer.variables if not keras.backend.is_float_dtype(v.dtype)]
    weights = layer.trainable_variables
    # Copies: on TensorFlow a variable is a tensor too, of whatever value it then has.
    drawn = [ops.copy(state) for state in seeds]

    def pure(inputs, *values):
        mapping = [*zip(weights, values, strict=True), *zip(seeds, drawn, strict=True)]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = compute(inputs)
        return [*outputs, *(scope.get_current_value(state) for state in seeds)]

    values = [ops.copy(weight) for weight in weights]
    outputs = keras.remat(pure)(inputs, *values)
    for state, value in zip(seeds, outputs[len(outputs) - len(seeds) :], strict=True):
        state.assign(value)
    return outputs[: len(outputs) - len(seeds)]
