"""The arms of a comparison: what each trains, and how it is measured.

Each arm is a class with `title`, `settings` and `run(seed)`; all give the same kind of result.
"""

import dataclasses
import time

import numpy as np

from kerasformer.training import classification_metrics

# Texts whose prediction is timed one by one.
_LATENCY_TEXTS = 20


class Majority:
    """Always the most frequent class of the training texts."""

    title = "Majority class"

    def __init__(self, dataset, settings, events):
        self.dataset = dataset
        self.settings = {"strategy": "most_frequent"}

    def run(self, seed):
        """Trains and measures once."""
        from sklearn.dummy import DummyClassifier

        model = DummyClassifier(strategy="most_frequent")
        return _run_sklearn(model, self.dataset, parameters=0)


class TfidfLogisticRegression:
    """TF-IDF of words and word pairs, and scikit-learn's logistic regression."""

    title = "TF-IDF + logistic regression"

    def __init__(self, dataset, settings, events):
        self.dataset = dataset
        self.settings = {"ngram_range": [1, 2], "sublinear_tf": True, "C": 4.0}

    def run(self, seed):
        """Trains and measures once."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        vectorizer = TfidfVectorizer(
            ngram_range=tuple(self.settings["ngram_range"]),
            sublinear_tf=self.settings["sublinear_tf"],
            # Characters that are no letters can be all that a text has.
            token_pattern=r"(?u)\b\w+\b|[^\w\s]",
        )
        classifier = LogisticRegression(C=self.settings["C"], max_iter=1000, random_state=seed)
        return _run_sklearn(make_pipeline(vectorizer, classifier), self.dataset)


class Scratch:
    """A `TransformerClassifier` trained on the data set alone."""

    title = "Transformer from scratch"

    def __init__(self, dataset, settings, events):
        from kerasformer.models import TransformerClassifier

        self.dataset, self.events = dataset, events
        self.make = TransformerClassifier
        self.recipe = TransformerClassifier.RECIPE.change(epochs=settings.epochs)
        self.settings = dataclasses.asdict(self.recipe)

    def run(self, seed):
        """Trains and measures once."""
        model = self.make(self.dataset.class_names)
        if "vocab_size" not in self.settings:
            sizes = ("vocab_size", "max_length", "hidden_size", "num_layers", "num_heads")
            sizes += ("intermediate_size", "dropout")
            self.settings |= {name: getattr(model, name) for name in sizes}
        return _run_keras(model, self.dataset, self.recipe, seed, self.events)


class FineTuned:
    """A pretrained encoder with a new head, all of it trained."""

    trainable = True

    def __init__(self, dataset, settings, events):
        from kerasformer.tasks import TextClassifier

        self.dataset, self.events = dataset, events
        self.source = settings.pretrained
        self.title = f"{'Fine-tuned' if self.trainable else 'Frozen'} {_short(self.source)}"
        self.load = TextClassifier.from_pretrained
        recipe = TextClassifier.RECIPE if self.trainable else TextClassifier.FROZEN_RECIPE
        self.recipe = recipe.change(epochs=settings.epochs if self.trainable else None)
        self.settings = {
            "pretrained": self.source,
            "pooling": "mean",
            **dataclasses.asdict(self.recipe),
        }

    def run(self, seed):
        """Trains and measures once."""
        model = self.load(
            self.source,
            self.dataset.class_names,
            pooling=self.settings["pooling"],
            trainable=self.trainable,
        )
        return _run_keras(model, self.dataset, self.recipe, seed, self.events)


class Frozen(FineTuned):
    """A linear head on the vectors of a pretrained encoder that stays as it is."""

    trainable = False


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


def _run_keras(model, dataset, recipe, seed, events):
    import keras

    train, validation = dataset.train, dataset.splits.get("validation")
    keras.utils.set_random_seed(seed)
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
    parameters = {
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "total": model.count_params(),
    }

    def predict(texts):
        return model.predict(texts, verbose=0)

    predict(dataset.test.texts[:2])  # traces the graph
    return _measure(predict, dataset, seconds, progress.history, recipe.epochs, parameters)


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
