"""`export` of each kind of model, read back by plain TensorFlow."""

import dataclasses

import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextClassifier, TransformerClassifier
from kerasformer.text import WordPieceTokenizer, WordTokenizer, pack

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.backend("tensorflow")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s", "a"]
TEXTS = ["good films", "a bad film, a good film", "", "¿film?"]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def encoder():
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=12,
        num_layers=2,
        num_heads=3,
        intermediate_size=7,
        max_length=9,
        initializer_range=0.5,
    )
    return BertEncoder(config)


def test_a_classifier_brings_its_tokenizer(encoder, tokenizer, tmp_path):
    pytest.importorskip("tensorflow_text")
    model = TextClassifier(["bad", "good"], encoder, tokenizer)
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    given = served.signatures["strings"](texts=tf.constant(TEXTS))["outputs"]
    np.testing.assert_allclose(given, model.predict(TEXTS), atol=1e-5)
    batch = {name: tf.constant(array) for name, array in pack(model.tokenize(TEXTS)).items()}
    given = served.signatures["serving_default"](**batch)["outputs"]
    np.testing.assert_allclose(given, model.predict(TEXTS), atol=1e-5)


def test_a_scratch_model_takes_ids(tmp_path):
    tokenizer = WordTokenizer.train(TEXTS * 3, vocab_size=20)
    model = TransformerClassifier(["bad", "good"], tokenizer=tokenizer)
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    assert set(served.signatures) == {"ids", "serving_default"}
    batch = {name: tf.constant(array) for name, array in pack(model.tokenize(TEXTS)).items()}
    given = served.signatures["ids"](**batch)["outputs"]
    np.testing.assert_allclose(given, model.predict(TEXTS), atol=1e-5)


def test_a_signature_of_ones_own_is_keras_export(encoder, tmp_path):
    model = TextClassifier(["bad", "good"], encoder, None)
    ids = tf.TensorSpec((None, 5), tf.int32, name="ids")
    model.export(tmp_path / "served", input_signature=[ids], verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    batch = np.array([[2, 5, 7, 8, 3]], "int32")
    np.testing.assert_allclose(served.serve(tf.constant(batch)), model(batch), atol=1e-5)


@pytest.mark.usefixtures("without_preprocessor")
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu", "silu"])
def test_an_encoder_goes_to_tf_hubs_format_and_back(encoder, tokenizer, tmp_path, activation):
    pytest.importorskip("tensorflow_text")
    encoder = BertEncoder(dataclasses.replace(encoder.config, num_layers=1, activation=activation))
    encoder.export_tfhub(tmp_path, tokenizer, seq_length=9)
    again = BertEncoder.from_pretrained(tmp_path / "encoder")
    # What a SavedModel does not tell is what training alone needs.
    for name in ("vocab_size", "hidden_size", "num_heads", "activation", "layer_norm_epsilon"):
        assert getattr(again.config, name) == getattr(encoder.config, name)
    for mine, other in zip(encoder.weights, again.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy(), err_msg=mine.path)
