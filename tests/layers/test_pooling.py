"""SequencePooling against numpy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import SequencePooling

POOLINGS = SequencePooling.POOLINGS
POLICIES = ["float32", "mixed_float16", "mixed_bfloat16"]


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def pooled(pooling, vectors, real):
    """What one row's vectors give."""
    if pooling == "cls":
        return vectors[0]
    chosen, places = vectors[real.astype(bool)], np.flatnonzero(real) + 1
    if not len(chosen):
        return np.zeros(vectors.shape[-1])
    if pooling == "weightedmean":
        return np.average(chosen, axis=0, weights=places)
    if pooling == "lasttoken":
        return chosen[-1]
    if pooling == "mean_sqrt_len":
        return chosen.sum(0) / len(chosen) ** 0.5
    return chosen.mean(0) if pooling == "mean" else chosen.max(0)


@settings(settings.get_profile("layers"))
@given(
    pooling=st.sampled_from(POOLINGS),
    batch=st.integers(1, 3),
    length=st.integers(1, 6),
    dtype=st.sampled_from(["bool", "int32", "float32"]),
    seed=st.integers(0, 999),
)
def test_equals_numpy(pooling, batch, length, dtype, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, length, 4)) - 5  # all below zero: a padded zero must not be the max
    mask = (rng.random((batch, length)) < 0.5).astype(dtype)
    expected = np.stack([pooled(pooling, *row) for row in zip(x, mask, strict=True)])
    layer = SequencePooling(pooling)
    np.testing.assert_allclose(array(layer(x, padding_mask=mask)), expected, atol=1e-5)
    everything = np.stack([pooled(pooling, row, np.ones(length)) for row in x])
    np.testing.assert_allclose(array(layer(x)), everything, atol=1e-5)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "cls"])
@pytest.mark.parametrize("filler", [0, np.nan, np.inf, -np.inf])
def test_what_is_under_padding_does_not_matter(policy, pooling, filler):
    x = np.array([[[1.0, -2.0], [3.0, -4.0], [filler] * 2], [[filler] * 2] * 3])
    mask = np.array([[1, 1, 0], [0, 0, 0]])
    output = SequencePooling(pooling, dtype=policy)(x, padding_mask=mask)
    expected = {
        "mean": [2, -3],
        "max": [3, -2],
        "mean_sqrt_len": [4 / 2**0.5, -6 / 2**0.5],
        "weightedmean": [7 / 3, -10 / 3],
        "lasttoken": [3, -4],
    }[pooling]
    tolerance = 0.02 if policy == "mixed_bfloat16" else 2e-3
    np.testing.assert_allclose(array(output), [expected, [0, 0]], rtol=tolerance)


@pytest.mark.parametrize("masked", [False, True])
def test_mean_of_large_values_in_float16(masked):
    """Their sum, 2e7, is far beyond float16's 65,504."""
    x = np.full((1, 1000, 2), 20000.0)
    given = {"padding_mask": np.ones((1, 1000))} if masked else {}
    output = SequencePooling("mean", dtype="float16")(x, **given)
    np.testing.assert_array_equal(array(output), [[20000, 20000]])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_are_finite_and_reach_real_tokens_alone(policy, pooling, gradients):
    """The gradient shows in the embedding of a token for each place."""
    ids = keras.Input((4,), dtype="int32")
    mask = keras.Input((4,), dtype="int32")
    vectors = keras.layers.Embedding(12, 3, name="places", dtype=policy)(ids)
    output = SequencePooling(pooling, dtype=policy)(vectors, padding_mask=mask)
    model = keras.Model([ids, mask], output)
    real = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]])
    places = np.arange(12).reshape(3, 4)
    (gradient,) = gradients(model, [places, real], np.ones((3, 3))).values()
    assert np.isfinite(gradient).all()
    reached = gradient.reshape(3, 4, 3).any(-1)
    if pooling == "cls":
        np.testing.assert_array_equal(reached, [[True, False, False, False]] * 3)
    else:
        assert not reached[real == 0].any()
        assert reached[0].any()
        assert reached[2].any()
    if pooling == "mean":
        assert reached[real == 1].all()


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_implicit_mask_and_the_explicit_one_that_wins(pooling):
    ids = np.array([[3, 4, 0], [0, 0, 0]])
    x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    layer, plain = SequencePooling(pooling), array(x)
    np.testing.assert_array_equal(array(layer(x)), array(layer(plain, padding_mask=ids != 0)))
    explicit = np.array([[0, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(
        array(layer(x, padding_mask=explicit)), array(layer(plain, padding_mask=explicit))
    )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_no_mask_goes_on(pooling):
    x = keras.layers.Embedding(9, 4, mask_zero=True)(np.array([[3, 0]]))
    assert getattr(SequencePooling(pooling)(x), "_keras_mask", None) is None


def test_the_config_of_an_older_version():
    config = SequencePooling("max", dtype="mixed_bfloat16", name="given").get_config()
    older = {"mode" if key == "pooling" else key: value for key, value in config.items()}
    assert SequencePooling.from_config(older).get_config() == config
