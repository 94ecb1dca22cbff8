"""What each arm trains, and how it is measured.

Each arm is a class with `settings` and `run(seed)`, whose results are all of one kind. One that
learns has `imports` and `code`; one whose `model` can be saved has `task`, its class. What is in
the folder `kept` serves further runs of the arm, in a later process too.
"""

import time
from dataclasses import asdict
from typing import ClassVar

import numpy as np

from kerasformer.formatting import shorten
from kerasformer.hardware import has_quick_bfloat16
from kerasformer.training import classification_metrics

_LATENCY_TEXTS = 20  # predicted one by one, to time each
_MOST_ERRORS, _LONGEST_TEXT = 10, 300  # of the test errors that the record keeps, in characters
# Punctuation too: it can be all that a text has.
_TOKENS = r"(?u)\b\w+\b|[^\w\s]"


class _Arm:
    def __init__(self, dataset, settings, events, kept):
        self.dataset, self.events = dataset, events


class Majority(_Arm):
    """Always the most frequent class of the training texts."""

    settings: ClassVar[dict] = {"strategy": "most_frequent"}

    def run(self, seed):
        """Trains and measures once."""
        from sklearn.dummy import DummyClassifier

        return _run_sklearn(DummyClassifier(**self.settings), self.dataset, parameters=0)


class Tfidf(_Arm):
    """TF-IDF of words, and scikit-learn's logistic regression."""

    settings: ClassVar[dict] = {"C": 4.0}
    imports = """\
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from kerasformer import load_dataset"""

    def run(self, seed):
        """Trains and measures once."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        classifier = LogisticRegression(C=self.settings["C"], max_iter=1000, random_state=seed)
        model = make_pipeline(TfidfVectorizer(token_pattern=_TOKENS), classifier)
        return _run_sklearn(model, self.dataset)

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return f"""\
vectorizer = TfidfVectorizer(token_pattern=r"{_TOKENS}")
model = make_pipeline(vectorizer, LogisticRegression(C={cls.settings["C"]}, max_iter=1000))"""


class _KerasArm(_Arm):
    """An arm whose `new_model` makes an untrained model and the recipe to train it by."""

    def __init__(self, dataset, settings, events, kept):
        from kerasformer import tasks

        super().__init__(dataset, settings, events, kept)
        self.epochs = settings.epochs
        self.make = getattr(tasks, self.task)  # loads TensorFlow, here where it is silenced

    def run(self, seed):
        """Trains and measures once."""
        import keras

        self.events.phase("loading the model")
        keras.utils.set_random_seed(seed)  # before the weights are drawn
        self.model, recipe = self.new_model()
        train, validation = self.dataset.train, self.dataset.splits.get("validation")
        progress = self.events.keras_callback(recipe.epochs)
        self.events.phase(f"tokenizing {len(train):,} texts")
        started = time.perf_counter()
        self.model.fit(
            train.texts,
            train.labels,
            validation_data=validation and (validation.texts, validation.labels),
            epochs=recipe.epochs,
            seed=seed,
            callbacks=[progress],
            verbose=0,
        )
        return self.measure(time.perf_counter() - started, progress.history, recipe.epochs)

    def measure(self, seconds, history, epochs):
        """The result of a run that trained for `seconds`."""

        def predict(texts):
            return self.model.predict_proba(texts, verbose=0)

        self.events.phase(f"measuring on {len(self.dataset.test):,} test texts")
        predict(self.dataset.test.texts[:2])  # traces the graph
        parameters = {
            "trainable": sum(int(np.prod(w.shape)) for w in self.model.trainable_weights),
            "total": self.model.count_params(),
        }
        return _measure(predict, self.dataset, seconds, history, epochs, parameters)


class Scratch(_KerasArm):
    """A `TransformerClassifier` trained on the data set alone."""

    task = "TransformerClassifier"
    imports = "from kerasformer import TransformerClassifier, load_dataset"

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        model = self.make(self.dataset.class_names)
        recipe = model.recipe.change(epochs=self.epochs)
        sizes = ("vocab_size", "max_length", "hidden_size", "num_layers", "num_heads")
        sizes += ("intermediate_size", "dropout")
        self.settings = {name: getattr(model, name) for name in sizes} | asdict(recipe)
        return model, recipe

    @staticmethod
    def code(settings):
        """Python that makes the same model for `data`, untrained."""
        return "model = TransformerClassifier(data.class_names)"


class FineTuned(_KerasArm):
    """A pretrained encoder with a new head, all of it trained."""

    task = "TextClassifier"
    imports = "from kerasformer import TextClassifier, load_dataset"
    arguments: ClassVar[dict] = {"pooling": "mean"}  # of TextClassifier

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        dtype = settings.dtype or ("mixed_bfloat16" if has_quick_bfloat16() else "float32")
        self.settings = {"pretrained": settings.pretrained, **self.arguments, "dtype": dtype}

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        model = self.make.from_pretrained(
            self.settings["pretrained"],
            self.dataset.class_names,
            new_head=True,
            dtype=self.settings["dtype"],
            **self.arguments,
        )
        recipe = model.recipe.change(epochs=self.epochs)
        self.settings |= asdict(recipe)
        return model, recipe

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        arguments = {"new_head": True, "dtype": settings["dtype"], **cls.arguments}
        arguments = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return f"""\
source = {settings["pretrained"]!r}
model = TextClassifier.from_pretrained(source, data.class_names, {arguments})"""


class Frozen(FineTuned):
    """A linear head on the vectors of all layers of a pretrained encoder that stays as it is.

    The vectors are computed once for all seeds; each run's training time contains that time, even
    where an interrupted process has kept them.
    """

    arguments: ClassVar[dict] = {"pooling": "mean", "freeze_encoder": True}
    model = None

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks import FeatureCache

        super().__init__(dataset, settings, events, kept)
        self.epochs = None  # those of the recipe for a head alone
        self.cache = FeatureCache(kept)

    def run(self, seed):
        """Trains and measures once."""
        splits = [s for s in (self.dataset.train, self.dataset.splits.get("validation")) if s]
        if self.model is None:
            self.events.phase("loading the model")
            self.model, self.recipe = self.new_model()
            self.events.phase(f"computing the features of {sum(map(len, splits)):,} texts")
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
        return self.measure(seconds, progress.history, epochs=1)


def _run_sklearn(model, dataset, parameters=None):
    train = dataset.train
    started = time.perf_counter()
    model.fit(train.texts, train.labels)
    seconds = time.perf_counter() - started
    if parameters is None:
        parameters = int(model[-1].coef_.size + model[-1].intercept_.size)
    counts = {"trainable": parameters, "total": parameters}
    return _measure(model.predict_proba, dataset, seconds, history=[], epochs=1, parameters=counts)


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
    metrics = classification_metrics(test.labels, probabilities, dataset.class_names)
    del metrics["per_class"]  # follows from the confusion matrix
    matrix = np.array(metrics["confusion_matrix"])
    cells = np.argwhere(matrix)
    metrics["confusion_matrix"] = np.column_stack([cells, matrix[tuple(cells.T)]]).tolist()
    return {
        "metrics": metrics,
        "errors": _surest_errors(test, probabilities),
        "history": history,
        "train_seconds": train_seconds,
        "train_examples_per_second": epochs * len(dataset.train) / max(train_seconds, 1e-9),
        "predict_examples_per_second": len(test) / max(predict_seconds, 1e-9),
        "latency_ms": 1e3 * float(np.median(latencies)),
        "parameters": parameters,
    }


def _surest_errors(test, probabilities):
    """The test texts that were given a wrong class with the highest probability."""
    predicted, highest = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
    wrong = np.flatnonzero(predicted != test.labels)
    surest = wrong[np.argsort(-highest[wrong], kind="stable")][:_MOST_ERRORS]
    return [
        {
            "text": shorten(test.texts[index], _LONGEST_TEXT),
            "true": int(test.labels[index]),
            "predicted": int(predicted[index]),
            "probability": float(highest[index]),
        }
        for index in surest
    ]
