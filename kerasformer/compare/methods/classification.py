"""Classes of texts, and of pairs of texts."""

import time
from typing import ClassVar

import numpy as np

from kerasformer.compare.methods.base import LONGEST_TEXT, MOST_ERRORS, Method
from kerasformer.compare.methods.networks import FineTuned as _FineTuned
from kerasformer.compare.methods.networks import FromScratch, Network
from kerasformer.compare.methods.networks import Frozen as _Frozen
from kerasformer.formatting import shorten
from kerasformer.training import classification_metrics

# Punctuation too: it can be all that a text has.
TOKENS = r"(?u)\b\w+\b|[^\w\s]"


class _Classes(Method):
    """Judges probabilities `[n, classes]`."""

    def judge(self, split, predictions):
        """`metrics`, `scores` and `errors` of predictions for a split."""
        names = self.dataset.class_names
        metrics = classification_metrics(split.labels, predictions, names)
        del metrics["per_class"]  # follows from the confusion matrix
        matrix = np.array(metrics["confusion_matrix"])
        cells = np.argwhere(matrix)
        metrics["confusion_matrix"] = np.column_stack([cells, matrix[tuple(cells.T)]]).tolist()
        predicted, highest = predictions.argmax(axis=-1), predictions.max(axis=-1)
        right = predicted == split.labels
        wrong = np.flatnonzero(~right)
        surest = wrong[np.argsort(-highest[wrong], kind="stable")][:MOST_ERRORS]
        errors = [
            {
                "text": _shown(split.texts[index]),
                "true": shorten(names[split.labels[index]], LONGEST_TEXT),
                "predicted": shorten(names[predicted[index]], LONGEST_TEXT),
                "probability": float(highest[index]),
            }
            for index in surest
        ]
        return {"metrics": metrics, "scores": right.astype(int).tolist(), "errors": errors}


def _shown(text):
    """A text, or a pair of texts, as the record keeps it.

    >>> _shown(("It rains.", "It is wet."))
    'It rains. | It is wet.'
    """
    texts = (text,) if isinstance(text, str) else text
    return " | ".join(shorten(one, LONGEST_TEXT // len(texts)) for one in texts)


class _ScikitLearn(_Classes):
    """An arm whose `new_model` makes a model of scikit-learn."""

    def run(self, seed):
        """Trains and measures once."""
        model, train = self.new_model(seed), self.dataset.train
        started = time.perf_counter()
        model.fit(train.texts, train.labels)
        seconds = time.perf_counter() - started

        def predict(split):
            return model.predict_proba(split.texts)

        return self.measure(predict, seconds, self.parameters(model))

    def parameters(self, model):
        """How many numbers were trained."""
        return 0


class Majority(_ScikitLearn):
    """Always the most frequent class of the training texts."""

    settings: ClassVar[dict] = {"strategy": "most_frequent"}

    def new_model(self, seed):
        """An untrained model."""
        from sklearn.dummy import DummyClassifier

        return DummyClassifier(**self.settings)


class Tfidf(_ScikitLearn):
    """TF-IDF of words, and scikit-learn's logistic regression."""

    settings: ClassVar[dict] = {"C": 4.0}
    imports = """\
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from kerasformer import load_dataset"""
    vectorizer = "TfidfVectorizer"

    def new_model(self, seed):
        """An untrained model."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        classifier = LogisticRegression(C=self.settings["C"], max_iter=1000, random_state=seed)
        return make_pipeline(self.new_vectorizer(), classifier)

    def new_vectorizer(self):
        """What makes vectors of texts."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(token_pattern=TOKENS)

    def parameters(self, model):
        """How many numbers were trained."""
        return int(model[-1].coef_.size + model[-1].intercept_.size)

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return f"""\
vectorizer = {cls.vectorizer}(token_pattern=r"{TOKENS}")
model = make_pipeline(vectorizer, LogisticRegression(C={cls.settings["C"]}, max_iter=1000))"""


class TfidfOfPairs(Tfidf):
    """TF-IDF of the words of both texts and of what they share, and logistic regression."""

    imports = """\
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from kerasformer import load_dataset
from kerasformer.compare.methods.pair_vectors import PairVectorizer"""
    vectorizer = "PairVectorizer"

    def new_vectorizer(self):
        """What makes vectors of pairs."""
        from kerasformer.compare.methods.pair_vectors import PairVectorizer

        return PairVectorizer(token_pattern=TOKENS)


class NetworkOfClasses(_Classes, Network):
    """An arm that trains a Keras classifier of texts or pairs."""

    task = "TextClassifier"
    imports = "from kerasformer import TextClassifier, load_dataset"

    def predict(self, split):
        """Class probabilities, float32 `[n, classes]`."""
        return self.model.predict_proba(split.texts, verbose=0)


class ScratchOfPairs(NetworkOfClasses, FromScratch):
    """A new encoder, which tells the two texts of a pair apart, trained on the data set alone."""


class FineTuned(NetworkOfClasses, _FineTuned):
    """A pretrained encoder with a new head, all of it trained."""

    arguments: ClassVar[dict] = {"pooling": "mean"}


class Frozen(NetworkOfClasses, _Frozen):
    """A linear head on the vectors of all layers of a pretrained encoder that stays as it is."""

    arguments: ClassVar[dict] = {"pooling": "mean", "freeze_encoder": True}

    def run(self, seed):
        """Trains and measures once."""
        splits = [s for s in (self.whole.train, self.whole.validation) if s]
        if self.model is None:
            self.events.phase("loading the model")
            self.model, self.recipe = self.new_model()
            count = sum(map(len, splits))
            self.events.phase(f"computing the features of {count:,} {self.quality.examples}")
            seconds = self.clock()
            self.features = [
                self.model.features(split.texts, verbose=0, cache=self.cache) for split in splits
            ]
            self.seconds = seconds()
            self.events.prepared()
        pairs = [(f, s.labels) for f, s in zip(self.features, splits, strict=True)]
        share, recipe = 1.0, self.lengthened(self.recipe)
        if self.rows is not None:  # of the features too it takes only theirs
            pairs = [(self.features[0][self.rows], self.dataset.train.labels)]
            share = len(self.rows) / len(self.whole.train)
        progress = self.events.keras_callback(recipe.epochs, self.quality.main)
        seconds = self.clock()
        self.model.fit_head(
            *pairs[0],
            seed=seed,
            epochs=recipe.epochs,
            validation_data=pairs[1] if len(pairs) > 1 else None,
            callbacks=[progress],
            verbose=0,
        )
        return self.measured(share * self.seconds + seconds(), progress.history)
