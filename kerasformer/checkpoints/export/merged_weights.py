"""The weights of a model that other formats can hold: in floating point, with LoRA merged."""

from typing import Any

import keras

from kerasformer.errors import UserError
from kerasformer.models.lora import base_weight, merged_weight
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
                f"{layer.name} is quantized to {part.quantization_mode}, and cannot be saved in "
                "this format: save it by its own save, as a .keras file, or before quantize."
            )
        if getattr(part, "lora_enabled", False):
            base = base_weight(part)
            for one in "ab":
                weights.pop(f"{part.path}/lora_{base.path.rsplit('/', 1)[-1]}_{one}")
            weights[base.path] = merged_weight(part)
    return weights
