"""The weights of a model that other formats can hold: in floating point, with LoRA merged."""

from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.private_api import all_layers


def merged_weights(layer: keras.layers.Layer) -> dict[str, Any]:
    """A layer's variables by their paths, what LoRA trained added to the weights that it adapts.

    Raises:
        UserError: The layer is quantized, or one within.
    """
    weights: dict[str, Any] = {weight.path: weight for weight in layer.weights}
    for part in all_layers(layer):
        if part.quantization_mode is not None:
            raise UserError(
                f"{layer.name} is quantized to {part.quantization_mode}, which this format cannot "
                "hold: save it by its own save, as a .keras file, or save it here before quantize."
            )
        if getattr(part, "lora_enabled", False):
            name = "embeddings" if isinstance(part, keras.layers.Embedding) else "kernel"
            down, up = (weights.pop(f"{part.path}/lora_{name}_{one}") for one in "ab")
            base = weights[f"{part.path}/{name}"]
            # Not the layer's own `kernel`, which is rounded to the dtype that it computes in.
            change = keras.ops.matmul(down, up) * (part.lora_alpha / part.lora_rank)
            merged = keras.ops.cast(base, "float32") + change
            weights[f"{part.path}/{name}"] = keras.ops.cast(merged, base.dtype)
    return weights
