"""Answers to questions as parts of texts."""

import time
from typing import ClassVar

import numpy as np

from kerasformer.compare.methods.base import LONGEST_TEXT, MOST_ERRORS, Method
from kerasformer.compare.methods.networks import FineTuned as _FineTuned
from kerasformer.compare.methods.networks import FromScratch, Network
from kerasformer.formatting import shorten
from kerasformer.training import answer_metrics, answer_scores

_NONE = "no answer"


class _Answers(Method):
    """Judges the text of an answer to each question, with its probability or None."""

    def judge(self, split, predictions):
        """`metrics`, `scores` and `errors` of predictions for a split."""
        given, sure = zip(*predictions, strict=True)
        right = [[text for text, _ in answers] for answers in split.answers]
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
    """The words of the context where most words of the question are."""

    settings: ClassVar[dict] = {"weight": "log(1 + 1 / count)"}

    def run(self, seed):
        """Measures; there is nothing to train."""
        from kerasformer.compare.methods.sliding_window import sliding_window

        def predict(split):
            found = map(sliding_window, split.questions, split.contexts)
            return [(window.text, None) for window in found]

        started = time.perf_counter()
        return self.measure(predict, time.perf_counter() - started, parameters=0)


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

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        from kerasformer.tasks.heads import reset_head

        model, recipe = super().new_model()
        if not model.head_is_new:  # that of the source would have been trained on other data
            reset_head(model.span)
            model.threshold = None
        return model, recipe


class Frozen(FineTuned):
    """A linear head on the vectors of a pretrained encoder that stays as it is."""

    arguments: ClassVar[dict] = {"freeze_encoder": True}

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.epochs = None  # those of the recipe for a head alone
