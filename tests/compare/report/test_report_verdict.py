import math
import re
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.compare.report.findings import Findings

LEARNERS = ("tfidf", "scratch", "frozen", "fine_tuned")


def verdict_of(record):
    return Findings(record).verdict


@pytest.fixture(scope="module")
def verdict(make_record):
    """Judges a record with these main metrics, on 1,703 test examples."""

    def judge_mains(n=1_703, task="classification", **mains):
        seeds = tuple(range(max(map(len, mains.values()))))
        return verdict_of(make_record(tuple(mains), seeds, n=n, mains=mains, task=task))

    return judge_mains


def test_a_clear_lead_of_a_pretrained_arm_is_a_yes(verdict):
    found = verdict(
        tfidf=[0.76, 0.76, 0.76],
        scratch=[0.73, 0.74, 0.75],
        frozen=[0.79, 0.79, 0.79],
        fine_tuned=[0.83, 0.834, 0.838],
    )
    assert found.answer == "yes"
    assert found.headline == (
        "Yes: Fine-tuned all-MiniLM-L6-v2 beats TF-IDF + logistic regression, the best arm "
        "without pretraining, by 7.4 points of accuracy."
    )
    assert found.gap.lead == pytest.approx(0.074)
    assert found.gap.spread == pytest.approx(statistics.stdev([0.83, 0.834, 0.838]) / math.sqrt(2))
    text = " ".join(found.details)
    assert "It is beyond the sampling error of 1,703 test texts: paired text by text, its" in text
    low, high = 100 * found.gap.over_examples.low, 100 * found.gap.over_examples.high
    assert 5 < low < 7.4 < high < 10
    assert f"95 % interval is {low:.1f} to {high:.1f} points, p < 0.001." in text
    assert re.search(r"paired seed by seed, its 95 % interval is 6\.4 to 8\.4 points, p < 0", text)
    assert "times the training time" in text
    assert "Frozen all-MiniLM-L6-v2 reaches 79.0 % (4.4 points less) and trains in" in text


def test_a_clear_lead_of_an_arm_without_pretraining_is_a_no(verdict):
    found = verdict(tfidf=[0.86, 0.86], fine_tuned=[0.80, 0.81])
    assert found.answer == "no"
    assert found.headline.startswith("No: TF-IDF + logistic regression beats Fine-tuned")


def test_the_spread_is_the_pooled_standard_deviation(verdict):
    scratch, fine_tuned = [0.70, 0.74, 0.72], [0.80, 0.81, 0.83]
    pooled = math.sqrt((statistics.variance(scratch) + statistics.variance(fine_tuned)) / 2)
    assert verdict(scratch=scratch, fine_tuned=fine_tuned).gap.spread == pytest.approx(pooled)


def test_no_win_within_the_seed_to_seed_spread(verdict):
    found = verdict(scratch=[0.60, 0.70, 0.80], fine_tuned=[0.65, 0.75, 0.85])
    assert found.answer == "unclear"
    assert "but within what other seeds may change" in found.headline
    assert "It is beyond the sampling error" in " ".join(found.details)


def test_no_win_within_the_sampling_error_of_the_test_split(verdict):
    mains = {"tfidf": [0.80, 0.80], "fine_tuned": [0.81, 0.8101]}
    found = verdict(**mains)
    assert found.answer == "unclear"
    assert "by 1.0 point of accuracy, but within the sampling error" in found.headline
    assert verdict(n=30_000, **mains).answer == "yes"


def test_one_seed_leaves_the_spread_unknown(verdict):
    found = verdict(tfidf=[0.76], fine_tuned=[0.83])
    assert found.headline.startswith("Probably yes:")
    assert "the spread from seed to seed is unknown" in " ".join(found.details)
    assert verdict(tfidf=[0.83], fine_tuned=[0.76]).headline.startswith("Probably no:")
    assert verdict(tfidf=[0.82], fine_tuned=[0.83]).headline.startswith("Not clear:")


def test_one_seed_of_one_arm_leaves_the_spread_unknown(verdict):
    found = verdict(scratch=[0.76, 0.76], fine_tuned=[0.83])
    assert found.gap.spread is None
    text = " ".join(found.details)
    assert ". Fine-tuned all-MiniLM-L6-v2 ran with one seed, so that the spread" in f". {text}"
    both = " ".join(verdict(scratch=[0.76], fine_tuned=[0.83]).details)
    assert "all-MiniLM-L6-v2 and Transformer from scratch ran with one seed" in both
    assert verdict(tfidf=[0.76], fine_tuned=[0.83, 0.84]).gap.spread is not None


def test_equal_arms(verdict):
    found = verdict(tfidf=[0.8, 0.8], fine_tuned=[0.8, 0.8])
    assert found.headline.startswith("Not clear:")
    assert "have the same accuracy" in found.headline


def test_macro_f1_may_say_the_opposite(make_record):
    record = make_record(
        ("tfidf", "fine_tuned"), (0, 1), mains={"tfidf": [0.7] * 2, "fine_tuned": [0.9] * 2}
    )
    for run in record["arms"]["fine_tuned"]["runs"]:
        run["metrics"]["f1"] = 0.5
    text = " ".join(verdict_of(record).details)
    assert "macro F1 says the opposite: it is 20.0 points lower" in text
    for run in record["arms"]["fine_tuned"]["runs"]:
        run["metrics"]["f1"] = None
    assert "macro F1 is undefined" in " ".join(verdict_of(record).details)


def test_arms_that_cannot_tell(verdict, make_record):
    assert verdict(majority=[0.5], fine_tuned=[0.8]).answer == "unknown"
    assert "without pretraining has run" in verdict(fine_tuned=[0.8]).headline
    assert "with pretraining has run" in verdict(tfidf=[0.8], scratch=[0.7]).headline
    assert verdict_of(make_record((), ())).headline == "No answer: no arm has finished."


def test_nothing_better_than_what_learns_nothing(verdict):
    text = " ".join(verdict(majority=[0.9], tfidf=[0.895], fine_tuned=[0.901]).details)
    assert "than the one that learns nothing, Majority class (90.0 %), so there may be" in text
    text = " ".join(verdict(majority=[0.5], tfidf=[0.8], fine_tuned=[0.9]).details)
    assert "learns nothing" not in text


def test_costs_that_were_not_measured_are_left_out(make_record):
    record = make_record(("tfidf", "fine_tuned"), (0,))
    record["arms"]["tfidf"]["peak_memory_mib"] = None
    record["arms"]["tfidf"]["runs"][0] |= {"latency_ms": None, "train_seconds": 0.0}
    text = " ".join(verdict_of(record).details)
    assert "times the parameters" in text
    assert "memory" not in text
    assert "latency" not in text
    record["arms"]["tfidf"]["runs"][0]["parameters"] = {"trainable": None, "total": None}
    assert "is not known" in " ".join(verdict_of(record).details)


@settings(max_examples=25, deadline=None)
@given(
    scores=st.lists(
        st.lists(st.sampled_from([0.5, 0.7, 0.71, 0.8, 0.1 + 0.7]), min_size=1, max_size=4),
        min_size=4,
        max_size=4,
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_order_of_seeds_and_arms_changes_nothing(make_record, scores, shuffle):
    record = make_record(LEARNERS, range(4), n=60, mains=dict(zip(LEARNERS, scores, strict=True)))
    before = verdict_of(record)
    arms = list(record["arms"].items())
    shuffle.shuffle(arms)
    record["arms"] = dict(arms)
    for _, arm in arms:
        shuffle.shuffle(arm["runs"])
    after = verdict_of(record)
    assert (after.answer, after.headline) == (before.answer, before.headline)
    assert after.details == before.details


@settings(max_examples=25, deadline=None)
@given(
    a=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    b=st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_a_win_is_beyond_the_spread_and_the_sampling_error(make_record, a, b):
    mains = {"scratch": a, "frozen": b}
    found = verdict_of(make_record(tuple(mains), range(4), n=60, mains=mains))
    if found.answer in ("yes", "no"):
        assert found.gap.over_examples.p_value < 0.05
        assert found.gap.over_examples.low > 0
        assert found.gap.spread is None or found.gap.lead > found.gap.spread
        assert (found.gap.leader.key == "frozen") == (found.answer == "yes")


def test_a_lead_that_a_test_over_seeds_does_not_show_says_so(verdict):
    found = verdict(scratch=[0.74, 0.70, 0.66], fine_tuned=[0.80, 0.84, 0.88])
    assert "but within what other seeds may change" in found.headline
    assert found.gap.lead > 2 * found.gap.spread
    assert re.search(r"paired seed by seed, .* p = 0\.0\d+, where a win takes p < 0\.05\.$",
                     found.details[1])  # fmt: skip


@pytest.mark.parametrize(
    ("task", "main", "examples", "second"),
    [
        ("pairs", "accuracy", "pairs: paired pair by pair", "macro F1"),
        ("tagging", "entity F1", "sentences: paired sentence by sentence", "macro F1"),
        ("answering", "F1", "questions: paired question by question", "exact match"),
    ],
)
def test_every_task_has_its_own_words(verdict, task, main, examples, second):
    found = verdict(task=task, scratch=[0.2, 0.21, 0.22], fine_tuned=[0.5, 0.51, 0.52])
    assert found.headline.endswith(f"the best arm without pretraining, by 30.0 points of {main}.")
    text = " ".join(found.details)
    assert f"{main[0].upper()}{main[1:]} is 51.0 % against 21.0 %, and {second} is 30.0" in text
    assert f"the sampling error of 1,703 test {examples}, its 95 % interval is" in text
    assert f"the latency of one {examples.partition('s:')[0]} (" in text
    assert f"an {main} of 51.0 %" in " ".join(verdict(task=task, fine_tuned=[0.51]).details)


def test_a_floor_of_answering_that_nothing_beats(verdict):
    found = verdict(task="answering", sliding_window=[0.5], scratch=[0.1], fine_tuned=[0.3])
    assert found.headline.startswith("Probably no: Sliding window of words beats Fine-tuned")
    text = " ".join(found.details)
    assert "learns nothing, Sliding window of words (50.0 %), so there may be nothing" in text
    assert "training time" not in text  # of what is not trained
    assert "times the latency of one question (" in text


@pytest.mark.parametrize("task", ["classification", "pairs", "tagging", "answering"])
def test_that_questions_about_one_article_are_alike_is_told(verdict, task):
    text = " ".join(verdict(task=task, n=100, scratch=[0.2], fine_tuned=[0.5]).details)
    caution = "with few articles (3 here) the interval is too narrow."
    assert (caution in text) == (task == "answering")


def test_what_is_drawn_as_a_whole_is_told(make_record):
    record = make_record(("scratch", "fine_tuned"), (0,), task="answering", n=100)
    record["test_groups"] = [i // 34 for i in range(100)]
    text = " ".join(verdict_of(record).details)
    assert "100 test questions: paired article by article, its 95 % interval" in text
    assert "whole articles are drawn and swapped; with few articles (3 here) the interval" in text


def test_a_second_metric_that_is_the_same(make_record):
    record = make_record(("scratch", "fine_tuned"), (0,), task="answering", n=100)
    for arm in record["arms"].values():
        arm["runs"][0]["metrics"]["exact"] = 0.1
    assert verdict_of(record).details[0].endswith(" %, and exact match is the same.")
