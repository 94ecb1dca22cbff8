"""The arms that train a Keras model, whatever it is for."""

import abc
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from kerasformer.compare.methods.base import Method
from kerasformer.hardware import prefers_bfloat16

# With few labels, an epoch has hardly a step: what is trained has at least as many as these, or as
# with all labels where that is less (Mosbach et al., 2021, https://arxiv.org/abs/2006.04884, whose
# advice for small data is to train for longer).
LEAST_STEPS = 150
# Of the encoder's configuration, what tells models from scratch apart.
_SIZES = ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size", "dropout")


class Network(Method):
    """An arm whose `new_model` makes an untrained model and the recipe to train it by."""

    task: ClassVar[str]  # the class of the model in kerasformer.tasks
    names: ClassVar[str] = "class_names"  # the attribute of the data that names its classes, if any
    model: Any = None

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks.kinds import kind_of  # TensorFlow, here where it is silenced

        super().__init__(dataset, settings, events, kept)
        self.epochs = settings.epochs
        self.kind = kind_of(settings.task)

    def prepare(self):
        """Called before each run: does, once, what all of them start from."""

    @abc.abstractmethod
    def new_model(self):
        """An untrained model and the recipe to train it by."""

    @abc.abstractmethod
    def predict(self, split):
        """What `judge` takes of a split."""

    def run(self, seed):
        """Trains and measures once."""
        import keras

        self.prepare()
        self.events.prepared()
        self.events.phase("loading the model")
        keras.utils.set_random_seed(seed)  # before the weights are drawn
        self.model, recipe = self.new_model()
        recipe = self.lengthened(recipe)
        train, validation = self.dataset.train, self.dataset.validation
        progress = self.events.keras_callback(recipe.epochs, self.quality.main)
        self.events.phase(f"tokenizing {len(train):,} {self.quality.examples}")
        seconds = self.clock()
        self.model.fit(
            train,
            validation_data=validation,
            recipe=recipe,
            seed=seed,
            callbacks=[progress],
            verbose=0,
        )
        return self.measured(seconds(), progress.history, recipe.epochs)

    def lengthened(self, recipe):
        """A recipe, with more epochs where there are so few labels that it had hardly a step."""
        if self.rows is None or self.epochs is not None:
            return recipe
        steps, most = (math.ceil(len(n) / recipe.batch_size) for n in (self.rows, self.whole.train))
        least = min(LEAST_STEPS, recipe.epochs * most)
        return recipe.change(epochs=max(recipe.epochs, math.ceil(least / steps)))

    def clock(self) -> Callable[[], float]:
        """Starts to count the seconds of a training."""
        started = time.perf_counter()
        return lambda: time.perf_counter() - started

    def measured(self, seconds, history, epochs):
        """The result of a run that trained for `seconds`."""
        test = self.dataset.test
        self.events.phase(f"measuring on {len(test):,} test {self.quality.examples}")
        self.predict(test.take(range(min(2, len(test)))))  # traces the graph
        parameters = {
            "trainable": sum(int(np.prod(w.shape)) for w in self.model.trainable_weights),
            "total": self.model.count_params(),
        }
        return self.measure(self.predict, seconds, parameters, history, epochs)

    @classmethod
    def call(cls, maker, *arguments, **options):
        """Python that makes the model by one of its class' methods."""
        names = [f"data.{cls.names}"] if cls.names else []
        given = [f"{name}={value!r}" for name, value in options.items()]
        return f"model = {cls.task}{maker}({', '.join([*arguments, *names, *given])})"


def dtype_of(settings):
    """The Keras dtype policy of a pretrained arm: the one asked for, or what suits the machine."""
    return settings.dtype or ("mixed_bfloat16" if prefers_bfloat16() else "float32")


class FromScratch(Network):
    """The model of a task with a new encoder and a vocabulary learnt from the data set alone."""

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        model = self.kind.new_model(self.dataset)
        recipe = model.recipe.change(epochs=self.epochs)
        config = asdict(model.encoder.config)
        sizes = {name: config[name] for name in _SIZES} | {"max_length": model.max_length}
        self.settings = sizes | asdict(recipe)
        return model, recipe

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return cls.call(".from_scratch")


class FineTuned(Network):
    """A pretrained encoder with a new head, all of it trained."""

    arguments: ClassVar[dict] = {}  # of the class of the model

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.settings = {"pretrained": settings.pretrained, **self.arguments}
        self.settings["dtype"] = dtype_of(settings)

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        source, dtype = self.settings["pretrained"], self.settings["dtype"]
        model = self.kind.new_model(self.dataset, source, dtype=dtype, **self.arguments)
        recipe = model.recipe.change(epochs=self.epochs)
        self.settings |= asdict(recipe)
        return model, recipe

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        options = {"new_head": True} if cls.names else {}
        options |= {"dtype": settings["dtype"]}
        options |= {name: settings.get(name, value) for name, value in cls.arguments.items()}
        return f"source = {settings['pretrained']!r}\n" + cls.call(
            ".from_pretrained", "source", **options
        )


class Frozen(FineTuned):
    """A head on the vectors of a pretrained encoder that stays as it is.

    The vectors are computed once for all seeds, and kept for a process that goes on after an
    interruption; each run's training time contains what computing them took.
    """

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks import FeatureCache

        super().__init__(dataset, settings, events, kept)
        self.epochs = None  # those of the recipe for a head alone
        self.cache = FeatureCache(kept)

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        model, recipe = super().new_model()
        model.feature_cache = self.cache
        return model, recipe

    def clock(self) -> Callable[[], float]:
        """Starts to count the seconds of a training; of kept vectors, those of computing them."""
        seconds, before = super().clock(), self.cache.saved
        return lambda: seconds() + self.cache.saved - before

    def measured(self, seconds, history, epochs=1):
        """The result of a run that trained for `seconds`, with one pass over the examples."""
        return super().measured(seconds, history, epochs=1)
