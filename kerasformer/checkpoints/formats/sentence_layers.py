"""The modules of a sentence-transformers folder that combine layers, as a `LayerPooling`.

sentence-transformers' own `WeightedLayerPooling` averages layers with weights; `LayerPooling` is
kerasformer's, for all other combinations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasformer.checkpoints.formats.huggingface_config import read_integer
from kerasformer.checkpoints.formats.sentence_settings import check_keys
from kerasformer.checkpoints.formats.sentence_vectors import WIDTHS
from kerasformer.checkpoints.io.safetensors_file import WEIGHTS, open_tensors
from kerasformer.errors import UserError
from kerasformer.files import read_json

if TYPE_CHECKING:
    from kerasformer.layers import LayerPooling  # imported when needed: Keras takes seconds

# The keys of each kind's config.json.
_KEYS = {
    "WeightedLayerPooling": ("num_hidden_layers", "layer_start", *WIDTHS),
    "LayerPooling": ("num_hidden_layers", "layers", "combine"),
}
KINDS = tuple(_KEYS)


def read_layers(kind: str, folder: Path) -> LayerPooling:
    """Reads a module of one of `KINDS` that combines layers; a UserError where it is not sound."""
    path = folder / "config.json"
    config = read_json(path)
    check_keys(config, path, _KEYS[kind])
    tensors: Mapping[str, np.ndarray] = {}
    if (folder / WEIGHTS).is_file():
        tensors = open_tensors(folder)
    try:
        if kind == "LayerPooling":
            return _layer_pooling(config["layers"], config["combine"], config, tensors)
        values = {"num_hidden_layers": 12, "layer_start": 4} | config  # as in sentence-transformers
        count = read_integer(values, "num_hidden_layers", path, 1, 1000)
        start = read_integer(values, "layer_start", path, 0, count)
        return weighted_average(range(start, count + 1), tensors["layer_weights"], count)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise UserError(
            f"{folder} is not a valid {kind}: {reason}; save or fetch the model again."
        ) from None


def weighted_average(layers: Sequence[int], weights: np.ndarray, num_layers: int) -> LayerPooling:
    """The `LayerPooling` that averages layers with weights.

    Args:
        layers: Indices of hidden states, the embeddings being 0.
        weights: The weight of each, float `[layers]`, not normalised.
        num_layers: The number of the encoder's blocks.

    Raises:
        ValueError: The weights are not one for each layer, or have no positive average.

    Example:

    >>> weighted_average(range(3), np.array([0.0, 2.0, 2.0]), num_layers=2).chosen
    (1, 2)
    """
    shares = np.asarray(weights, "float64") / np.sum(weights, dtype="float64")
    if shares.shape != (len(layers),) or not (shares >= 0).all():
        raise ValueError(f"expected {len(layers)} weights above 0, got {np.asarray(weights)}")
    chosen = [layer for layer, share in zip(layers, shares, strict=True) if share]
    shares = shares[shares > 0]
    if np.ptp(shares) == 0:
        return _layer_pooling(chosen, "mean", {}, {})
    tensors = {"mix": np.log(shares), "scale": np.ones(())}
    return _layer_pooling(chosen, "scalar_mix", {"num_hidden_layers": num_layers}, tensors)


def _layer_pooling(layers, combine, config, tensors) -> LayerPooling:
    from kerasformer.layers import LayerPooling

    pooling = LayerPooling(layers, combine, dtype="float32")
    if combine == "scalar_mix":
        pooling.build([(None, None, 1)] * (config["num_hidden_layers"] + 1))
        pooling.set_weights([tensors["mix"], tensors["scale"]])
    return pooling
