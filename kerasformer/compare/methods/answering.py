"""Answers to questions as parts of texts."""

import time
from typing import ClassVar

import numpy as np

from kerasformer.compare.methods.base import LONGEST_TEXT, MOST_ERRORS, Method
from kerasformer.compare.methods.networks import FineTuned as _FineTuned
from kerasformer.compare.methods.networks import FromScratch, Network
from kerasformer.compare.methods.networks import Frozen as _Frozen
from kerasformer.formatting import shorten
from kerasformer.training import answer_metrics, answer_scores
from kerasformer.training.metrics.answers import best_margin

_NONE = "no answer"


class _Answers(Method):
    """Judges the text of an answer to each question, with its probability or None."""

    def judge(self, split, predictions):
        """`metrics`, `scores` and `errors` of predictions for a split."""
        given, sure = zip(*predictions, strict=True)
        right = _texts(split.answers)
        scores = answer_metrics(given, right)
        exact, f1 = answer_scores(given, right)
        wrong = np.flatnonzero(exact == 0).tolist()
        surest = sorted(wrong, key=lambda index: -(sure[index] or 0))[:MOST_ERRORS]
        errors = [
            {
                "text": shorten(split.questions[index], LONGEST_TEXT),
                "true": shorten(next(iter(right[index]), _NONE), LONGEST_TEXT),
                "predicted": shorten(given[index] or _NONE, LONGEST_TEXT),
                "probability": sure[index],
            }
            for index in surest
        ]
        metrics = {metric.key: scores[metric.key] for metric in self.quality.metrics}
        return {"metrics": metrics, "scores": f1.tolist(), "errors": errors}


class SlidingWindow(_Answers):
    """The words of the context where most words of the question are.

    Where some training questions have no answer, it answers only from that weight of the window on
    which has the highest F1 on them: what always answers would be worse than what never does.
    """

    settings: ClassVar[dict] = {
        "weight": "log(1 + 1 / count)",
        "no answer": "below the weight that is best on the training questions, if some have none",
    }

    def run(self, seed):
        """Chooses from which weight on to answer, and measures."""
        from kerasformer.compare.methods.sliding_window import sliding_window

        def found(split):
            return list(map(sliding_window, split.questions, split.contexts))

        least, seconds, train = 0.0, 0.0, self.dataset.train
        if is_chosen := not all(train.answers):
            started = time.perf_counter()
            least = _least_weight(found(train), train.answers)
            seconds = time.perf_counter() - started

        def predict(split):
            return [(each.text if each.weight >= least else "", None) for each in found(split)]

        return self.measure(predict, seconds, parameters=int(is_chosen), epochs=int(is_chosen))


def _least_weight(found, answers):
    """The weight of a window from which on answering gives the highest F1; infinity for never."""
    answered = np.array(list(map(bool, answers)))
    _, f1 = answer_scores([each.text for each in found], _texts(answers))
    margin = best_margin([-each.weight for each in found], f1, answered)
    return np.inf if margin is None else -margin


def _texts(answers):
    """The texts alone of the answers to each question."""
    return [[text for text, _ in own] for own in answers]


class _Network(_Answers, Network):
    task = "QuestionAnswerer"
    names = ""
    imports = "from kerasformer import QuestionAnswerer, load_dataset"

    def predict(self, split):
        """The answer to each question, and its probability."""
        answers = self.model.answer(split.questions, split.contexts, verbose=0)
        return [(answer.text, answer.score) for answer in answers]


class Scratch(_Network, FromScratch):
    """A new encoder, trained on the data set alone."""


class FineTuned(_Network, _FineTuned):
    """A pretrained encoder with a new head, all of it trained."""

    arguments: ClassVar[dict] = {"new_head": True}  # the source's was trained on other data


class Frozen(_Network, _Frozen):
    """A linear head on the vectors of a pretrained encoder that stays as it is."""

    arguments: ClassVar[dict] = {"new_head": True, "freeze_encoder": True}
