"""`kerasformer.hub` against the SavedModels themselves, as tf-models-official exports them."""

import keras
import numpy as np
import pytest

from kerasformer.hub import HubEncoder, HubPreprocessor

pytestmark = [pytest.mark.oracle, pytest.mark.backend("tensorflow")]

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
TEXTS = ["The good film, un-filmed!", "", "  ÉCOLE naïve\t日本語 x", "a " * 60, "[MASK] 1,5 €"]
OTHERS = ["Bad films.", "unedited " * 9, "", "b", "日"]


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module", params=["encoder", "encoder_mlm"])
def pair(tf, tfhub_models, request):
    """The layer, trainable, and what TensorFlow loads from the same folder."""
    folder = tfhub_models[request.param]
    return HubEncoder(folder, trainable=True), tf.saved_model.load(str(folder))


def random_inputs(length, segments):
    """Five rows: padding anywhere after the first token, then rows padded at the end."""
    rng = np.random.default_rng([length, segments])
    mask = rng.integers(0, 2, (5, length), dtype="int32")
    mask[2:] = np.arange(length) < rng.integers(1, length + 1, (3, 1))
    mask[:, 0] = mask[-1] = 1
    ids = rng.integers(0, 977, mask.shape, dtype="int32")
    types = rng.integers(0, segments, mask.shape, dtype="int32")
    return dict(zip(NAMES, (ids, mask, types), strict=True))


@pytest.mark.parametrize("segments", [1, 2])
def test_outputs_at_every_length(pair, tf, segments):
    layer, raw = pair
    for length in range(1, 42):
        inputs = random_inputs(length, segments)
        ours, theirs = layer(inputs), raw({name: tf.constant(inputs[name]) for name in NAMES})
        assert ours.keys() == theirs.keys()
        assert len(ours["encoder_outputs"]) == 3
        for mine, other in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-5)


def test_gradients_of_every_variable(pair, tf):
    layer, raw = pair
    inputs = {name: tf.constant(value) for name, value in random_inputs(23, 2).items()}
    direction = np.random.default_rng(5).normal(size=(5, 23, 36)).astype("float32")

    def gradients(call, variables):
        with tf.GradientTape() as tape:
            outputs = call(inputs)
            loss = tf.reduce_sum(outputs["pooled_output"])
            for block in outputs["encoder_outputs"]:
                loss += tf.reduce_sum(block * direction)
        return map(tf.convert_to_tensor, tape.gradient(loss, variables))

    ours = gradients(layer, [weight.value for weight in layer.trainable_weights])
    theirs = gradients(raw, raw.trainable_variables)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())


@pytest.mark.parametrize("name", ["preprocessor", "preprocessor_cased"])
def test_preprocessor(tf, tfhub_models, name):
    pytest.importorskip("tensorflow_text")
    layer = HubPreprocessor(tfhub_models[name], seq_length=41)
    raw = layer.saved_model
    texts = tf.constant(TEXTS)
    tokens = [raw.tokenize(texts), raw.tokenize(tf.constant(OTHERS))]
    assert layer.tokenize(TEXTS).to_list() == tokens[0].to_list()
    pairs = {"one": (layer(TEXTS), raw(texts))}  # the SavedModel's own default length is 41
    for length in (2, 3, 17, 64):
        layer.seq_length = length
        for count in (1, 2):
            ours = layer([TEXTS, OTHERS][:count])
            theirs = raw.bert_pack_inputs(tokens[:count], seq_length=tf.constant(length))
            pairs[f"{count} at {length}"] = ours, theirs
    for case, (ours, theirs) in pairs.items():
        assert ours.keys() == theirs.keys() == set(NAMES)
        for key in NAMES:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=f"{case} {key}")
    vocabulary = tfhub_models["vocabulary" + name.removeprefix("preprocessor")]
    assert layer.vocabulary == vocabulary.read_text(encoding="utf-8").splitlines()
    assert layer.special_tokens_dict["vocab_size"] == len(layer.vocabulary) == 977


def test_string_to_vector(tf, tfhub_models):
    pytest.importorskip("tensorflow_text")
    preprocessor = tf.saved_model.load(str(tfhub_models["preprocessor"]))
    encoder = tf.saved_model.load(str(tfhub_models["encoder"]))
    texts = keras.Input((), dtype="string")
    inputs = HubPreprocessor(tfhub_models["preprocessor"], seq_length=41)(texts)
    model = keras.Model(texts, HubEncoder(tfhub_models["encoder"])(inputs)["pooled_output"])
    expected = encoder(preprocessor(tf.constant(TEXTS)))["pooled_output"]
    np.testing.assert_allclose(model.predict(tf.constant(TEXTS)), expected, atol=1e-5)
