"""Exact match and F1 of answers: what SQuAD's scripts give, written down, and laws.

`tests/parity/test_answer_metrics.py` compares with the scripts themselves.
"""

import json

import numpy as np
import pytest

from kerasformer.training import answer_metrics, answer_scores


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("the Eiffel-Tower!", ["eiffeltower"], 1, 1),  # case, punctuation, articles
        ("  A\tfine \n day", ["fine day"], 1, 1),  # spaces
        ("in Rome", ["Rome", "Rome in Italy"], 0, 0.8),  # the best of several references
        ("Zürich „Stadt“", ["Zürich Stadt"], 0, 0.5),  # only ASCII punctuation goes
        ("ÉCOLE", ["école"], 1, 1),
        ("rome rome", ["rome"], 0, 2 / 3),  # words are counted
        ("theatre an der Wien", ["theatre der Wien"], 1, 1),  # articles are whole words
        ("", ["Rome"], 0, 0),
        ("the", ["A!"], 1, 0),  # version 1.1: nothing but articles has no word in common
    ],
)
def test_one_answer(prediction, references, exact, f1):
    scores = answer_scores([prediction], [references])
    assert [float(score[0]) for score in scores] == pytest.approx([exact, f1])


def test_questions_without_an_answer():
    predictions = ["Rome", "", "Paris", "", "the"]
    references = [["Rome"], [], [], ["Oslo"], ["a"]]
    metrics = answer_metrics(predictions, references, [0.1, 0.9, 0.4, 0.6, 0.2])
    json.dumps(metrics)
    # "a" is no answer in version 2.0, but its question counts as one with an answer.
    assert metrics == {
        "exact": 0.6, "f1": 0.6, "total": 5,
        "HasAns_exact": pytest.approx(2 / 3), "HasAns_f1": pytest.approx(2 / 3), "HasAns_total": 3,
        "NoAns_exact": 0.5, "NoAns_f1": 0.5, "NoAns_total": 2,
        # Answering up to 0.2 gets both of these and the two without an answer right.
        "best_exact": 0.8, "best_exact_thresh": 0.2, "best_f1": 0.8, "best_f1_thresh": 0.2,
    }  # fmt: skip


def test_where_no_answer_is_best_the_threshold_is_0():
    metrics = answer_metrics(["a b", "c"], [[], []], [0.3, 0.2])
    assert (metrics["best_f1"], metrics["best_f1_thresh"]) == (1.0, 0.0)
    assert "HasAns_f1" not in metrics


def test_order_does_not_matter():
    rng = np.random.default_rng(0)
    words = np.array(["the", "a", "red", "green", "blue", "house"])
    predictions = [" ".join(rng.choice(words, 3)) for _ in range(50)]
    references = [[" ".join(rng.choice(words, 3))] * int(rng.integers(0, 3)) for _ in range(50)]
    probabilities = rng.random(50)
    order = rng.permutation(50)
    shuffled = answer_metrics(
        [predictions[i] for i in order], [references[i] for i in order], probabilities[order]
    )
    assert shuffled == pytest.approx(answer_metrics(predictions, references, probabilities))


@pytest.mark.parametrize(
    ("predictions", "references", "probabilities", "message"),
    [
        ([], [], None, "No questions"),
        (["a"], [], None, "1 predictions and 0 lists"),
        (["a"], [["a"]], [1.5], r"in \[0, 1\]"),
        (["a"], [["a"]], [float("nan")], r"in \[0, 1\]"),
        (["a"], [["a"]], [0.5, 0.5], "one number"),
    ],
)
def test_what_does_not_fit_is_an_error(predictions, references, probabilities, message):
    with pytest.raises(ValueError, match=message):
        answer_metrics(predictions, references, probabilities)
