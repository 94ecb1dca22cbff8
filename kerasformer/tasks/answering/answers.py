"""The answers that a model's start and end logits give, as transformers chooses them."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from kerasformer.errors import UserError
from kerasformer.training.metrics.answers import answer_scores, best_margin

_PAIRS = 1 << 22  # of first and last tokens, looked at together: this bounds memory


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer found in a context.

    Args:
        text: The answer, `context[start:end]`; empty where there is none.
        start: Where it begins in the context, in characters; 0 where there is none.
        end: Where it ends, exclusive; 0 where there is none.
        score: Its probability among the answers that were considered.

    Example:

    >>> answer = Answer("Rome", start=9, end=13, score=0.9)
    >>> "He is in Rome."[answer.start : answer.end]
    'Rome'
    """

    text: str
    start: int
    end: int
    score: float


@dataclasses.dataclass(frozen=True)
class RankedAnswers:
    """The answers considered for one question.

    Args:
        answers: The best ones, best first, the empty one among them where a question may have no
            answer. There is at least one.
        margin: By how much the logits speak rather for no answer than for the best one; None
            where every question has an answer.

    Example:

    >>> ranked = RankedAnswers([Answer("Rome", 9, 13, 0.8), Answer("", 0, 0, 0.2)], margin=-1.4)
    >>> ranked.choose().text, ranked.choose(threshold=-2.0).text
    ('Rome', '')
    """

    answers: list[Answer]
    margin: float | None = None

    @property
    def best(self) -> Answer:
        """The best answer that is not empty, or an empty one where there is no other."""
        return next((each for each in self.answers if each.text), self.answers[0])

    @property
    def no_answer_probability(self) -> float:
        """The score of the empty answer, 0 where it was not considered."""
        return next((each.score for each in self.answers if not each.text), 0.0)

    def choose(self, threshold: float | None = 0.0) -> Answer:
        """The best answer, or the empty one where the margin is above the threshold.

        Args:
            threshold: As `tune_no_answer_threshold` finds it; None for an answer in any case.

        Returns:
            The answer.
        """
        if self.margin is None or threshold is None or self.margin <= threshold:
            return self.best
        return next(each for each in self.answers if not each.text)


def best_answers(
    start_logits: npt.ArrayLike,
    end_logits: npt.ArrayLike,
    offsets: npt.ArrayLike,
    questions: npt.ArrayLike,
    contexts: Sequence[str],
    n_best: int = 20,
    max_answer_length: int = 30,
    no_answer: bool = False,
) -> list[RankedAnswers]:
    """The best answers to questions, each from one or several windows of its context.

    They are those of `postprocess_qa_predictions` of transformers' examples, by which its models
    were evaluated: of the `n_best` first and last tokens of each window, those spans of the
    context that end after they begin and are not too long, ranked over all windows by the sum of
    their logits; scores are the softmax of these sums over the `n_best` answers. The sum of
    `[CLS]`, the least of all windows', speaks for no answer. Devlin et al.,
    https://arxiv.org/abs/1810.04805, section 4.3. (The question-answering pipeline, which
    transformers 5.3 removed, normalizes each window by itself and adds up what is the same text.)

    Two things differ: the same span in several windows is one answer, that of the best window;
    and where the `n_best` tokens make no span of the context, for which transformers answers
    "empty", all tokens of the context are considered.

    Args:
        start_logits: How well each token begins the answer, float `[windows, tokens]`; the first
            one is `[CLS]`.
        end_logits: How well it ends it.
        offsets: Where each token begins and ends in the context, int `[windows, tokens, 2]`;
            (-1, -1) for a token that is not of the context.
        questions: The index of each window's question, int `[windows]`.
        contexts: The context of each question.
        n_best: How many answers are considered.
        max_answer_length: The most tokens of an answer.
        no_answer: Whether a question may have no answer, as in SQuAD 2.0.

    Returns:
        The answers to each question.

    Raises:
        UserError: `n_best` or `max_answer_length` is less than 1.

    Example:

    >>> start, end = [[0.0, 1.0, 5.0, 0.0]], [[0.0, 1.0, 4.0, 0.0]]
    >>> offsets = [[(-1, -1), (0, 2), (3, 7), (-1, -1)]]
    >>> best_answers(start, end, offsets, [0], ["in Rome"], no_answer=True)[0].choose()
    Answer(text='Rome', start=3, end=7, score=0.981...)
    """
    for name, number in (("n_best", n_best), ("max_answer_length", max_answer_length)):
        if number < 1:
            raise UserError(f"{name} is {number}, but must be at least 1.")
    if not len(contexts):
        return []
    starts, ends = np.asarray(start_logits), np.asarray(end_logits)
    places, of = np.asarray(offsets), np.asarray(questions)
    spans = _spans(starts, ends, places, of, n_best, max_answer_length)
    if len(lost := np.flatnonzero(~np.isin(of, spans[0]))):
        some = starts[lost], ends[lost], places[lost], of[lost]
        more = _spans(*some, n_best=starts.shape[1], longest=max_answer_length)
        spans = tuple(np.concatenate(two) for two in zip(spans, more, strict=True))
    nulls = np.full(len(contexts), np.inf)
    np.minimum.at(nulls, of, starts[:, 0] + ends[:, 0])
    rows = _by_question(spans, len(contexts), n_best)
    return [
        _ranked(context, row, null if no_answer else None, n_best)
        for context, row, null in zip(contexts, rows, nulls.tolist(), strict=True)
    ]


def tune_no_answer_threshold(
    ranked: Sequence[RankedAnswers], references: Sequence[Sequence[str]]
) -> float:
    """The threshold of `RankedAnswers.choose` with the best F1, as SQuAD 2.0's script finds it.

    Args:
        ranked: The answers to the questions of a validation split, each with a margin.
        references: The right answers of each, none where it has no answer.

    Returns:
        The margin of the last question to answer; or one just below all, to answer none.

    Raises:
        ValueError: There is no question, the lengths differ, or an answer has no margin.

    Example:

    >>> ranked = [
    ...     RankedAnswers([Answer("Rome", 0, 4, 0.9), Answer("", 0, 0, 0.1)], margin=-2.0),
    ...     RankedAnswers([Answer("Oslo", 0, 4, 0.8), Answer("", 0, 0, 0.2)], margin=-1.0),
    ... ]
    >>> tune_no_answer_threshold(ranked, [["Rome"], []])
    -2.0
    """
    if any(each.margin is None for each in ranked):
        raise ValueError("An answer has no margin: give those that no_answer=True ranks.")
    _, f1 = answer_scores([each.best.text for each in ranked], references)
    answered = np.array([bool(len(texts)) for texts in references])
    margins = np.array([each.margin for each in ranked], "float64")
    best = best_margin(margins, f1, answered)  # of an infinite one none has an answer
    return float(np.nextafter(margins.min(), -np.inf)) if best is None else best


def _spans(starts, ends, offsets, questions, n_best, longest):
    """The spans of each window: question, score, first and last character."""
    step = max(1, _PAIRS // min(n_best, starts.shape[1]) ** 2)
    parts = []
    for i in range(0, max(1, len(starts)), step):
        some = (values[i : i + step] for values in (starts, ends, offsets, questions))
        parts.append(_spans_of_some(*some, n_best, longest))
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


def _spans_of_some(starts, ends, offsets, questions, n_best, longest):
    first, last = (np.argsort(x, axis=1)[:, ::-1][:, :n_best] for x in (starts, ends))
    begin = np.take_along_axis(offsets[..., 0], first, axis=1)[:, :, None]
    end = np.take_along_axis(offsets[..., 1], last, axis=1)[:, None, :]
    length = last[:, None, :] - first[:, :, None] + 1
    score = (
        np.take_along_axis(starts, first, axis=1)[:, :, None]
        + np.take_along_axis(ends, last, axis=1)[:, None, :]
    )
    valid = (begin >= 0) & (end >= 0) & (length > 0) & (length <= longest)
    window, one, two = np.nonzero(valid)
    return questions[window], score[valid], begin[window, one, 0], end[window, 0, two]


def _by_question(spans, count, n_best) -> Iterator[tuple]:
    """Scores, first and last characters of each question's `n_best` spans, best first."""
    questions, scores, begin, end = spans
    order = np.lexsort([-scores, questions])
    _, first = np.unique(
        np.stack([questions, begin, end], axis=1)[order], axis=0, return_index=True
    )
    order = order[np.sort(first)]  # of spans that are the same, the best
    bounds = np.searchsorted(questions[order], np.arange(count + 1))
    for low, high in itertools.pairwise(bounds.tolist()):
        best = order[low : min(high, low + n_best)]
        yield scores[best], begin[best], end[best]


def _ranked(context, spans, null, n_best):
    """The answers to one question, with the empty one if `null` is its score."""
    scores, begin, end = spans
    best = scores[0] if len(scores) else None
    if null is not None:
        place = min(int((scores >= null).sum()), n_best)
        if place < n_best:  # it takes the place of the last one, but of the best one never
            scores, begin, end = (values[: max(1, n_best - 1)] for values in spans)
        scores = np.insert(scores, place, null)
        begin, end = np.insert(begin, place, 0), np.insert(end, place, 0)
    if not len(scores):  # there is nothing in the context, and nothing else to answer
        return RankedAnswers([Answer("", 0, 0, 1.0)])
    powers = np.exp(scores - scores.max())
    rows = zip(begin.tolist(), end.tolist(), (powers / powers.sum()).tolist(), strict=True)
    answers = [Answer(context[a:b], a, b, score) for a, b, score in rows]
    if null is None:
        return RankedAnswers(answers)
    return RankedAnswers(answers, float("inf") if best is None else float(null - best))
