"""Exact match and F1 of answers, as the official scripts of SQuAD compute them."""

import collections
import re
import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def answer_metrics(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    no_answer_probabilities: npt.ArrayLike | None = None,
) -> dict[str, Any]:
    """Exact match and F1 over questions, with the names of SQuAD 2.0's script.

    Answers are compared without case, ASCII punctuation, English articles and extra spaces; F1 is
    that of the two bags of words. Of several references the best one counts. Rajpurkar et al.,
    https://arxiv.org/abs/1606.05250 and https://arxiv.org/abs/1806.03822.

    Where every question has an answer, this is the script of version 1.1, else that of 2.0. They
    differ on references of nothing but articles and punctuation, of which 2.0 makes no answer.

    Args:
        predictions: The answer to each question, empty for no answer.
        references: The right answers of each question, none where it has no answer.
        no_answer_probabilities: For each question the probability that it has no answer, float
            `[n]`, to find the best threshold. The predictions should then be the best answers
            there are, none of them left empty for its probability's sake.

    Returns:
        A dict that JSON can hold: `exact` and `f1`, as shares of 1 where the scripts print
        percent, and `total`. Of version 2.0 also the three for the questions with and without an
        answer, as `HasAns_exact` and `NoAns_exact`. With probabilities also `best_exact`,
        `best_exact_thresh`, `best_f1` and `best_f1_thresh`: the best scores, and the probability
        above which they take a question as having no answer.

    Raises:
        ValueError: The lengths differ, there is no question, or a probability is not in [0, 1].

    Example:

    >>> answer_metrics(["the Eiffel Tower", "in Rome"], [["Eiffel Tower!"], ["Rome", "Italy"]])
    {'exact': 0.5, 'f1': 0.8333333333333333, 'total': 2}
    """
    answered = np.array([bool(len(texts)) for texts in references], bool)
    second = no_answer_probabilities is not None or not answered.all()
    exact, f1 = _scores(predictions, references, second)
    result = _means(exact, f1)
    if not second:
        return result
    for prefix, chosen in (("HasAns", answered), ("NoAns", ~answered)):
        if chosen.any():
            means = _means(exact[chosen], f1[chosen])
            result |= {f"{prefix}_{name}": value for name, value in means.items()}
    if no_answer_probabilities is None:
        return result
    probabilities = np.asarray(no_answer_probabilities, "float64")
    valid = (probabilities >= 0) & (probabilities <= 1)
    if probabilities.shape != exact.shape or not valid.all():
        raise ValueError("no_answer_probabilities must be one number in [0, 1] for each question.")
    empty = np.array([not text for text in predictions])
    for name, scores in (("exact", exact), ("f1", f1)):
        gains = np.where(answered, scores, np.where(empty, 0.0, -1.0))
        best, place = best_threshold(probabilities, gains, float((~answered).sum()))
        result[f"best_{name}"] = best / len(exact)
        result[f"best_{name}_thresh"] = 0.0 if place is None else float(probabilities[place])
    return result


def answer_scores(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """The exact match, 0 or 1, and the F1 of each question: see `answer_metrics`.

    Args:
        predictions: The answer to each question, empty for no answer.
        references: The right answers of each question, none where it has no answer.

    Returns:
        Two float64 arrays `[n]`.

    Raises:
        ValueError: The lengths differ, or there is no question.

    Example:

    >>> exact, f1 = answer_scores(["in Rome"], [["Rome"]])
    >>> float(exact[0]), round(float(f1[0]), 3)
    (0.0, 0.667)
    """
    return _scores(predictions, references, not all(len(texts) for texts in references))


def best_threshold(
    no_answer_scores: np.ndarray, gains: np.ndarray, start: float
) -> tuple[float, int | None]:
    """Which questions to answer, in the order of their scores for no answer, for the best total.

    Args:
        no_answer_scores: How much speaks against an answer of each question, float `[n]`.
        gains: What answering it adds to the total, float `[n]`.
        start: The total when nothing is answered.

    Returns:
        The best total, and the index of the last question to answer, or None to answer none.

    Example:

    >>> best_threshold(np.array([0.9, 0.1, 0.4]), np.array([-1.0, 1.0, 0.5]), start=1.0)
    (2.5, 2)
    """
    order = np.argsort(no_answer_scores, kind="stable")
    totals = np.cumsum([start, *gains[order]])
    best = int(totals.argmax())  # the first of equals, as in the script
    return float(totals[best]), int(order[best - 1]) if best else None


def best_margin(margins: npt.ArrayLike, f1: np.ndarray, answered: np.ndarray) -> float | None:
    """The highest margin for no answer at which to answer all the same, for the best F1.

    Questions of one margin are answered together or not at all, and those of an infinite one gain
    nothing by an answer.

    Args:
        margins: How much speaks against an answer of each question, float `[n]`.
        f1: The F1 of its answer, float `[n]`.
        answered: Whether it has an answer, bool `[n]`.

    Returns:
        The margin of the last question to answer, or None to answer none.

    Example:

    >>> best_margin([-2.0, -1.0], np.array([1.0, 0.0]), np.array([True, False]))
    -2.0
    """
    of_all, which = np.unique(margins, return_inverse=True)
    gains = np.bincount(which, np.where(answered, f1, -1.0))
    gains[np.isinf(of_all)] = 0.0
    _, last = best_threshold(of_all, gains, float((~answered).sum()))
    return None if last is None else float(of_all[last])


def _scores(predictions, references, second):
    """Exact match and F1 of each question, by the rules of version 2.0 if `second`, or of 1.1."""
    if len(predictions) != len(references):
        raise ValueError(
            f"{len(predictions)} predictions and {len(references)} lists of references: give one "
            "of each for every question."
        )
    if not len(predictions):
        raise ValueError("No questions to evaluate on: give at least one.")
    exact, f1 = [], []
    for prediction, texts in zip(predictions, references, strict=True):
        words = _words(prediction)
        right = [_words(text) for text in texts]
        if second:
            right = [each for each in right if each] or [[]]
        exact.append(float(words in right))
        f1.append(max(_f1(words, each, empty=float(second)) for each in right))
    return np.array(exact), np.array(f1)


def _words(text):
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _f1(words, right, empty):
    """The F1 of two lists of words; `empty` where both are."""
    if not words and not right:
        return empty
    same = sum((collections.Counter(words) & collections.Counter(right)).values())
    if not same:
        return 0.0
    precision, recall = same / len(words), same / len(right)
    return 2 * precision * recall / (precision + recall)


def _means(exact, f1):
    return {"exact": float(exact.mean()), "f1": float(f1.mean()), "total": len(exact)}
