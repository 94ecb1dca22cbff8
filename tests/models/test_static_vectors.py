"""Static vectors: their table for a vocabulary, PCA, and those distilled from an encoder."""

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig, StaticVectors, distil_static
from kerasformer.text import WordPieceTokenizer, WordTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "film", "##s", "fine", "dull", "a"]


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(1)
    sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "intermediate_size": 20}
    return BertEncoder(
        EncoderConfig(vocab_size=len(TOKENS), max_length=9, initializer_range=0.5, **sizes)
    )


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(TOKENS)


def test_distilled_vectors_are_the_means_of_tokens_alone(encoder, tokenizer):
    """model2vec's: the mean over [CLS], the token and [SEP], padding left out."""
    found = distil_static(encoder, tokenizer, sif=None)
    assert found.words == TOKENS[1:]
    for token in ("film", "##s", "[UNK]"):
        ids = np.array([[2, TOKENS.index(token), 3]])
        states = keras.ops.convert_to_numpy(encoder(ids)["sequence_output"])
        np.testing.assert_allclose(found[token], states[0].mean(axis=0), atol=1e-6)
    assert found.tokenizer is tokenizer


def test_frequent_tokens_weigh_less(encoder, tokenizer):
    plain = distil_static(encoder, tokenizer, sif=None)
    by_rank = distil_static(encoder, tokenizer, sif=1e-2)
    zipf = 1 / np.arange(2, len(TOKENS) + 2)
    weights = 1e-2 / (1e-2 + zipf / zipf.sum())
    np.testing.assert_allclose(by_rank.vectors, plain.vectors * weights[1:, None], rtol=1e-5)
    counted = distil_static(encoder, tokenizer, ["the films", "the film the"], sif=1e-2)
    for token, count in {"the": 3, "film": 2, "##s": 1, "dull": 0}.items():
        weight = 1e-2 / (1e-2 + count / 6)
        np.testing.assert_allclose(counted[token], plain[token] * weight, rtol=1e-5)


def test_only_the_tokens_of_some_texts_get_the_same_vectors(encoder, tokenizer):
    whole = distil_static(encoder, tokenizer)
    some = distil_static(encoder, tokenizer, only=["the films", "a"])
    assert some.words == ["[UNK]", "the", "film", "##s", "a"]
    for token in some.words:
        np.testing.assert_allclose(some[token], whole[token], atol=1e-6)


def test_fewer_dimensions_are_scikit_learns(encoder, tokenizer):
    plain = distil_static(encoder, tokenizer, sif=None)
    reduced = distil_static(encoder, tokenizer, width=4, sif=None)
    theirs = PCA(4, svd_solver="full").fit_transform(plain.vectors)
    np.testing.assert_allclose(np.abs(reduced.vectors), np.abs(theirs), atol=1e-4)
    with pytest.raises(UserError, match="can have from 1 to 9"):
        plain.reduced(10)
    with pytest.raises(UserError, match="sif is 0"):
        distil_static(encoder, tokenizer, sif=0)


def test_more_tokens_than_a_batch_give_the_same_vectors(encoder, tokenizer, monkeypatch):
    whole = distil_static(encoder, tokenizer)
    monkeypatch.setattr("kerasformer.models.distilled_vectors._TOKENS_AT_ONCE", 4)
    np.testing.assert_allclose(distil_static(encoder, tokenizer).vectors, whole.vectors, atol=1e-5)


def test_the_table_of_a_vocabulary():
    vectors = StaticVectors(["Paris", "film", "paris"], [[1, 1], [2, 2], [3, 3]])
    tokens = ["[PAD]", "film", "paris", "PARIS", "unheard"]
    table = vectors.table(tokens)
    assert table.tolist() == [[0, 0], [2, 2], [3, 3], [1, 1], [0, 0]]
    assert StaticVectors(["Paris"], [[1, 1]]).table(["paris"]).tolist() == [[1, 1]]
    assert StaticVectors(["fine"], [[1.0]]).table(["Fine", "fine"]).tolist() == [[1], [1]]
    many = vectors.table([*tokens, *map(str, range(5000))], seed=3)
    np.testing.assert_array_equal(many[1:3], table[1:3])
    assert many[5:].std() == pytest.approx(vectors.vectors.std(), rel=0.05)
    assert abs(many[5:].mean()) < 0.05
    with pytest.raises(UserError, match="None of the 1 tokens has a static vector"):
        vectors.table(["other"])


def test_they_are_read_for_the_tokenizer_of_before(tokenizer, tmp_path):
    vectors = StaticVectors(TOKENS[4:], np.eye(6), tokenizer)
    vectors.save(tmp_path / "vectors.txt")
    assert StaticVectors.load(tmp_path / "vectors.txt", tokenizer=tokenizer).tokenizer is tokenizer


def test_they_are_saved_and_read(tmp_path):
    vectors = StaticVectors(["fine", "dull"], np.random.default_rng(0).normal(size=(2, 4)))
    vectors.save(tmp_path / "vectors.txt")
    again = StaticVectors.load(tmp_path / "vectors.txt")
    assert again.words == vectors.words
    np.testing.assert_array_equal(again.vectors, vectors.vectors)
    with pytest.raises(UserError, match="has no vector of any of the words"):
        StaticVectors.load(tmp_path / "vectors.txt", keep={"other"}.__contains__)


@pytest.mark.parametrize(
    ("words", "vectors", "message"),
    [
        ([], np.zeros((0, 2)), "need words"),
        (["a", "a"], np.zeros((2, 2)), "each of them once"),
        (["a"], np.zeros((2, 2)), "give one vector for each word"),
        (["a"], [[np.inf]], "not finite"),
        (["a", "b"], [[1, 2], [3]], "all of one width"),
        (["a"], [["one"]], "no array of numbers"),
    ],
)
def test_words_without_vectors_are_refused(words, vectors, message):
    with pytest.raises(UserError, match=message):
        StaticVectors(words, vectors)


def test_their_tokenizer_has_capitals_where_they_have_them():
    lower = StaticVectors(["fine", "[UNK]"], np.eye(2)).tokenizer
    assert lower.vocabulary() == ["[PAD]", "[UNK]", "fine"]
    assert lower.tokenize(["Fine"]).ids == [[2]]
    cased = StaticVectors(["Fine", "fine"], np.eye(2)).tokenizer
    assert cased.tokenize(["Fine fine FINE"]).ids == [[2, 3, 1]]
    again = WordTokenizer.from_json(cased.to_json())
    assert again.tokenize(["Fine fine FINE"]).ids == [[2, 3, 1]]
