"""The embedder's settings in the folders of models, read and written."""

import os
from pathlib import Path
from typing import Any

import keras

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.export.sentence_transformers import save_sentence_model
from kerasformer.checkpoints.export.static_embedding import save_static_model
from kerasformer.checkpoints.formats import static_embedding
from kerasformer.checkpoints.formats.sentence_settings import SIMILARITIES
from kerasformer.checkpoints.formats.sentence_transformers import find_static, read_modules
from kerasformer.checkpoints.formats.sentence_vectors import (
    NORM_EPSILON,
    DenseModule,
    DropoutModule,
    LayerNormModule,
    VectorModule,
)
from kerasformer.embedder.options import check_choice, choose_options
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.static import StaticEncoder
from kerasformer.sources.resolve import resolve

# What the embedder and the folder call alike.
_SAME = (
    "pooling",
    "max_length",
    "normalize",
    "prompt",
    "prompts",
    "include_prompt",
    "dimensions",
    "similarity",
)


def read_embedder(
    source: str | os.PathLike, dtype: str | None
) -> tuple[BertEncoder | StaticEncoder, Any, dict[str, Any]]:
    """The encoder, the tokenizer and the settings of a model; see `from_pretrained`."""
    path = resolve(source)
    static = find_static(path)
    if static is None:
        checkpoint = open_checkpoint(path)
        encoder = checkpoint.load_encoder(BertEncoder, dtype=dtype)
        settings = read_settings(path)
        if settings["max_length"] is not None:  # a folder may say more than its encoder takes
            settings["max_length"] = min(settings["max_length"], encoder.config.max_length)
        return encoder, checkpoint.read_tokenizer(), settings
    tokenizer, table = static_embedding.read_tokenizer(static), static_embedding.read_table(static)
    settings = read_settings(path)
    return StaticEncoder(*table.shape, weights=table, dtype=dtype), tokenizer, settings


def read_settings(path: Path) -> dict[str, Any]:
    """The arguments of `TextEmbedder` that a model's folder defines."""
    modules, layers, combine = read_modules(path), "last", "mean"
    if modules.layers is not None:
        layers, combine = modules.layers, modules.layers.combine
        if combine != "scalar_mix":  # no weights: plain arguments
            layers = modules.layers.chosen
    dense = [_layer(module) for module in modules.dense]
    settings = {name: getattr(modules, name) for name in _SAME}
    if modules.normalize and modules.dimensions:
        # sentence-transformers cuts dimensions off after scaling, and the embedder before.
        settings["normalize"] = False
        dense.append(keras.layers.UnitNormalization(dtype="float32"))
    return settings | {"layers": layers, "combine": combine, "dense": dense}


def save_embedder(embedder: Any, folder: str | os.PathLike):
    """Writes an embedder as a sentence-transformers folder; see its `save_pretrained`."""
    if not embedder.special_tokens:
        raise UserError(
            "special_tokens=False cannot be saved, as sentence-transformers pools special tokens: "
            "save an embedder with special_tokens=True."
        )
    check_choice("similarity", embedder.similarity, SIMILARITIES)
    if embedder.normalize and embedder.dimensions:
        raise UserError(
            f"normalize=True with dimensions={embedder.dimensions} cannot be saved, as "
            "sentence-transformers scales vectors before it cuts dimensions off: save an embedder "
            "with normalize=False."
        )
    settings = {name: getattr(embedder, name) for name in _SAME} | {"dense": embedder.dense}
    if isinstance(embedder.encoder, StaticEncoder):
        del settings["pooling"], settings["include_prompt"]
        save_static_model(Path(folder), embedder.encoder, embedder.tokenizer, **settings)
        return
    settings["layers"] = choose_options(embedder, {}).layers
    save_sentence_model(Path(folder), embedder.encoder, embedder.tokenizer, **settings)


def _layer(module: VectorModule) -> keras.layers.Layer:
    """The Keras layer of a module, with its weights."""
    if isinstance(module, DropoutModule):
        return keras.layers.Dropout(module.rate)
    if isinstance(module, DenseModule):
        layer = keras.layers.Dense(
            module.outputs, module.activation, use_bias=module.bias, dtype="float32"
        )
        layer.build((None, module.inputs))
    elif isinstance(module, LayerNormModule):
        layer = keras.layers.LayerNormalization(epsilon=NORM_EPSILON, dtype="float32")
        layer.build((None, module.size))
    else:
        return keras.layers.UnitNormalization(dtype="float32")
    layer.set_weights(module.read_weights())
    return layer
