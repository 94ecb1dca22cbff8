"""The dense layer that a task adds to an encoder."""

import keras

from kerasformer.models import BertEncoder


def new_head(encoder: BertEncoder, units: int, name: str) -> keras.layers.Dense:
    """A head of one dense layer that gives logits, in float32."""
    return keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.TruncatedNormal(
            stddev=encoder.config.initializer_range
        ),
        dtype="float32",
        name=name,
    )


def reset_head(head: keras.layers.Dense) -> None:
    """Gives a head new first weights, drawn as its initializer says."""
    head.kernel.assign(head.kernel_initializer.clone()(head.kernel.shape))
    head.bias.assign(keras.ops.zeros(head.bias.shape))
