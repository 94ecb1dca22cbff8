"""Answers from start and end logits: what transformers makes of them, written down, and laws.

`tests/parity/test_answers.py` compares with the code itself.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.tasks.answering.answers import (
    Answer,
    RankedAnswers,
    best_answers,
    tune_no_answer_threshold,
)
from kerasformer.training import answer_metrics

from ..parity.answers import check_same, random_windows

GOLDEN = json.loads(Path(__file__).with_name("golden_answers.json").read_text(encoding="utf-8"))
NAMES = ("starts", "ends", "offsets", "questions", "contexts")


def values(windows):
    starts, ends, *rest = (windows[name] for name in NAMES)
    return [np.array(starts, "float32"), np.array(ends, "float32"), *rest]


def test_they_equal_those_of_transformers():
    ranked = best_answers(*values(GOLDEN), n_best=8, max_answer_length=3, no_answer=True)
    for own, theirs, context in zip(ranked, GOLDEN["answers"], GOLDEN["contexts"], strict=True):
        check_same(own.answers, theirs["best"])
        assert own.margin == pytest.approx(theirs["margin"], abs=1e-3)
        assert all(context[a.start : a.end] == a.text for a in own.answers)
        assert len({(a.start, a.end) for a in own.answers}) == len(own.answers)
    assert all("" in dict(theirs["best"]) for theirs in GOLDEN["answers"])
    assert any(len(dict(each["best"])) < len(each["best"]) for each in GOLDEN["answers"])


def test_a_question_is_answered_as_it_is_alone():
    """Whatever the order of windows, and the padding."""
    windows = values(random_windows(np.random.default_rng(0), questions=5))
    starts, ends, offsets, questions, contexts = windows
    together = best_answers(*windows, no_answer=True)
    pad = ((0, 0), (0, 3))
    padded = [np.pad(x, pad, constant_values=-99) for x in (starts, ends)]
    offsets = np.array(offsets)
    longer = np.pad(offsets, (*pad, (0, 0)), constant_values=-1)
    order = np.random.default_rng(1).permutation(len(starts))
    shuffled = (x[order] for x in (*padded, longer, np.array(questions)))
    assert best_answers(*shuffled, contexts, no_answer=True) == together
    for question, context in enumerate(contexts):
        rows = np.array(questions) == question
        one = starts[rows], ends[rows], offsets[rows], [0] * rows.sum()
        assert best_answers(*one, [context], no_answer=True) == [together[question]]


def test_where_no_likely_token_is_of_the_context_the_others_are_considered():
    starts = ends = [[0.0, 9.0, 8.0, 1.0, 2.0]]
    offsets = [[(-1, -1)] * 3 + [(0, 2), (3, 7)]]
    (ranked,) = best_answers(starts, ends, offsets, [0], ["in Rome"], n_best=2)
    assert [answer.text for answer in ranked.answers] == ["Rome", "in Rome"]


def test_an_empty_context_has_no_answer():
    logits, offsets = [[1.0, 2.0]], [[(-1, -1)] * 2]
    (ranked,) = best_answers(logits, logits, offsets, [0], [""])
    assert ranked == RankedAnswers([Answer("", 0, 0, 1.0)])
    (ranked,) = best_answers(logits, logits, offsets, [0], [""], no_answer=True)
    assert ranked.choose(1e9) == ranked.best == Answer("", 0, 0, 1.0)
    assert best_answers([], [], [], [], []) == []


def test_the_least_likely_window_speaks_for_no_answer():
    starts = ends = [[3.0, 1.0], [0.5, 1.0]]
    (ranked,) = best_answers(starts, ends, [[(-1, -1), (0, 1)]] * 2, [0, 0], ["a"], no_answer=True)
    assert ranked.margin == pytest.approx(-1.0)
    assert ranked.no_answer_probability == pytest.approx(1 / (1 + np.e))
    assert [answer.text for answer in ranked.answers] == ["a", ""]


def test_the_best_answer_is_kept_beside_no_answer():
    starts = ends = [[3.0, 1.0]]
    (ranked,) = best_answers(starts, ends, [[(-1, -1), (0, 1)]], [0], ["a"], 1, no_answer=True)
    assert (ranked.choose().text, ranked.choose(threshold=4.0).text) == ("", "a")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([-2.0, -1.0, 0.0, 0.5, float("inf")]), st.sampled_from(
            [["a b"], ["a b", "c"], ["d e b"], ["f"], []])),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_the_tuned_threshold_is_the_best_there_is(rows):
    ranked = [RankedAnswers([Answer("a b", 0, 3, 0.6), Answer("", 0, 0, 0.4)], m) for m, _ in rows]
    references = [texts for _, texts in rows]

    def f1(threshold):
        texts = [each.choose(threshold).text for each in ranked]
        return answer_metrics(texts, references)["f1"]

    best = tune_no_answer_threshold(ranked, references)
    assert np.isfinite(best)
    assert f1(best) == pytest.approx(max(map(f1, (-9.0, -2.0, -1.0, 0.0, 0.5))))


@pytest.mark.parametrize("name", ["n_best", "max_answer_length"])
def test_numbers_below_1_are_one_sentence(name):
    with pytest.raises(UserError, match=f"{name} is 0, but must be at least 1"):
        best_answers(*values(GOLDEN), **{name: 0})


def test_a_threshold_needs_margins():
    with pytest.raises(ValueError, match="no_answer=True"):
        tune_no_answer_threshold([RankedAnswers([Answer("a", 0, 1, 1.0)])], [["a"]])
    with pytest.raises(ValueError, match="No questions"):
        tune_no_answer_threshold([], [])
