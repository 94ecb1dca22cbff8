"""Models of which training changes a part, or which it computes again in parts."""

from typing import Any

import keras

from kerasformer.layers import TransformerBlock
from kerasformer.private_api import all_layers, get_mask, set_mask


def constant(tensor: Any) -> Any:
    """A tensor that no gradient goes through, with its implicit mask."""
    stopped = keras.ops.stop_gradient(tensor)
    set_mask(stopped, get_mask(tensor))
    return stopped


def set_remat(model: keras.Model, remat: bool) -> None:
    """Has all blocks of a model be computed again in the backward pass, or none."""
    for layer in all_layers(model):
        if isinstance(layer, TransformerBlock):
            layer.remat = remat
