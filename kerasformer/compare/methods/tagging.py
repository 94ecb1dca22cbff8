"""Tags of words: entities, parts of speech."""

import itertools
import time
from typing import ClassVar

import numpy as np

from kerasformer.compare.methods.base import LONGEST_TEXT, MOST_ERRORS, Method
from kerasformer.compare.methods.networks import FineTuned as _FineTuned
from kerasformer.compare.methods.networks import FromScratch, Network
from kerasformer.formatting import shorten
from kerasformer.training import entity_counts
from kerasformer.training.metrics.tags import mark_entities, tag_spans


class Tags(Method):
    """Judges logits, float `[words, tags]` for each sentence."""

    has_probabilities: ClassVar[bool] = True

    def judge(self, split, predictions):
        """`metrics`, `scores` and `errors` of predictions for a split."""
        from kerasformer.tasks.prediction import check_answers

        rows = [check_answers(each, f"sentences[{i}]") for i, each in enumerate(predictions)]
        names = np.array(self.dataset.tag_names, object)
        tags = [names[each.argmax(axis=-1)].tolist() for each in rows]
        if mark_entities(self.dataset.tag_names):
            scores = entity_counts(split.tags, tags).tolist()
        else:
            pairs = zip(split.tags, tags, strict=True)
            scores = [[len(true) - len(_wrong(true, own)), len(true)] for true, own in pairs]
        return {
            "metrics": self.metrics(split, np.concatenate(rows)),
            "scores": scores,
            "errors": self._errors(split, tags, rows),
        }

    def metrics(self, split, logits):
        """Those metrics of the task's own `evaluate` that are compared.

        Args:
            split: The sentences.
            logits: Those of all their words, float `[words, tags]`.
        """
        from kerasformer.tasks.tagging.tag_scores import tag_scores
        from kerasformer.tasks.texts.labels import label_ids

        names, lengths = self.dataset.tag_names, list(map(len, split.words))
        labels = label_ids(list(itertools.chain.from_iterable(split.tags)), names)
        scores = tag_scores(labels, logits, lengths, names)
        return {metric.key: scores[metric.key] for metric in self.quality.metrics}

    def _errors(self, split, tags, logits):
        """The sentences with the surest wrong tags."""
        from kerasformer.tasks.prediction import softmax

        wrong = [_wrong(*pair) for pair in zip(split.tags, tags, strict=True)]
        sure = {
            i: float(softmax(logits[i][places]).max()) for i, places in enumerate(wrong) if places
        }
        surest = sorted(sure, key=lambda i: -sure[i])[:MOST_ERRORS]
        return [
            {
                "text": shorten(" ".join(split.words[i]), LONGEST_TEXT),
                "true": self._shown(split.words[i], split.tags[i], wrong[i]),
                "predicted": self._shown(split.words[i], tags[i], wrong[i]),
                "probability": sure[i] if self.has_probabilities else None,
            }
            for i in surest
        ]

    def _shown(self, words, tags, wrong):
        """The entities of a sentence; or where tags mark none, the words with a wrong tag."""
        marked = [(tags[i], i, i + 1) for i in wrong]
        if mark_entities(self.dataset.tag_names):
            marked = tag_spans([tags])[0]
        shown = (f"{' '.join(words[first:stop])} ({tag})" for tag, first, stop in marked)
        return shorten(", ".join(shown) or "no entity", LONGEST_TEXT)


def _wrong(true, predicted):
    """The places where two lists of tags differ.

    >>> _wrong(["O", "B-PER"], ["O", "O"])
    [1]
    """
    return [i for i, (one, two) in enumerate(zip(true, predicted, strict=True)) if one != two]


class FrequentTag(Tags):
    """Each word has the tag that it had most often in training."""

    settings: ClassVar[dict] = {"unseen words": "the most frequent tag of all"}
    imports = """\
from kerasformer import load_dataset
from kerasformer.compare.methods.frequent_tag import FrequentTagger"""
    has_probabilities = False

    def run(self, seed):
        """Trains and measures once."""
        from kerasformer.compare.methods.frequent_tag import FrequentTagger

        tagger, train = FrequentTagger(), self.dataset.train
        started = time.perf_counter()
        tagger.fit(train.words, train.tags)
        seconds = time.perf_counter() - started
        rows = dict(zip(self.dataset.tag_names, np.eye(len(self.dataset.tag_names)), strict=True))

        def predict(split):
            tags = tagger.tag(split.words)
            return [np.array([rows[tag] for tag in each]).reshape(-1, len(rows)) for each in tags]

        return self.measure(predict, seconds, parameters=len(tagger.tags) + 1)

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return "model = FrequentTagger()"


class _Network(Tags, Network):
    task, names = "TokenClassifier", "tag_names"
    imports = "from kerasformer import TokenClassifier, load_dataset"

    def predict(self, split):
        """The logits of the words of each sentence."""
        return self.model.predict(split.words, verbose=0)


class Scratch(_Network, FromScratch):
    """A new encoder, trained on the data set alone."""


class FineTuned(_Network, _FineTuned):
    """A pretrained encoder with a new head, all of it trained."""
