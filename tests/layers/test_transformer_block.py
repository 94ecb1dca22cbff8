"""TransformerBlock against its formulas in float64, against stock layers, and its laws."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import TransformerBlock

HIDDEN, HEADS, INNER, LENGTH = 8, 2, 12, 5
CAUSAL = np.tril(np.ones((LENGTH, LENGTH), bool))


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def make_block(weights=0, **kwargs):
    """A block whose every weight is random: biases and LayerNorms start as zeros and ones."""
    block = TransformerBlock(HIDDEN, HEADS, INNER, **kwargs)
    block.build((None, None, HIDDEN))
    rng = np.random.default_rng(weights)
    for weight in block.trainable_weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape) + ("gamma" in weight.path))
    return block


ACTIVATIONS = {
    "gelu": lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "relu": lambda x: np.maximum(x, 0),
}


class Reference:
    """The block in plain numpy and float64, written from the papers."""

    def __init__(self, block):
        self.block = block
        self.weights = {
            w.path.removeprefix(block.path + "/"): ops.convert_to_numpy(w.value).astype("float64")
            for w in block.trainable_weights
        }

    def dense(self, x, name):
        return x @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + self.block.layer_norm_epsilon)
        return centred / scale * self.weights[f"{name}/gamma"] + self.weights[f"{name}/beta"]

    def heads(self, x, name):
        kernel = self.weights[f"self_attention/{name}/kernel"]
        bias = self.weights[f"self_attention/{name}/bias"]
        return np.stack([x @ kernel[:, h] + bias[h] for h in range(HEADS)], axis=1)

    def attention(self, x, allowed):
        query, key, value = (self.heads(x, name) for name in ("query", "key", "value"))
        logits = query @ key.swapaxes(-1, -2) / math.sqrt(HIDDEN // HEADS)
        weights = np.exp(np.where(allowed[:, None], logits, -np.inf))
        scores = weights / weights.sum(-1, keepdims=True)
        kernel = self.weights["self_attention/attention_output/kernel"]
        output = sum((scores @ value)[:, h] @ kernel[h] for h in range(HEADS))
        return output + self.weights["self_attention/attention_output/bias"], scores

    def feed_forward(self, x):
        inner = self.dense(x, "intermediate")
        return self.dense(ACTIVATIONS[self.block.activation](inner), "output")

    def __call__(self, x, allowed):
        first, second = "self_attention_layer_norm", "output_layer_norm"
        if self.block.norm_first:
            attended, scores = self.attention(self.norm(x, first), allowed)
            x = x + attended
            return x + self.feed_forward(self.norm(x, second)), scores
        attended, scores = self.attention(x, allowed)
        x = self.norm(x + attended, first)
        return self.norm(x + self.feed_forward(x), second), scores


def case(rng, batch=2, length=LENGTH):
    """Vectors, a padding mask with at least one token, an attention mask with the diagonal."""
    x = rng.normal(size=(batch, length, HIDDEN))
    padding = np.arange(length) < rng.integers(1, length + 1, size=(batch, 1))
    attention = (rng.random((batch, length, length)) < 0.7) | np.eye(length, dtype=bool)
    attention[..., 0] = True  # so that every row sees a real token
    return x, padding, attention


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masks", [(), ("padding",), ("attention",), ("padding", "attention")])
def test_equals_numpy(norm_first, causal, masks, rng):
    x, padding, attention = case(rng)
    allowed = np.ones_like(attention)
    given = {}
    if "padding" in masks:
        allowed, given["padding_mask"] = allowed & padding[:, None], padding.astype("int32")
    if "attention" in masks:
        allowed, given["attention_mask"] = allowed & attention, attention
    if causal:
        allowed = allowed & CAUSAL
    block = make_block(norm_first=norm_first, causal=causal)
    output, scores = block(x.astype("float32"), return_attention_scores=True, **given)
    expected, expected_scores = Reference(block)(x, allowed)
    np.testing.assert_allclose(array(scores), expected_scores, atol=1e-5)
    np.testing.assert_allclose(array(output), expected, atol=3e-5)
    alone = block(x.astype("float32"), **given)
    np.testing.assert_array_equal(array(alone), array(output))


@pytest.mark.backend("tensorflow")  # JAX has no float64 unless it is told to before it starts
@pytest.mark.parametrize("norm_first", [False, True])
def test_equals_numpy_in_float64(norm_first, rng):
    x, padding, _ = case(rng)
    # TensorFlow's own GELU has a constant in float32.
    block = make_block(norm_first=norm_first, activation="relu", dtype="float64")
    output, scores = block(x, padding_mask=padding, return_attention_scores=True)
    expected, expected_scores = Reference(block)(x, np.repeat(padding[:, None], LENGTH, 1))
    np.testing.assert_allclose(ops.convert_to_numpy(scores), expected_scores, atol=1e-13, rtol=0)
    np.testing.assert_allclose(ops.convert_to_numpy(output), expected, atol=1e-12, rtol=0)


class StockBlock(keras.Model):
    """A block of stock layers alone, with another's weights."""

    def __init__(self, block):
        super().__init__()
        epsilon = block.layer_norm_epsilon
        self.attention = keras.layers.MultiHeadAttention(HEADS, HIDDEN // HEADS)
        self.first_norm = keras.layers.LayerNormalization(epsilon=epsilon)
        self.intermediate = keras.layers.Dense(INNER, activation="gelu")
        self.output_dense = keras.layers.Dense(HIDDEN)
        self.second_norm = keras.layers.LayerNormalization(epsilon=epsilon)
        self.norm_first = block.norm_first
        self(np.zeros((1, 1, HIDDEN)))
        for mine, theirs in zip(self.trainable_weights, block.trainable_weights, strict=True):
            mine.assign(ops.convert_to_numpy(theirs.value))

    def call(self, x):
        if self.norm_first:
            normed = self.first_norm(x)
            x = x + self.attention(normed, normed)
            return x + self.output_dense(self.intermediate(self.second_norm(x)))
        x = self.first_norm(x + self.attention(x, x))
        return self.second_norm(x + self.output_dense(self.intermediate(x)))


class OurBlock(keras.Model):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def call(self, x):
        return self.block(x)


@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients_equal_the_stock_layers(norm_first, gradients, rng):
    block = make_block(norm_first=norm_first, dropout=0)
    x = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    direction = 10 * rng.normal(size=x.shape)
    stock = StockBlock(block)
    np.testing.assert_allclose(array(stock(x)), array(block(x)), atol=1e-5)
    theirs = gradients(stock, x, direction)
    mine = gradients(OurBlock(block), x, direction)
    assert len(mine) == 16
    assert sum(np.abs(gradient).max() > 1e-3 for gradient in mine.values()) >= 15
    for (path, gradient), expected in zip(mine.items(), theirs.values(), strict=True):
        np.testing.assert_allclose(gradient, expected, atol=1e-5, rtol=1e-5, err_msg=path)


@settings(settings.get_profile("layers"))
@given(
    length=st.integers(1, 5),
    padding=st.integers(0, 3),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    seed=st.integers(0, 999),
    norm_first=st.booleans(),
)
def test_padding_changes_nothing(length, padding, scale, seed, norm_first):
    block = make_block(seed, norm_first=norm_first)
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(2, length, HIDDEN)).astype("float32")
    filler = scale * rng.normal(size=(2, padding, HIDDEN)).astype("float32")
    mask = np.arange(length + padding) < length
    output = block(np.concatenate([real, filler], axis=1), padding_mask=np.stack([mask, mask]))
    np.testing.assert_allclose(array(output)[:, :length], array(block(real)), atol=1e-5)


@settings(settings.get_profile("layers"))
@given(order=st.permutations(range(LENGTH)), seed=st.integers(0, 999), norm_first=st.booleans())
def test_knows_no_order(order, seed, norm_first):
    block = make_block(seed, norm_first=norm_first)
    x = np.random.default_rng(seed).normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    np.testing.assert_allclose(array(block(x[:, order])), array(block(x))[:, order], atol=1e-5)


@settings(settings.get_profile("layers"))
@given(length=st.integers(2, 5), data=st.data(), seed=st.integers(0, 999), norm_first=st.booleans())
def test_causal_never_sees_what_comes_later(length, data, seed, norm_first):
    cut = data.draw(st.integers(1, length - 1))
    block = make_block(seed, causal=True, norm_first=norm_first)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, length, HIDDEN)).astype("float32")
    changed = x.copy()
    changed[:, cut:] += rng.normal(size=changed[:, cut:].shape)
    before, after = array(block(x)), array(block(changed))
    np.testing.assert_allclose(after[:, :cut], before[:, :cut], atol=1e-6)
    assert np.abs(after[:, cut:] - before[:, cut:]).max() > 1e-3
    np.testing.assert_allclose(array(block(x[:, :cut])), before[:, :cut], atol=1e-5)


def embedded(ids):
    """Vectors that carry Keras' implicit mask."""
    return keras.layers.Embedding(9, HIDDEN, mask_zero=True, name="embedding")(ids)


IDS = np.array([[3, 4, 0, 0, 0], [5, 6, 7, 8, 0]])


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("extra", [{}, {"attention_mask": CAUSAL}])
def test_implicit_mask_equals_the_explicit_one(norm_first, extra):
    block = make_block(norm_first=norm_first)
    x = embedded(IDS)
    plain = array(x)
    expected = array(block(plain, padding_mask=IDS != 0, **extra))
    np.testing.assert_array_equal(array(block(x, **extra)), expected)
    assert np.abs(array(block(plain, **extra)) - expected).max() > 1e-3


@pytest.mark.parametrize("extra", [{}, {"attention_mask": CAUSAL}])
def test_explicit_mask_wins(extra):
    block = make_block()
    x = embedded(IDS)
    explicit = np.array([[0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(
        array(block(x, padding_mask=explicit, **extra)),
        array(block(array(x), padding_mask=explicit, **extra)),
    )


@pytest.mark.parametrize("explicit", [False, True])
def test_the_mask_goes_on_and_an_explicit_one_wins(explicit):
    block = make_block()
    given = {"padding_mask": np.ones_like(IDS)} if explicit else {}
    output = block(embedded(IDS), **given)
    np.testing.assert_array_equal(array(output._keras_mask), explicit | (IDS != 0))


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(("norm_first", "causal"), [(False, False), (True, True)])
def test_a_row_of_padding_alone_is_finite(dtype, norm_first, causal, gradients, rng):
    inputs = keras.Input((LENGTH, HIDDEN))
    mask = keras.Input((LENGTH,), dtype="int32")
    block = TransformerBlock(
        HIDDEN, HEADS, INNER, norm_first=norm_first, causal=causal, dtype=dtype
    )
    model = keras.Model([inputs, mask], block(inputs, padding_mask=mask))
    given = [rng.normal(size=(2, LENGTH, HIDDEN)), np.array([[0, 0, 0, 0, 0], [1, 1, 0, 0, 0]])]
    assert np.isfinite(array(model(given))).all()
    for path, gradient in gradients(model, given, rng.normal(size=(2, LENGTH, HIDDEN))).items():
        assert np.isfinite(gradient).all(), path


def test_dropout_is_on_in_training_only(rng):
    block = make_block(dropout=0.5)
    x = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    still = array(block(x))
    np.testing.assert_array_equal(still, array(block(x, training=False)))
    noisy = [array(block(x, training=True)) for _ in range(2)]
    assert np.abs(noisy[0] - still).max() > 1e-3
    assert np.abs(noisy[0] - noisy[1]).max() > 1e-3
    without = make_block(dropout=0)
    np.testing.assert_array_equal(array(without(x, training=True)), array(without(x)))


def test_a_seed_repeats_the_dropout(rng):
    x = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    first, second, other = (
        array(make_block(dropout=0.5, seed=seed)(x, training=True)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("activation", ["relu", "gelu_tanh"])
def test_activation_is_the_feed_forwards(activation, rng):
    x = rng.normal(size=(2, LENGTH, HIDDEN)).astype("float32")
    exact, other = make_block(), make_block(activation=activation)
    assert np.abs(array(exact(x)) - array(other(x))).max() > 1e-4
    relu = make_block(activation="relu")
    relu.intermediate.bias.assign(np.full(INNER, -1e6))  # nothing passes a ReLU
    relu.self_attention_layer_norm.gamma.assign(np.zeros(HIDDEN))
    np.testing.assert_allclose(np.ptp(array(relu(x)), axis=(0, 1)), 0, atol=1e-6)


def test_weights_have_the_names_of_tf_hubs_bert():
    names = {w.path.split("/", 1)[1] for w in make_block().trainable_weights}
    projections = ("query", "key", "value", "attention_output")
    expected = {f"self_attention/{p}/{w}" for p in projections for w in ("kernel", "bias")}
    expected |= {f"{d}/{w}" for d in ("intermediate", "output") for w in ("kernel", "bias")}
    norms = ("self_attention_layer_norm", "output_layer_norm")
    expected |= {f"{n}/{w}" for n in norms for w in ("gamma", "beta")}
    assert names == expected
