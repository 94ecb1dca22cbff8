"""The classic model on strings: trained, saved by reference, and loaded only where it may be."""

import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras.src.backend.common.global_state import set_global_attribute

from kerasformer.errors import UserError
from kerasformer.hub import HubEncoder, HubPreprocessor, saved_model

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.backend("tensorflow")

TEXTS = np.array(["good film", "un film", "a b c", "日 !"] * 4, dtype=object)
LABELS = np.array([0, 1, 2, 3] * 4)


def classifier(golden, **kwargs):
    texts = keras.Input(shape=(), dtype="string", name="text")
    inputs = HubPreprocessor(golden["preprocessor"], seq_length=8)(texts)
    outputs = HubEncoder(golden["encoder"], name="bert", **kwargs)(inputs)
    x = keras.layers.Dropout(0.1, seed=1)(outputs["pooled_output"])
    model = keras.Model(texts, keras.layers.Dense(4, activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


@pytest.fixture(scope="module")
def trained(golden):
    keras.utils.set_random_seed(1)
    model = classifier(golden, trainable=True)
    before = model.get_layer("bert").get_weights()
    history = model.fit(TEXTS, LABELS, batch_size=8, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    after = model.get_layer("bert").get_weights()
    assert all(np.abs(new - old).max() > 0 for new, old in zip(after, before, strict=True))
    return model


@pytest.fixture(scope="module")
def expected(trained):
    return trained.predict(TEXTS, verbose=0)


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    trained.save(path)
    return path


def test_strings_in_every_form_of_keras(trained, expected):
    batches = tf.data.Dataset.from_tensor_slices((list(TEXTS), LABELS)).batch(5)
    scores = trained.evaluate(batches, verbose=0, return_dict=True)
    assert scores["accuracy"] == np.mean(expected.argmax(-1) == LABELS)
    for texts in (tf.constant(list(TEXTS)), batches):
        np.testing.assert_allclose(trained.predict(texts, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(trained(tf.constant(list(TEXTS))), expected, atol=1e-6)


def test_frozen_encoder_stays_as_it_is(golden):
    model = classifier(golden)
    assert len(model.trainable_weights) == 2
    before = model.get_layer("bert").get_weights()
    batches = tf.data.Dataset.from_tensor_slices((list(TEXTS), LABELS)).batch(8)
    history = model.fit(batches, epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for new, old in zip(model.get_layer("bert").get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)


def test_cloned(trained, golden):
    layer = trained.get_layer("bert")
    clone = HubEncoder.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    assert clone.source == str(golden["encoder"])
    # A fresh layer on the SavedModel: with its weights, not with what training made of them.
    original = tf.saved_model.load(str(golden["encoder"])).trainable_variables
    np.testing.assert_array_equal(clone.get_weights()[0], original[0])
    assert clone.saved_variables[0].value is not layer.saved_variables[0].value


def test_exported_for_serving(trained, expected, tmp_path):
    trained.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    served = exported.serve(tf.constant(list(TEXTS)))
    np.testing.assert_allclose(served, expected, atol=1e-6)


FRESH = """
import os, sys
import keras, numpy as np
import kerasformer.hub
model, texts, expected, empty_cache = sys.argv[1:]
cache, os.environ["KERASFORMER_CACHE"] = os.environ["KERASFORMER_CACHE"], empty_cache
try:
    keras.saving.load_model(model)
except kerasformer.errors.UserError as error:
    assert "has not been used on this machine before" in str(error), error
else:
    raise AssertionError("a stranger's model was loaded")
os.environ["KERASFORMER_CACHE"] = cache
texts = np.array(open(texts, encoding="utf-8").read().split("|"), dtype=object)
loaded = keras.saving.load_model(model)
assert loaded.get_layer("bert").trainable
again = os.path.join(os.path.dirname(expected), "again.keras")
loaded.save(again)
found = keras.saving.load_model(again).predict(texts, verbose=0)
np.testing.assert_allclose(found, np.load(expected), atol=1e-6)
"""


def test_saved_and_loaded_twice_in_a_fresh_process(saved, expected, tmp_path):
    (tmp_path / "texts").write_text("|".join(TEXTS), encoding="utf-8")
    np.save(tmp_path / "expected.npy", expected)
    names = (saved, tmp_path / "texts", tmp_path / "expected.npy", tmp_path / "empty")
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, names)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def embedding(save_module):
    """The folder of a text embedding, which loads sooner than an encoder."""
    weight = tf.Variable([[0.5, 2.0]])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def call(texts):
        return tf.cast(tf.strings.length(texts), tf.float32)[:, None] * weight

    return save_module(call, "embedding", weight=weight)


@pytest.fixture
def small(embedding, tmp_path):
    """A saved model that names this text embedding."""
    texts = keras.Input((), dtype="string")
    keras.Model(texts, HubEncoder(embedding)(texts)).save(tmp_path / "small.keras")
    return tmp_path / "small.keras"


@pytest.fixture
def stranger(small, monkeypatch, tmp_path):
    """Makes the test somebody who has used nothing yet; gives the SavedModels loaded since."""
    monkeypatch.setattr(saved_model, "_trusted_by_this_process", set())
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "cache"))
    loads, load = [], tf.saved_model.load
    monkeypatch.setattr(tf.saved_model, "load", lambda folder: loads.append(folder) or load(folder))
    return loads


def test_what_nobody_has_used_is_not_run(small, stranger):
    message = (
        r"would run the SavedModel '.*embedding', which has not been used on this machine before: "
        r"if you trust it, call HubEncoder\('.*'\) once yourself, or load with safe_mode=False"
    )
    with pytest.raises(UserError, match=message) as error:
        keras.saving.load_model(small)
    assert "\n" not in str(error.value)
    assert stranger == []


def test_making_the_layer_once_allows_it(small, embedding, stranger, monkeypatch):
    HubEncoder(embedding)
    monkeypatch.setattr(saved_model, "_trusted_by_this_process", set())  # as in the next process
    model = keras.saving.load_model(small)
    assert model(tf.constant(["ab"]))["default"].numpy().tolist() == [[1, 4]]


@pytest.mark.parametrize("how", ["safe_mode", "config"])
def test_unsafe_loading_allows_it(small, stranger, how):
    try:
        if how == "config":
            keras.config.enable_unsafe_deserialization()
        model = keras.saving.load_model(small, safe_mode=how == "config")
    finally:
        set_global_attribute("safe_mode_saving", None)
    assert len(stranger) == 1
    assert model(tf.constant(["ab"]))["default"].numpy().tolist() == [[1, 4]]


@pytest.mark.parametrize("fingerprint", [None, "", 7, ["a"], "../../x", "0" * 64, "A" * 64])
@pytest.mark.parametrize("layer_class", [HubEncoder, HubPreprocessor])
def test_hostile_fingerprints(layer_class, fingerprint, embedding, stranger, tmp_path):
    (tmp_path / "cache" / "run-as-is").mkdir(parents=True)
    (tmp_path / "x").touch()
    config = {"source": str(embedding), "fingerprint": fingerprint, "name": "a"}
    with pytest.raises(UserError, match="has not been used on this machine before"):
        layer_class.from_config(config)
    assert stranger == []


def test_known_fingerprint_of_other_content(golden, embedding, stranger):
    """What was used before is named, and the source holds something else."""
    config = HubEncoder(embedding).get_config() | {"source": str(golden["preprocessor"])}
    with pytest.raises(UserError, match=r"has changed: its content has the fingerprint"):
        HubEncoder.from_config(config)
    assert len(stranger) == 1


def test_changed_and_missing_content(embedding):
    config = HubEncoder(embedding).get_config()
    (embedding / "assets" / "new.txt").write_text("more")
    for build in (HubEncoder.from_config, lambda config: HubEncoder(**config)):
        with pytest.raises(UserError, match="embedding has changed") as error:
            build(config)
        assert "restore the earlier SavedModel" in str(error.value)
    shutil.rmtree(embedding)
    with pytest.raises(UserError, match="There is no file or folder"):
        HubEncoder.from_config(config)


def test_cache_that_cannot_be_written(embedding, stranger, tmp_path):
    (tmp_path / "cache").write_text("a file, no folder")
    layer = HubEncoder(embedding)
    assert HubEncoder.from_config(layer.get_config()).fingerprint == layer.fingerprint
