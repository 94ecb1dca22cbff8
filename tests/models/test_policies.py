"""Every dtype policy of Keras on every public layer and on the encoder."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer import layers
from kerasformer.models import BertEncoder, EncoderConfig

POLICIES = {
    "float32": 1e-6,
    "float64": 1e-5,
    "float16": 0.02,
    "bfloat16": 0.15,
    "mixed_float16": 0.02,
    "mixed_bfloat16": 0.15,
}
IDS = np.array([[3, 9, 4, 0, 0], [7, 1, 2, 5, 6]], "int32")
VECTORS = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
CONFIG = EncoderConfig(
    vocab_size=10, hidden_size=8, num_layers=2, num_heads=2, intermediate_size=12, max_length=6,
    initializer_range=0.3, embedding_size=4,
)  # fmt: skip
# name -> the layer by its policy, and its inputs
CASES = {
    "SelfAttention": (lambda **k: layers.SelfAttention(2, 4, **k), [VECTORS]),
    "TransformerBlock": (lambda **k: layers.TransformerBlock(8, 2, 12, **k), [VECTORS]),
    "TokenAndPositionEmbedding": (
        lambda **k: layers.TokenAndPositionEmbedding(10, 6, 8, **k),
        [IDS],
    ),
    "BertEmbedding": (lambda **k: layers.BertEmbedding(10, 6, 2, 8, **k), [IDS]),
    "MaskedLMHead": (lambda **k: layers.MaskedLMHead(5, 8, **k), [VECTORS, VECTORS[0]]),
    "CausalLMHead": (lambda **k: layers.CausalLMHead(**k), [VECTORS, VECTORS[0]]),
    "AdditiveAttentionPooling": (
        lambda **k: layers.AdditiveAttentionPooling(3, **k),
        [VECTORS],
    ),
    "SequencePooling": (lambda **k: layers.SequencePooling("mean", **k), [VECTORS]),
    "LayerPooling": (
        lambda **k: layers.LayerPooling("all", "scalar_mix", **k),
        [[VECTORS, -VECTORS]],
    ),
    "BertEncoder": (lambda **k: BertEncoder(CONFIG, **k), [IDS]),
}


def arrays(outputs):
    return [ops.convert_to_numpy(ops.cast(x, "float32")) for x in keras.tree.flatten(outputs)]


def test_every_public_layer_has_a_case():
    classes = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert classes | {"BertEncoder"} == CASES.keys()


@pytest.mark.parametrize(
    "policy",
    [
        # JAX has no float64 unless it is told at its start.
        pytest.param(name, marks=pytest.mark.backend("tensorflow") if name == "float64" else [])
        for name in POLICIES
    ],
)
@pytest.mark.parametrize("name", CASES)
def test_each_policy_is_near_float32(name, policy):
    make, inputs = CASES[name]
    keras.utils.set_random_seed(1)
    exact, layer = make(), make(dtype=policy)
    expected = exact(*inputs)
    layer(*inputs)
    for ours, theirs in zip(layer.weights, exact.weights, strict=True):
        ours.assign(ops.cast(theirs, ours.dtype))
    outputs = layer(*inputs)
    assert {w.dtype for w in layer.weights} <= {layer.variable_dtype}
    kind = "float32" if name.endswith("LMHead") else layer.compute_dtype
    assert {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)} == {kind}
    for ours, theirs in zip(arrays(outputs), arrays(expected), strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, atol=POLICIES[policy])
