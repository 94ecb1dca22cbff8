"""Every check of a constructor argument or an input shape says what was given and expected."""

import keras
import numpy as np
import pytest

from kerasformer import layers
from kerasformer.layers.arguments import check_positive, check_rates, check_sizes, clone_initializer

BLOCK = {"hidden_size": 8, "num_heads": 2, "intermediate_size": 16}
CLASSIC = {"vocab_size": 10, "max_length": 6, "hidden_size": 8}
BERT = {**CLASSIC, "type_vocab_size": 2}
ATTENTION = {"num_heads": 2, "key_dim": 4}

NO_SIZES = [0, -1, 2.0, True, None, "8"]
NO_RATES = [-0.1, 1.0, 2, True, None, "0.1", float("nan")]
NO_POSITIVES = [0, -1e-12, True, None, "1e-12", float("nan")]


def wrong(layer_class, arguments, names, values):
    return [(layer_class, arguments, name, value) for name in names for value in values]


WRONG = [
    *wrong(layers.SelfAttention, ATTENTION, ATTENTION, NO_SIZES),
    *wrong(layers.SelfAttention, ATTENTION, ["dropout"], NO_RATES),
    *wrong(layers.TransformerBlock, BLOCK, BLOCK, NO_SIZES),
    *wrong(layers.TransformerBlock, BLOCK, ["dropout"], NO_RATES),
    *wrong(layers.TransformerBlock, BLOCK, ["attention_dropout"], [-0.1, 1.0, "0.1"]),
    *wrong(layers.TransformerBlock, BLOCK, ["layer_norm_epsilon"], NO_POSITIVES),
    *wrong(layers.TokenAndPositionEmbedding, CLASSIC, CLASSIC, NO_SIZES),
    *wrong(layers.TokenAndPositionEmbedding, CLASSIC, ["dropout"], NO_RATES),
    *wrong(layers.BertEmbedding, BERT, BERT, NO_SIZES),
    *wrong(layers.BertEmbedding, BERT, ["dropout"], NO_RATES),
    *wrong(layers.BertEmbedding, BERT, ["layer_norm_epsilon"], NO_POSITIVES),
    *wrong(layers.SequencePooling, {}, ["pooling"], ["average", None, "MEAN", ""]),
]


@pytest.mark.parametrize(("layer_class", "arguments", "name", "value"), WRONG)
def test_a_wrong_argument_is_named(layer_class, arguments, name, value):
    with pytest.raises(ValueError, match=rf"^{name}=") as error:
        layer_class(**{**arguments, name: value})
    sentence = str(error.value)
    assert f"{name}={value!r}" in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert "\n" not in sentence


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match=r"hidden_size=10 is not a multiple of num_heads=4"):
        layers.TransformerBlock(10, 4, 16)


def test_unknown_activation():
    with pytest.raises(ValueError, match="'swosh' is not a known activation"):
        layers.TransformerBlock(**BLOCK, activation="swosh")


def test_attention_dropout_is_the_dropout_by_default():
    assert layers.TransformerBlock(**BLOCK, dropout=0.3).self_attention.dropout == 0.3
    block = layers.TransformerBlock(**BLOCK, dropout=0.3, attention_dropout=0)
    assert block.self_attention.dropout == 0


VECTORS, IDS = np.ones((2, 5, 8), "float32"), np.ones((2, 5), "int32")


@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 5, 7), (2, 1, 5, 8)])
@pytest.mark.parametrize("built", [False, True])
def test_block_given_another_shape(shape, built):
    block = layers.TransformerBlock(**BLOCK)
    if built:
        block.build((None, None, 8))
    with pytest.raises(ValueError, match=str(shape[-1])):
        block(np.ones(shape, "float32"))


@pytest.mark.parametrize("shape", [(5, 8), (2, 1, 5, 8)])
def test_attention_given_another_shape(shape):
    with pytest.raises(ValueError, match=r"Expected an input of shape \[batch, seq, hidden\]"):
        layers.SelfAttention(2, 4)(np.ones(shape, "float32"))


@pytest.mark.parametrize(
    "layer", [layers.TokenAndPositionEmbedding(**CLASSIC), layers.BertEmbedding(**BERT)]
)
@pytest.mark.parametrize("shape", [(5,), (2, 5, 1)])
def test_embedding_given_another_shape(layer, shape):
    with pytest.raises(ValueError, match=r"of shape \[batch, seq\], got"):
        layer(np.ones(shape, "int32"))


@pytest.mark.parametrize("pooling", layers.SequencePooling.POOLINGS)
@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8, 1)])
def test_pooling_given_another_shape(pooling, shape):
    with pytest.raises(ValueError, match=r"of shape \[batch, seq, hidden\], got"):
        layers.SequencePooling(pooling)(np.ones(shape, "float32"))


@pytest.mark.parametrize("shape", [(5,), (2, 1, 5), (2, 1, 1, 5)])
@pytest.mark.parametrize("layer", [layers.TransformerBlock(**BLOCK), layers.SequencePooling()])
def test_padding_mask_of_another_rank(layer, shape):
    with pytest.raises(ValueError, match=r"Expected padding_mask of shape \[batch, seq\], got"):
        layer(VECTORS, padding_mask=np.ones(shape, bool))


@pytest.mark.parametrize("shape", [(5,), (2, 1, 5, 5)])
@pytest.mark.parametrize(
    "layer", [layers.TransformerBlock(**BLOCK), layers.SelfAttention(**ATTENTION)]
)
def test_attention_mask_of_another_rank(layer, shape):
    with pytest.raises(
        ValueError, match=r"Expected attention_mask of shape .* or \[seq, seq\], got"
    ):
        layer(VECTORS, attention_mask=np.ones(shape, bool))


@pytest.mark.parametrize("length", [5, 8])  # 8 positions are as many as the width
def test_attention_takes_one_positional_argument(length):
    x = np.ones((2, length, 8), "float32")
    with pytest.raises(ValueError, match=r"got 2 positional arguments.*attention_mask=mask\.$"):
        layers.SelfAttention(**ATTENTION)(x, x)


@pytest.mark.parametrize("shape", [(2, 1, 4), (4, 4), (2, 5, 8)])
def test_attention_mask_of_other_positions(shape):
    with pytest.raises(ValueError, match=rf"The mask is of {shape[-1]} positions, but the input"):
        layers.SelfAttention(**ATTENTION)(VECTORS, attention_mask=np.ones(shape, bool))


def test_padding_mask_of_other_positions():
    with pytest.raises(ValueError, match=r"The mask is of 4 positions, but the input has 5"):
        layers.TransformerBlock(**BLOCK)(VECTORS, padding_mask=np.ones((2, 4), bool))


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize(
    "layer", [layers.TokenAndPositionEmbedding(**CLASSIC), layers.BertEmbedding(**BERT)]
)
def test_unknown_rank(layer):
    import tensorflow as tf

    layer(IDS)
    run = tf.function(layer, input_signature=[tf.TensorSpec(None, tf.int32)])
    with pytest.raises(ValueError, match=r"of shape \[batch, seq\], got a tensor of unknown rank"):
        run(IDS)
    known = tf.function(layer, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    assert known(IDS).shape == (2, 5, 8)


def test_checks_let_right_values_through():
    check_sizes(a=1, b=10**9)
    check_rates(a=0, b=0.0, c=0.999)
    check_positive(a=1e-12, b=1)


def test_cloned_initializers_are_independent():
    initializer = keras.initializers.RandomNormal(stddev=2.0)
    clone = clone_initializer(initializer)
    assert type(clone) is type(initializer)
    assert clone.stddev == 2.0
    assert not np.array_equal(clone((4, 4)), initializer((4, 4)))


def test_an_initializer_may_be_a_function():
    def sevens(shape, dtype=None):
        return keras.ops.full(shape, 7.0, dtype=dtype)

    layer = layers.TokenAndPositionEmbedding(**CLASSIC, embeddings_initializer=sevens)
    np.testing.assert_array_equal(layer(IDS), np.full((2, 5, 8), 14.0))
