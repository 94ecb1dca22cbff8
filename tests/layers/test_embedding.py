"""The embeddings against numpy, and what they take and refuse."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import (
    BertEmbedding,
    SequencePooling,
    TokenAndPositionEmbedding,
    TransformerBlock,
)

VOCAB, LENGTH, HIDDEN = 3000, 7, 6
IDS = np.array([[5, 2049, 2999, 0], [1, 2, 0, 0]])


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def classic(**kwargs):
    return TokenAndPositionEmbedding(VOCAB, LENGTH, HIDDEN, **kwargs)


def bert(**kwargs):
    layer = BertEmbedding(VOCAB, LENGTH, 3, HIDDEN, **kwargs)
    layer.build((None, None))
    rng = np.random.default_rng(0)
    for weight in (layer.layer_norm.gamma, layer.layer_norm.beta):
        weight.assign(rng.normal(size=weight.shape))
    return layer


def table(layer):
    return array(layer.embeddings)


@settings(settings.get_profile("layers"))
@given(batch=st.integers(1, 3), length=st.integers(1, LENGTH), seed=st.integers(0, 99))
def test_every_length_equals_numpy(batch, length, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCAB, size=(batch, length))
    types = rng.integers(0, 3, size=(batch, length))

    def tables_sum(layer):
        words, positions = table(layer.word_embeddings), table(layer.position_embedding)
        return words[ids].astype("float64") + positions[:length]

    layer = classic()
    output = array(layer(ids))
    np.testing.assert_allclose(output, tables_sum(layer), atol=1e-6)

    layer = bert()
    total = tables_sum(layer) + table(layer.type_embeddings)[types]
    total -= total.mean(-1, keepdims=True)
    total /= np.sqrt((total**2).mean(-1, keepdims=True) + layer.layer_norm_epsilon)
    expected = total * array(layer.layer_norm.gamma) + array(layer.layer_norm.beta)
    np.testing.assert_allclose(array(layer(ids, types)), expected, atol=1e-4)


def test_segments_are_zeros_by_default():
    layer = bert()
    np.testing.assert_array_equal(array(layer(IDS)), array(layer(IDS, np.zeros_like(IDS))))
    assert np.abs(array(layer(IDS)) - array(layer(IDS, np.ones_like(IDS)))).max() > 1e-3


@pytest.mark.parametrize("make", [classic, bert])
@pytest.mark.parametrize("length", [LENGTH + 1, 100])
def test_too_long_names_both_numbers(make, length):
    layer = make()
    with pytest.raises(ValueError, match=rf"has {length} positions and the position table 7"):
        layer(np.ones((1, length), "int32"))
    with pytest.raises(ValueError, match=rf"has {length} positions and the position table 7"):
        layer(keras.KerasTensor((None, length), dtype="int32"))


@pytest.mark.parametrize("make", [classic, bert])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "float32", "float64"])
def test_dtypes_of_the_ids(make, policy, dtype):
    """float16 holds no odd number above 2,048, so float ids must not be cast to it."""
    layer = make(dtype=policy)
    expected = array(layer(IDS.astype("int32")))
    np.testing.assert_array_equal(array(layer(IDS.astype(dtype))), expected)


@pytest.mark.parametrize("make", [classic, bert])
def test_small_ids_may_be_bytes(make):
    layer, ids = make(), np.array([[1, 255, 0]])
    np.testing.assert_array_equal(array(layer(ids.astype("uint8"))), array(layer(ids)))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_an_input_without_dtype_holds_ids(policy):
    """`keras.Input` is float32 where nothing else is said."""
    inputs = keras.Input((None,))
    layer = classic(dtype=policy)
    model = keras.Model(inputs, layer(inputs))
    np.testing.assert_array_equal(array(model(IDS)), array(layer(IDS)))


def test_mask_zero():
    np.testing.assert_array_equal(array(classic()(IDS)._keras_mask), IDS != 0)
    assert getattr(classic(mask_zero=False)(IDS), "_keras_mask", None) is None
    assert getattr(bert()(IDS), "_keras_mask", None) is None


def test_both_tables_start_differently():
    layer = TokenAndPositionEmbedding(5, 5, 4)
    layer.build((None, None))
    assert np.abs(table(layer.word_embeddings) - table(layer.position_embedding)).max() > 1e-3


@pytest.mark.parametrize("make", [classic, bert])
def test_dropout_is_on_in_training_only(make):
    layer = make(dropout=0.5)
    still = array(layer(IDS))
    np.testing.assert_array_equal(still, array(layer(IDS, training=False)))
    noisy = array(layer(IDS, training=True))
    assert 0 < (noisy == 0).mean() < 1
    np.testing.assert_allclose(noisy[noisy != 0], 2 * still[noisy != 0], rtol=1e-5)


@pytest.mark.parametrize(("mode", "norm_first"), [("mean", False), ("max", True)])
def test_padding_in_a_sequential_classifier_changes_nothing(mode, norm_first, rng):
    """The implicit mask reaches the attention and the pooling through every layer."""
    model = keras.Sequential(
        [
            classic(embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0)),
            TransformerBlock(HIDDEN, 2, 8, norm_first=norm_first),
            TransformerBlock(HIDDEN, 3, 8, norm_first=norm_first),
            SequencePooling(mode),
            keras.layers.Dense(2),
        ]
    )
    short = rng.integers(1, VOCAB, size=(3, 4))
    long = np.pad(short, [(0, 0), (0, 3)])
    np.testing.assert_allclose(array(model(long)), array(model(short)), atol=1e-5)
    # And the words are not ignored with it.
    assert np.abs(array(model(short)) - array(model(short[:, ::-1]))).max() > 1e-3
