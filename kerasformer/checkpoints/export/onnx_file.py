"""A model written for ONNX Runtime."""

from pathlib import Path

import numpy as np

from kerasformer.checkpoints.export.int8_cost import Int8Cost, held_out
from kerasformer.checkpoints.export.onnx_int8 import quantize
from kerasformer.checkpoints.export.saved_model import check_can_write
from kerasformer.checkpoints.export.serving import ids_signature, outputs_of
from kerasformer.errors import UserError, require
from kerasformer.files import write_whole, writing
from kerasformer.layers.kernels import Kernels, use_kernels
from kerasformer.models.length import choose_max_length
from kerasformer.progress import errors_only

_OPSET = 17  # the first with LayerNormalization


def export_onnx(model, path) -> Path:
    """Exports a model for ONNX Runtime: ids in, what `export_serving` returns out.

    Args:
        model: A Keras model that takes the dict of three inputs: `BertEncoder`, `TextClassifier`.
        path: Output file, such as `model.onnx`.

    Returns:
        The path.

    Raises:
        UserError: tf2onnx is not installed, Keras does not run on TensorFlow, or the model has
            an operation that ONNX lacks.
    """
    return _write(_convert(model), path)


def export_int8(model, path, texts, tokenizer, max_length: int | None = None) -> Int8Cost:
    """As `export_onnx`, with the matrix products of all tokens in int8; see `onnx_int8.quantize`.

    What that costs is measured on every fourth of the texts, which is not calibrated on.

    Args:
        model: As `export_onnx` takes it.
        path: Output file, such as `model.onnx`.
        texts: Texts to calibrate on, such as the model is to read.
        tokenizer: The model's tokenizer.
        max_length: The most tokens of a text; by default as many as the model takes.

    Returns:
        What int8 costs.

    Raises:
        UserError: As of `export_onnx`; or the texts are too few or no texts, there is no tokenizer
            or another model's, or the model has nothing to quantize.
    """
    check_can_write()
    require("onnxruntime", extra="onnx")
    tokens = _tokenized(model, texts, tokenizer, max_length)
    quantized, cost = quantize(_convert(model), *tokens)
    _write(quantized, path)
    return cost


def _write(converted, path) -> Path:
    with writing(path, "give a place that can be written to, on a disk with room"):
        return write_whole(path, converted.SerializeToString())


def _tokenized(model, texts, tokenizer, max_length):
    """The texts to calibrate on and those to measure the cost on, tokenized."""
    if tokenizer is None:
        raise UserError(
            f"int8 has texts, and this {type(model).__name__} has no tokenizer for them: give it "
            "as tokenizer."
        )
    config = getattr(model, "encoder", model).config
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the encoder "
            f"{config.vocab_size}: give the one that belongs to it."
        )
    if max_length is None:
        max_length = getattr(model, "max_length", None)
    max_length = choose_max_length(max_length, tokenizer, config.max_length)
    return [tokenizer.tokenize(part, max_length=max_length) for part in held_out(texts)]


def _convert(model):
    """The model in ONNX's terms, float32."""
    check_can_write()
    import tensorflow as tf

    tf2onnx = require("tf2onnx", extra="onnx")
    import onnx  # which tf2onnx brings

    signature, outputs = ids_signature(), outputs_of(model)

    def run(input_word_ids, input_mask, input_type_ids):
        with use_kernels(_OnnxKernels()):
            return outputs(input_word_ids, input_mask, input_type_ids)

    with errors_only("tf2onnx"):  # not that TensorFlow knows no shape of a function of Python
        converted, _ = tf2onnx.convert.from_function(
            tf.function(run, input_signature=signature, autograph=False),
            input_signature=signature,
            opset=_OPSET,
            custom_op_handlers={"Erfc": (_erfc, []), "PyFuncStateless": (_layer_normalization, [])},
        )
    try:
        onnx.checker.check_model(converted)
    except onnx.checker.ValidationError as error:
        raise UserError(
            f"The model cannot be written as ONNX ({str(error).splitlines()[0]}): "
            "write a SavedModel instead."
        ) from None
    return converted


class _OnnxKernels(Kernels):
    """Layer normalization as one operation, which ONNX has and TensorFlow has not."""

    def layer_norm(self, layer, inputs):
        """A function of Python in TensorFlow's graph, in whose place `_layer_normalization` is."""
        import tensorflow as tf

        if inputs.dtype != "float32":
            return super().layer_norm(layer, inputs)
        arguments = [inputs, *map(tf.convert_to_tensor, (layer.gamma, layer.beta))]
        epsilon = tf.constant(layer.epsilon, "float32")
        normal = tf.numpy_function(_normalize, [*arguments, epsilon], "float32", stateful=False)
        return tf.ensure_shape(normal, inputs.shape)


def _normalize(x, gamma, beta, epsilon):
    """What the function computes where it is called rather than converted."""
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return centred / deviation * gamma + beta


def _layer_normalization(graph, node, name, _):
    """The function of `_OnnxKernels` as ONNX's `LayerNormalization`."""
    attributes = {"axis": -1, "epsilon": float(node.inputs[3].get_tensor_value())}
    _replace(graph, node, name, "LayerNormalization", node.input[:3], attributes)


def _erfc(graph, node, name, _):
    """TensorFlow's erfc: 1 - erf; of the exact GELU, erfc(-c x) is 1 + erf(x / (1 / c)).

    The latter is what ONNX Runtime and OpenVINO make one operation of.
    """
    one = graph.make_const(f"{name}/one", np.array(1, "float32")).output[0]
    like = {"shapes": node.output_shapes, "dtypes": node.output_dtypes}
    product = node.inputs[0]
    factors = product.inputs if product.type == "Mul" else ()
    if [factor.type for factor in factors] == ["Neg", "Const"]:
        divisor = 1 / np.float64(factors[1].get_tensor_value())
        divisor = graph.make_const(f"{name}/divisor", np.array(divisor, "float32")).output[0]
        scaled = graph.make_node("Div", [factors[0].input[0], divisor], **like)
        erf = graph.make_node("Erf", scaled.output, **like).output[0]
        _replace(graph, node, name, "Add", [erf, one])
    else:
        erf = graph.make_node("Erf", node.input, **like).output[0]
        _replace(graph, node, name, "Sub", [one, erf])


def _replace(graph, node, name, operation, inputs, attributes=None):
    """Puts one of ONNX's operations in a node's place."""
    shapes, dtypes, outputs = node.output_shapes, node.output_dtypes, node.output
    graph.remove_node(name)
    graph.make_node(
        operation, inputs, attributes, outputs=outputs, name=name, shapes=shapes, dtypes=dtypes
    )
