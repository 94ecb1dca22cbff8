"""What the graph of a SavedModel shows of an encoder beside its weights; nothing of it is run."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasformer.errors import UserError, require

_MAX_SIZE = 2**27  # BERT large has one of 20 MB
# The operation that is in the graph of one activation alone; the pooler's tanh is in all.
_ACTIVATIONS = {
    "Pow": "gelu_tanh",
    "Erf": "gelu",
    "Erfc": "gelu",
    "Relu": "relu",
    "Sigmoid": "silu",
}


@dataclasses.dataclass(frozen=True)
class GraphTraits:
    """What a SavedModel's graph shows of an encoder; made by `read_graph`.

    Attributes:
        members: The names of the root object's members; none in a SavedModel of TensorFlow 1.
        assets: The names of the files in `assets/` that are members of the root object.
        activations: The activations of which there are operations.
        epsilons: What is added before a reciprocal square root: the epsilons of LayerNorms.
        norm_first: Whether a query is made of what its own block has normalized.
    """

    members: frozenset[str]
    assets: dict[str, str]
    activations: frozenset[str]
    epsilons: frozenset[float]
    norm_first: bool


def read_graph(path: Path) -> GraphTraits:
    """Reads a `saved_model.pb`; a UserError where it is no sound one, or without TensorFlow."""
    require("tensorflow", what=f"the SavedModel {path.parent}")
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        if path.stat().st_size > _MAX_SIZE:
            raise UserError(f"{path} has more than {_MAX_SIZE:,} bytes: it is no BERT's.")
        graph = SavedModel.FromString(path.read_bytes()).meta_graphs[0]
        objects = graph.object_graph_def.nodes
        members = {m.local_name: objects[m.node_id] for node in objects[:1] for m in node.children}
        assets = {
            name: graph.asset_file_def[node.asset.asset_file_def_index].filename
            for name, node in members.items()
            if node.HasField("asset")
        }
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except (DecodeError, IndexError):
        raise UserError(f"{path} is not a sound SavedModel: fetch or write it again.") from None
    functions = [function.node_def for function in graph.graph_def.library.function]
    operations = {node.op for nodes in functions for node in nodes}
    activations = {_ACTIVATIONS[op] for op in operations & _ACTIVATIONS.keys()}
    if not activations and "Square" in operations:  # which is in this package's own GELU
        activations = {"gelu_tanh"}
    return GraphTraits(
        members=frozenset(members),
        assets=assets,
        activations=frozenset(activations),
        epsilons=frozenset(number for nodes in functions for number in _epsilons(nodes)),
        norm_first=any(_is_norm_first(node) for nodes in functions for node in nodes),
    )


def _epsilons(nodes) -> Iterator[float]:
    by_name = {node.name: node for node in nodes}

    def inputs(node, *operations):
        sources = (by_name.get(name.partition(":")[0]) for name in node.input)
        return [source for source in sources if source is not None and source.op in operations]

    for node in nodes:
        if node.op == "Rsqrt":
            for addition in inputs(node, "AddV2", "Add"):
                for constant in inputs(addition, "Const"):
                    yield from _floats(constant.attr["value"].tensor)


def _floats(tensor) -> list[float]:
    """The float32 numbers of a constant that has one or a few, as they would be typed."""
    if tensor.dtype != 1 or len(tensor.tensor_content) % 4:
        return []
    numbers = [*tensor.float_val, *np.frombuffer(tensor.tensor_content, "<f4")]
    return [float(str(np.float32(number))) for number in numbers]


def _is_norm_first(node) -> bool:
    return (
        node.op == "Einsum"
        and "/self_attention/query/" in node.name
        and any("/self_attention_layer_norm/" in name for name in node.input[:1])
    )
