"""Training on some of the labels: which, and a comparison that does so and is resumed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasformer import load_dataset
from kerasformer.compare import Settings, compare, runner
from kerasformer.compare.label_curve import Job, chosen_rows, label_counts
from kerasformer.compare.methods.networks import LEAST_STEPS, Network
from kerasformer.compare.report import load_record
from kerasformer.data import Split
from kerasformer.errors import UserError
from kerasformer.training import Recipe

ARMS = ["majority", "tfidf"]


@given(
    labels=st.lists(st.integers(0, 3), min_size=8, max_size=60),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_choices_are_nested_and_every_class_has_its_share(labels, seed, data):
    labels = np.array(labels)
    split = Split([str(i) for i in range(len(labels))], labels)
    least = len(np.unique(labels))
    small, large = sorted(
        data.draw(st.lists(st.integers(least, len(labels)), min_size=2, max_size=2))
    )
    few, many = (chosen_rows(split, count, seed) for count in (small, large))
    assert len(set(few)) == small
    assert len(set(many)) == large
    assert set(few) <= set(many)
    assert set(labels[few]) == set(labels)
    shares = np.bincount(labels, minlength=4) / len(labels)
    counts = np.bincount(labels[many], minlength=4)
    assert np.abs(counts - large * shares).max() <= 1 + least  # one of each, and rounding
    np.testing.assert_array_equal(few, chosen_rows(split, small, seed))


def test_another_seed_chooses_others():
    split = Split([str(i) for i in range(99)], np.arange(99) % 3)
    assert chosen_rows(split, 9, 0).tolist() != chosen_rows(split, 9, 1).tolist()


def test_examples_without_classes_are_chosen_too(tagged):
    train = load_dataset(tagged, "tagging").train
    assert set(chosen_rows(train, 2, 0)) < set(chosen_rows(train, 4, 0))


@pytest.fixture(scope="module")
def curve(reviews, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "curve"
    options = {"data": str(reviews), "arms": ARMS, "seeds": 2}
    compare(folder, label_curve=["8", "24", "all"], **options)
    return folder


def test_every_arm_is_trained_with_each_number_of_labels(curve, reviews):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    record = load_record(curve)
    assert record["status"] == "complete"
    assert record["settings"]["label_curve"] == [8, 24]
    assert list(record["label_curve"]) == ["8", "24"]
    for arms in record["label_curve"].values():
        assert [[run["seed"] for run in arms[key]["runs"]] for key in ARMS] == [[0, 1], [0, 1]]
    # On all labels it is the same with every seed.
    assert [run["seed"] for run in record["arms"]["tfidf"]["runs"]] == [0]
    data = load_dataset(reviews)
    for run in record["label_curve"]["24"]["tfidf"]["runs"]:
        train = data.train.take(chosen_rows(data.train, 24, run["seed"]))
        vectorizer = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]")
        model = LogisticRegression(C=4.0, max_iter=1000)
        model.fit(vectorizer.fit_transform(train.texts), train.labels)
        expected = model.score(vectorizer.transform(data.test.texts), data.test.labels)
        assert run["metrics"]["accuracy"] == pytest.approx(expected)


def test_what_has_not_run_is_resumed(curve, tmp_path, capsys):
    record = load_record(curve)
    whole = json.loads(json.dumps(record))
    del record["label_curve"]["24"]["tfidf"]["runs"][1]
    del record["label_curve"]["8"]["majority"]
    record["status"] = "interrupted"
    (tmp_path / "record.json").write_text(json.dumps(record))
    compare(tmp_path, resume=True)
    err = capsys.readouterr().err
    assert "[7/10] Majority class, 8 labels, seed 0" in err.replace("[8/10]", "[7/10]")
    assert "TF-IDF + logistic regression, 24 labels, seed 1" in err
    again = load_record(tmp_path)
    for labels, arms in whole["label_curve"].items():
        for key, entry in arms.items():
            ours = again["label_curve"][labels][key]["runs"]
            scores = {run["seed"]: run["scores"] for run in ours}
            assert scores == {run["seed"]: run["scores"] for run in entry["runs"]}


def test_the_command_says_the_numbers():
    settings = Settings.make(data="a.csv", label_curve=[300, 100, "all"])
    assert settings.command() == "kerasformer compare --data a.csv --label-curve 100 300"
    whole = Settings.make(data="a.csv", label_curve="all")
    assert whole == Settings.make(data="a.csv")
    assert whole.command() == "kerasformer compare --data a.csv"


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (["0"], "label_curve has 0"),
        ([1.5], "label_curve has 1.5"),
        ("few", "label_curve has 'few'"),
    ],
)
def test_what_is_no_number_of_labels_is_one_sentence(numbers, message):
    with pytest.raises(UserError, match=message):
        Settings.make(data="a.csv", label_curve=numbers)


def test_fewer_labels_than_classes_are_refused(reviews, tmp_path):
    with pytest.raises(
        UserError, match="--label-curve has 1, too few labels for one of each of the 2"
    ):
        compare(tmp_path / "out", data=str(reviews), label_curve=[1], arms=["majority"])


def test_a_single_sentence_is_refused_before_an_arm_has_run(tagged):
    given = {"data": str(tagged), "task": "tagging", "label_curve": [1], "seeds": 1}
    with pytest.raises(UserError, match="--label-curve has 1, but the arm frozen learns from one"):
        label_counts(Settings.make(**given), load_dataset(tagged, "tagging"))
    without = Settings.make(**given, arms=["frequent_tag"])
    assert label_counts(without, load_dataset(tagged, "tagging")) == [1]


class _Played:
    """A process, its pipe, the live line and a clock, all of which only play events."""

    def __init__(self, events):
        self.events, self.now, self.left_out = events, 0, 0

    def recv(self):
        if not self.events:
            raise EOFError
        seconds, *event = self.events.pop(0)
        self.now += seconds
        return event

    def leave_out(self, count):
        self.left_out = count

    def start(self, *_):
        """Nothing else is of interest."""

    close = terminate = join = finish = start


@pytest.mark.parametrize(("deadline", "left_out"), [(150, 0), (145, 1), (139, 2), (109, 4)])
def test_a_run_is_begun_that_will_end_in_time_as_those_of_as_many_labels(
    monkeypatch, deadline, left_out
):
    jobs = [Job(seed, labels) for seed in range(3) for labels in (None, 8)]
    told = {"run": {}, "settings": {}, "peak_memory_mib": None}
    runs = [(10 if job.labels else 20, "run", {"job": job, **told}) for job in jobs]
    played = _Played([(60, "prepared", {}), *runs])  # 60 seconds once, and then 30 with each seed
    context = SimpleNamespace(Pipe=lambda **_: (played, played), Process=lambda **_: played)
    monkeypatch.setattr(runner.multiprocessing, "get_context", lambda _: context)
    monkeypatch.setattr(runner.time, "monotonic", lambda: played.now)
    monkeypatch.setattr(runner, "_write_record", lambda *_: None)
    settings, record = Settings.make(data="a.csv", seeds=3, label_curve=[8]), {"arms": {}}
    runner._run_arm("tfidf", jobs, record, None, settings, None, played, deadline)
    assert played.left_out == left_out
    assert len(played.events) == left_out


class _Trained(Network):
    """As many steps as a recipe takes."""

    def __init__(self, rows, whole, epochs=None):
        self.rows, self.epochs = rows, epochs
        self.whole = type("Data", (), {"train": range(whole)})

    new_model = predict = judge = None


def test_few_labels_are_seen_more_often():
    recipe, few = Recipe(epochs=2, batch_size=32), range(100)
    assert _Trained(None, 9000).lengthened(recipe) == recipe
    assert _Trained(range(8000), 9000).lengthened(recipe) == recipe
    steps = _Trained(few, 9000).lengthened(recipe).epochs * 4
    assert LEAST_STEPS <= steps < LEAST_STEPS + 4
    assert _Trained(few, 800).lengthened(recipe).epochs * 4 >= 50  # as with all 800
    assert _Trained(few, 800).lengthened(recipe).epochs * 4 < 54
    assert _Trained(few, 9000, epochs=2).lengthened(recipe) == recipe  # asked for
