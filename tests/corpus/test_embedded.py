"""With a real model, as tiny as can be: what is stored is what its `TextEmbedder` gives."""

import os

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.corpus import EmbeddedCorpus, embed_corpus
from kerasformer.corpus.embedding import ConfiguredEmbedder, EmbeddingConfig, model_fingerprint
from kerasformer.errors import UserError
from kerasformer.layers import LayerPooling
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning")

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


@pytest.fixture(scope="module")
def embedder(model):
    return TextEmbedder.from_pretrained(model)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(text + "\n" for text in TEXTS), encoding="utf-8")
    return path


def test_vectors_are_those_of_the_embedder(model, embedder, source, tmp_path):
    settings = {"pooling": "cls", "normalize": True}
    embed_corpus([source], tmp_path / "out", model=model, format="npy", shard_size=4, **settings)
    corpus = EmbeddedCorpus(tmp_path / "out")
    for start, (_, texts, vectors) in zip((0, 4), corpus.shards(), strict=True):
        assert texts == TEXTS[start : start + 4]
        np.testing.assert_array_equal(vectors, embedder.encode(texts, **settings))
    expected = embedder.encode(["bad film"], **settings)
    np.testing.assert_array_equal(corpus.encode(["bad film"]), expected)
    np.testing.assert_array_equal(corpus.embedder().encode(["bad film"]), expected)


def test_texts_that_were_cut_are_counted(model, source, tmp_path, recwarn):
    corpus = embed_corpus([source], tmp_path / "out", model=model, format="npy", shard_size=5)
    assert corpus.manifest.cut == (2, 50 - 18 + 60 - 18)
    assert not [warning for warning in recwarn.list if "cut off" in str(warning.message)]


@pytest.mark.parametrize(("dtype", "width"), [("int8", 8), ("binary", 1)])
def test_small_vectors(model, embedder, source, tmp_path, dtype, width):
    settings = {"dtype": dtype, "dimensions": 8}
    corpus = embed_corpus([source], tmp_path / "out", model=model, format="npy", **settings)
    ((_, _, vectors),) = corpus.shards()
    assert (corpus.width, corpus.dtype) == (width, dtype)
    np.testing.assert_array_equal(vectors, embedder.encode(TEXTS, **settings))


def test_the_fingerprint_is_of_weights_and_vocabulary(model, embedder, tmp_path):
    one, again = embedder, TextEmbedder.from_pretrained(model, pooling="cls")
    others = [save_model(tmp_path / "a", seed=4), save_model(tmp_path / "b", words=[*WORDS, "x"])]
    digests = {model_fingerprint(TextEmbedder.from_pretrained(path)) for path in others}
    assert model_fingerprint(one) == model_fingerprint(again)
    assert len({model_fingerprint(one), *digests}) == 3
    with pytest.raises(UserError, match="has changed since the job was begun"):
        ConfiguredEmbedder(EmbeddingConfig(str(others[0]), sha256=model_fingerprint(one)))


def test_a_model_replaced_by_one_of_the_same_size_and_time_is_not_gone_on_with(source, tmp_path):
    model = save_model(tmp_path / "model")
    embed_corpus([source], tmp_path / "out", model=model, format="npy", shard_size=2)
    (tmp_path / "out" / "part-00001.npy").unlink()
    weights = model / "model.safetensors"
    stamp, content = weights.stat(), weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(weights, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(UserError, match=r"^The model .*model has changed since the job was begun"):
        embed_corpus([], tmp_path / "out", resume=True)
    weights.write_bytes(content)
    assert embed_corpus([], tmp_path / "out", resume=True).complete


def test_progress_counts_texts(model):
    embedding, counts = ConfiguredEmbedder(EmbeddingConfig(str(model))), []
    embedding.advance = counts.append
    embedding(TEXTS)
    assert sum(counts) == len(TEXTS)


def test_what_the_model_says_is_recorded(model):
    config = ConfiguredEmbedder(EmbeddingConfig(str(model))).config
    assert (config.pooling, config.max_length, config.normalize) == (("mean",), 20, False)
    assert ConfiguredEmbedder(config).config == config


def test_a_trained_mix_of_layers_is_a_part_of_the_model(embedder, tmp_path):
    digests = set()
    for scale in (0.5, 2.0):
        mix = LayerPooling("all", "scalar_mix")
        mix.build([(None, None, 12)] * 3)
        mix.set_weights([np.zeros(3), np.array(scale)])
        mixed = TextEmbedder(embedder.encoder, embedder.tokenizer, layers=mix)
        mixed.save_pretrained(tmp_path / str(scale))
        read = ConfiguredEmbedder(EmbeddingConfig(str(tmp_path / str(scale))))
        assert read.config.layers is None
        np.testing.assert_allclose(read(TEXTS).vectors, mixed.encode(TEXTS), atol=1e-6)
        assert ConfiguredEmbedder(read.config).config == read.config
        digests.add(read.config.sha256)
    assert len(digests) == 2


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_half_precision(model, embedder, source, tmp_path, policy):
    options = {"model": model, "policy": policy, "normalize": True}
    corpus = embed_corpus([source], tmp_path / "out", format="npy", **options)
    assert corpus.embedder().encoder.dtype_policy.name == policy
    ((_, _, vectors),) = corpus.shards()
    assert (vectors * embedder.encode(TEXTS, normalize=True)).sum(axis=1).min() > 0.999
