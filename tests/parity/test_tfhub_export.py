"""What export_tfhub writes, beside what tf-models-official writes, in `hub.KerasLayer` too."""

import numpy as np
import pytest

from kerasformer.checkpoints.export.tfhub import export_tfhub
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer

pytestmark = [pytest.mark.oracle, pytest.mark.backend("tensorflow")]

# Without what TF Hub's tokenizer takes in another way: no-break spaces, ß, ligatures, ellipses.
TEXTS = [
    "the good film",
    "",
    "The bad FILM, of 1999: good-ing? (über) señor éøж 日本語 人",
    "unfilms goods " * 30,
    "don't; it's 50% «un» \t\n the of",
]
LENGTH = 20


@pytest.fixture(scope="module")
def tf():
    pytest.importorskip("official")
    pytest.importorskip("tensorflow_text")
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module", params=["preprocessor", "preprocessor_cased"])
def preprocessors(request, tf, tfhub_models, tmp_path_factory):
    """Ours, of an encoder of any weights, and the official one of the same vocabulary."""
    cased = request.param.endswith("cased")
    vocabulary = tfhub_models["vocabulary_cased" if cased else "vocabulary"]
    tokenizer = WordPieceTokenizer.from_vocabulary(vocabulary, lowercase=not cased)
    config = EncoderConfig.bert("tiny", vocab_size=tokenizer.vocab_size, num_layers=1)
    folder = tmp_path_factory.mktemp("export")
    export_tfhub(BertEncoder(config), tokenizer, folder, seq_length=41)
    official = tf.saved_model.load(tfhub_models[request.param])
    return tf.saved_model.load(folder / "preprocessor"), official


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
        assert ours[name].dtype == theirs[name].dtype
        assert ours[name].shape == theirs[name].shape


def test_the_preprocessors_give_the_same(preprocessors, tf):
    ours, theirs = preprocessors
    texts, pairs = tf.constant(TEXTS), tf.constant(TEXTS[::-1])
    assert_equal(ours(texts), theirs(texts))
    segments, their_segments = [], []
    for strings in (texts, pairs):
        segments.append(ours.tokenize(strings))
        their_segments.append(theirs.tokenize(strings))
        assert segments[-1].to_list() == their_segments[-1].to_list()
        assert segments[-1].dtype == their_segments[-1].dtype
    specials = ours.tokenize.get_special_tokens_dict()
    assert_equal(specials, theirs.tokenize.get_special_tokens_dict())
    for count in (1, 2):
        for length in (4, 7, 8, 30, 200):
            packed = ours.bert_pack_inputs(segments[:count], seq_length=tf.constant(length))
            expected = theirs.bert_pack_inputs(
                their_segments[:count], seq_length=tf.constant(length)
            )
            assert_equal(packed, expected)


@pytest.fixture(scope="module")
def exported(tf, tfhub_models, tmp_path_factory):
    tokenizer = WordPieceTokenizer.from_vocabulary(tfhub_models["vocabulary"])
    config = EncoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=36,
        num_layers=2,
        num_heads=3,
        intermediate_size=52,
        max_length=41,
        activation="gelu_tanh",
        initializer_range=0.3,
    )
    encoder = BertEncoder(config)
    folder = tmp_path_factory.mktemp("export")
    return encoder, export_tfhub(encoder, tokenizer, folder, seq_length=LENGTH)


def test_hub_keras_layer_runs_and_trains_it(exported, tf):
    tf_keras = pytest.importorskip("tf_keras")
    hub = pytest.importorskip("tensorflow_hub")
    encoder, folder = exported
    text = tf_keras.layers.Input(shape=(), dtype=tf.string)
    inputs = hub.KerasLayer(str(folder / "preprocessor"))(text)
    bert = hub.KerasLayer(str(folder / "encoder"), trainable=True)
    outputs = bert(inputs)
    probabilities = tf_keras.layers.Dense(4, activation="softmax")(
        tf_keras.layers.Dropout(0.1)(outputs["pooled_output"])
    )
    model = tf_keras.Model(text, probabilities)
    assert len(bert.trainable_weights) == len(encoder.weights)

    features = tf_keras.Model(text, outputs)(tf.constant(TEXTS))
    packed = tf_keras.Model(text, inputs)(tf.constant(TEXTS))
    expected = encoder({name: value.numpy() for name, value in packed.items()})
    for name in ("pooled_output", "sequence_output", "default"):
        np.testing.assert_allclose(features[name], expected[name], atol=1e-5)
    assert len(features["encoder_outputs"]) == 2

    before = [weight.numpy() for weight in bert.trainable_weights]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(tf.constant(TEXTS), np.arange(len(TEXTS)) % 4, epochs=2, verbose=0)
    changed = [
        np.abs(weight.numpy() - old).max() > 0
        for weight, old in zip(bert.trainable_weights, before, strict=True)
    ]
    assert all(changed)


def test_variables_have_the_official_names_and_shapes(exported, tf, tfhub_models):
    ours = tf.saved_model.load(exported[1] / "encoder")
    theirs = tf.saved_model.load(tfhub_models["encoder"])
    expected = {
        variable.name: variable.shape
        for variable in theirs.variables
        if not any(f"layer_{i}/" in variable.name for i in (2, 3, 4))
        and variable.name != "Variable:0"  # do_lower_case, which Keras 2 takes for a weight
    }
    assert {variable.name: variable.shape for variable in ours.variables} == expected
