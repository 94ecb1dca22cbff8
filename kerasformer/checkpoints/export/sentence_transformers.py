"""Writing an encoder with its pooling as a sentence-transformers folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import safetensors.numpy

from kerasformer.checkpoints.export.huggingface import save_pretrained, saving_model
from kerasformer.checkpoints.formats.sentence_settings import MODEL_SETTINGS, SETTINGS
from kerasformer.checkpoints.formats.sentence_transformers import MODULES
from kerasformer.checkpoints.formats.sentence_vectors import (
    ACTIVATIONS,
    NORM_EPSILON,
    POOLING_FLAGS,
    POOLINGS,
)
from kerasformer.checkpoints.io.safetensors_file import WEIGHTS
from kerasformer.errors import UserError
from kerasformer.files import read_json, write_whole
from kerasformer.layers import LayerPooling
from kerasformer.models.finite import refuse_to_save

if TYPE_CHECKING:  # the encoder imports what saves itself
    from kerasformer.models import BertEncoder
    from kerasformer.text import WordPieceTokenizer


# By which a Transformer hands on the pooler's vector; versions before 5.4 read no such key.
_POOLED = {
    "modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}},
    "module_output_name": "sentence_embedding",
}


class _Module(NamedTuple):
    """A module: its class, its `config.json` if there is one, and its weights."""

    kind: str
    config: dict[str, Any] | None = None
    weights: Mapping[str, np.ndarray] | None = None


def save_sentence_model(
    folder: Path,
    encoder: BertEncoder,
    tokenizer: WordPieceTokenizer,
    *,
    layers: LayerPooling,
    pooling: Sequence[str],
    dense: Sequence[keras.layers.Layer] = (),
    normalize: bool = False,
    max_length: int | None = None,
    prompts: Mapping[str, str] | None = None,
    prompt: str = "",
    include_prompt: bool = True,
    dimensions: int | None = None,
    similarity: str = "cosine",
):
    """Writes a folder that sentence-transformers and `read_modules` read.

    The files are those that all versions of sentence-transformers from 2.0 read.

    Args:
        folder: Output folder, created if missing. All files are replaced in one step.
        encoder: The encoder.
        tokenizer: Its tokenizer.
        layers: Which layers are pooled. A weighted average is a `WeightedLayerPooling`; any other
            combination is a module of kerasformer, which sentence-transformers refuses to load.
        pooling: Names of `kerasformer.layers.SequencePooling`.
        dense: Built layers over the pooled vector: `Dense`, `LayerNormalization`,
            `UnitNormalization` and `Dropout`.
        normalize: Whether the vector is scaled to length 1.
        max_length: The most tokens of a text.
        prompts: Prompts by their names.
        prompt: Put before every text by default.
        include_prompt: Whether the prompt's tokens are pooled too.
        dimensions: How many of the first dimensions are kept, after all else.
        similarity: By which measure the vectors are meant to be compared.

    Raises:
        UserError: The folder cannot be written to, or sentence-transformers has no such pooling or
            dense layer, or a weight is not finite.
    """
    refuse_to_save(encoder, *dense)
    layer_module = _layer_module(layers, encoder)
    modules = [
        *([layer_module] if layer_module else []),
        *_pooling_modules(pooling, _width(layers, encoder), include_prompt),
        *vector_modules(dense, normalize),
    ]
    with saving_model(folder, with_tokenizer=True) as new:
        save_pretrained(new, encoder, tokenizer=tokenizer)
        if layer_module:  # transformers returns all layers only if the configuration says so
            config = read_json(new / "config.json") | {"output_hidden_states": True}
            _write_json(new / "config.json", config)
        settings: dict[str, Any] = {"max_seq_length": max_length, "do_lower_case": False}
        if tuple(pooling) == ("pooled",):
            settings |= _POOLED
        _write_json(new / SETTINGS, settings)
        write_modules(new, "Transformer", modules, prompts, prompt, dimensions, similarity)


def vector_modules(dense: Sequence[keras.layers.Layer], normalize: bool) -> list[_Module]:
    """The modules over the vector of a text."""
    normalizing = [_Module("Normalize")] if normalize else []
    return [*map(_vector_module, dense), *normalizing]


def write_modules(
    folder: Path,
    first: str,
    modules: Sequence[_Module],
    prompts: Mapping[str, str] | None = None,
    prompt: str = "",
    dimensions: int | None = None,
    similarity: str = "cosine",
):
    """Writes all but the first module, which is in the folder itself, and the model's settings."""
    settings = _prompt_settings(prompts or {}, prompt) | {"similarity_fn_name": similarity}
    if dimensions is not None:
        settings["truncate_dim"] = dimensions
    _write_json(folder / MODEL_SETTINGS, settings)
    _write_json(folder / MODULES, [_entry(0, "", first), *_write_modules(folder, modules)])


def _prompt_settings(prompts: Mapping[str, str], prompt: str) -> dict[str, Any]:
    """The prompts, and the name of the one that is put before every text."""
    name = next((name for name, each in prompts.items() if prompt and each == prompt), None)
    if prompt and name is None:
        name = "default"
        prompts = {**prompts, name: prompt}
    return {"prompts": dict(prompts), "default_prompt_name": name}


def _write_modules(folder: Path, modules: Sequence[_Module]) -> Iterator[dict[str, Any]]:
    for number, module in enumerate(modules, 1):
        path = folder / f"{number}_{module.kind}"
        path.mkdir(exist_ok=True)
        if module.config is not None:
            _write_json(path / "config.json", module.config)
        if module.weights:
            content = safetensors.numpy.save(dict(module.weights), metadata={"format": "pt"})
            write_whole(path / WEIGHTS, content)
        yield _entry(number, path.name, module.kind)


def _entry(number: int, path: str, kind: str) -> dict[str, Any]:
    package = "kerasformer.layers" if kind == "LayerPooling" else "sentence_transformers.models"
    return {"idx": number, "name": str(number), "path": path, "type": f"{package}.{kind}"}


def _write_json(path: Path, value):
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _width(layers: LayerPooling, encoder: BertEncoder) -> int | None:
    states = [(1, 1, encoder.config.hidden_size)] * (encoder.config.num_layers + 1)
    return layers.compute_output_shape(states)[-1]


def _layer_module(layers: LayerPooling, encoder: BertEncoder) -> _Module | None:
    """The module that combines layers; None for the last layer alone."""
    count = encoder.config.num_layers
    weights = _average_weights(layers, count + 1)
    if weights is not None and not weights[:-1].any():
        return None
    config = {"num_hidden_layers": count}
    if weights is not None:
        start = int(np.flatnonzero(weights)[0])
        config |= {"word_embedding_dimension": encoder.config.hidden_size, "layer_start": start}
        return _Module("WeightedLayerPooling", config, {"layer_weights": weights[start:]})
    tensors = {}
    if layers.combine == "scalar_mix":
        tensors = {name: _array(getattr(layers, name)) for name in ("mix", "scale")}
    config |= {key: layers.get_config()[key] for key in ("layers", "combine")}
    return _Module("LayerPooling", config, tensors)


def _average_weights(layers: LayerPooling, count: int) -> np.ndarray | None:
    """The weights, float32 `[count]`, of which `layers` takes the average; None if it does not."""
    indices = layers.indices(count)
    if layers.combine == "scalar_mix":
        if not layers.built:
            layers.build([(None, None, 1)] * count)
        mix = np.exp(_array(layers.mix) - _array(layers.mix).max())
        if float(_array(layers.scale)) != 1:
            return None
        return np.bincount(indices, mix, count).astype("float32")
    if layers.combine == "last":
        indices = indices[-1:]
    elif layers.combine != "mean" and (layers.combine == "stack" or len(indices) > 1):
        return None
    return np.bincount(indices, minlength=count).astype("float32")


def _pooling_modules(pooling: Sequence[str], width: int | None, include_prompt: bool) -> list:
    """The module that pools; none of the pooler's vector, which the Transformer hands on itself."""
    if tuple(pooling) == ("pooled",):
        return []
    theirs = {name: mode for mode, name in POOLINGS.items()}
    if "pooled" in pooling:
        raise UserError(
            "pooling='pooled' cannot be saved beside others, as sentence-transformers does not "
            f"have both: choose it alone, or some of {', '.join(theirs)}."
        )
    unknown = [name for name in pooling if name not in theirs]
    if unknown:
        raise UserError(
            f"pooling={unknown[0]!r} cannot be saved, as sentence-transformers does not have it: "
            f"choose one of {', '.join(theirs)}."
        )
    modes = [theirs[name] for name in pooling]
    config: dict[str, Any] = {"word_embedding_dimension": width, "include_prompt": include_prompt}
    config |= {flag: mode in modes for flag, mode in POOLING_FLAGS.items()}
    if modes != [mode for mode in POOLING_FLAGS.values() if mode in modes]:
        config["pooling_mode"] = modes  # another order than the flags': for newer versions alone
    return [_Module("Pooling", config)]


def _vector_module(layer: keras.layers.Layer) -> _Module:
    """The module of a layer over the pooled vector."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.Dense):
        return _dense_module(layer)
    if isinstance(layer, keras.layers.Dropout):
        return _Module("Dropout", {"dropout": config["rate"]})
    if isinstance(layer, keras.layers.UnitNormalization) and layer.axis == -1:
        return _Module("Normalize")
    is_plain = isinstance(layer, keras.layers.LayerNormalization) and len(layer.weights) == 2
    if is_plain and len(layer.gamma.shape) == 1 and config["epsilon"] == NORM_EPSILON:
        weights = {"norm.weight": _array(layer.gamma), "norm.bias": _array(layer.beta)}
        return _Module("LayerNorm", {"dimension": layer.gamma.shape[0]}, weights)
    raise UserError(
        f"The {type(layer).__name__} layer {layer.name} over the vectors cannot be saved: "
        "expected Dense, Dropout, UnitNormalization over the last axis, or LayerNormalization "
        f"with epsilon={NORM_EPSILON}, a scale and an offset."
    )


def _dense_module(layer: keras.layers.Dense) -> _Module:
    if layer.quantization_mode is not None:
        raise UserError(
            f"The dense layer {layer.name} is quantized to {layer.quantization_mode}, which this "
            "format cannot hold: save the embedder before quantize."
        )
    activation = keras.activations.serialize(layer.activation)
    theirs = {name: kind for kind, name in ACTIVATIONS.items()}
    if activation not in theirs:
        raise UserError(
            f"The dense layer {layer.name} has the activation {activation!r}, which cannot be "
            f"saved: choose one of {', '.join(theirs)}."
        )
    kind, package = theirs[activation], "linear" if activation == "linear" else "activation"
    inputs, outputs = layer.kernel.shape
    config = {
        "in_features": inputs,
        "out_features": outputs,
        "bias": layer.use_bias,
        "activation_function": f"torch.nn.modules.{package}.{kind}",
    }
    weights = {"linear.weight": np.ascontiguousarray(_array(layer.kernel).T)}
    if layer.use_bias:
        weights["linear.bias"] = _array(layer.bias)
    return _Module("Dense", config, weights)


def _array(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))
