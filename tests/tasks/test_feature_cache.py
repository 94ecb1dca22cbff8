"""Arrays that are computed once: what is kept, what is computed again, what the key tells apart."""

import json

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models.fingerprint import fingerprint
from kerasformer.tasks import (
    FeatureCache,
    MultipleChoice,
    NextSentencePredictor,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
)

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)


class Work:
    """A computation that counts how often it is done, and takes the seconds that it is told."""

    def __init__(self, monkeypatch, seconds=0.0):
        self.done, self.now = 0, 100.0
        self.seconds = seconds
        monkeypatch.setattr("kerasformer.tasks.feature_cache.time.perf_counter", lambda: self.now)

    def __call__(self):
        self.done += 1
        self.now += self.seconds
        return ARRAY


def test_it_is_computed_once_and_its_time_is_told_in_both_cases(tmp_path, monkeypatch):
    work = Work(monkeypatch, seconds=2.5)
    first, second = FeatureCache(tmp_path / "new" / "kept"), FeatureCache(tmp_path / "new" / "kept")
    for cache in (first, second):
        np.testing.assert_array_equal(cache.get("a", work), ARRAY)
        assert cache.seconds == 2.5
    assert work.done == 1
    second.get("b", work)
    assert (work.done, second.seconds) == (2, 5.0)
    assert (first.saved, second.saved) == (0.0, 2.5)
    assert sorted(f.name for f in second.folder.iterdir()) == ["a.json", "a.npy", "b.json", "b.npy"]


def test_what_is_read_lies_in_the_file_and_cannot_be_written_to(tmp_path):
    FeatureCache(tmp_path).get("a", lambda: ARRAY)
    kept = FeatureCache(tmp_path).get("a", None)
    assert isinstance(kept, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "a.npy").unlink(),
        lambda folder: (folder / "a.json").unlink(),
        lambda folder: (folder / "a.npy").write_bytes((folder / "a.npy").read_bytes()[:-1]),
        lambda folder: (folder / "a.npy").write_bytes(b""),
        lambda folder: (folder / "a.npy").write_bytes(b"\x93NUMPY" + b"\xff" * 100),
        lambda folder: np.save(folder / "a.npy", ARRAY.T),
        lambda folder: np.save(folder / "a.npy", np.array([{}], object), allow_pickle=True),
        lambda folder: (folder / "a.json").write_text('{"shape": [2, 3]'),
        lambda folder: (folder / "a.json").write_text("[1]"),
        lambda folder: (folder / "a.json").write_text(json.dumps({"shape": [2, 3]})),
    ],
    ids=[
        *("no array", "no seconds", "cut", "empty", "no header", "another shape", "a pickle"),
        *("half a JSON", "a list", "no dtype"),
    ],
)
def test_what_is_damaged_is_computed_again(tmp_path, monkeypatch, damage):
    work = Work(monkeypatch)
    FeatureCache(tmp_path).get("a", work)
    damage(tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(FeatureCache(tmp_path).get("a", work), ARRAY)
    assert work.done == 2


def test_an_interrupted_computation_or_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path).get("a", interrupted)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("kerasformer.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path).get("a", lambda: ARRAY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot keep features in"):
        FeatureCache(tmp_path / "file").get("a", lambda: ARRAY)


def test_a_fingerprint_tells_apart_what_differs():
    weights = [keras.Variable(ARRAY, name="w"), keras.Variable(ARRAY[0], name="b")]
    changed = [keras.Variable(ARRAY, name="w"), keras.Variable(ARRAY[1], name="b")]
    flat = [keras.Variable(ARRAY.ravel(), name="w"), weights[1]]
    half = [keras.Variable(ARRAY, name="w", dtype="float16"), weights[1]]
    all_of_them = {
        fingerprint(settings, variables, texts)
        for settings in ({"pooling": "mean"}, {"pooling": "cls"}, {"layers": (0, 1)})
        for variables in (weights, changed, flat, half, weights[::-1], [])
        for texts in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["ab", "c", ""], [])
    }
    assert len(all_of_them) == 3 * 6 * 5
    renamed = [keras.Variable(ARRAY, name="x"), keras.Variable(ARRAY[0], name="y")]
    assert fingerprint({}, weights, ["é"]) == fingerprint({}, renamed, ["é"])


PAIRS = [(f"who is {name}", f"the man is {name}") for name in ("bo", "al", "ed")]
TASKS = {
    TextClassifier: (["fine film", "dull", "so so"], [0, 1, 0]),
    TokenClassifier: ([["bo", "saw"], ["al"], ["he", "saw", "ed"]], [["1", "0"], ["1"], ["0"] * 3]),
    QuestionAnswerer: (PAIRS, [(context[-2:], len(context) - 2) for _, context in PAIRS]),
    NextSentencePredictor: (PAIRS, [0, 1, 0]),
    MultipleChoice: ([(text, ["bo", other]) for text, other in PAIRS], [0, 1, 0]),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_frozen_encoder_computes_once_in_all_epochs_and_trainings(
    task, eager, tmp_path, monkeypatch
):
    """Of what is trained on and of what is evaluated on after each epoch."""
    x, y = TASKS[task]
    written, write = [], FeatureCache._write
    monkeypatch.setattr(FeatureCache, "_write", lambda *a: written.append(a[1]) or write(*a))
    sizes = {"vocab_size": 60, "max_length": 16, "hidden_size": 4, "num_layers": 1, "num_heads": 1}
    keras.utils.set_random_seed(0)
    encoder = BertEncoder(EncoderConfig(**sizes, intermediate_size=4))
    names = {"class_names": 2} if task in (TextClassifier, TokenClassifier) else {}
    encoded, heads, tokenizer = [], [], None
    for _ in range(2):
        keras.utils.set_random_seed(0)
        model = task(encoder=encoder, tokenizer=tokenizer, freeze_encoder=True, **names)
        encode = model._encode
        model._encode = lambda *a, encode=encode: encoded.append(a) or encode(*a)
        model.feature_cache = FeatureCache(tmp_path)
        told = {"validation_data": (x[:2], y[:2]), "epochs": 2, "verbose": 0}
        history = model.fit(x, y, recipe=model.recipe.change(monitor="val_loss"), **told).history
        tokenizer = model.tokenizer
        weights = map(keras.ops.convert_to_numpy, model.trainable_weights)
        heads.append(np.concatenate([weight.ravel() for weight in weights]))
        # By the model that gives vectors, made once, and not at all where the cache has them.
        assert len(encoded) == (len(heads) == 1)
        found = model.evaluate(x[:2], y[:2], return_dict=True, verbose=0)
        assert min(history["val_loss"]) == pytest.approx(found["loss"], 1e-4)
        encoded.clear()
    assert len(written) == len(set(written)) == 2
    np.testing.assert_array_equal(*heads)
