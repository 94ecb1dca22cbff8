"""Tags of words: entities, parts of speech."""

import time
from typing import ClassVar, NamedTuple

import numpy as np

from kerasformer.compare.methods.base import LONGEST_TEXT, MOST_ERRORS, Method
from kerasformer.compare.methods.networks import FineTuned as _FineTuned
from kerasformer.compare.methods.networks import FromScratch, Network
from kerasformer.data.tagging import mark_entities
from kerasformer.formatting import shorten
from kerasformer.training import classification_metrics, entity_counts, entity_metrics
from kerasformer.training.metrics.tags import tag_spans


class Tagged(NamedTuple):
    """The tags of sentences, and the probability of each, where it is known."""

    tags: list[list[str]]
    sure: list[np.ndarray] | None = None


class Tags(Method):
    """Judges `Tagged` sentences, without Keras."""

    def judge(self, split, predictions):
        """`metrics`, `scores` and `errors` of predictions for a split."""
        tags = predictions.tags
        if mark_entities(self.dataset.tag_names):
            scores = entity_counts(split.tags, tags).tolist()
        else:
            pairs = zip(split.tags, tags, strict=True)
            scores = [[len(true) - len(_wrong(true, own)), len(true)] for true, own in pairs]
        metrics, errors = self.metrics(split, tags), self._errors(split, *predictions)
        return {"metrics": metrics, "scores": scores, "errors": errors}

    def metrics(self, split, tags):
        """Those metrics of the task's own `evaluate` that are compared."""
        names = self.dataset.tag_names
        if mark_entities(names):
            scores = entity_metrics(split.tags, tags)
        else:
            place = {name: i for i, name in enumerate(names)}
            true, own = ([place[tag] for row in rows for tag in row] for rows in (split.tags, tags))
            scores = classification_metrics(true, np.eye(len(names))[own], names)
        return {metric.key: scores[metric.key] for metric in self.quality.metrics}

    def _errors(self, split, tags, sure):
        """The sentences with a wrong entity, or a wrong tag where they mark none; surest first."""
        wrong = [_wrong(*pair) for pair in zip(split.tags, tags, strict=True)]
        marked = split.tags, tags
        if mark_entities(self.dataset.tag_names):  # other tags may mark the same entities
            marked = map(tag_spans, marked)
        which = [i for i, (true, own) in enumerate(zip(*marked, strict=True)) if true != own]
        surest = {i: None if sure is None else float(sure[i][wrong[i]].max()) for i in which}
        if sure is not None:
            which.sort(key=lambda i: -surest[i])
        return [
            {
                "text": shorten(" ".join(split.words[i]), LONGEST_TEXT),
                "true": self._shown(split.words[i], split.tags[i], wrong[i]),
                "predicted": self._shown(split.words[i], tags[i], wrong[i]),
                "probability": surest[i],
            }
            for i in which[:MOST_ERRORS]
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

    def run(self, seed):
        """Trains and measures once."""
        from kerasformer.compare.methods.frequent_tag import FrequentTagger

        tagger, train = FrequentTagger(), self.dataset.train
        started = time.perf_counter()
        tagger.fit(train.words, train.tags)
        seconds = time.perf_counter() - started

        def predict(split):
            return Tagged(tagger.tag(split.words))

        return self.measure(predict, seconds, parameters=len(tagger.tags) + 1)

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return "model = FrequentTagger()"


class OfTags(Tags, Network):
    """An arm that trains a `TokenClassifier`."""

    task, names = "TokenClassifier", "tag_names"
    imports = "from kerasformer import TokenClassifier, load_dataset"

    def predict(self, split):
        """The tags of the words of each sentence."""
        return self.tagged(self.model.predict(split.words, verbose=0))

    def tagged(self, logits):
        """The most probable tags, by the logits of the words of each sentence."""
        from kerasformer.tasks.prediction import check_answers, softmax

        rows = [check_answers(each, f"sentences[{i}]") for i, each in enumerate(logits)]
        names = np.array(self.dataset.tag_names, object)
        tags = [names[each.argmax(axis=-1)].tolist() for each in rows]
        return Tagged(tags, [softmax(each).max(axis=-1, initial=0) for each in rows])


class Scratch(OfTags, FromScratch):
    """A new encoder, trained on the data set alone."""


class FineTuned(OfTags, _FineTuned):
    """A pretrained encoder with a new head, all of it trained."""
