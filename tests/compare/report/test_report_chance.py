import copy
import math

import numpy as np
import pytest
from scipy import stats

from kerasformer.compare.report.chance import SPREADS_TO_WIN, Gap
from kerasformer.compare.report.summary import summarize
from kerasformer.training.resampling import paired_bootstrap


@pytest.fixture(scope="module")
def gap(make_record):
    """The lead of an arm over another of a record with these main metrics, seed by seed."""

    def between(leader, other, task="classification", n=1_703, **mains):
        arms = tuple(mains) or (leader, other)
        seeds = range(max(map(len, mains.values()), default=3))
        record = make_record(arms, tuple(seeds), n=n, mains=mains, task=task)
        found = {arm.key: arm for arm in summarize(record)}
        return Gap(found[leader], found[other])

    return between


@pytest.mark.parametrize(("leader", "seeds"), [("fine_tuned", 1), ("majority", 3)])
def test_of_right_and_wrong_answers_the_p_value_is_mcnemars(gap, leader, seeds):
    """Of one seed each, or of several that all answer the same."""
    found = gap(leader, "tfidf", **{leader: [0.8] * seeds, "tfidf": [0.785] * seeds})
    assert found.leader.scores.shape == (1_703, seeds)
    one, two = found.leader.scores[:, 0], found.other.scores[:, 0]
    better, worse = int((one > two).sum()), int((one < two).sum())
    expected = stats.binomtest(better, better + worse).pvalue
    assert 0.001 < expected < 0.9
    assert found.over_examples.p_value == pytest.approx(expected)


@pytest.mark.parametrize("task", ["classification", "answering"])
def test_means_are_compared_by_each_examples_mean_over_seeds(gap, task):
    other = "tfidf" if task == "classification" else "sliding_window"
    found = gap("fine_tuned", other, task)
    assert found.leader.scores.shape == (1_703, 3)
    means = found.leader.scores.mean(axis=1), found.other.scores[:, 0]  # which is deterministic
    expected = paired_bootstrap(*means)
    assert found.over_examples == expected
    assert expected.difference == pytest.approx(found.lead)


@pytest.mark.parametrize("seeds", [(3, 1), (3, 3), (3, 2)])
def test_f1_is_compared_by_its_mean_over_seeds_however_many_there_are(gap, seeds):
    found = gap("fine_tuned", "scratch", "tagging", n=300)
    for arm, count in zip((found.leader, found.other), seeds, strict=True):
        object.__setattr__(arm, "scores", arm.scores[:, :count])
        object.__setattr__(arm, "mains", arm.mains[:count])
    assert found.over_examples.difference == pytest.approx(found.lead)
    assert found.over_examples.low < found.lead < found.over_examples.high


def test_questions_of_one_article_are_drawn_together(make_record):
    """Copies of a question tell as much as the question."""
    arms, n = ("sliding_window", "fine_tuned"), 60
    once = make_record(arms, (0,), n=n, task="answering")
    often = copy.deepcopy(once)
    for record, times in ((once, 1), (often, 7)):
        record["data"]["splits"]["test"] |= {"examples": n * times, "articles": n}
        record["test_groups"] = [i for i in range(n) for _ in range(times)]
        for entry in record["arms"].values():
            (run,) = entry["runs"]
            run["scores"] = [score for score in run["scores"] for _ in range(times)]
    (other, leader), copies = (summarize(record) for record in (once, often))
    found, of_copies = (Gap(two, one) for one, two in ((other, leader), copies))
    for end in ("difference", "low", "high", "p_value"):
        ends = getattr(found.over_examples, end), getattr(of_copies.over_examples, end)
        assert ends[0] == pytest.approx(ends[1])
    assert leader.interval == pytest.approx(copies[1].interval)
    del often["test_groups"]
    low, high = summarize(often)[1].interval
    assert high - low < 0.6 * (leader.interval[1] - leader.interval[0])


def test_of_single_questions_it_is_the_same_test(make_record):
    record = make_record(("sliding_window", "fine_tuned"), (0, 1), n=300, task="answering")
    other, leader = summarize(record)
    record["test_groups"] = list(range(300))
    grouped, by_group = summarize(record)
    alone, found = (Gap(*two).over_examples for two in ((leader, other), (by_group, grouped)))
    assert found.difference == pytest.approx(alone.difference)
    assert [found.low, found.high] == pytest.approx([alone.low, alone.high], abs=0.02)


def test_runs_of_one_arm_that_are_all_the_same_say_no_more_than_one(gap):
    thrice = gap("fine_tuned", "frequent_tag", "tagging", n=300)
    found, other = thrice.over_examples, thrice.other
    assert other.scores.shape == (300, 3, 3)
    object.__setattr__(other, "scores", other.scores[:, :1])
    expected = Gap(thrice.leader, other).over_examples
    assert (found.difference, found.low, found.high) == pytest.approx(
        (expected.difference, expected.low, expected.high)
    )


def test_seeds_make_no_examples_of_their_own(gap):
    """Ten seeds that err on the same examples leave the sampling error what it was."""
    one = gap("fine_tuned", "tfidf", fine_tuned=[0.8], tfidf=[0.785]).over_examples
    ten = gap("fine_tuned", "tfidf", fine_tuned=[0.8] * 10, tfidf=[0.785]).over_examples
    assert ten.high - ten.low > 0.8 * (one.high - one.low)


def test_no_test_examples_tell_nothing(gap):
    found = gap("fine_tuned", "tfidf")
    for arm in (found.leader, found.other):
        object.__setattr__(arm, "scores", arm.scores[:0])
    assert found.leader.interval == (0.0, 1.0)
    assert (found.over_examples.low, found.over_examples.high) == (-1.0, 1.0)
    assert found.within_sampling


def test_over_seeds_it_is_students_paired_test(gap):
    mains = {"fine_tuned": [0.80, 0.83, 0.81, 0.82], "scratch": [0.78, 0.82, 0.77, 0.80]}
    found = gap("fine_tuned", "scratch", **mains).over_seeds
    expected = stats.ttest_rel(mains["fine_tuned"], mains["scratch"])
    low, high = expected.confidence_interval(0.95)
    assert (found.difference, found.low, found.high, found.p_value) == pytest.approx(
        (0.0225, low, high, expected.pvalue)
    )


def test_a_deterministic_arm_scores_the_same_with_every_seed(gap):
    found = gap("fine_tuned", "tfidf", fine_tuned=[0.80, 0.83, 0.81], tfidf=[0.79])
    expected = stats.ttest_1samp([0.80, 0.83, 0.81], 0.79)
    assert found.over_seeds.p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("arms", "mains"),
    [
        (("fine_tuned", "scratch"), ([0.80, 0.81], [0.7, 0.71])),  # two seeds
        (("fine_tuned", "scratch"), ([0.80, 0.81, 0.82, 0.83], [0.7, 0.71, 0.72])),
        (("tfidf", "majority"), ([0.8], [0.5])),  # no seed changes anything
    ],
)
def test_over_other_seeds_there_is_no_test(gap, arms, mains):
    assert gap(*arms, **dict(zip(arms, mains, strict=True))).over_seeds is None


def test_the_same_lead_with_every_seed_is_no_chance(gap):
    ahead = gap("fine_tuned", "scratch", fine_tuned=[0.8] * 3, scratch=[0.7] * 3)
    assert (ahead.over_seeds.p_value, ahead.within_spread) == (0.0, False)
    equal = gap("fine_tuned", "scratch", fine_tuned=[0.8] * 3, scratch=[0.8] * 3)
    assert (equal.over_seeds.p_value, equal.within_spread) == (1.0, True)


def test_a_lead_of_two_spreads_must_pass_the_test_over_seeds_too(gap):
    """Of three seeds, whose differences vary more than the runs of either arm."""
    mains = {"fine_tuned": [0.80, 0.84, 0.88], "scratch": [0.74, 0.70, 0.66]}
    found = gap("fine_tuned", "scratch", **mains)
    assert found.lead > SPREADS_TO_WIN * found.spread
    assert found.over_seeds.p_value > 0.05
    assert found.within_spread


def test_two_spreads_are_92_of_100_pairs_of_runs():
    random = np.random.default_rng(0)
    leader, other = random.normal([SPREADS_TO_WIN, 0], size=(100_000, 2)).T
    assert (leader > other).mean() == pytest.approx(0.92, abs=0.005)
    assert stats.norm.cdf(SPREADS_TO_WIN / math.sqrt(2)) == pytest.approx(0.92, abs=0.002)
