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
    assert fine_tuned.accuracy == statistics.fmean(accuracies)
    assert fine_tuned.seed_std == statistics.stdev(accuracies)
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
    assert tfidf.seed_std == 0.0
    assert scratch.seed_std is None


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.integers(1, 30))
def test_shorten_keeps_both_ends(text, limit):
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else "…" in short
