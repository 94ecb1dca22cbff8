"""The embedder's settings in the folders of models, read and written."""

import os
from pathlib import Path
from typing import Any

import keras

from kerasformer.checkpoints.export.sentence_transformers import save_sentence_model
from kerasformer.checkpoints.formats.sentence_transformers import DenseModule, read_modules
from kerasformer.embedder.options import choose_options
from kerasformer.errors import UserError


def read_settings(path: Path) -> dict[str, Any]:
    """The arguments of `TextEmbedder` that a model's folder defines."""
    modules, layers, combine = read_modules(path), "last", "mean"
    if modules.layers is not None:
        layers, combine = modules.layers, modules.layers.combine
        if combine != "scalar_mix":  # no weights: plain arguments
            layers = modules.layers.layers
    dense = [_dense_layer(module) for module in modules.dense]
    same = ("pooling", "max_length", "normalize", "prompt", "include_prompt")
    settings = {name: getattr(modules, name) for name in same}
    return settings | {"layers": layers, "combine": combine, "dense": dense}


def save_embedder(embedder: Any, folder: str | os.PathLike):
    """Writes an embedder as a sentence-transformers folder; see its `save_pretrained`."""
    if not embedder.special_tokens:
        raise UserError(
            "special_tokens=False cannot be saved, as sentence-transformers pools special tokens: "
            "save an embedder with special_tokens=True."
        )
    save_sentence_model(
        Path(folder),
        embedder.encoder,
        embedder.tokenizer,
        layers=choose_options(embedder, {}).layers,
        pooling=embedder.pooling,
        dense=embedder.dense,
        normalize=embedder.normalize,
        max_length=embedder.max_length,
        prompt=embedder.prompt,
        include_prompt=embedder.include_prompt,
    )


def _dense_layer(module: DenseModule) -> keras.layers.Dense:
    layer = keras.layers.Dense(
        module.outputs, module.activation, use_bias=module.bias, dtype="float32"
    )
    layer.build((None, module.inputs))
    layer.set_weights(module.read_weights())
    return layer
