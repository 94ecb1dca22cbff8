"""Classes of texts, by models that first learn from the texts alone, without labels."""

import abc
import math
from dataclasses import asdict
from typing import Any, ClassVar

from kerasformer.compare.methods.classification import NetworkOfClasses
from kerasformer.compare.methods.networks import dtype_of
from kerasformer.compare.methods.unlabelled import texts_to_learn_from

_IMPORTS = """\
from kerasformer import {}, TextClassifier, load_dataset
from kerasformer.compare.methods.unlabelled import texts_to_learn_from"""

_MAX_LENGTH = 256  # of a text, in tokens, as the arm from scratch reads of one


class _OwnTexts(NetworkOfClasses):
    """A model that learns from texts, and then, under a new head, their classes.

    It learns from texts once for all seeds and numbers of labels, from all training texts and those
    of `--unlabelled`; each run's training time contains what that took.
    """

    EPOCHS: ClassVar[int]  # over the texts without labels, but for those of more steps than
    STEPS: ClassVar[int]  # these: minutes on two cores, however many texts there are
    MAX_LENGTH: ClassVar[int]  # of a text, in tokens, at most
    RATE: ClassVar[float]  # the learning rate of fine-tuning
    LEARNER: ClassVar[str]  # the class in kerasformer.tasks that learns from texts
    arguments: ClassVar[dict] = {}  # of the classifier

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.learner, self.first_weights, self.seconds = None, [], 0.0
        self.settings: dict[str, Any] = dict(self.arguments)
        self.settings["unlabelled"] = list(settings.unlabelled or ())

    @abc.abstractmethod
    def new_learner(self):
        """The model that is to learn from texts."""

    def prepare(self):
        """Has it learn."""
        import keras

        if self.learner is not None:
            return
        keras.utils.set_random_seed(0)
        self.learner = self.new_learner()
        self.learner.max_length = length = min(self.learner.max_length, self.MAX_LENGTH)
        sources = self.settings["unlabelled"]
        texts = texts_to_learn_from(self.whole, length, sources)
        self.events.phase(f"learning from {len(texts):,} texts without labels")
        batches = math.ceil(len(texts) / self.learner.recipe.batch_size)
        steps = min(self.STEPS, self.EPOCHS * batches)
        recipe = self.learner.recipe.change(max_steps=steps)
        progress, seconds = self.events.keras_callback(steps / batches, "accuracy"), self.clock()
        self.learner.fit(texts, recipe=recipe, seed=0, callbacks=[progress], verbose=0)
        self.seconds = seconds()
        self.first_weights = self.learner.encoder.get_weights()
        self.settings |= {"pretraining_texts": len(texts), "pretraining_steps": steps}

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        from kerasformer.tasks import TextClassifier

        encoder, tokenizer = self.learner.encoder, self.learner.tokenizer
        encoder.set_weights(self.first_weights)  # the run before has trained them
        arguments = {name: self.settings[name] for name in self.arguments}
        model = TextClassifier(self.dataset.class_names, encoder, tokenizer, **arguments)
        recipe = model.SCRATCH_RECIPE.change(epochs=self.epochs, learning_rate=self.RATE)
        self.settings |= asdict(recipe)
        return model, recipe

    def measured(self, seconds, history, epochs):
        """The result of a run that trained for `seconds`."""
        return super().measured(self.seconds + seconds, history, epochs)

    @classmethod
    def learner_code(cls, settings):
        """Python that makes the model that is to learn from texts."""
        return f"learner = {cls.LEARNER}.from_scratch()"

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        arguments = {name: settings.get(name, value) for name, value in cls.arguments.items()}
        options = "".join(f", {name}={value!r}" for name, value in arguments.items())
        sources = settings.get("unlabelled")
        given = f"data, learner.max_length, {sources!r}" if sources else "data, learner.max_length"
        steps = settings.get("pretraining_steps", cls.STEPS)
        return f"""\
{cls.learner_code(settings)}
learner.max_length = min(learner.max_length, {cls.MAX_LENGTH})
texts = texts_to_learn_from({given})
learner.fit(texts, recipe=learner.recipe.change(max_steps={steps}))
model = TextClassifier(data.class_names, learner.encoder, learner.tokenizer{options})"""


class PretrainedHere(_OwnTexts):
    """A new encoder that learns to guess the masked words of texts."""

    # Measured on validation texts, with 1,000 labelled sentences of Rotten Tomatoes: 61 % are right
    # after 10 passes over 5,300 such sentences at a rate of 1e-3, 60 % after 20 in batches of 16
    # without dropout, and 65.5 % with random weights: so few texts bring nothing.
    EPOCHS, STEPS, RATE = 10, 1500, 1e-3
    MAX_LENGTH = _MAX_LENGTH
    LEARNER = "MaskedLanguageModel"
    imports = _IMPORTS.format("MaskedLanguageModel")
    arguments: ClassVar[dict] = {"pooling": "mean", "max_length": _MAX_LENGTH}

    def new_learner(self):
        """The model that is to learn from texts."""
        from kerasformer.tasks import MaskedLanguageModel

        return MaskedLanguageModel.from_scratch()


class CausalHere(_OwnTexts):
    """A new decoder that learns to guess each next word of texts, classified by the last token.

    Radford et al. (2018), "Improving Language Understanding by Generative Pre-Training".
    """

    # Measured likewise: 62 % after 5 passes over 5,300 sentences as after 12, at 3e-4; after 1,500
    # steps over IMDB's reviews 64.3 % at 3e-4, 65.8 % at 1e-3 and 61.9 % at 3e-3, and 65.5 % with
    # random weights: a gain takes more text and time, as experiments/pretrain.py has.
    EPOCHS, STEPS, RATE = 5, 1500, 1e-3
    MAX_LENGTH = _MAX_LENGTH
    LEARNER = "CausalLanguageModel"
    imports = _IMPORTS.format("CausalLanguageModel")
    arguments: ClassVar[dict] = {"max_length": _MAX_LENGTH}

    def new_learner(self):
        """The model that is to learn from texts."""
        from kerasformer.tasks import CausalLanguageModel

        return CausalLanguageModel.from_scratch()


class Student(_OwnTexts):
    """Half of the blocks of a pretrained encoder, which learn to compute what all of them do."""

    EPOCHS, STEPS, RATE = 3, 1000, 1e-4  # the rate of fine-tuning a small published encoder
    MAX_LENGTH = 128  # the attention of all heads of both in memory: 12 GiB at 512
    LEARNER = "Distillation"
    imports = _IMPORTS.format("Distillation")
    arguments: ClassVar[dict] = {"pooling": "mean", "dtype": "float32"}

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.settings |= {"pretrained": settings.pretrained, "dtype": dtype_of(settings)}

    def new_learner(self):
        """The model that is to learn from texts."""
        from kerasformer.tasks import Distillation

        return Distillation.from_teacher(self.settings["pretrained"], dtype=self.settings["dtype"])

    @classmethod
    def learner_code(cls, settings):
        """Python that makes the model that is to learn from texts."""
        source, dtype = settings["pretrained"], settings.get("dtype", cls.arguments["dtype"])
        return f"learner = Distillation.from_teacher({source!r}, dtype={dtype!r})"
