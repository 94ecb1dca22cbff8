"""TextEmbedder: what it gives for texts, whatever their order and batch."""

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer, pack

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "good",
    "bad",
    "film",
    "##s",
    "was",
    "is",
    "!",
    ".",
    ",",
]
pytestmark = pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning")

TEXTS = ["The good films.", "", "bad!", "the film was good, the film is bad.", "the " * 50]


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(3)
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=12,
        num_layers=2,
        num_heads=3,
        intermediate_size=7,
        max_length=20,
        initializer_range=0.5,
    )
    return BertEncoder(config), WordPieceTokenizer.from_vocabulary(WORDS)


def by_hand(encoder, tokenizer, text, max_length=20):
    """One text alone, averaged in numpy."""
    inputs = pack(tokenizer.encode([text], max_length=max_length))
    output = encoder(inputs, outputs=["sequence_output"])["sequence_output"]
    return keras.ops.convert_to_numpy(output)[0].mean(axis=0)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_order_and_batches_do_not_matter(parts, batch_size):
    embedder = TextEmbedder(*parts)
    vectors = embedder.encode(TEXTS, batch_size=batch_size)
    assert (vectors.shape, vectors.dtype) == ((5, 12), np.float32)
    expected = [by_hand(*parts, text) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(
        embedder.encode(TEXTS[::-1], batch_size=batch_size), expected[::-1], atol=1e-5, rtol=0
    )


def test_no_texts_and_other_iterables(parts):
    embedder = TextEmbedder(*parts)
    assert embedder.encode([]).shape == (0, 12)
    expected = embedder.encode(TEXTS)
    np.testing.assert_array_equal(embedder.encode(iter(TEXTS)), expected)
    np.testing.assert_array_equal(embedder.encode(np.array(TEXTS)), expected)


def test_normalizing(parts):
    plain = TextEmbedder(*parts).encode(TEXTS)
    scaled = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(
        TextEmbedder(*parts).encode(TEXTS, normalize=True), scaled, rtol=1e-6
    )
    embedder = TextEmbedder(*parts, normalize=True)
    np.testing.assert_allclose(embedder.encode(TEXTS), scaled, rtol=1e-6)
    np.testing.assert_array_equal(embedder.encode(TEXTS, normalize=False), plain)


def test_maximum_length(parts):
    embedder = TextEmbedder(*parts, max_length=5)
    expected = [by_hand(*parts, text, max_length=5) for text in TEXTS]
    np.testing.assert_allclose(embedder.encode(TEXTS), expected, atol=1e-5, rtol=0)
    assert TextEmbedder(*parts, max_length=10_000).max_length == 20


def test_poolings_are_concatenated(parts):
    each = [TextEmbedder(*parts, mode).encode(TEXTS) for mode in ("cls", "mean_sqrt_len")]
    embedder = TextEmbedder(*parts, ["cls", "mean_sqrt_len"])
    assert embedder.size == 24
    np.testing.assert_allclose(embedder.encode(TEXTS), np.concatenate(each, 1), rtol=1e-5)


def test_a_prompt_left_out_of_the_pooling(parts):
    encoder, tokenizer = parts
    embedder = TextEmbedder(*parts, prompt="the bad ", include_prompt=False)
    output = encoder(pack(tokenizer.encode(["the bad film"])))["sequence_output"]
    expected = keras.ops.convert_to_numpy(output)[0, 3:].mean(axis=0)  # film [SEP]
    np.testing.assert_allclose(embedder.encode(["film"])[0], expected, atol=1e-6)
    with pytest.raises(UserError, match="max_length is 3, and the prompt has 3 tokens already"):
        TextEmbedder(*parts, prompt="the bad ", include_prompt=False, max_length=3)


def test_half_precision_gives_float32_near_to_it(parts):
    encoder, tokenizer = parts
    half = BertEncoder(encoder.config, dtype="mixed_bfloat16")
    half.set_weights(encoder.get_weights())
    vectors = TextEmbedder(half, tokenizer).encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, TextEmbedder(*parts).encode(TEXTS), atol=0.1)


@pytest.mark.parametrize("texts", [["a", None], 7, b"bytes", {"a"}, ["a", 1.5]], ids=str)
def test_what_is_no_list_of_texts(parts, texts):
    with pytest.raises(UserError, match=r"must be a (list of )?str"):
        TextEmbedder(*parts).encode(texts)


def test_an_unknown_pooling(parts):
    with pytest.raises(ValueError, match="mode='median' is not one of"):
        TextEmbedder(*parts, "median")
