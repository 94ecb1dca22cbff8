"""Additive attention over a sequence, against Keras' own layer and NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import AdditiveAttentionPooling

UNITS, HIDDEN = 5, 4


@pytest.fixture(scope="module")
def layer():
    keras.utils.set_random_seed(2)
    layer = AdditiveAttentionPooling(UNITS, kernel_initializer=keras.initializers.RandomNormal(1))
    layer.build((None, None, HIDDEN))
    layer.hidden.bias.assign(np.linspace(-1, 1, UNITS))
    return layer


def random_case(length, seed):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(3, length, HIDDEN)).astype("float32")
    return states, np.arange(length) < rng.integers(1, length + 1, (3, 1))


def by_numpy(layer, states, mask):
    kernel, bias, score = (ops.convert_to_numpy(w).astype("float64") for w in layer.weights)
    scores = np.tanh(states.astype("float64") @ kernel + bias) @ score[:, 0]
    weights = np.exp(scores) * mask
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights[..., None] * states).sum(axis=1), weights


@settings(settings.get_profile("layers"))
@given(length=st.integers(1, 7), seed=st.integers(0, 99))
def test_it_is_the_formula_of_the_paper(layer, length, seed):
    states, mask = random_case(length, seed)
    pooled, weights = layer(states, padding_mask=mask, return_attention_scores=True)
    expected = by_numpy(layer, states, mask)
    np.testing.assert_allclose(ops.convert_to_numpy(pooled), expected[0], atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), expected[1], atol=1e-6)


def test_it_is_keras_additive_attention_with_the_bias_as_query(layer):
    states, mask = random_case(6, 1)
    kernel, bias, score = layer.weights
    theirs = keras.layers.AdditiveAttention()
    query = np.tile(ops.convert_to_numpy(bias), (3, 1, 1))
    keys = states @ ops.convert_to_numpy(kernel)
    theirs.build([query.shape, states.shape, keys.shape])
    theirs.scale.assign(score[:, 0])
    expected = theirs([query, states, keys], mask=[None, mask, mask])
    ours = layer(states, padding_mask=mask)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours), ops.convert_to_numpy(expected)[:, 0], atol=1e-6
    )


@settings(settings.get_profile("layers"))
@given(length=st.integers(1, 5), padding=st.integers(1, 4), seed=st.integers(0, 99))
def test_padding_changes_nothing(layer, length, padding, seed):
    states, _ = random_case(length, seed)
    padded = np.concatenate([states, np.full((3, padding, HIDDEN), np.nan, "float32")], axis=1)
    mask = np.repeat([[1] * length + [0] * padding], 3, axis=0)
    pooled, weights = layer(padded, padding_mask=mask, return_attention_scores=True)
    expected = ops.convert_to_numpy(layer(states))
    np.testing.assert_allclose(ops.convert_to_numpy(pooled), expected, atol=1e-6)
    assert not ops.convert_to_numpy(weights)[:, length:].any()


def test_a_row_of_padding_gives_zeros(layer):
    states, _ = random_case(3, 0)
    mask = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0]])
    pooled, weights = layer(states, padding_mask=mask, return_attention_scores=True)
    assert not ops.convert_to_numpy(pooled)[1].any()
    np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(axis=1), [1, 0, 1], atol=1e-6)


def test_the_softmax_is_in_float32():
    layer = AdditiveAttentionPooling(UNITS, dtype="mixed_float16")
    states, mask = random_case(6, 1)
    pooled, weights = layer(states, padding_mask=mask, return_attention_scores=True)
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    assert keras.backend.standardize_dtype(pooled.dtype) == "float16"


def test_a_functional_model_gets_the_weights_too(layer):
    inputs = keras.Input((None, HIDDEN))
    mask = keras.Input((None,), dtype="bool")
    outputs = layer(inputs, mask, return_attention_scores=True)
    assert [(one.shape, one.dtype) for one in outputs] == [
        ((None, HIDDEN), "float32"),
        ((None, None), "float32"),
    ]
    assert layer(inputs).shape == (None, HIDDEN)
    given = random_case(6, 1)
    expected = layer(*given, return_attention_scores=True)
    found = keras.Model([inputs, mask], outputs)(given)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(*map(ops.convert_to_numpy, (one, other)), atol=1e-6)


def test_keras_implicit_mask_is_taken(layer):
    states, mask = random_case(6, 1)
    masked = keras.layers.Masking()(states * mask[..., None])
    expected = ops.convert_to_numpy(layer(states, padding_mask=mask))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(masked)), expected, atol=1e-6)
