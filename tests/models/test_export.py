"""`export` of each kind of model, read back by plain TensorFlow."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasformer import (
    BertEncoder,
    EncoderConfig,
    MaskedLanguageModel,
    NextSentencePredictor,
    PretrainingModel,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
    TransformerClassifier,
    UserError,
)
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
    assert set(served.signatures) == {"ids", "serve", "serving_default"}
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


MODELS = {
    "BertEncoder": lambda encoder: encoder,
    "TextClassifier": lambda encoder: TextClassifier(2, encoder, None),
    "TokenClassifier": lambda encoder: TokenClassifier(2, encoder),
    "QuestionAnswerer": QuestionAnswerer,
    "MaskedLanguageModel": MaskedLanguageModel,
    "NextSentencePredictor": NextSentencePredictor,
    "PretrainingModel": PretrainingModel,
    "TransformerClassifier": lambda encoder: TransformerClassifier(2, vocab_size=20, max_length=9),
}


def assert_same(given, expected):
    expected = expected if isinstance(expected, dict) else {"outputs": expected}
    given = given if isinstance(given, dict) else {"outputs": given}
    tensors = {name: value for name, value in expected.items() if not isinstance(value, list)}
    assert given.keys() == tensors.keys()
    for name, value in tensors.items():
        np.testing.assert_allclose(given[name], value, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_served_by_keras_too(encoder, name, tmp_path):
    model = MODELS[name](encoder)
    ids = np.array([[2, 5, 7, 3], [2, 6, 3, 0]], "int32")
    mask, types = (ids != 0).astype("int32"), np.array([[0, 0, 1, 1]] * 2, "int32")
    batch = {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}
    model.export(tmp_path / "served")
    layer = keras.layers.TFSMLayer(tmp_path / "served")
    assert_same(layer(batch), model(batch))

    signature = [{key: tf.TensorSpec((None, None), tf.int32, name=key) for key in batch}]
    model.export(tmp_path / "own", input_signature=signature, verbose=False)
    layer = keras.layers.TFSMLayer(tmp_path / "own")
    assert_same(layer(batch), model(batch))


def test_a_signature_of_the_ids_alone(encoder, tmp_path):
    ids = np.array([[2, 5, 7, 3], [2, 6, 3, 0]], "int32")
    for dtype in ("int64", "int32"):  # one over the other
        signature = [keras.InputSpec(shape=(None, None), dtype=dtype)]
        encoder.export(tmp_path / "own", input_signature=signature)
    served = tf.saved_model.load(str(tmp_path / "own"))
    assert_same(served.serve(tf.constant(ids)), encoder(ids))


@pytest.mark.parametrize("spec", [tf.TensorSpec((None,), tf.string), keras.InputSpec("string")])
def test_a_signature_of_strings_is_refused(encoder, spec, tmp_path):
    with pytest.raises(UserError, match="input_signature has strings, and a BertEncoder takes tok"):
        encoder.export(tmp_path / "served", input_signature=[spec])
