"""The arms of a comparison: what each trains, and how it is measured.

Each arm is a class with `title`, `settings` and `run(seed)`; all give the same kind of result.
What an arm keeps in the folder `kept` serves its further runs, in a later process too.
"""

import dataclasses
import time

import numpy as np

from kerasformer.hardware import has_quick_bfloat16
from kerasformer.training import classification_metrics

# Texts whose prediction is timed one by one.
_LATENCY_TEXTS = 20


class Majority:
    """Always the most frequent class of the training texts."""

    title = "Majority class"

    def __init__(self, dataset, settings, events, kept):
        self.dataset = dataset
        self.settings = {"strategy": "most_frequent"}

    def run(self, seed):
        """Trains and measures once."""
        from sklearn.dummy import DummyClassifier

        model = DummyClassifier(strategy="most_frequent")
        return _run_sklearn(model, self.dataset, parameters=0)


class TfidfLogisticRegression:
    """TF-IDF of words, and scikit-learn's logistic regression."""

    title = "TF-IDF + logistic regression"

    def __init__(self, dataset, settings, events, kept):
        self.dataset = dataset
        self.settings = {"C": 4.0}

    def run(self, seed):
        """Trains and measures once."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        # Punctuation too: it can be all that a text has.
        vectorizer = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]")
        classifier = LogisticRegression(C=self.settings["C"], max_iter=1000, random_state=seed)
        return _run_sklearn(make_pipeline(vectorizer, classifier), self.dataset)


class Scratch:
    """A `TransformerClassifier` trained on the data set alone."""

    title = "Transformer from scratch"

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks import TransformerClassifier

        self.dataset, self.events = dataset, events
        self.make = TransformerClassifier
        self.epochs = settings.epochs

    def run(self, seed):
        """Trains and measures once."""
        return _run_keras(self._model, self.dataset, seed, self.events)

    def _model(self):
        model = self.make(self.dataset.class_names)
        recipe = model.recipe.change(epochs=self.epochs)
        sizes = ("vocab_size", "max_length", "hidden_size", "num_layers", "num_heads")
        sizes += ("intermediate_size", "dropout")
        self.settings = {name: getattr(model, name) for name in sizes}
        self.settings |= dataclasses.asdict(recipe)
        return model, recipe


class FineTuned:
    """A pretrained encoder with a new head, all of it trained."""

    trainable = True
    layers = "last"

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks import TextClassifier

        self.dataset, self.events = dataset, events
        self.source = settings.pretrained
        self.title = f"{'Fine-tuned' if self.trainable else 'Frozen'} {_short(self.source)}"
        self.load = TextClassifier.from_pretrained
        self.epochs = settings.epochs if self.trainable else None
        self.settings = {
            "pretrained": self.source,
            "pooling": "mean",
            "layers": self.layers,
            "dtype": settings.dtype or ("mixed_bfloat16" if has_quick_bfloat16() else "float32"),
        }

    def run(self, seed):
        """Trains and measures once."""
        return _run_keras(self._model, self.dataset, seed, self.events)

    def _model(self):
        model = self.load(
            self.source,
            self.dataset.class_names,
            pooling=self.settings["pooling"],
            layers=self.settings["layers"],
            dtype=self.settings["dtype"],
            freeze_encoder=not self.trainable,
        )
        self.recipe = model.recipe.change(epochs=self.epochs)
        self.settings |= dataclasses.asdict(self.recipe)
        return model, self.recipe


class Frozen(FineTuned):
    """A linear head on the vectors of all layers of a pretrained encoder that stays as it is.

    The vectors are computed once for all seeds; each run's training time contains that time, also
    where an interrupted process has kept them.
    """

    trainable = False
    layers = "all"
    model = None

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks import FeatureCache

        super().__init__(dataset, settings, events, kept)
        self.cache = FeatureCache(kept)

    def run(self, seed):
        """Trains and measures once."""
        splits = [s for s in (self.dataset.train, self.dataset.splits.get("validation")) if s]
        if self.model is None:
            self.model, _ = self._model()
            self.features = [
                self.model.features(split.texts, verbose=0, cache=self.cache) for split in splits
            ]
        pairs = [(f, s.labels) for f, s in zip(self.features, splits, strict=True)]
        progress = self.events.keras_callback(self.recipe.epochs)
        started = time.perf_counter()
        self.model.fit_head(
            *pairs[0],
            seed=seed,
            validation_data=pairs[1] if len(pairs) > 1 else None,
            callbacks=[progress],
            verbose=0,
        )
        seconds = self.cache.seconds + time.perf_counter() - started
        return _measure_keras(self.model, self.dataset, seconds, progress.history, epochs=1)


ARM_CLASSES = {
    "majority": Majority,
    "tfidf": TfidfLogisticRegression,
    "scratch": Scratch,
    "frozen": Frozen,
    "fine_tuned": FineTuned,
}


def _run_sklearn(model, dataset, parameters=None):
    train = dataset.train
    started = time.perf_counter()
    model.fit(train.texts, train.labels)
    seconds = time.perf_counter() - started
    if parameters is None:
        parameters = int(model[-1].coef_.size + model[-1].intercept_.size)
    counts = {"trainable": parameters, "total": parameters}
    return _measure(model.predict_proba, dataset, seconds, history=[], epochs=1, parameters=counts)


def _run_keras(make, dataset, seed, events):
    import keras

    keras.utils.set_random_seed(seed)  # before the weights are drawn
    model, recipe = make()
    train, validation = dataset.train, dataset.splits.get("validation")
    progress = events.keras_callback(recipe.epochs)
    started = time.perf_counter()
    model.fit(
        train.texts,
        train.labels,
        validation_data=validation and (validation.texts, validation.labels),
        epochs=recipe.epochs,
        seed=seed,
        callbacks=[progress],
        verbose=0,
    )
    seconds = time.perf_counter() - started
    return _measure_keras(model, dataset, seconds, progress.history, recipe.epochs)


def _measure_keras(model, dataset, seconds, history, epochs):
    def predict(texts):
        return model.predict_proba(texts, verbose=0)

    predict(dataset.test.texts[:2])  # traces the graph
    parameters = {
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "total": model.count_params(),
    }
    return _measure(predict, dataset, seconds, history, epochs, parameters)


def _measure(predict, dataset, train_seconds, history, epochs, parameters):
    """A run's result, as the record keeps it."""
    test = dataset.test
    started = time.perf_counter()
    probabilities = predict(test.texts)
    predict_seconds = time.perf_counter() - started
    latencies = []
    for text in test.texts[:_LATENCY_TEXTS]:
        started = time.perf_counter()
        predict([text])
        latencies.append(time.perf_counter() - started)
    return {
        "metrics": classification_metrics(test.labels, probabilities, dataset.class_names),
        "history": history,
        "train_seconds": train_seconds,
        "train_examples_per_second": epochs * len(dataset.train) / max(train_seconds, 1e-9),
        "predict_examples_per_second": len(test) / max(predict_seconds, 1e-9),
        "latency_ms": 1e3 * float(np.median(latencies)),
        "parameters": parameters,
    }


def _short(source):
    """The last part of a path or handle."""
    return str(source).rstrip("/").rsplit("/", 1)[-1]
