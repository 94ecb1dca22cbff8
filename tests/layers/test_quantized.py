"""Quantized layers, and layers with LoRA: what Keras' own layers of the same weights compute."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer import layers

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
MODES = ("int8", "int4", "float8", "lora", "lora and int8")
HEADS, KEY_DIM, HIDDEN, LENGTH = 2, 5, 8, 6


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def cosine(one, other):
    one, other = array(one).ravel(), array(other).ravel()
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def randomize(layer, seed=0):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if weight.dtype == "float32":
            weight.assign(rng.normal(scale=0.4, size=weight.shape))


def change(layer, mode):
    """Quantizes a layer or gives it LoRA, with adapters that are not zero."""
    if "lora" in mode:
        layer.enable_lora(2, lora_alpha=3)
        for weight in layer.weights:
            if "lora" in weight.path:
                weight.assign(np.random.default_rng(1).normal(scale=0.4, size=weight.shape))
    if mode != "lora":
        layer.quantize(mode.split()[-1])


def attentions():
    ours = layers.SelfAttention(HEADS, KEY_DIM)
    stock = keras.layers.MultiHeadAttention(HEADS, KEY_DIM)
    ours.build((None, None, HIDDEN))
    stock.build((None, None, HIDDEN), (None, None, HIDDEN))
    for layer in (ours, stock):
        randomize(layer)
    return ours, stock


@pytest.mark.parametrize("parts", [["query"], ["output"], ["query", "key", "value", "output"]])
@pytest.mark.parametrize("mode", MODES)
def test_attention_equals_the_stock_layer(mode, parts, rng):
    ours, stock = attentions()
    inputs = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    mask = np.tril(np.ones((LENGTH, LENGTH), bool))
    before = array(ours(inputs, attention_mask=mask))
    for layer in (ours, stock):
        for part in parts:
            change(getattr(layer, f"{part}_dense"), mode)
    output = array(ours(inputs, attention_mask=mask))
    np.testing.assert_allclose(
        output, array(stock(inputs, inputs, attention_mask=mask)), rtol=1e-4, atol=1e-4
    )
    assert np.abs(output - before).max() > 1e-4


class Gated(keras.layers.EinsumDense):
    """A projection that does more than its kernel and bias say, such as one that is pruned."""

    def call(self, inputs, training=None):
        return 2 * super().call(inputs, training=training)


def test_a_projection_of_another_class_is_called(rng):
    inputs = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    ours, stock = attentions()
    for layer in (ours, stock):
        for name in ("value_dense", "output_dense"):
            dense = getattr(layer, name)
            gated = Gated.from_config(dense.get_config())
            gated.build((None, None, HIDDEN) if name == "value_dense" else (None, None, 2, KEY_DIM))
            gated.set_weights(dense.get_weights())
            layer._tracker.unlock()
            setattr(layer, f"_{name}", gated)
    np.testing.assert_allclose(array(ours(inputs)), array(stock(inputs, inputs)), atol=1e-5)


@pytest.mark.parametrize(
    "argument",
    [
        {"use_bias": False},
        {"value_dim": 3},
        {"sliding_window": 2},
        {"use_gate": True},
        {"kernel_constraint": "non_neg"},
        {"kernel_regularizer": "l2"},
        {"output_shape": 4},
        {"activity_regularizer": "l2"},
        {"flash_attention": True},
    ],
)
def test_attention_refuses_what_it_does_not_do(argument):
    with pytest.raises(ValueError, match=f"SelfAttention takes no {next(iter(argument))}="):
        layers.SelfAttention(HEADS, KEY_DIM, **argument)


IDS = np.array([[3, 9, 4, 1, 1], [7, 1, 2, 5, 6]], "int32")
EMBEDDINGS = {
    "classic": lambda: layers.TokenAndPositionEmbedding(10, 9, HIDDEN),
    "bert": lambda: layers.BertEmbedding(10, 9, 2, HIDDEN),
}


@pytest.mark.parametrize("mode", ["int8", "int4", "lora", "lora and int8"])
@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_each_table_equals_the_stock_layer(kind, mode):
    """Where one table alone is not zero, the sum before the LayerNorm is that table's vectors."""
    for name, ids in (("word_embeddings", IDS), ("position_embedding", np.arange(5)[None])):
        ours = EMBEDDINGS[kind]()
        ours.build((None, None))
        for table in ("word_embeddings", "position_embedding", "type_embeddings"):
            layer = getattr(ours, table, None)
            if layer is not None:
                layer.embeddings.assign(ops.zeros(layer.embeddings.shape))
        table = getattr(ours, name)
        randomize(table)
        stock = keras.layers.Embedding(table.input_dim, HIDDEN)
        stock.build()
        stock.set_weights(table.get_weights())
        for layer in (table, stock):
            change(layer, mode)
        expected = stock(ids)
        if kind == "bert":
            expected = ours.layer_norm(expected)
        expected = np.broadcast_to(array(expected), (2, 5, HIDDEN))
        np.testing.assert_allclose(array(ours(IDS)), expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_a_quantized_block_stays_near_float32(mode, rng):
    block = layers.TransformerBlock(32, 4, 64)
    block.build((None, None, 32))
    randomize(block)
    inputs = rng.normal(size=(2, LENGTH, 32)).astype("float32")
    mask = np.arange(LENGTH) < np.array([[3], [LENGTH]])
    before = block(inputs, padding_mask=mask)
    functional = keras.Sequential([block])
    functional.build((None, None, 32))
    functional.quantize(mode)
    assert {
        d.quantization_mode for d in (block.intermediate, block.self_attention.query_dense)
    } == {mode}
    assert cosine(block(inputs, padding_mask=mask), before) > 0.99
