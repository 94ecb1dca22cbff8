"""Static int8 of the matrix products in an ONNX model, and what it costs.

Weights have a scale for each column, inputs one scale and zero point, both fixed beforehand. Three
things keep the vectors near to float32's; of all-MiniLM-L6-v2, over 130 texts, the smallest cosine
is 0.989 without them and 0.997 with them:

- outliers of single channels are moved from the inputs into the weights: Xiao et al.,
  "SmoothQuant", https://arxiv.org/abs/2211.10438;
- the range of the inputs is that which changes the product least;
- the mean error that is left goes into the bias: Nagel et al., "Data-Free Quantization Through
  Weight Equalization and Bias Correction", https://arxiv.org/abs/1906.04721.

`onnxruntime.quantization` has neither the last two nor, without a further package, the first.
"""

import dataclasses
from typing import Any

import numpy as np

from kerasformer.checkpoints.export.int8_cost import (
    Int8Cost,
    batches_of,
    cost_of,
    session_of,
    vector_output,
    vectors_of,
)
from kerasformer.errors import UserError
from kerasformer.progress import Bars
from kerasformer.text import Tokenized

_SAMPLED_TOKENS = 1536  # kept of all batches
_STRENGTH = 0.8  # SmoothQuant's alpha: how much of the outliers the weights take
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1)  # of the range, tried


def quantize(model: Any, calibration: Tokenized, test: Tokenized) -> tuple[Any, Int8Cost]:
    """An ONNX model with its matrix products in int8, and what that costs.

    Quantized is what multiplies all tokens with a constant matrix and adds a constant vector: the
    four products of each block. Poolers and heads, with a row for each text, stay as they are.

    Args:
        model: An `onnx.ModelProto` of the three inputs.
        calibration: The texts that the ranges of the inputs are taken from.
        test: Other texts, to measure the cost on.

    Raises:
        UserError: The model has no such product, or no output with a vector for each text.
    """
    products, output = _products(model), vector_output(model)
    to_do = list(batches_of(calibration)), list(batches_of(test))
    with Bars() as bars:
        bars.add("calibrating int8", total=len(to_do[0]) + len(products) + 2 * len(to_do[1]))
        names = [product.inputs for product in products]
        samples = _samples(model, names, to_do[0], bars) if names else {}
        if not samples:
            raise UserError(
                "The model has no matrix products in float32 for int8: load it with "
                "dtype='float32', or export it without int8."
            )
        quantized = _replaced(model, [p for p in products if p.inputs in samples], samples, bars)
        exact, ours = (vectors_of(each, output, to_do[1], bars) for each in (model, quantized))
    return quantized, cost_of(exact, ours)


@dataclasses.dataclass
class _Product:
    """A matrix product and the sum behind it, if any: `output = inputs @ weights + bias`."""

    nodes: list[Any]
    inputs: str
    weights: np.ndarray
    bias: np.ndarray

    @property
    def output(self) -> str:
        return self.nodes[-1].output[0]


def _products(model) -> list[_Product]:
    """The products with constant matrices."""
    from onnx import numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    users: dict[str, list] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found = []
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        if weights.ndim != 2 or weights.dtype != np.float32:
            continue
        # A bias of zeros, as a new model has it, is optimized away.
        nodes, bias = [node], np.zeros(weights.shape[1], "float32")
        following = users.get(node.output[0], [])
        if len(following) == 1 and following[0].op_type == "Add":
            for name in set(following[0].input) & constants.keys():
                added = numpy_helper.to_array(constants[name])
                if added.shape == bias.shape:
                    nodes, bias = [node, following[0]], added
        found.append(_Product(nodes, node.input[0], weights, bias))
    return found


def _samples(model, names, batches, bars) -> dict[str, np.ndarray]:
    """Rows of the inputs of products, `[tokens, size]`, of those that have a row for each token."""
    from onnx import ModelProto, helper

    probe = ModelProto()
    probe.CopyFrom(model)
    names = list(dict.fromkeys(names))
    have = {each.name for each in model.graph.output}
    probe.graph.output.extend(
        helper.make_empty_tensor_value_info(n) for n in names if n not in have
    )
    session, rng = session_of(probe), np.random.default_rng(0)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in batches:
        real = np.flatnonzero(batch["input_mask"])
        taken = rng.permutation(real)[: -(-_SAMPLED_TOKENS // len(batches))]
        for name, values in zip(names, session.run(names, batch), strict=True):
            if values.ndim == 2 and len(values) == batch["input_mask"].size:
                rows[name].append(values[taken])
        bars.update(advance=1)
    found = {name: parts for name, parts in rows.items() if len(parts) == len(batches)}
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _replaced(model, products, samples, bars):
    """The model with products in int8, without the constants that it has no use for any more."""
    from onnx import ModelProto

    quantized = ModelProto()
    quantized.CopyFrom(model)
    graph = quantized.graph
    start = {product.nodes[0].name: product for product in products}
    replaced = {node.name for product in products for node in product.nodes}
    nodes = []
    for node in model.graph.node:
        if node.name in start:
            product = start[node.name]
            new, constants = _in_int8(product, samples[product.inputs])
            nodes += new
            graph.initializer.extend(constants)
            bars.update(advance=1)
        elif node.name not in replaced:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return quantized


def _in_int8(product: _Product, x: np.ndarray):
    """The nodes and constants of a product in int8, of whose inputs there are samples."""
    from onnx import helper, numpy_helper

    name = product.nodes[0].name
    smooth = _smoothing(x, product.weights)
    x, weights = x / smooth, product.weights * smooth[:, None]
    scale, zero = _range(x, weights)
    weight_scales = np.maximum(np.abs(weights).max(axis=0), 1e-30) / np.float32(127)
    integers = np.round(weights / weight_scales).astype("int8")
    error = x @ weights - _rounded(x, scale, zero) @ (integers * weight_scales)
    bias = (product.bias + error.mean(axis=0)) / (scale * weight_scales)
    limit = 2**31 - 129  # the largest int32 that float32 has
    values = {
        "smooth": 1 / smooth,
        "scale": scale,
        "zero": np.uint8(zero),
        "weights": integers,
        "weight_scales": weight_scales,
        # ONNX Runtime makes no product in int8 of weights whose zero points are left out.
        "weight_zeros": np.zeros_like(integers[0]),
        "bias": np.clip(np.round(bias), -limit, limit).astype("int32"),
        "bias_scales": scale * weight_scales,
        "bias_zeros": np.zeros(len(bias), "int32"),
    }
    of = {key: f"{name}/int8/{key}" for key in (*values, "x", "q", "d", "w", "b")}
    make = helper.make_node
    scaling = of["scale"], of["zero"]
    weight_scaling = of["weight_scales"], of["weight_zeros"]
    bias_scaling = of["bias_scales"], of["bias_zeros"]
    nodes = [
        make("Mul", [product.inputs, of["smooth"]], [of["x"]]),
        make("QuantizeLinear", [of["x"], *scaling], [of["q"]]),
        make("DequantizeLinear", [of["q"], *scaling], [of["d"]]),
        make("DequantizeLinear", [of["weights"], *weight_scaling], [of["w"]], axis=1),
        make("DequantizeLinear", [of["bias"], *bias_scaling], [of["b"]], axis=0),
        make("Gemm", [of["d"], of["w"], of["b"]], [product.output], name=f"{name}/int8"),
    ]
    return nodes, [numpy_helper.from_array(np.asarray(v), of[k]) for k, v in values.items()]


def _smoothing(x, weights):
    """What the channels of inputs are divided by, and the rows of the weights multiplied."""
    inputs, rows = (np.maximum(np.abs(a).max(axis=i), 1e-5) for a, i in ((x, 0), (weights, 1)))
    smooth = inputs**_STRENGTH / rows ** (1 - _STRENGTH)
    return np.maximum(smooth / np.median(smooth), 0.01).astype("float32")


def _range(x, weights):
    """The scale and zero point of inputs that change the product least."""
    low, high = min(x.min(), 0.0), max(x.max(), 1e-6)
    tried = {(low * share, high * share) for share in _SHARES}
    tried |= {(max(low, -high * share), high * share) for share in _SHARES}
    best = None
    for least, most in sorted(tried):
        scale = np.float32((most - least) / 255)
        zero = np.clip(np.round(-least / scale), 0, 255)
        error = float(np.square((x - _rounded(x, scale, zero)) @ weights).sum())
        if best is None or error < best[0]:
            best = error, scale, zero
    return best[1:]


def _rounded(x, scale, zero):
    """Values as int8 has them."""
    return ((np.clip(np.round(x / scale) + zero, 0, 255) - zero) * scale).astype("float32")
