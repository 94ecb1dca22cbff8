"""`tune`, from data to the folder that it leaves."""

import csv
import gc
import json
import os
import subprocess
import sys
import weakref

import keras
import pytest

from kerasformer.data import LabeledDataset, Split, load_dataset
from kerasformer.errors import UserError
from kerasformer.tasks import FeatureCache, TextClassifier, load
from kerasformer.tasks.texts.frozen_features import FrozenFeatures
from kerasformer.tasks.trainable import Trainable
from kerasformer.training.intervals import wilson_interval
from kerasformer.tune import Space, tune
from kerasformer.tune.study import Study
from kerasformer.tune.trial import MODEL, Judge, Trainer

from .conftest import BAD, GOOD, NOUNS

pytestmark = pytest.mark.usefixtures("without_graphs")

FILES = {"model", "record.json", "study.jsonl", "table.md", "trials.csv", "trials.png"}
SPACE = Space(epochs=(1, 2), batch_size=(8, 16), learning_rate=(1e-3, 1e-1))


@pytest.fixture(scope="module")
def search(reviews, pretrained):
    """A function that searches with four trials."""

    def search(folder, data=str(reviews), trials=4, space=SPACE, **options):
        options = {"pretrained": str(pretrained), **options}
        return tune("classification", data, folder, trials=trials, space=space, **options)

    return search


@pytest.fixture(scope="module")
def found(search, tmp_path_factory):
    return search(tmp_path_factory.mktemp("found") / "a")


def hyperparameters(search):
    """The trials without the time that they took."""
    return [{k: v for k, v in trial.items() if k != "seconds"} for trial in search.trials]


def test_it_leaves_the_model_the_record_the_table_and_the_plot(found):
    assert {file.name for file in found.folder.iterdir()} == FILES
    record = json.loads((found.folder / "record.json").read_text())
    assert record == json.loads(json.dumps(found.record))
    assert record["status"] == "complete"
    assert [trial["trial"] for trial in record["trials"]] == [1, 2, 3, 4]
    with open(found.folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, trial in zip(rows, found.trials, strict=True):
        assert float(row["validation_accuracy"]) == trial["value"]
        assert float(row["learning_rate"]) == trial["learning_rate"]
        assert row["trained"] == trial["trained"]
    assert (found.folder / "trials.png").read_bytes()[:4] == b"\x89PNG"


def test_the_first_trial_has_the_default_hyperparameters(search, pretrained, tmp_path):
    found = search(tmp_path / "a", trials=1, space=None)
    model = TextClassifier.from_pretrained(pretrained, 2, new_head=True)
    (first,) = found.trials
    assert first["trained"] == "all"
    for name in ("learning_rate", "batch_size", "epochs", "warmup_ratio"):
        assert first[name] == getattr(model.recipe, name)


def test_the_model_is_that_of_the_best_trial(found, reviews):
    complete = [trial for trial in found.trials if trial["outcome"] == "complete"]
    assert found.best["value"] == max(trial["value"] for trial in complete)
    validation = load_dataset(reviews).with_validation().validation
    for model in (found.model, load(found.folder / MODEL)):
        scores = model.evaluate(validation, return_dict=True, verbose=0)
        assert scores["accuracy"] == pytest.approx(found.best["value"])


def test_the_best_trial_can_be_trained_again_by_hand(found, reviews, pretrained):
    best, data = found.best, load_dataset(reviews).with_validation()
    frozen = {"all": {}, "head": {"freeze_encoder": True}}.get(best["trained"])
    frozen = {"trained_blocks": int(best["trained"])} if frozen is None else frozen
    keras.utils.set_random_seed(0)
    model = TextClassifier.from_pretrained(pretrained, data.class_names, new_head=True, **frozen)
    names = ("learning_rate", "batch_size", "epochs", "warmup_ratio")
    recipe = model.recipe.change(**{name: best[name] for name in names})
    model.fit(data.train, recipe=recipe, seed=0, verbose=0)
    again = model.evaluate(data.validation, return_dict=True, verbose=0)
    assert again["accuracy"] == pytest.approx(best["value"])


def test_the_test_split_is_measured_once_in_the_end(found, search, reviews, monkeypatch, tmp_path):
    """And changes nothing of what is searched: another one leads to the same trials and model."""
    data, seen = load_dataset(reviews), []
    test = Split(["never seen"] * 3, 1 - data.test.labels[:3])
    splits = {"train": data.train, "test": test}
    other = LabeledDataset(data.name, data.class_names, splits, data.provenance)

    def spy(name):
        method = getattr(Trainable, name)

        def watched(self, x=None, *args, **kwargs):
            named = x.splits.values() if hasattr(x, "splits") else [x]
            seen.append((name, any("never seen" in getattr(one, "texts", ()) for one in named)))
            return method(self, x, *args, **kwargs)

        monkeypatch.setattr(Trainable, name, watched)

    for name in ("fit", "evaluate", "predict"):
        spy(name)
    again = search(tmp_path / "a", other)
    assert [name for name, is_test in seen if is_test] == ["evaluate"] == [seen[-1][0]]
    assert hyperparameters(again) == hyperparameters(found)
    for ours, theirs in zip(again.model.weights, found.model.weights, strict=True):
        assert (keras.ops.convert_to_numpy(ours) == keras.ops.convert_to_numpy(theirs)).all()


def test_what_the_test_split_says_has_an_interval(found, reviews):
    measured = found.record["test"]
    share, examples = measured["scores"]["accuracy"], len(load_dataset(reviews).test)
    assert measured["examples"] == examples
    assert tuple(measured["interval"]) == wilson_interval(share, examples)
    shown = (found.folder / "table.md").read_text()
    assert f"On the test split ({examples} examples), measured once: accuracy {share:.4f}" in shown


KILLED = """
import os, signal, sys
import tensorflow as tf
tf.config.run_functions_eagerly(True)
from kerasformer.tune import Space, tune
from kerasformer.tune.study import Study
from kerasformer.tune.trial import Judge, Trainer

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

moments = {"training": (Judge, "on_epoch_end", 4), "kept": (Study, "tell", 2)}
owner, method, count = moments[sys.argv[4]]
original, calls = getattr(owner, method), []

def counted(self, *args):
    calls.append(1)
    return kill() if len(calls) == count else original(self, *args)

setattr(owner, method, counted)
data, pretrained, folder = sys.argv[1:4]
space = Space(epochs=(1, 2), batch_size=(8, 16), learning_rate=(1e-3, 1e-1))
tune("classification", data, folder, pretrained=pretrained, trials=4, space=space)
"""


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("moment", ["training", "kept"])
def test_killed_and_resumed_it_equals_an_uninterrupted_one(
    moment, found, search, reviews, pretrained, tmp_path, monkeypatch
):
    folder = tmp_path / "a"
    given = [str(reviews), str(pretrained), str(folder), moment]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *given], capture_output=True, text=True, timeout=300
    )
    assert killed.returncode == -9, killed.stderr
    before = json.loads((folder / "record.json").read_text())
    assert 1 <= len(before["trials"]) < 4
    assert before["test"] is None
    runs, run = [], Trainer._run
    monkeypatch.setattr(Trainer, "_run", lambda self, *a: runs.append(a[1]) or run(self, *a))
    again = search(folder, resume=True)
    assert hyperparameters(again) == hyperparameters(found)
    assert again.trials[: len(before["trials"])] == before["trials"]
    assert len(runs) == 4 - len(before["trials"]) - (moment == "kept" and found.best["trial"] == 2)
    assert again.record["test"] == found.record["test"]
    assert {file.name for file in folder.iterdir()} == FILES


def interrupt_after(monkeypatch, epochs):
    """Ctrl-C in the middle of a training."""
    original, calls = Judge.on_epoch_end, []

    def counted(self, *args):
        calls.append(1)
        if len(calls) > epochs:
            raise KeyboardInterrupt
        original(self, *args)

    monkeypatch.setattr(Judge, "on_epoch_end", counted)


def test_ctrl_c_finishes_the_report_and_the_search_can_be_ended_there(
    found, search, tmp_path, monkeypatch
):
    folder = tmp_path / "a"
    first = len(found.trials[0]["validation"])
    with monkeypatch.context() as patched:
        interrupt_after(patched, first)
        with pytest.raises(KeyboardInterrupt) as told:
            search(folder)
    assert "1 trial and a report are in" in str(told.value)
    assert "--resume --trials 1" in str(told.value)
    assert {"table.md", "trials.csv", "trials.png", "model"} <= {f.name for f in folder.iterdir()}
    assert "nothing has looked at the test split yet" in (folder / "table.md").read_text()
    record = json.loads((folder / "record.json").read_text())
    assert (record["status"], record["test"]) == ("interrupted", None)
    ended = search(folder, trials=1, resume=True)
    assert ended.record["status"] == "complete"
    assert hyperparameters(ended) == hyperparameters(found)[:1]


def test_a_search_that_ended_is_given_again_but_not_gone_on_with(found, search):
    assert search(found.folder, resume=True).record == json.loads(json.dumps(found.record))
    with pytest.raises(UserError, match="measured on the test split"):
        search(found.folder, trials=5, resume=True)
    with pytest.raises(UserError, match="not empty"):
        search(found.folder)


def test_other_data_settings_or_models_are_refused(found, search, reviews, pretrained, tmp_path):
    def resume(**changed):
        return search(found.folder, resume=True, **changed)

    with pytest.raises(UserError, match="seed was 0 when the search was started"):
        resume(seed=1)
    with pytest.raises(UserError, match=r"learning_rate was 0.001, 0.1 .* is not given now"):
        resume(space=Space(epochs=(1, 2), batch_size=(8, 16)))
    with pytest.raises(UserError, match=r"max_length was not given when .* and is 8 now"):
        resume(max_length=8)
    data = load_dataset(reviews)
    shorter = {**data.splits, "test": data.test.take(range(3))}
    with pytest.raises(UserError, match=r"the test split had \d+ examples, and has 3 now"):
        resume(data=LabeledDataset(data.name, data.class_names, shorter, data.provenance))
    with pytest.raises(UserError, match="task was classification"):
        tune("pairs", data, found.folder, pretrained=str(pretrained), space=SPACE, resume=True)
    with pytest.raises(UserError, match="has no search to go on with"):
        search(tmp_path, resume=True)


def test_another_pretrained_model_in_the_same_place_is_refused(search, pretrained, tmp_path):
    import shutil

    model = tmp_path / "model"
    shutil.copytree(pretrained, model)
    search(tmp_path / "a", trials=1, pretrained=str(model))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(UserError, match=r"model has changed since .*, in config.json"):
        search(tmp_path / "a", trials=1, pretrained=str(model), resume=True)


def test_frozen_features_are_computed_once_for_all_trials(search, tmp_path, monkeypatch):
    computed, method = [], FrozenFeatures._features
    monkeypatch.setattr(
        FrozenFeatures,
        "_features",
        lambda self, *a, **k: computed.append(1) or method(self, *a, **k),
    )
    space = Space(trained=("head",), epochs=(1, 1), batch_size=(16,))
    assert len(search(tmp_path / "a", trials=3, space=space).trials) == 3
    assert len(computed) == 2  # of the train and of the validation split


def test_the_models_of_trials_are_let_go(search, tmp_path, monkeypatch):
    models, keep = [], Trainer._keep

    def kept(self, model, *args):
        models.append(weakref.ref(model))
        keep(self, model, *args)

    monkeypatch.setattr(Trainer, "_keep", kept)
    search(tmp_path / "a", trials=2, space=Space(epochs=(1,), trained=("all",)))
    gc.collect()
    assert models
    assert not [model for model in models if model() is not None]


def test_a_trial_that_is_not_worth_it_ends_early(search, tmp_path, monkeypatch):
    monkeypatch.setattr(Study, "report", lambda self, trial, *_: trial.number > 0)
    found = search(tmp_path / "a", trials=2, space=Space(epochs=(3,), trained=("all",)))
    assert [trial["outcome"] for trial in found.trials] == ["complete", "pruned"]
    assert [len(trial["validation"]) for trial in found.trials] == [3, 1]
    assert found.best["trial"] == 1


def test_where_every_training_diverges_there_is_no_best(search, tmp_path):
    space = Space(learning_rate=(1e30,), epochs=(1,), warmup_ratio=(0.0,), trained=("all",))
    with pytest.raises(UserError, match="Every training diverged"):
        search(tmp_path / "a", trials=1, space=space)
    record = json.loads((tmp_path / "a" / "record.json").read_text())
    assert [trial["outcome"] for trial in record["trials"]] == ["diverged"]


def test_another_metric_and_one_that_there_is_not(search, tmp_path):
    space = Space(epochs=(1,), trained=("all",))
    found = search(tmp_path / "a", trials=2, space=space, metric="loss")
    values = [trial["value"] for trial in found.trials]
    assert found.best["value"] == min(values)
    assert found.record["test"]["interval"][0] < found.record["test"]["scores"]["loss"]
    with pytest.raises(UserError, match="metric is 'f2', which this task does not have: give one"):
        search(tmp_path / "b", trials=1, space=space, metric="f2")
    # Nothing had ended: the folder is as good as empty.
    assert len(search(tmp_path / "b", trials=1, space=space).trials) == 1


def test_from_scratch(search, tmp_path):
    found = search(tmp_path / "a", trials=1, pretrained=None, space=Space(epochs=(1,)))
    assert found.best["trained"] == "all"
    assert found.model.classify(["fine film"])[0] in ("good", "bad")


@pytest.fixture
def written(monkeypatch):
    """The keys of the arrays that are put into a cache of features."""
    keys, write = [], FeatureCache._write
    monkeypatch.setattr(FeatureCache, "_write", lambda *a: keys.append(a[1]) or write(*a))
    return keys


def test_tagging(pretrained, tmp_path, written):
    lines = [f"fine O\n{noun} B-X\n\ndull O\n{noun} B-X\nsong O\n" for noun in NOUNS]
    (tmp_path / "tags.conll").write_text("\n".join(lines))
    space = Space(epochs=(1,), trained=("head",))
    found = tune(
        "tagging", str(tmp_path / "tags.conll"), tmp_path / "a", pretrained=str(pretrained),
        trials=2, space=space,
    )  # fmt: skip
    assert found.record["metric"] == "f1"
    assert len(written) == 2  # of the train and of the validation split, in both trials
    low, high = found.record["test"]["interval"]
    assert 0 <= low <= found.record["test"]["scores"]["f1"] <= high <= 1
    assert os.path.isfile(found.folder / MODEL / "config.json")


def test_answering(pretrained, tmp_path, written):
    articles = []
    for noun in NOUNS:
        for word in GOOD + BAD:
            context = f"great {noun} {word} song"
            answers = [{"text": word, "answer_start": context.index(f" {word} ") + 1}]
            asked = [{"id": f"{noun} {word}", "question": f"dull {noun}", "answers": answers}]
            paragraph = {"context": context, "qas": asked}
            articles.append({"title": f"{noun} {word}", "paragraphs": [paragraph]})
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"version": "1.1", "data": articles}))
    space = Space(epochs=(1,), trained=("head",))
    options = {"pretrained": str(pretrained), "trials": 2, "space": space}
    found = tune("answering", str(file), tmp_path / "a", **options)
    assert found.record["metric"] == "f1"
    assert len(written) == 2  # of the train and of the validation split, in both trials
    low, high = found.record["test"]["interval"]
    assert 0 <= low <= found.record["test"]["scores"]["f1"] <= high <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials is 0: expected a number above 0"),
        ({"minutes": -1}, "minutes is -1"),
        ({"space": Space(trained=("3",))}, "the encoder has 2 blocks"),
        ({"space": Space(trained=("head",)), "pretrained": None}, "trained from scratch"),
        ({"colour": "red"}, "Unrecognized keyword arguments"),
        ({"colour": "red", "pretrained": None}, "The model of this task cannot be made"),
        ({"pretrained": "/nowhere"}, "nowhere"),
    ],
)
def test_mistakes_are_one_sentence(search, options, message, tmp_path):
    with pytest.raises(UserError, match=message):
        search(tmp_path / "a", **options)
    assert not (tmp_path / "a" / "study.jsonl").exists()
