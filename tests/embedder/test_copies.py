"""Copies and pickles of an embedder, also of one that has encoded: equal vectors, own weights."""

import copy
import pickle
import threading

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.layers import LayerPooling
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s"]
TEXTS = ["The good films", "bad film", "", "the bad"]
HIDDEN = 12


@pytest.fixture(scope="module")
def embedder():
    keras.utils.set_random_seed(7)
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=HIDDEN,
        num_layers=2,
        num_heads=3,
        intermediate_size=7,
        max_length=20,
        initializer_range=0.5,
    )
    mix = LayerPooling("all", "scalar_mix")
    mix.build([(None, None, HIDDEN)] * 3)
    mix.set_weights([np.array([0.5, -1.0, 1.0]), np.array(2.0)])
    dense = [keras.layers.Dense(5, "tanh"), keras.layers.UnitNormalization()]
    dense[0].build((None, HIDDEN))
    return TextEmbedder(
        BertEncoder(config),
        WordPieceTokenizer.from_vocabulary(WORDS, lowercase=True),
        layers=mix,
        dense=dense,
        prompts={"query": "the "},
        dimensions=4,
    )


@pytest.mark.parametrize("has_encoded", [False, True], ids=["new", "used"])
@pytest.mark.parametrize(
    "make", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copy", "pickle"]
)
def test_equal_vectors_and_independent_weights(embedder, make, has_encoded):
    if has_encoded:
        embedder.encode(TEXTS)
    twin = make(embedder)
    before = embedder.encode(TEXTS)
    np.testing.assert_array_equal(twin.encode(TEXTS), before)
    np.testing.assert_array_equal(
        twin.encode(TEXTS, prompt_name="query"), embedder.encode(TEXTS, prompt_name="query")
    )
    assert twin._pipeline.encoder is twin.encoder
    assert twin._pipeline.dense is twin.dense
    for ours, theirs in zip(twin.weights, embedder.weights, strict=True):
        assert ours is not theirs
        ours.assign(ours * 2 + 1)
    np.testing.assert_array_equal(embedder.encode(TEXTS), before)
    assert not np.allclose(twin.encode(TEXTS), before, atol=1e-3)


def test_a_copy_of_an_encoder_alone(embedder):
    twin = copy.deepcopy(embedder.encoder)
    ids = np.array([[2, 5, 6, 3]])
    outputs = [
        keras.ops.convert_to_numpy(e(ids)["pooled_output"]) for e in (twin, embedder.encoder)
    ]
    np.testing.assert_array_equal(*outputs)


def test_a_frozen_encoder_stays_frozen(embedder):
    embedder.encoder.trainable = False
    try:
        assert not copy.deepcopy(embedder).encoder.trainable_weights
    finally:
        embedder.encoder.trainable = True


def test_threads_with_options_of_their_own(embedder):
    """Eight threads on one embedder get what each would get alone."""
    options = [
        {"prompt": prompt, "normalize": normalize, "pooling": pooling, "dimensions": dimensions}
        for prompt in ("", "the good ")
        for normalize, dimensions in ((False, 5), (True, 3))
        for pooling in ("mean", "lasttoken")
    ]
    alone = [embedder.encode(TEXTS, **each) for each in options]
    twin = copy.deepcopy(embedder)
    results: list = [None] * len(options)

    def run(number):
        results[number] = [twin.encode(TEXTS, **options[number]) for _ in range(3)]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(options))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, found in zip(alone, results, strict=True):
        for each in found:
            np.testing.assert_allclose(each, expected, atol=1e-6)
