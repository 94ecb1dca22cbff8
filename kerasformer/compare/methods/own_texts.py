"""Classes of texts, by models that first learn from the texts alone, without labels."""

from dataclasses import asdict
from typing import ClassVar

from kerasformer.compare.methods.classification import NetworkOfClasses

# Enough for a small encoder to learn from few texts; BERT saw its own 40 times.
_EPOCHS = 20
_RATE = 3e-4  # of fine-tuning: the encoder is small and has not seen much


class PretrainedHere(NetworkOfClasses):
    """A new encoder that learns to guess the texts' masked words, and then their classes.

    It is pretrained once for all seeds and numbers of labels, on all training texts and those of
    `--unlabelled`; each run's training time contains what that took.
    """

    imports = "from kerasformer import MaskedLanguageModel, TextClassifier, load_dataset"
    arguments: ClassVar[dict] = {"pooling": "mean"}

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.pretrained, self.first_weights, self.seconds = None, [], 0.0
        self.settings = {**self.arguments, "pretraining_epochs": _EPOCHS}

    def prepare(self):
        """Pretrains the encoder."""
        import keras

        from kerasformer.tasks import MaskedLanguageModel

        if self.pretrained is not None:
            return
        texts = self.texts_to_learn_from()
        keras.utils.set_random_seed(0)
        self.pretrained = MaskedLanguageModel.from_scratch()
        self.events.phase(f"pretraining on {len(texts):,} texts without labels")
        progress, seconds = self.events.keras_callback(_EPOCHS, "accuracy"), self.clock()
        self.pretrained.fit(texts, epochs=_EPOCHS, seed=0, callbacks=[progress], verbose=0)
        self.seconds = seconds()
        self.first_weights = self.pretrained.encoder.get_weights()
        self.settings["pretraining_texts"] = len(texts)

    def new_model(self):
        """An untrained model and the recipe to train it by."""
        from kerasformer.tasks import TextClassifier

        encoder, tokenizer = self.pretrained.encoder, self.pretrained.tokenizer
        encoder.set_weights(self.first_weights)  # the run before has trained them
        names = self.dataset.class_names
        model = TextClassifier(names, encoder, tokenizer, **self.arguments)
        recipe = model.SCRATCH_RECIPE.change(epochs=self.epochs, learning_rate=_RATE)
        self.settings |= asdict(recipe)
        return model, recipe

    def measured(self, seconds, history, epochs):
        """The result of a run that trained for `seconds`."""
        return super().measured(self.seconds + seconds, history, epochs)

    @classmethod
    def code(cls, settings):
        """Python that makes the same model for `data`, untrained."""
        return f"""\
pretrained = MaskedLanguageModel.from_scratch()
pretrained.fit(data.train.texts, epochs={settings.get("pretraining_epochs", _EPOCHS)})
model = TextClassifier(
    data.class_names, pretrained.encoder, pretrained.tokenizer, pooling="mean"
)"""
