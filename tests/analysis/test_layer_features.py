"""Vectors of all layers, beside those computed by hand from the encoder's outputs."""

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.analysis.layer_features import POOLINGS, layer_features
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film", "a", "##s", "acting", "very"]
TEXTS = ["a very fine film", "", "dull films", "fine", "very " * 30]


def make(num_layers):
    keras.utils.set_random_seed(num_layers)
    config = EncoderConfig(
        vocab_size=len(WORDS), hidden_size=12, num_layers=num_layers, num_heads=3,
        intermediate_size=24, max_length=16, initializer_range=0.3,
    )  # fmt: skip
    return TextEmbedder(BertEncoder(config), WordPieceTokenizer.from_vocabulary(WORDS))


@pytest.fixture(scope="module")
def embedder():
    return make(4)


@pytest.fixture(scope="module")
def features(embedder):
    with pytest.warns(UserWarning, match="longer than max_length"):
        return layer_features(embedder, TEXTS, tuple(POOLINGS))


@pytest.fixture(scope="module")
def states(embedder):
    """Of each text, alone and so without padding, the hidden states `[1, tokens, hidden]`."""
    found = []
    for text in TEXTS:
        ids = np.array(embedder.tokenizer.tokenize([text], max_length=16).ids)
        outputs = embedder.encoder(ids, outputs=["embedding_output", "encoder_outputs"])
        layers = [outputs["embedding_output"], *outputs["encoder_outputs"]]
        found.append([keras.ops.convert_to_numpy(layer) for layer in layers])
    return found


def by_hand(states, layers, pooling):
    """The layers combined token by token, then pooled."""
    tokens = {
        "sum_last_four": lambda: sum(states[-4:]),
        "sum_all": lambda: sum(states[1:]),
        "concat_last_four": lambda: np.concatenate(states[-4:], axis=-1),
    }.get(layers, lambda: states[layers])()
    return {
        "mean": lambda: tokens[0].mean(axis=0),
        "cls": lambda: tokens[0, 0],
        "max": lambda: tokens[0].max(axis=0),
        "mean_sqrt_len": lambda: tokens[0].sum(axis=0) / np.sqrt(tokens.shape[1]),
    }[pooling]()


def test_every_layer_combination_and_pooling(states, features):
    assert features.num_layers == 4
    assert features.choices() == [*range(5), "sum_last_four", "sum_all", "concat_last_four"]
    for layers in features.choices():
        for pooling in POOLINGS:
            expected = [by_hand(text, layers, pooling) for text in states]
            np.testing.assert_allclose(features.of(layers, pooling), expected, atol=2e-5)


def test_they_are_those_that_the_embedder_gives_for_the_same_arguments(embedder, features):
    for layers in ("sum_last_four", "concat_last_four"):
        expected = embedder.encode(TEXTS[:4], layers=layers, pooling="max")
        np.testing.assert_allclose(features.of(layers, "max")[:4], expected, atol=2e-5)


def test_some_of_the_texts(features):
    taken = features.take(np.array([3, 0]))
    for layers in features.choices():
        np.testing.assert_array_equal(taken.of(layers, "cls"), features.of(layers, "cls")[[3, 0]])


@pytest.mark.parametrize(
    ("num_layers", "choices"), [(1, [0, 1]), (3, [0, 1, 2, 3, "sum_all"])], ids=["one", "three"]
)
def test_what_few_blocks_are_combined_to(num_layers, choices):
    assert layer_features(make(num_layers), ["fine"], ["cls"]).choices() == choices


def test_mistakes(embedder):
    with pytest.raises(UserError, match="Unknown pooling 'pooled' for every layer"):
        layer_features(embedder, ["fine"], ["pooled"])
    with pytest.raises(UserError, match="different ones"):
        layer_features(embedder, ["fine"], ["cls", "cls"])
    with pytest.raises(UserError, match="different ones"):
        layer_features(embedder, ["fine"], [])
    with pytest.raises(UserError, match="No texts given"):
        layer_features(embedder, [])
    with pytest.raises(UserError, match="must be a str"):
        layer_features(embedder, ["fine", None])
