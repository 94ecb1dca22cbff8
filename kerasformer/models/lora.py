"""LoRA of an encoder's blocks, by Keras' own `enable_lora` of their dense layers."""

import numbers
from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.layers import TransformerBlock
from kerasformer.private_api import all_layers, remove_lora

TARGETS = ("attention", "feed_forward")


def enable_lora(
    model: keras.Model, rank: int, alpha: float | None, targets: Iterable[str] = TARGETS
) -> None:
    """Gives the dense layers of a model's blocks matrices of LoRA, which alone it then trains.

    Args:
        model: The model.
        rank: Of the matrices.
        alpha: The change is `alpha / rank` times their product; by default `rank`.
        targets: Which parts of a block: `"attention"`, `"feed_forward"`.

    Raises:
        ValueError: A rank that is no positive integer, an unknown target or none, or LoRA is there
            already.
    """
    if not isinstance(rank, numbers.Integral) or rank < 1:
        raise ValueError(f"rank={rank!r} is not a positive integer.")
    targets = [targets] if isinstance(targets, str) else list(targets)
    if not targets or not set(targets) <= set(TARGETS):
        raise ValueError(f"targets={targets!r} are not one or both of {' and '.join(TARGETS)}.")
    if adapted(model):
        raise ValueError("LoRA is enabled already: merge_lora ends it.")
    model.trainable = True
    for variable in model.variables:
        variable.trainable = False
    for block in all_layers(model):
        if isinstance(block, TransformerBlock):
            for layer in _dense_layers(block, targets):
                layer.enable_lora(rank, lora_alpha=alpha)


def merge_lora(model: keras.Model) -> None:
    """Adds what LoRA has trained to the weights; the layers are ordinary ones again, all trainable.

    Args:
        model: The model.

    Raises:
        ValueError: There is no LoRA, or a layer that has it is quantized.
    """
    layers = adapted(model)
    if not layers:
        raise ValueError("There is no LoRA to merge: enable_lora begins it.")
    if quantized := [layer.path for layer in layers if layer.quantization_mode is not None]:
        raise ValueError(f"{quantized[0]} is quantized: LoRA cannot be merged into its weights.")
    for layer in layers:
        base_weight(layer).assign(merged_weight(layer))
        remove_lora(layer)
    for weight in model.weights:
        weight.trainable = True


def adapted(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers within a model that have LoRA."""
    return [layer for layer in all_layers(model) if getattr(layer, "lora_enabled", False)]


def base_weight(layer: Any) -> keras.Variable:
    """The weight of a layer that LoRA adapts, without what LoRA adds."""
    name = "embeddings" if isinstance(layer, keras.layers.Embedding) else "kernel"
    # Not the layer's own `kernel`, which is rounded to the dtype that it computes in.
    return next(weight for weight in layer.weights if weight.path == f"{layer.path}/{name}")


def merged_weight(layer: Any) -> Any:
    """That weight with what LoRA adds, computed in float32."""
    base = base_weight(layer)
    name = base.path.rsplit("/", 1)[-1]
    down, up = (getattr(layer, f"lora_{name}_{one}") for one in "ab")
    change = keras.ops.matmul(down, up) * (layer.lora_alpha / layer.lora_rank)
    return keras.ops.cast(keras.ops.cast(base, "float32") + change, base.dtype)


def _dense_layers(block: TransformerBlock, targets: list[str]) -> list[keras.layers.Layer]:
    attention = block.self_attention
    found = []
    if "attention" in targets:
        found += [attention.query_dense, attention.key_dense]
        found += [attention.value_dense, attention.output_dense]
    if "feed_forward" in targets:
        found += [block.intermediate, block.output_dense]
    return found
