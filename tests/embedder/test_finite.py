"""Vectors with NaN or infinite values are said, with the text's row, and never returned."""

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
TEXTS = ["good", "good good", "good bad", "bad"]


def make(value, dtype="float32"):
    """An embedder whose vectors of the word "bad" have a value."""
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=6,
        num_layers=1,
        num_heads=2,
        intermediate_size=5,
        max_length=9,
    )
    encoder = BertEncoder(config, dtype=dtype)
    keras.utils.set_random_seed(1)
    encoder(np.array([[2, 3]]))
    table = next(weight for weight in encoder.weights if weight.shape == (len(WORDS), 6))
    rows = np.array(table)
    rows[WORDS.index("bad")] = value
    table.assign(rows)
    return TextEmbedder(encoder, WordPieceTokenizer.from_vocabulary(WORDS))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
@pytest.mark.parametrize("output", ["sentence", "token", "word"])
def test_the_row_is_named(output, dtype):
    embedder = make(np.nan)
    with pytest.raises(UserError, match=r"^texts\[2\] has a vector with NaN or infinite values"):
        embedder.encode(TEXTS, output=output, dtype=dtype)
    assert len(embedder.encode(TEXTS[:2], output=output, dtype=dtype)) == 2


def test_rows_count_through_a_stream(monkeypatch):
    monkeypatch.setattr("kerasformer.embedder.pipeline._POOL_TEXTS", 2)
    stream = make(np.nan).stream(["good"] * 5 + ["bad"])
    assert sum(1 for _ in (next(stream) for _ in range(4))) == 4
    with pytest.raises(UserError, match=r"^texts\[5\] has"):
        next(stream)


def test_a_dense_layer_that_overflows_in_float16():
    embedder = make(0.0)
    dense = keras.layers.Dense(6, dtype="float16")
    dense.build((None, 6))
    dense.set_weights([6e4 * np.eye(6), np.full(6, 6e4)])
    embedder = TextEmbedder(embedder.encoder, embedder.tokenizer, dense=[dense])
    with pytest.raises(UserError, match=r"^texts\[0\] has .*: use float32"):
        embedder.encode(TEXTS)


def test_an_output_in_float16_that_overflows():
    dense = keras.layers.Dense(3)
    dense.build((None, 6))
    dense.set_weights([np.zeros((6, 3)), np.full(3, 1e6)])
    plain = make(0.0)
    embedder = TextEmbedder(plain.encoder, plain.tokenizer, dense=[dense])
    assert np.isfinite(embedder.encode(TEXTS)).all()
    assert np.isfinite(embedder.encode(TEXTS, dtype="float16", normalize=True)).all()
    with pytest.raises(UserError, match=r"^texts\[0\] has .* dtype='float16'"):
        embedder.encode(TEXTS, dtype="float16")
