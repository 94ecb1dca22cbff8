"""Classes of texts, by models of words: with no encoder, or with nothing left of it but vectors."""

from dataclasses import asdict
from typing import ClassVar

from kerasformer.compare.methods.classification import NetworkOfClasses

# The a of Arora et al. (2017), where words are counted and not guessed from their ranks.
_SIF = 1e-3


class _FromScratch(NetworkOfClasses):
    """A classifier with an own vocabulary, trained on the data set alone."""

    sizes: ClassVar[tuple[str, ...]]  # arguments of the class that the record keeps

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        from kerasformer import tasks

        model = getattr(tasks, self.task)(self.dataset.class_names)
        recipe = model.recipe.change(epochs=self.epochs)
        self.settings = {name: getattr(model, name) for name in self.sizes} | asdict(recipe)
        return model, recipe

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return cls.call("")


class Scratch(_FromScratch):
    """A `TransformerClassifier` trained on the data set alone."""

    task = "TransformerClassifier"
    imports = "from kerasformer import TransformerClassifier, load_dataset"
    sizes = (
        *("vocab_size", "max_length", "hidden_size", "num_layers", "num_heads"),
        *("intermediate_size", "dropout"),
    )


class Recurrent(_FromScratch):
    """A `RecurrentClassifier` trained on the data set alone."""

    task = "RecurrentClassifier"
    imports = "from kerasformer import RecurrentClassifier, load_dataset"
    sizes = ("vocab_size", "max_length", "hidden_size", "units", "attention_units", "dropout")


class Static(NetworkOfClasses):
    """Logistic regression on the mean of a text's static vectors, of the pretrained encoder.

    The vectors are made once for all seeds; each run's training time contains what that took.
    """

    task = "StaticClassifier"
    imports = "from kerasformer import StaticClassifier, load_dataset"

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.epochs = None  # those of the recipe for a head alone
        self.settings = {"pretrained": settings.pretrained, "sif": _SIF, "trainable_vectors": False}
        self.vectors, self.seconds, self.is_kept = None, 0.0, settings.keep_models

    def prepare(self):
        """Makes the vectors."""
        from kerasformer.tasks import StaticClassifier

        if self.vectors is not None:
            return
        self.events.phase("making the static vectors")
        seconds, source = self.clock(), self.settings["pretrained"]
        # A model that is kept is for other texts too.
        only = None if self.is_kept else self.whole.whole.texts
        texts = self.whole.train.texts
        made = StaticClassifier.distilled_from(
            source, self.whole.class_names, texts, sif=_SIF, only=only
        )
        self.vectors, self.seconds = made.vectors, seconds()

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        from kerasformer.tasks import StaticClassifier

        names = self.dataset.class_names
        model = StaticClassifier(names, self.vectors, trainable_vectors=False)
        self.settings |= asdict(model.recipe)
        return model, model.recipe

    def measured(self, seconds, history, epochs=1):
        """The result of a run that trained for `seconds`, with one pass over the examples."""
        return super().measured(self.seconds + seconds, history, epochs=1)

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        options = f"sif={settings.get('sif', _SIF)!r}, trainable_vectors=False"
        return f"""\
source = {settings["pretrained"]!r}
model = StaticClassifier.distilled_from(
    source, data.class_names, data.train.texts, {options}
)"""
