"""With a real model, as tiny as can be: what is stored is what its `TextEmbedder` gives."""

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.corpus import EmbeddedCorpus, embed_corpus
from kerasformer.corpus.recipe import Embedding, Recipe, fingerprint
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s", "é"]
TEXTS = ["The good films.", "", "bad!", "the film é the film", "the " * 50, "films " * 30]


def save_model(folder, seed=3, words=WORDS):
    keras.utils.set_random_seed(seed)
    config = EncoderConfig(
        vocab_size=len(words),
        hidden_size=12,
        num_layers=2,
        num_heads=3,
        intermediate_size=7,
        max_length=20,
        initializer_range=0.5,
    )
    tokenizer = WordPieceTokenizer.from_vocabulary(words)
    BertEncoder(config).save_pretrained(folder, tokenizer=tokenizer)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(text + "\n" for text in TEXTS), encoding="utf-8")
    return path


def test_vectors_are_those_of_the_embedder(model, source, tmp_path):
    settings = {"pooling": "cls", "normalize": True}
    embed_corpus([source], tmp_path / "out", model=model, format="npy", shard_size=4, **settings)
    corpus = EmbeddedCorpus(tmp_path / "out")
    embedder = TextEmbedder.from_pretrained(model, **settings)
    for start, (_, texts, vectors) in zip((0, 4), corpus.shards(), strict=True):
        assert texts == TEXTS[start : start + 4]
        np.testing.assert_array_equal(vectors, embedder.encode(texts))
    np.testing.assert_array_equal(corpus.embedder().encode(TEXTS), embedder.encode(TEXTS))
    np.testing.assert_array_equal(corpus.encode(["bad film"]), embedder.encode(["bad film"]))


def test_texts_that_were_cut_are_counted(model, source, tmp_path, recwarn):
    corpus = embed_corpus([source], tmp_path / "out", model=model, format="npy", shard_size=5)
    assert corpus.manifest.cut == (2, 50 - 18 + 60 - 18)
    assert not recwarn.list


@pytest.mark.parametrize(("dtype", "width"), [("int8", 8), ("binary", 1), ("float16", 8)])
def test_small_vectors(model, source, tmp_path, dtype, width):
    settings = {"dtype": dtype, "dimensions": 8}
    embed_corpus([source], tmp_path / "out", model=model, format="npy", **settings)
    corpus = EmbeddedCorpus(tmp_path / "out")
    ((_, _, vectors),) = corpus.shards()
    assert (corpus.width, corpus.dtype) == (width, dtype)
    np.testing.assert_array_equal(
        vectors, TextEmbedder.from_pretrained(model).encode(TEXTS, **settings)
    )
    np.testing.assert_array_equal(corpus.encode(TEXTS), vectors)


def test_the_fingerprint_is_of_weights_and_vocabulary(model, tmp_path):
    one = TextEmbedder.from_pretrained(model)
    again = TextEmbedder.from_pretrained(model, pooling="cls")
    others = [save_model(tmp_path / "a", seed=4), save_model(tmp_path / "b", words=[*WORDS, "x"])]
    digests = {fingerprint(TextEmbedder.from_pretrained(path)) for path in others}
    assert fingerprint(one) == fingerprint(again)
    assert len({fingerprint(one), *digests}) == 3
    with pytest.raises(UserError, match="is another one than when the job was begun"):
        Embedding(Recipe(str(others[0]), sha256=fingerprint(one)))


def test_what_the_model_says_is_recorded(model):
    recipe = Embedding(Recipe(str(model))).recipe
    assert (recipe.pooling, recipe.max_length, recipe.normalize) == (("mean",), 20, False)
    assert Embedding(recipe).recipe == recipe
