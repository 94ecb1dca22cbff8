"""The paired comparison of two models' scores on the same examples."""

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import f1_score

from kerasformer.training.intervals import wilson_interval
from kerasformer.training.metrics.entities import f1_of_counts
from kerasformer.training.resampling import bootstrap_interval, paired_bootstrap


def test_of_right_and_wrong_it_is_mcnemars_exact_test():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.random((2, 40)) < rng.random((2, 1))
        ours = paired_bootstrap(a, b)
        better, worse = (a & ~b).sum(), (~a & b).sum()
        # Twice the smaller tail of a fair coin thrown for each example on which they differ.
        tail = scipy.stats.binom.cdf(min(better, worse), better + worse, 0.5)
        assert ours.p_value == pytest.approx(min(1.0, 2 * tail))
        assert ours.difference == pytest.approx(a.mean() - b.mean())


def test_the_interval_and_p_value_are_near_to_scipys():
    rng = np.random.default_rng(1)
    a = rng.normal(size=200)
    b = a + rng.normal(-0.07, 0.5, size=200)
    ours = paired_bootstrap(a, b, samples=10_000)
    theirs = scipy.stats.bootstrap(
        (a - b,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    p_value = scipy.stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=10_000
    ).pvalue
    assert ours.p_value == pytest.approx(p_value, abs=0.02)


def test_a_score_of_sums_is_compared_as_such():
    rng = np.random.default_rng(3)
    true, a, b = rng.random((3, 300)) < 0.4
    a |= true & (rng.random(300) < 0.5)

    def counts(predicted):
        return np.stack([true & predicted, predicted, true], axis=1)

    ours = paired_bootstrap(counts(a), counts(b), score=f1_of_counts)
    assert ours.difference == pytest.approx(f1_score(true, a) - f1_score(true, b))
    differences = []
    for rows in rng.integers(0, 300, (1000, 300)):
        sums = [counts(predicted)[rows].sum(axis=0) for predicted in (a, b)]
        differences.append(np.subtract(*f1_of_counts(np.array(sums))))
    interval = np.quantile(differences, [0.025, 0.975])
    assert (ours.low, ours.high) == pytest.approx(interval, abs=0.02)
    assert ours.p_value < 0.01


def test_chance_alone_is_seldom_significant():
    rng = np.random.default_rng(4)
    found = [paired_bootstrap(*rng.random((2, 30)), samples=200).p_value for _ in range(200)]
    assert 2 <= sum(p < 0.05 for p in found) <= 20


def test_a_seed_makes_it_repeatable_and_two_alike_do_not_differ():
    a, b = np.random.default_rng(5).random((2, 50))
    assert paired_bootstrap(a, b, seed=7) == paired_bootstrap(a, b, seed=7)
    assert paired_bootstrap(a, b, seed=7) != paired_bootstrap(a, b, seed=8)
    for scores in (a, a > 0.5):
        same = paired_bootstrap(scores, scores)
        assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([], [], "No examples"), ([1.0], [1.0, 2.0], "shapes"), ([[1.0]], [[1.0]], "shapes")],
)
def test_what_does_not_fit_is_an_error(a, b, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(a, b)


def test_the_bootstrap_interval_is_near_to_scipys_and_of_a_share_to_wilsons():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    theirs = scipy.stats.bootstrap(
        (values,), np.median, method="percentile", n_resamples=1000, rng=np.random.default_rng(1)
    ).confidence_interval
    ours = bootstrap_interval(200, lambda rows: np.median(values[rows]))
    np.testing.assert_allclose(ours, theirs, atol=0.03)
    right = rng.random(500) < 0.8
    ours = bootstrap_interval(500, lambda rows: right[rows].mean())
    np.testing.assert_allclose(ours, wilson_interval(right.mean(), 500), atol=0.01)
    assert ours == bootstrap_interval(500, lambda rows: right[rows].mean())


def test_the_bootstrap_leaves_out_samples_without_a_score():
    found = bootstrap_interval(2, lambda rows: None if rows[0] == rows[1] else 0.5, samples=50)
    assert found == (0.5, 0.5)
    with pytest.raises(ValueError, match="None of every sample"):
        bootstrap_interval(2, lambda rows: None, samples=5)
    with pytest.raises(ValueError, match="No examples"):
        bootstrap_interval(0, lambda rows: 1.0)
