"""Whether weights are numbers."""

import keras

from kerasformer.errors import UserError


def are_finite(variables: list) -> bool:
    """Whether all values of variables are finite numbers.

    >>> are_finite([keras.Variable([1.0]), keras.Variable([float("nan")])])
    False
    """
    return all(
        bool(keras.ops.all(keras.ops.isfinite(one)))
        for one in variables
        if keras.backend.is_float_dtype(one.dtype)
    )


def refuse_to_save(*layers: keras.layers.Layer) -> None:
    """Raises a UserError for layers whose weights are not finite, which no reader would take."""
    for layer in layers:
        if bad := [weight.path for weight in layer.weights if not are_finite([weight])]:
            raise UserError(
                f"The weight {bad[0]} of this {type(layer).__name__} is not finite, and cannot be "
                "saved: if its training diverged, train it anew at a lower learning_rate."
            )
