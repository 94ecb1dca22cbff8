"""Activations against their formulas."""

import math

import keras
import numpy as np
import pytest

from kerasformer.layers import get_activation

X = np.linspace(-6, 6, 101).astype("float32")


def erf_gelu(x):
    return np.array([v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in x.astype("float64")])


def tanh_gelu(x):
    x = x.astype("float64")
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("gelu", erf_gelu),
        ("gelu_tanh", tanh_gelu),
        ("gelu_new", tanh_gelu),
        ("gelu_fast", tanh_gelu),
        ("gelu_pytorch_tanh", tanh_gelu),
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
    ],
)
def test_values(name, formula):
    ours = keras.ops.convert_to_numpy(get_activation(name)(keras.ops.convert_to_tensor(X)))
    np.testing.assert_allclose(ours, formula(X), atol=1e-6)


def test_the_two_gelus_differ():
    assert np.abs(erf_gelu(X) - tanh_gelu(X)).max() > 1e-4


def test_unknown_name_is_one_sentence():
    with pytest.raises(ValueError, match=r"^'gleu' is not a known activation: give one of gelu, "):
        get_activation("gleu")


@pytest.mark.parametrize("value", [None, keras.activations.relu, 3])
def test_only_names(value):
    with pytest.raises(ValueError, match="is not a string"):
        get_activation(value)
