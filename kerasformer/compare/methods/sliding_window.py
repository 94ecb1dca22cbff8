"""The least that a model of answers must beat: where a text has the most words of the question."""

import math
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

_WORD = re.compile(r"\w+")


class Found(NamedTuple):
    """A part of a context: `context[start:end]`, and the weight of the window that it is of."""

    text: str
    start: int
    end: int
    weight: float


def sliding_window(question: str, context: str) -> Found:
    """An answer by word overlap, without any training.

    The sliding window of Richardson et al. (2013, MCTest, https://aclanthology.org/D13-1020,
    algorithm 1), which is also the baseline of SQuAD (Rajpurkar et al., 2016,
    https://arxiv.org/abs/1606.05250): as many consecutive words of the context as the question has
    different ones, and among all these windows the one whose words of the question weigh most. A
    word weighs `log(1 + 1 / count)`, its count being that in the context, so that rare words tell
    more. Words are compared in lower case, without punctuation.

    Both rank candidates that they are given: answers to choose from, phrases of a parser. Here
    there are none, so the answer is made of the best window: as a question does not contain its
    answer, the longest run of words in it that the question does not have, or all of the window
    where it has no others. Of equals the first is taken. There is always an answer,
    whose `weight` tells how much there is of the question around it.

    Args:
        question: The question.
        context: The text to find the answer in.

    Returns:
        The answer, a part of the context.

    Example:

    >>> sliding_window("Who was the bridge built by?", "The bridge was built by Ada Byron.").text
    'Ada'
    """
    found = list(_WORD.finditer(context))
    if not found:
        return Found(context, 0, len(context), 0.0)
    words = [match.group().lower() for match in found]
    asked, counts = {word.lower() for word in _WORD.findall(question)}, Counter(words)
    weights = [math.log(1 + 1 / counts[word]) if word in asked else 0.0 for word in words]
    size = min(max(1, len(asked)), len(words))
    sums = np.convolve(weights, np.ones(size), "valid").round(9)  # of the same words are equal
    first = int(sums.argmax())
    begin, stop = _longest_run([word not in asked for word in words[first : first + size]])
    start, end = found[first + begin].start(), found[first + stop - 1].end()
    return Found(context[start:end], start, end, float(sums[first]))


def _longest_run(marks: list[bool]) -> tuple[int, int]:
    """Where the first of the longest runs of True begins and ends; all of it where there is none.

    >>> _longest_run([True, False, True, True]), _longest_run([False, False])
    ((2, 4), (0, 2))
    """
    best, start = (0, 0), 0
    for place, mark in enumerate([*marks, False]):
        if not mark:
            if place - start > best[1] - best[0]:
                best = start, place
            start = place + 1
    return best if best != (0, 0) else (0, len(marks))
