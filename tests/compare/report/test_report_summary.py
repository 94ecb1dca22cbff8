import statistics
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from kerasformer.compare.report.summary import Estimate, summarize
from kerasformer.formatting import shorten
from kerasformer.training.intervals import sampling_margin, wilson_interval

CLASSES = ("accuracy", "precision", "recall", "f1")
VALUES = st.lists(st.floats(0, 1e6), min_size=2, max_size=8)


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_estimate_is_the_mean_and_the_sample_standard_deviation(values):
    estimate = Estimate.of(values)
    assert estimate.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-12)
    assert estimate.std == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_estimate_does_not_depend_on_the_order(data):
    values = data.draw(VALUES)
    assert Estimate.of(data.draw(st.permutations(values))) == Estimate.of(values)


def test_estimate_leaves_undefined_values_out():
    assert Estimate.of([None, float("nan"), 3, float("inf")]) == Estimate(3.0, None)
    assert Estimate.of([None]) is None
    assert Estimate.of([]) is None


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (1_411, 1_700), (17, 20)])
def test_wilson_interval_is_scipys(right, n):
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson_interval(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_sampling_margin_is_that_of_two_independent_shares():
    random = np.random.default_rng(0)
    draws = random.binomial(1_700, [0.83, 0.77], size=(40_000, 2)) / 1_700
    spread = (draws[:, 0] - draws[:, 1]).std()
    assert sampling_margin(0.83, 0.77, 1_700) == pytest.approx(1.96 * spread, rel=0.02)


def test_no_test_examples_tell_nothing():
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
    assert sampling_margin(0.9, 0.1, 0) == 1.0


def test_summarize_gives_each_arm_over_its_seeds(make_record):
    record = make_record(arms=("fine_tuned", "majority"), seeds=(2, 0, 1))
    majority, fine_tuned = summarize(record)
    runs = record["arms"]["fine_tuned"]["runs"]
    assert (majority.key, fine_tuned.seeds) == ("majority", (0, 1, 2))
    accuracies = [run["metrics"]["accuracy"] for run in runs]
    assert fine_tuned.main == statistics.fmean(accuracies)
    assert fine_tuned.main_std == statistics.stdev(accuracies)
    cells = [cell for run in runs for cell in run["metrics"]["confusion_matrix"]]
    assert sum(n for _, _, n in cells) == fine_tuned.confusion.total()
    assert fine_tuned.confusion[0, 1] == sum(
        n for true, taken, n in cells if (true, taken) == (0, 1)
    )
    assert fine_tuned.measures["peak_memory_mib"] == Estimate(1840.0, None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_scores_of_each_class_are_scikit_learns(make_record, pairs):
    record = make_record(arms=("tfidf",), seeds=(0,), class_names="abcd", n=30)
    run = record["arms"]["tfidf"]["runs"][0]
    run["metrics"]["confusion_matrix"] = [[*cell, n] for cell, n in Counter(pairs).items()]
    (arm,) = summarize(record)
    expected = precision_recall_fscore_support(
        *zip(*pairs, strict=True), labels=range(4), zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        assert [scores[name].mean for scores in arm.per_class] == pytest.approx(list(values))


def test_summarize_leaves_out_an_arm_without_runs(make_record):
    record = make_record(arms=("tfidf", "scratch"), seeds=(0,))
    record["arms"]["scratch"]["runs"] = []
    assert [arm.key for arm in summarize(record)] == ["tfidf"]


def test_the_spread_of_one_seed_is_unknown_unless_the_arm_is_deterministic(make_record):
    tfidf, scratch = summarize(make_record(arms=("tfidf", "scratch"), seeds=(0,)))
    assert tfidf.main_std == 0.0
    assert scratch.main_std is None


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.integers(1, 30))
def test_shorten_keeps_both_ends(text, limit):
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else "…" in short


def test_the_interval_of_accuracy_is_wilsons(make_record):
    (arm,) = summarize(make_record(arms=("fine_tuned",)))
    assert arm.interval == wilson_interval(arm.main, 1_703)


@pytest.mark.parametrize("task", ["tagging", "answering"])
def test_the_interval_of_an_f1_is_of_examples_drawn_anew(make_record, task):
    (arm,) = summarize(make_record(arms=("fine_tuned",), task=task, n=400))
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(2_000):
        rows = arm.scores[random.integers(400, size=400)]
        if task == "tagging":
            right, predicted, true = rows.sum(axis=0).T
            drawn.append(np.mean(2 * right / (predicted + true)))
        else:
            drawn.append(rows.mean())
    assert arm.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.004)
    assert arm.interval[0] < arm.main < arm.interval[1]


@pytest.mark.parametrize("task", ["classification", "pairs", "tagging", "answering"])
def test_the_main_metric_follows_from_the_scores(make_record, task):
    for arm in summarize(make_record(task=task, n=200)):
        score = arm.quality.score or (lambda sums: sums / 200)
        assert score(arm.scores.sum(axis=0)) == pytest.approx(np.array(arm.mains))


def test_tags_of_words_are_ranked_by_accuracy(make_record):
    options = {"arms": ("frequent_tag",), "seeds": (0,), "class_names": ("NOUN", "VERB"), "n": 3}
    record = make_record(task="tagging", **options)
    (run,) = record["arms"]["frequent_tag"]["runs"]
    run |= {"scores": [[1, 2], [3, 3], [0, 1]], "metrics": dict.fromkeys(CLASSES, 4 / 6)}
    (arm,) = summarize(record)
    assert (arm.quality.title, arm.main) == ("Accuracy", 4 / 6)
    assert arm.quality.score(arm.scores.sum(axis=0)) == 4 / 6
