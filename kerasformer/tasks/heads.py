"""The dense layer that a task adds to an encoder."""

import keras

from kerasformer.models.transformer import Transformer


def new_head(
    encoder: Transformer, units: int, name: str, use_bias: bool = True
) -> keras.layers.Dense:
    """A head of one dense layer that gives logits, in float32."""
    return keras.layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=keras.initializers.TruncatedNormal(
            stddev=encoder.config.initializer_range
        ),
        dtype="float32",
        name=name,
    )


def reset_head(head: keras.layers.Dense) -> None:
    """Gives a head new first weights, drawn as its initializer says."""
    head.kernel.assign(head.kernel_initializer.clone()(head.kernel.shape))
    if head.use_bias:
        head.bias.assign(keras.ops.zeros(head.bias.shape))
