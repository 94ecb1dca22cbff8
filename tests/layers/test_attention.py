"""SelfAttention against keras.layers.MultiHeadAttention, which has the same variables."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import SelfAttention

HEADS, KEY_DIM, HIDDEN, LENGTH = 2, 5, 8, 5  # two heads of 5 are wider than the 8 inputs


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def pair(weights=0, **kwargs):
    """Ours and the stock layer, with the same random weights, biases included."""
    ours = SelfAttention(HEADS, KEY_DIM, **kwargs)
    stock = keras.layers.MultiHeadAttention(HEADS, KEY_DIM, **kwargs)
    ours.build((None, None, HIDDEN))
    stock.build((None, None, HIDDEN), (None, None, HIDDEN))
    rng = np.random.default_rng(weights)
    for mine, theirs in zip(ours.trainable_weights, stock.trainable_weights, strict=True):
        assert mine.path.split("/")[1:] == theirs.path.split("/")[1:]
        value = rng.normal(size=mine.shape)
        mine.assign(value)
        theirs.assign(value)
    return ours, stock


def masks(rng, batch, length):
    """The shapes in which a mask may come; each position sees at least itself."""
    full = rng.random((batch, length, length)) < 0.6
    full |= np.eye(length, dtype=bool)
    keys = rng.random((batch, 1, length)) < 0.6
    keys[..., 0] = True
    return {
        "none": None,
        "full": full,
        "keys": keys,
        "shared": full[:1],
        "square": full[0],
        "integers": full.astype("int32"),
        "floats": full.astype("float32"),
    }


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", masks(np.random.default_rng(), 1, 1))
def test_equals_the_stock_layer(kind, causal, rng):
    ours, stock = pair()
    inputs = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    mask = masks(rng, 2, LENGTH)[kind]
    output, scores = ours(
        inputs, attention_mask=mask, use_causal_mask=causal, return_attention_scores=True
    )
    expected, expected_scores = stock(
        inputs,
        inputs,
        attention_mask=None if mask is None else ops.convert_to_tensor(mask),
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    np.testing.assert_allclose(array(scores), array(expected_scores), atol=2e-6)
    np.testing.assert_allclose(array(output), array(expected), atol=2e-5)
    alone = ours(inputs, attention_mask=mask, use_causal_mask=causal)
    np.testing.assert_array_equal(array(alone), array(output))


@settings(settings.get_profile("layers"))
@given(
    batch=st.integers(1, 3),
    length=st.integers(1, 6),
    seed=st.integers(0, 999),
    causal=st.booleans(),
)
def test_equals_the_stock_layer_at_any_size(batch, length, seed, causal):
    ours, stock = pair(seed)
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(batch, length, HIDDEN)).astype("float32")
    mask = ops.convert_to_tensor(masks(rng, batch, length)["full"])
    given = {"attention_mask": mask, "use_causal_mask": causal}
    np.testing.assert_allclose(
        array(ours(inputs, **given)), array(stock(inputs, inputs, **given)), atol=2e-5
    )


def test_gradients_equal_the_stock_layers(gradients, rng):
    inputs = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    mask = masks(rng, 2, LENGTH)["full"]

    class Attend(keras.Model):
        def __init__(self, layer, copies):
            super().__init__()
            # The inputs' gradient shows in a kernel before them.
            self.before = keras.layers.Dense(HIDDEN, kernel_initializer="identity")
            self.layer, self.copies = layer, copies

        def call(self, x):
            return self.layer(*[self.before(x)] * self.copies, attention_mask=mask)

    direction = 30 * rng.normal(size=inputs.shape)
    ours, stock = pair()
    mine = gradients(Attend(ours, 1), inputs, direction)
    theirs = gradients(Attend(stock, 2), inputs, direction)
    assert len(mine) == len(theirs) == 10
    assert sum(np.abs(g).max() > 0.01 for g in mine.values()) >= 9  # the key's bias cancels
    for (path, gradient), expected in zip(mine.items(), theirs.values(), strict=True):
        np.testing.assert_allclose(gradient, expected, atol=2e-5, rtol=1e-5, err_msg=path)


def test_scores_are_probabilities(rng):
    ours, _ = pair()
    inputs = rng.normal(size=(2, LENGTH, HIDDEN))
    mask = masks(rng, 2, LENGTH)["full"]
    _, scores = ours(inputs, attention_mask=mask, return_attention_scores=True)
    scores = array(scores)
    assert scores.shape == (2, HEADS, LENGTH, LENGTH)
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-6)
    assert (scores >= 0).all()
    assert (scores[~np.repeat(mask[:, None], HEADS, 1)] == 0).all()


def test_scores_are_those_before_dropout(rng):
    ours, _ = pair(dropout=0.5)
    inputs = rng.normal(size=(2, LENGTH, HIDDEN))
    _, scores = ours(inputs, return_attention_scores=True)
    _, in_training = ours(inputs, return_attention_scores=True, training=True)
    np.testing.assert_array_equal(array(scores), array(in_training))


def test_dropout_is_on_in_training_only(rng):
    ours, _ = pair(dropout=0.5)
    inputs = rng.normal(size=(2, LENGTH, HIDDEN))
    still = array(ours(inputs))
    np.testing.assert_array_equal(still, array(ours(inputs, training=False)))
    noisy = [array(ours(inputs, training=True)) for _ in range(2)]
    assert np.abs(noisy[0] - still).max() > 1e-3
    assert np.abs(noisy[0] - noisy[1]).max() > 1e-3


def test_a_seed_repeats_the_dropout(rng):
    inputs = rng.normal(size=(2, LENGTH, HIDDEN))
    first, second, other = (
        array(pair(dropout=0.5, seed=seed)[0](inputs, training=True)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_softmax_of_large_scores_in_half_precision(dtype):
    """Scores of thousands, whose float16 exponentials and mask constants would overflow."""
    layer = SelfAttention(1, 1, dtype=dtype)
    layer.build((None, None, 1))
    for weight in layer.trainable_weights:
        weight.assign(np.full(weight.shape, 100.0 if "kernel" in weight.path else 0.0))
    inputs = np.array([[[1.0], [2.0], [0.5], [3.0]]])
    mask = np.array([[[1, 1, 1, 0]]], bool)
    output, scores = layer(inputs, attention_mask=mask, return_attention_scores=True)
    np.testing.assert_array_equal(array(scores)[0, 0], [[0, 1, 0, 0]] * 4)  # the largest wins
    np.testing.assert_allclose(array(output), 20000, rtol=0.01)


def test_softmax_in_float32_keeps_small_probabilities():
    """4,096 equal scores: a float16 or bfloat16 sum of exponentials would be far from 4,096."""
    layer = SelfAttention(1, 1, dtype="mixed_bfloat16")
    _, scores = layer(np.ones((1, 4096, 1)), return_attention_scores=True)
    np.testing.assert_array_equal(array(scores)[0, 0, :3, :3], 1 / 4096)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_row_that_sees_nothing_is_uniform(dtype, causal, rng):
    layer = SelfAttention(HEADS, KEY_DIM, dtype=dtype)
    inputs = rng.normal(size=(2, LENGTH, HIDDEN))
    mask = np.stack([np.zeros((LENGTH, LENGTH), bool), np.ones((LENGTH, LENGTH), bool)])
    output, scores = layer(
        inputs, attention_mask=mask, use_causal_mask=causal, return_attention_scores=True
    )
    assert np.isfinite(array(output)).all()
    np.testing.assert_allclose(array(scores)[0], 1 / LENGTH, rtol=2e-3)
    np.testing.assert_allclose(array(scores).sum(-1), 1, atol=0.02)


def test_implicit_mask_is_taken(rng):
    layer = SelfAttention(HEADS, KEY_DIM)
    embedding = keras.layers.Embedding(9, HIDDEN, mask_zero=True)
    ids = np.array([[3, 4, 0, 0, 0], [5, 6, 7, 8, 0]])
    explicit = layer(array(embedding(ids)), attention_mask=(ids != 0)[:, None])
    np.testing.assert_array_equal(array(layer(embedding(ids))), array(explicit))
    nothing = np.ones((1, LENGTH, LENGTH), bool)
    over = layer(embedding(ids), attention_mask=nothing)
    np.testing.assert_array_equal(array(over), array(layer(array(embedding(ids)))))
