"""What each arm of each task trains and measures, in this process and with tiny models."""

import json
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from kerasformer import tasks
from kerasformer.compare import Settings, arms_of
from kerasformer.compare.methods.tagging import Tagged
from kerasformer.compare.worker import Events
from kerasformer.data import (
    AnsweringDataset,
    AnswerSplit,
    TaggedSplit,
    TaggingDataset,
    load_dataset,
)
from kerasformer.tasks import FeatureCache, QuestionAnswerer, TokenClassifier
from kerasformer.tasks.answering import span_outputs
from kerasformer.tasks.tagging import token_features
from kerasformer.tasks.tagging.token_vectors import TABLE_7

from .conftest import GOOD, NOUNS

NEW = [(task, arm) for task in ("pairs", "tagging", "answering") for arm in arms_of(task)]
NETWORKS = [(task, arm) for task, arm in NEW if arm in ("scratch", "frozen", "fine_tuned")]


class Pipe:
    """Keeps what an arm tells."""

    def __init__(self):
        self.sent = []

    def send(self, content):
        self.sent.append(content)

    def notes(self):
        return [content["text"] for kind, content in self.sent if kind == "note"]


@pytest.fixture(scope="session")
def sources(reviews, pairs, tagged, asked):
    return {"classification": reviews, "pairs": pairs, "tagging": tagged, "answering": asked}


def method(task, arm, source, kept, pretrained=None, dataset=None, pipe=None):
    """An arm at work on a data set."""
    given = {"data": str(source), "task": task, "dtype": "float32"}
    settings = Settings.make(**given, pretrained=pretrained and str(pretrained))
    dataset = dataset or load_dataset(source, task)
    return arms_of(task)[arm].load()(dataset, settings, Events(pipe or Pipe()), kept)


@pytest.fixture(scope="module")
def done(sources, pretrained, tmp_path_factory, without_graphs):
    """Each arm of each new task, and its run."""
    found = {}

    def run(task, arm):
        if (task, arm) not in found:
            kept = tmp_path_factory.mktemp("kept")
            made = method(task, arm, sources[task], kept, pretrained)
            found[task, arm] = made, made.run(seed=0)
        return found[task, arm]

    return run


@pytest.mark.parametrize(("task", "arm"), NEW)
def test_a_run_is_what_the_report_reads(done, task, arm):
    made, run = done(task, arm)
    json.dumps([run, made.settings])
    test, quality = made.dataset.test, made.quality
    assert {metric.key for metric in quality.metrics} <= run["metrics"].keys()
    assert ("confusion_matrix" in run["metrics"]) is quality.has_classes
    scores = np.array(run["scores"], "float64")
    assert len(scores) == len(test)
    main = quality.score(scores.sum(axis=0)) if quality.score else scores.mean()
    assert main == pytest.approx(run["metrics"][quality.main], abs=1e-12)
    assert (run["metrics"][quality.main] < 1) <= len(run["errors"]) <= 10
    for error in run["errors"]:
        assert error.keys() == {"text", "true", "predicted", "probability"}
        assert error["true"] != error["predicted"]
        assert all(isinstance(error[name], str) for name in ("text", "true", "predicted"))
    sure = [error["probability"] for error in run["errors"]]
    if None in sure:
        assert arm in ("frequent_tag", "sliding_window")
    else:
        assert sure == sorted(sure, reverse=True)
    for row in run["history"]:
        assert row.keys() == {"epoch", "loss", "val_loss", "score", "val_score", "seconds"}
    assert run["parameters"]["trainable"] <= run["parameters"]["total"]


@pytest.mark.parametrize(("task", "arm"), [*NEW, ("classification", "frozen")])
def test_its_rate_is_that_of_passes_over_the_training_examples(done, task, arm):
    made, run = done(task, arm)
    if arm == "sliding_window":  # of questions that all have an answer nothing is learnt
        assert (run["train_seconds"], run["train_examples_per_second"]) == (0.0, None)
        return
    epochs = made.settings["epochs"] if arm in ("scratch", "fine_tuned") else 1
    passed = run["train_examples_per_second"] * run["train_seconds"]
    assert passed == pytest.approx(epochs * len(made.dataset.train))


@pytest.mark.parametrize(("task", "arm"), NETWORKS)
def test_its_metrics_are_those_of_the_model(done, task, arm):
    made, run = done(task, arm)
    assert type(made.model).__name__ == made.task
    scores = made.model.evaluate(made.dataset.test, return_dict=True, verbose=0)
    for metric in made.quality.metrics:
        assert run["metrics"][metric.key] == pytest.approx(scores[metric.key], abs=1e-6)
    epochs = made.settings["epochs"]
    assert [row["epoch"] for row in run["history"]] == list(range(1, epochs + 1))


@pytest.mark.parametrize(("task", "arm"), [("tagging", "fine_tuned"), ("answering", "fine_tuned")])
def test_the_curve_of_the_validation_split_is_that_of_the_main_metric(
    sources, pretrained, tmp_path, without_graphs, task, arm
):
    dataset = load_dataset(sources[task], task).with_validation()
    made = method(task, arm, sources[task], tmp_path, pretrained, dataset)
    last = made.run(seed=0)["history"][-1]
    scores = made.model.evaluate(dataset.validation, return_dict=True, verbose=0)
    assert last["val_score"] == pytest.approx(scores["f1"])
    assert last["score"] is None


@pytest.mark.parametrize(
    ("task", "arm"), [*NETWORKS, ("pairs", "tfidf"), ("tagging", "frequent_tag")]
)
def test_its_code_makes_the_model(done, task, arm):
    made, run = done(task, arm)
    names = {"data": made.dataset}
    settings = made.settings | ({"layers": run["chosen"]} if "chosen" in run else {})
    exec(f"{made.imports}\n{made.code(settings)}", names)
    if (task, arm) in NETWORKS:
        config, expected = (
            {k: v for k, v in model.get_config().items() if k not in ("tokenizer", "name")}
            for model in (names["model"], made.model)
        )
        for one in (config, expected):
            del one["encoder"], one["dtype"]
        assert config == expected


def test_pairs_are_told_apart_by_what_they_share(done):
    _, run = done("pairs", "tfidf")
    _, majority = done("pairs", "majority")
    assert run["metrics"]["accuracy"] > majority["metrics"]["accuracy"]
    assert " | " in majority["errors"][0]["text"]


def test_other_tags_of_the_same_entities_are_no_error(tmp_path):
    words = [["Ada", "Byron", "fell"]] * 2
    true = [["I-PER", "I-PER", "O"]] * 2
    split = TaggedSplit(words, true)
    names, splits = ("B-PER", "I-PER", "O"), {"train": split, "test": split}
    dataset = TaggingDataset("few", tag_names=names, splits=splits)
    made = method("tagging", "frequent_tag", "few", tmp_path, dataset=dataset)
    found = made.judge(split, Tagged([["B-PER", "I-PER", "O"], ["B-PER", "O", "O"]]))
    assert found["scores"] == [[1, 1, 1], [0, 1, 1]]
    (error,) = found["errors"]
    assert (error["true"], error["predicted"]) == ("Ada Byron (PER)", "Ada (PER)")


@pytest.mark.parametrize("task", ["classification", "tagging", "answering"])
def test_reading_kept_vectors_counts_as_training(
    sources, pretrained, tmp_path, monkeypatch, without_graphs, task
):
    kept = FeatureCache._read

    def slowly(cache, key):
        time.sleep(0.5)
        return kept(cache, key)

    whole = getattr(tasks, arms_of(task)["frozen"].load().task)
    monkeypatch.setattr(whole, "FROZEN_RECIPE", whole.FROZEN_RECIPE.change(epochs=1))
    made = method(task, "frozen", sources[task], tmp_path, pretrained)
    before = made.run(seed=0)["train_seconds"]
    for file in tmp_path.glob("*.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 1e4}))
    monkeypatch.setattr(FeatureCache, "_read", slowly)
    again = method(task, "frozen", sources[task], tmp_path, pretrained).run(seed=0)
    assert 1e4 + 0.5 < again["train_seconds"] < 1e4 + before + 5


def test_parts_of_speech_are_measured_by_words(tmp_path, pretrained, without_graphs):
    rows = [f"{GOOD[i % 4]} ADJ\n{NOUNS[i % 8]} NOUN\n{i} {'NUM' if i % 2 else 'NOUN'}" for i in range(40)]  # fmt: skip  # noqa: E501
    (tmp_path / "words.conll").write_text("\n\n".join(rows) + "\n")
    for arm in ("frequent_tag", "frozen"):
        made = method("tagging", arm, tmp_path / "words.conll", tmp_path / "kept", pretrained)
        run = made.run(seed=0)
        assert made.quality.main == "accuracy"
        right, words = np.sum(run["scores"], axis=0)
        assert run["metrics"]["accuracy"] == pytest.approx(right / words)
        assert words == sum(map(len, made.dataset.test.words))
    scores = made.model.evaluate(made.dataset.test, return_dict=True, verbose=0)
    assert run["metrics"]["f1"] == pytest.approx(scores["f1"])
    options = [option["validation"] for option in run["options"]]
    assert max(options) == options[[o["name"] for o in run["options"]].index(run["chosen"])]


@pytest.fixture(scope="module")
def table(sources, deep, tmp_path_factory, without_graphs):
    """The frozen arm of tagging on 4 blocks, two runs of it, and how often the encoder ran."""
    computed, pipe = [], Pipe()
    with pytest.MonkeyPatch.context() as patch:
        whole = token_features.word_features
        recipe = TokenClassifier.FROZEN_RECIPE.change(epochs=2)
        patch.setattr(TokenClassifier, "FROZEN_RECIPE", recipe)
        patch.setattr(
            "kerasformer.tasks.tagging.token_classifier.word_features",
            lambda *given: computed.append(1) or whole(*given),
        )
        kept = tmp_path_factory.mktemp("kept")
        made = method("tagging", "frozen", sources["tagging"], kept, deep, pipe=pipe)
        runs = [made.run(seed) for seed in (0, 1)]
        again = method("tagging", "frozen", sources["tagging"], kept, deep).run(seed=1)
    return made, runs, again, len(computed), pipe


def test_the_encoder_runs_once_for_all_options_seeds_and_processes(table):
    _, (_, second), again, computed, _ = table
    assert computed == 2  # over each split
    assert again["scores"] == second["scores"]


def test_the_options_are_those_of_table_7(table):
    made, runs, _, _, pipe = table
    assert not pipe.notes()
    assert made.settings["layers"] not in TABLE_7  # which each seed chooses anew
    for run in runs:
        assert [option["name"] for option in run["options"]] == list(TABLE_7)
        best = max(run["options"], key=lambda option: option["validation"])
        assert run["chosen"] == best["name"]
        assert run["metrics"] == best["metrics"]
        seconds = [option["train_seconds"] for option in run["options"]]
        assert made.seconds < min(seconds) <= max(seconds) < run["train_seconds"]


@pytest.mark.parametrize("layers", ["weighted_all", "concat_last_four"])
def test_an_option_is_worth_what_its_own_model_is(table, layers):
    """Trained by its own fit on the same sentences, without what the arm shares."""
    made, (run, _), _, _, _ = table
    whole = made.dataset
    carved = whole.with_validation()
    model = TokenClassifier.from_pretrained(
        made.settings["pretrained"], whole.tag_names, layers=layers, freeze_encoder=True
    )
    (option,) = (option for option in run["options"] if option["name"] == layers)
    for train, judged, value in (
        (carved.train, carved.validation, option["validation"]),  # what chooses has not been learnt
        (whole.train, whole.test, option["metrics"]["f1"]),  # and what is compared learns from all
    ):
        model.fit_head(model.features(train.words), train.tags, seed=0, epochs=2)
        scores = model.evaluate(judged, return_dict=True, verbose=0)
        assert value == pytest.approx(scores["f1"])


def test_options_that_need_more_blocks_are_left_out(sources, pretrained, tmp_path, without_graphs):
    pipe = Pipe()
    made = method("tagging", "frozen", sources["tagging"], tmp_path, pretrained, pipe=pipe)
    run = made.run(seed=0)
    names = ["embeddings", "last", "weighted_all"]
    assert [option["name"] for option in run["options"]] == names
    (note,) = pipe.notes()
    told = "second_to_last, weighted_last_four and concat_last_four: more blocks are needed than"
    assert told in note
    assert told in made.settings["left_out"]


def test_few_tags_are_seen_as_often_as_by_the_other_arms(
    sources, pretrained, tmp_path, monkeypatch, without_graphs
):
    recipe = TokenClassifier.FROZEN_RECIPE.change(epochs=2, batch_size=32)
    monkeypatch.setattr(TokenClassifier, "FROZEN_RECIPE", recipe)
    made = method("tagging", "frozen", sources["tagging"], tmp_path, pretrained)
    made.learn_from(np.arange(8))
    run = made.run(seed=0)
    epochs = made.lengthened(recipe).epochs
    assert epochs > recipe.epochs
    assert [row["epoch"] for row in run["history"]] == list(range(1, epochs + 1))


def test_a_validation_split_of_the_data_is_what_is_chosen_by(
    sources, deep, tmp_path, without_graphs
):
    dataset = load_dataset(sources["tagging"], "tagging").with_validation(0.3)
    made = method("tagging", "frozen", sources["tagging"], tmp_path, deep, dataset)
    run = made.run(seed=0)
    assert "validation" not in made.settings
    passed = run["train_examples_per_second"] * run["train_seconds"]
    assert passed == pytest.approx(len(dataset.train))
    assert run["history"][-1]["val_loss"] is not None
    (best,) = (option for option in run["options"] if option["name"] == run["chosen"])
    scores = made.model.evaluate(dataset.validation, return_dict=True, verbose=0)
    assert best["validation"] == pytest.approx(scores["f1"])


def test_the_answers_that_a_source_was_trained_for_are_not_what_is_compared(
    sources, pretrained, tmp_path, eager
):
    source = QuestionAnswerer.from_pretrained(pretrained)
    source.span.bias.assign([5.0, 5.0])
    source.threshold = 3.0
    source.save_pretrained(tmp_path / "source")
    for arm in ("frozen", "fine_tuned"):
        made = method("answering", arm, sources["answering"], tmp_path, tmp_path / "source")
        names = {"data": made.dataset}
        model, _ = made.new_model()
        exec(f"{made.imports}\n{made.code(made.settings)}", names)
        for each in (model, names["model"]):  # what is compared, and what its program makes
            assert not np.any(keras.ops.convert_to_numpy(each.span.bias))
            assert each.threshold is None
            assert each.head_is_new


def test_the_vectors_of_questions_are_computed_once_and_count_for_every_seed(
    sources, pretrained, tmp_path, monkeypatch, without_graphs
):
    computed, whole = [], span_outputs.token_vectors
    monkeypatch.setattr(
        "kerasformer.tasks.answering.question_answerer.token_vectors",
        lambda *given: computed.append(1) or whole(*given),
    )
    recipe = QuestionAnswerer.FROZEN_RECIPE.change(epochs=1)
    monkeypatch.setattr(QuestionAnswerer, "FROZEN_RECIPE", recipe)
    made = method("answering", "frozen", sources["answering"], tmp_path / "kept", pretrained)
    first = made.run(seed=0)
    (file,) = (tmp_path / "kept").glob("*.json")
    about = json.loads(file.read_text())
    assert about["seconds"] < first["train_seconds"]
    file.write_text(json.dumps(about | {"seconds": 1e6}))
    for seed in (0, 1):
        run = made.run(seed)
        assert 1e6 < run["train_seconds"] < 1.1e6
        assert seed or run["scores"] == first["scores"]
    assert len(computed) == 1


WITHOUT_KERAS = """
import pathlib, sys
from kerasformer.compare import Settings, arms_of
from kerasformer.data import AnsweringDataset, AnswerSplit, load_dataset
for task, arm, source in zip(*[iter(sys.argv[1:])] * 3):
    settings = Settings.make(task=task, data=source)
    made = arms_of(task)[arm].load()(load_dataset(source, task), settings, None, pathlib.Path())
    made.run(seed=0)
print("keras" in sys.modules, "tensorflow" in sys.modules)
"""


def test_what_must_be_beaten_needs_no_keras(sources):
    arms = {"pairs": "tfidf", "tagging": "frequent_tag", "answering": "sliding_window"}
    given = [str(part) for task, arm in arms.items() for part in (task, arm, sources[task])]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, *given], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def answering(train, test):
    """A data set of (question, context, answer or None) each."""
    splits = {}
    for name, rows in (("train", train), ("test", test)):
        questions, contexts, answers = map(list, zip(*rows, strict=True))
        places = [
            [] if answer is None else [(answer, context.index(answer))]
            for context, answer in zip(contexts, answers, strict=True)
        ]
        ids = [str(i) for i in range(len(rows))]
        splits[name] = AnswerSplit(questions, contexts, places, ids)
    return AnsweringDataset("few", splits)


FOUND = ("fine film?", "fine old film", "old")
UNRELATED = ("dull play?", "fine old film", None)
MISLEADING = ("fine film?", "fine so film", None)


@pytest.mark.parametrize(
    ("train", "scores"),
    [
        ([FOUND, UNRELATED], [1.0, 1.0]),  # from a weight on
        ([FOUND, MISLEADING, MISLEADING], [0.0, 1.0]),  # never
        ([FOUND, FOUND], [1.0, 0.0]),  # always, where no question of training has no answer
    ],
)
def test_the_window_answers_from_the_weight_on_that_is_best_in_training(tmp_path, train, scores):
    dataset = answering(train, [FOUND, UNRELATED])
    made = method("answering", "sliding_window", "few", tmp_path, dataset=dataset)
    run = made.run(seed=0)
    assert run["scores"] == scores
    assert run["metrics"] == {"f1": np.mean(scores), "exact": np.mean(scores)}
    json.dumps([run, made.settings], allow_nan=False)
    truth = [true or "no answer" for *_, true in (FOUND, UNRELATED)]
    wrong = [true for true, score in zip(truth, scores, strict=True) if not score]
    assert [(error["true"], error["probability"]) for error in run["errors"]] == [
        (true, None) for true in wrong
    ]
