"""The scratch classifier, and what it shares with the pretrained one."""

import functools
import json
import os
import resource
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from kerasformer.errors import UserError
from kerasformer.tasks import TransformerClassifier
from kerasformer.tasks.texts.labels import label_ids, sample_weights
from kerasformer.text import WordTokenizer

GOOD = ["a fine film", "fine acting indeed", "truly fine", "so very fine and warm", "fine"]
BAD = ["a dull film", "dull acting indeed", "truly dull", "so very dull and cold", "dull"]
TEXTS, LABELS = GOOD + BAD, ["good"] * 5 + ["bad"] * 5


def make(**changes):
    return TransformerClassifier(
        ["bad", "good"], **{"vocab_size": 60, "max_length": 12, "hidden_size": 8, **changes}
    )


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    classifier = make()
    classifier.fit(TEXTS, LABELS, epochs=60, batch_size=4, learning_rate=0.01, verbose=0)
    return classifier


def test_it_learns_from_strings_and_names(trained):
    assert trained.classify(["fine", "dull film", "such fine acting"]) == ["good", "bad", "good"]
    metrics = trained.evaluate(TEXTS, LABELS, return_dict=True)
    assert metrics["accuracy"] == 1.0
    assert metrics["confusion_matrix"] == [[5, 0], [0, 5]]


def test_names_and_indices_are_the_same_labels(trained):
    assert label_ids(["good", "bad"], ["bad", "good"]).tolist() == [1, 0]
    assert label_ids(np.array([1, 0]), ["bad", "good"]).tolist() == [1, 0]
    by_index = trained.evaluate(TEXTS, [1] * 5 + [0] * 5)
    assert by_index == trained.evaluate(TEXTS, LABELS)


@pytest.mark.usefixtures("eager")
def test_the_vocabulary_is_that_of_the_training_texts_alone():
    classifier = make()
    classifier.fit(TEXTS, LABELS, epochs=1, verbose=0, validation_data=(["unheard words"], ["bad"]))
    words = classifier.tokenizer.vocabulary()
    assert "fine" in words
    assert not {"unheard", "words"} & set(words)


def test_ids_in_any_padding_give_the_logits_of_the_strings(trained):
    texts = ["fine film", "a truly dull and cold film"]
    logits = trained.predict(texts)
    np.testing.assert_allclose(trained.predict_proba(texts).sum(axis=1), 1.0, rtol=1e-6)
    ids = np.zeros((2, 12), "int32")
    for row, tokens in enumerate(trained.tokenize(texts).ids):
        ids[row, : len(tokens)] = tokens
    np.testing.assert_allclose(np.array(trained(ids)), logits, atol=1e-5)
    np.testing.assert_allclose(trained.predict(ids, verbose=0), logits, atol=1e-5)


def test_the_order_of_the_texts_does_not_matter(trained):
    texts = [text * n for n, text in enumerate(TEXTS * 5, start=1)]
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = trained.predict([texts[i] for i in order], batch_size=7)
    np.testing.assert_allclose(shuffled, trained.predict(texts)[order], atol=1e-5)


def test_odd_texts_are_classified_too(trained):
    odd = ["", "   ", "😀😀", "日本語", "x" * 100_000, "\x00", "fine " * 5000]
    probabilities = trained.predict(odd)
    assert probabilities.shape == (7, 2)
    assert np.isfinite(probabilities).all()


def test_arrays_tuples_and_columns_of_texts_are_texts(trained):
    class Column(list):
        """What pandas and polars have."""

        def to_numpy(self):
            return np.array(self, dtype=object)

    expected = trained.predict(TEXTS)
    for kind in (tuple, np.array, Column):
        np.testing.assert_array_equal(trained.predict(kind(TEXTS)), expected)


def test_no_text_gives_no_row(trained):
    assert trained.predict([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a"], ["good", "bad"], "got 1 texts and 2 labels"),
        (["a"], None, "1 texts and no labels"),
        ([], [], "no text"),
        (["a", None], ["good", "bad"], "1"),
        (["a", "b"], ["good", "ugly"], "'ugly' is not one of the 2 classes"),
        (["a", "b"], [0, 2], "2 is not one of the 2 classes"),
        (["a", "b"], [0, -1], "-1 is not one"),
        (["a", "b"], [0.0, 1.0], "0.0 is not one"),
        (["a", "b"], [True, False], "True is not one"),
        ("one string", ["good"], "a list of texts"),
    ],
)
def test_wrong_texts_and_labels_are_one_sentence(trained, texts, labels, message):
    with pytest.raises(UserError, match=message):
        trained.evaluate(texts, labels)


def test_a_model_without_a_vocabulary_says_so():
    with pytest.raises(UserError, match="train it with fit"):
        make().predict(["a"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["one"], "two names, all different"),
        (["a", "a"], "two names, all different"),
        ("ab", "neither a list"),
        ([0, 1], "neither a list"),
        (1, "a classifier needs at least 2"),
    ],
)
def test_class_names_are_checked(names, message):
    with pytest.raises(ValueError, match=message):
        TransformerClassifier(names, vocab_size=10)


def test_class_weights_by_name_index_and_balance():
    labels = np.array([0, 0, 0, 1])
    weights = functools.partial(sample_weights, labels, ("bad", "good"))
    assert weights() is None
    np.testing.assert_allclose(weights({"good": 3.0}), [1, 1, 1, 3])
    np.testing.assert_allclose(weights({1: 3.0}), [1, 1, 1, 3])
    np.testing.assert_allclose(weights("balanced"), compute_sample_weight("balanced", labels))
    np.testing.assert_allclose(weights({1: 3.0}, np.arange(4)), [0, 1, 2, 9])
    with pytest.raises(UserError, match="ugly"):
        weights({"ugly": 1.0})
    with pytest.raises(ValueError, match="neither 'balanced'"):
        weights("equal")


@pytest.mark.usefixtures("eager")
def test_class_weights_pull_the_prediction():
    keras.utils.set_random_seed(0)
    tokenizer = WordTokenizer.train(["same"], vocab_size=10)
    classifier = make(tokenizer=tokenizer)
    texts, labels = ["same"] * 8, ["good", "bad"] * 4
    options = {"epochs": 20, "batch_size": 8, "learning_rate": 0.02, "verbose": 0}
    classifier.fit(texts, labels, class_weight={"good": 9.0}, **options)
    assert classifier.predict_proba(["same"])[0, 1] > 0.8


@pytest.mark.usefixtures("eager")
def test_a_model_compiled_by_hand_keeps_its_optimizer():
    classifier = make()
    optimizer = keras.optimizers.SGD(0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(optimizer, loss)
    classifier.fit(TEXTS, LABELS, epochs=1, verbose=0)
    assert classifier.optimizer is optimizer
    with pytest.raises(ValueError, match="give it to compile"):
        classifier.fit(TEXTS, LABELS, learning_rate=0.1, verbose=0)


def learning_rates(classifier, **options):
    """The learning rate of each step of a `fit` with 2 steps an epoch."""
    rates = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    options = {"epochs": 2, "batch_size": 5, "verbose": 0, **options}
    classifier.fit(TEXTS, LABELS, callbacks=[Rates()], **options)
    return rates


@pytest.mark.usefixtures("eager")
def test_a_second_fit_goes_on_where_the_first_ended():
    classifier = make()
    first = learning_rates(classifier)
    optimizer = classifier.optimizer
    second = learning_rates(classifier)
    assert classifier.optimizer is optimizer
    assert int(optimizer.iterations) == 8
    # As the latter half of a run that was planned for all 8 steps, the warmup long past.
    np.testing.assert_allclose(second, [1e-3 * (8 - step) / 8 for step in range(4, 8)], rtol=1e-5)
    np.testing.assert_allclose(learning_rates(classifier, restart=True), first, rtol=1e-6)
    assert int(classifier.optimizer.iterations) == 4


@pytest.mark.usefixtures("eager")
def test_the_documented_hyperparameters_are_used():
    classifier = make()
    rates = learning_rates(classifier, epochs=None, batch_size=None)
    assert len(rates) == 4  # 4 epochs, 10 texts in a batch of 32
    recipe = classifier.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (4, 32, 1e-3)
    text = " ".join(TransformerClassifier.__doc__.split())
    assert "trains for 4 epochs in batches of 32 at a learning rate of 1e-3" in text


@pytest.mark.usefixtures("eager")
def test_the_same_seed_gives_the_same_model():
    def predictions():
        keras.utils.set_random_seed(3)
        classifier = make()
        classifier.fit(TEXTS, LABELS, epochs=2, batch_size=3, verbose=0, seed=3)
        return classifier.predict(TEXTS)

    np.testing.assert_allclose(predictions(), predictions(), atol=1e-6)


@pytest.mark.parametrize("step", ["sha256_of", "open_h5"])
def test_a_folder_that_is_saved_anew_while_it_is_loaded_is_not_mixed(
    trained, tmp_path, monkeypatch, step
):
    trained.save_pretrained(tmp_path)
    module = sys.modules[TransformerClassifier.from_pretrained.__func__.__module__]
    read = getattr(module, step)
    other = keras.models.clone_model(trained)
    other.set_weights([weight + 1 for weight in trained.get_weights()])

    def read_and_replace(path):
        found = read(path)
        monkeypatch.setattr(module, step, read)
        other.save_pretrained(tmp_path)
        return found

    monkeypatch.setattr(module, step, read_and_replace)
    with pytest.raises(UserError, match=r"has changed|of another save"):
        TransformerClassifier.from_pretrained(tmp_path)


def test_it_comes_back_in_a_fresh_process_from_keras_and_from_its_folder(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    trained.save_pretrained(tmp_path / "folder")
    script = """
import json, sys, keras, kerasformer.models
from kerasformer import TransformerClassifier
folder, texts = sys.argv[1], ["fine", "dull"]
whole = keras.saving.load_model(f"{folder}/model.keras")
parts = TransformerClassifier.from_pretrained(f"{folder}/folder")
print(json.dumps([[m.classify(texts), m.predict_proba(texts).tolist()] for m in (whole, parts)]))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    expected = trained.predict_proba(["fine", "dull"])
    for names, probabilities in json.loads(run.stdout.splitlines()[-1]):
        assert names == ["good", "bad"]
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (None, None, "has no classifier.json"),
        ("classifier.json", b"{", "is not valid JSON"),
        ("classifier.json", b'{"layers": 3}', "makes no TransformerClassifier"),
        ("classifier.json", b"[]", "holds a JSON array: expected an object"),
        ("classifier.weights.h5", b"broken", "cannot be read"),
    ],
)
def test_damaged_folders_are_one_sentence(trained, tmp_path, file, content, message):
    folder = tmp_path / "folder"
    folder.mkdir()
    if file is not None:
        trained.save_pretrained(folder)
        (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        TransformerClassifier.from_pretrained(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["num_layers", "hidden_size", "vocab_size", "max_length"])
def test_more_layers_than_the_weights_have_are_not_made(trained, tmp_path, name):
    trained.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "classifier.json").read_text())
    (tmp_path / "classifier.json").write_text(json.dumps(config | {name: 2**31}))
    with pytest.raises(UserError, match=f"has no tensors for the {name} of 2,147,483,648"):
        TransformerClassifier.from_pretrained(tmp_path)


def test_older_weights_without_a_sha256_are_read_or_refused(trained, tmp_path):
    """By the package's own reader first: HDF5's library gives errors of its own, and may wait."""
    trained.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "classifier.json").read_text())
    del config["weights_sha256"]
    (tmp_path / "classifier.json").write_text(json.dumps(config))
    TransformerClassifier.from_pretrained(tmp_path)
    weights = tmp_path / "classifier.weights.h5"
    content = weights.read_bytes()
    weights.write_bytes(content.replace(b"HEAP", b"PAEH"))
    with pytest.raises(UserError, match="not a sound HDF5 file of weights"):
        TransformerClassifier.from_pretrained(tmp_path)
    weights.unlink()
    os.mkfifo(weights)
    with pytest.raises(UserError, match="is no regular file"):
        TransformerClassifier.from_pretrained(tmp_path)


def test_files_of_two_saves_are_refused(trained, tmp_path):
    other = make()
    other.fit(TEXTS, LABELS, epochs=1, verbose=0)
    for name, classifier in (("old", other), ("new", trained)):
        classifier.save_pretrained(tmp_path / name)
    shutil.copy(tmp_path / "new/classifier.json", tmp_path / "old/classifier.json")
    with pytest.raises(UserError, match="damaged, or of another save than the configuration"):
        TransformerClassifier.from_pretrained(tmp_path / "old")


def test_a_disk_that_fills_leaves_the_old_classifier(trained, tmp_path):
    """Not HDF5's library: what it cannot write when Python exits ends the process by SIGSEGV."""
    trained.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"^Cannot save to .*File too large.*disk with room\.$"):
            trained.save_pretrained(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert before.keys() == {"classifier.json", "classifier.weights.h5"}
