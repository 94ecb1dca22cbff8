"""TF Hub's BERT, a SavedModel, read into native layers; nothing of it is run.

The variables lie in an object-based checkpoint beside the graph, as tf-models-official wrote them:
https://github.com/tensorflow/models/blob/master/official/nlp/tools/export_tfhub_lib.py
The sizes are those of the variables. What these do not show, the activation and LayerNorm's
epsilon, is in the graph as the names and constants of its operations.
"""

import functools
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats.tf_names import (
    IGNORED,
    TF_MODELS,
    config_of_shapes,
    kind_of,
    names_of,
    prefix_of,
)
from kerasformer.checkpoints.io.tf_bundle import open_tensors
from kerasformer.checkpoints.io.tf_graph import GraphTraits, read_graph
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer, casing

_FILE = "saved_model.pb"
_VOCABULARY = "vocab_file"
_LOWER_CASE = "do_lower_case/.ATTRIBUTES/VARIABLE_VALUE"
_AS_IT_IS = "kerasformer.hub.HubEncoder runs it as it is"


def is_here(path: Path) -> bool:
    """Whether the path is the folder of a SavedModel, or its graph."""
    return path.name == _FILE if path.is_file() else (path / _FILE).is_file()


def open_path(path: Path) -> Checkpoint:
    """Opens the folder of tf-models-official's BERT encoder, or the `saved_model.pb` in it."""
    folder = path.parent if path.is_file() else path
    graph = read_graph(folder / _FILE)
    _check_members(graph, folder)
    tensors = open_tensors(folder / "variables" / "variables")
    kind, prefix = kind_of(tensors), prefix_of(tensors, TF_MODELS)
    if kind or prefix is None:
        raise UserError(
            f"{folder} holds {kind or 'no BERT encoder of tf-models-official'}, which cannot be "
            f"read into native layers: where it is an encoder, {_AS_IT_IS}."
        )
    names = names_of(tensors, prefix)
    return Checkpoint(
        path=folder,
        format="TF Hub SavedModel",
        architecture="BertEncoder",
        config=config_of_shapes(tensors, names, folder, **_constants(graph, folder)),
        table=TF_MODELS,
        tensors=tensors,
        names=names,
        read_tokenizer=functools.partial(_read_tokenizer, folder, graph, tensors),
        has_tokenizer=_VOCABULARY in graph.assets,
        ignored=IGNORED,
        prefix=prefix,
    )


def _check_members(graph: GraphTraits, folder: Path):
    if not graph.members:
        raise UserError(
            f"{folder} is a SavedModel of TensorFlow 1, which cannot be read: look for a version "
            "of the model for TensorFlow 2."
        )
    if "bert_pack_inputs" in graph.members or "tokenize" in graph.members:
        raise UserError(
            f"{folder} is a preprocessor and holds no encoder: use it as "
            "kerasformer.hub.HubPreprocessor."
        )


def _constants(graph: GraphTraits, folder: Path) -> dict:
    """The arguments of EncoderConfig that only the graph shows."""
    if graph.norm_first:
        raise UserError(
            f"{folder} normalizes before each layer (norm_first), which BertEncoder does not: "
            f"{_AS_IT_IS}."
        )
    constants: dict[str, Any] = {}
    for name, found in (
        ("activation", graph.activations),
        ("layer_norm_epsilon", graph.epsilons),
    ):
        if len(found) != 1:
            raise UserError(
                f"{folder} has a graph with not one {name} ({sorted(found)}), and cannot be read "
                f"into native layers: {_AS_IT_IS}."
            )
        (constants[name],) = found
    return constants


def _read_tokenizer(folder: Path, graph: GraphTraits, tensors: Tensors) -> WordPieceTokenizer:
    name = graph.assets.get(_VOCABULARY)
    if name is None:
        raise UserError(
            f"{folder} has no {_VOCABULARY}: its tokenizer is the preprocessor that belongs to it, "
            "see kerasformer.hub.HubPreprocessor."
        )
    if name in ("", "..") or Path(name).name != name or "\\" in name:
        raise UserError(f"{folder} names {name!r} as its vocabulary: expected a file's name.")
    lowercase = _is_lower_case(tensors)
    if lowercase is None:
        lowercase = casing.of_release(folder)
    return WordPieceTokenizer.from_vocabulary(folder / "assets" / name, lowercase)


def _is_lower_case(tensors: Tensors) -> bool | None:
    if _LOWER_CASE not in tensors:
        return None
    if tensors.shape(_LOWER_CASE) or tensors.dtype(_LOWER_CASE) != "bool":
        raise UserError(f"do_lower_case in {tensors.file(_LOWER_CASE)} is no single boolean.")
    return bool(tensors[_LOWER_CASE])
