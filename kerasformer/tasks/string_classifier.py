"""What the scratch and the pretrained classifier share: training and predicting on strings."""

import sys
from collections.abc import Iterable

import keras
import numpy as np

from kerasformer.data.batches import TextBatches
from kerasformer.errors import UserError
from kerasformer.layers.kernels import use_kernels
from kerasformer.models.export import ServingExport
from kerasformer.models.inference import batches_at_once, in_order
from kerasformer.models.onednn import inference_kernels
from kerasformer.text import Tokenizer
from kerasformer.training import Recipe, classification_metrics


class StringClassifier(ServingExport):
    """A Keras classifier with its tokenizer and class names, so that strings go in.

    A child sets `tokenizer`, builds its layers, and gives class probabilities from the dict that
    `kerasformer.text.pack` makes. Everything that takes strings also takes what a Keras model
    takes, and then does what a Keras model does.

    Args:
        class_names: The names of the classes, in order, or their number.
        max_length: Texts are cut after this many tokens.
        tokenizer: A `Tokenizer`, or its `to_json()`.
    """

    RECIPE = Recipe()

    def __init__(self, class_names, max_length, tokenizer=None, **kwargs):
        super().__init__(**kwargs)
        self.class_names = check_class_names(class_names)
        self.max_length = max_length
        self.tokenizer = Tokenizer.from_json(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self._compiled_by_fit = False

    def compile(self, *args, **kwargs):
        """As `keras.Model.compile`; `fit` then takes this optimizer and loss."""
        self._compiled_by_fit = False
        super().compile(*args, **kwargs)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=None,
        verbose="auto",
        callbacks=None,
        validation_data=None,
        class_weight=None,
        learning_rate=None,
        weight_decay=None,
        seed=0,
        **kwargs,
    ):
        """Trains on texts and labels.

        Unless the model was compiled by hand, it is trained by AdamW with linear warmup and decay,
        see `kerasformer.training.adamw`. Texts are batched by length.

        Args:
            x: The texts, a sequence of strings; or anything that `keras.Model.fit` takes.
            y: Their labels, class names or indices.
            batch_size: Texts in a batch; by default that of `RECIPE`.
            epochs: Passes over the texts; by default those of `RECIPE`.
            verbose: As in Keras.
            callbacks: Keras callbacks.
            validation_data: `(texts, labels)` to evaluate on after each epoch.
            class_weight: Weights of the classes by name or index, or `"balanced"`: inversely to
                their frequency, as in scikit-learn.
            learning_rate: The highest learning rate; by default that of `RECIPE`.
            weight_decay: Decoupled weight decay; by default that of `RECIPE`.
            seed: Of the order of the batches.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: There is no text, a text is no string, a label is no class, or texts and
                labels differ in number.
            ValueError: A learning rate or weight decay for a model that was compiled by hand.
        """
        if not _holds_strings(x):
            return super().fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs or 1,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                class_weight=class_weight,
                **kwargs,
            )
        by_hand = self.compiled and not self._compiled_by_fit
        if by_hand and (learning_rate is not None or weight_decay is not None):
            raise ValueError(
                "The model was compiled by hand, so learning_rate and weight_decay are its "
                "optimizer's: give them to compile instead of fit."
            )
        recipe = self.recipe.change(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        self._prepare(x)
        data = self._training_data(x, y, recipe.batch_size, class_weight, seed)
        if validation_data is not None:
            validation_data = self._training_data(*validation_data, recipe.batch_size)
        return self._train(
            data,
            validation_data,
            None if by_hand else recipe,
            epochs=recipe.epochs,
            verbose=verbose,
            callbacks=callbacks,
            **kwargs,
        )

    @property
    def recipe(self):
        """What `fit` does where its arguments do not say otherwise."""
        return self.RECIPE

    def _prepare(self, texts):
        """Called with the training texts before they are tokenized."""

    def _train(self, data, validation_data, recipe, **kwargs):
        """Trains on `TextBatches`; a recipe of None leaves the optimizer as it is."""
        if recipe is not None:
            recipe.compile(self, steps_per_epoch=len(data))
            self._compiled_by_fit = True
        if validation_data is not None:
            validation_data = validation_data.for_backend()
        # Not shuffled by Keras: the batches are in random order already.
        return super().fit(
            data.for_backend(), validation_data=validation_data, shuffle=False, **kwargs
        )

    def _training_data(self, texts, labels, batch_size, class_weight=None, seed=None):
        labels = self._labels_of(texts, labels)
        weights = self._sample_weight(labels, class_weight)
        return TextBatches(
            self.tokenize(texts), labels, weights, batch_size, seed, max_length=self.max_length
        )

    def _labels_of(self, texts, labels):
        """The class indices of texts, of which there is one at least."""
        if labels is None or len(texts) != len(labels):
            count = "no" if labels is None else f"{len(labels):,}"
            raise UserError(f"There are {len(texts):,} texts and {count} labels; give as many.")
        if not len(texts):
            raise UserError("There is no text to train or evaluate on; give at least one.")
        return self.label_ids(labels)

    def _sample_weight(self, labels, class_weight):
        if class_weight is None:
            return None
        count = len(self.class_names)
        if isinstance(class_weight, str):
            if class_weight != "balanced":
                raise ValueError(f"class_weight={class_weight!r} is neither 'balanced' nor a dict.")
            frequency = np.bincount(labels, minlength=count)
            weights = len(labels) / (count * np.maximum(frequency, 1))
        else:
            weights = np.ones(count)
            weights[self.label_ids(list(class_weight))] = list(class_weight.values())
        return weights[labels].astype("float32")

    def tokenize(self, texts):
        """Tokenizes texts as the model takes them.

        Args:
            texts: A sequence of strings.

        Returns:
            A `kerasformer.text.Tokenized`.

        Raises:
            UserError: A text is no string, or the model has no tokenizer yet.
        """
        if self.tokenizer is None:
            raise UserError("The model has no vocabulary yet: train it with fit on texts first.")
        return self.tokenizer.tokenize(texts, max_length=self.max_length)

    def label_ids(self, labels):
        """Turns class names or indices into indices.

        Args:
            labels: A sequence of names or of integer indices.

        Returns:
            int32 `[n]`.

        Raises:
            UserError: A label is neither.
        """
        index = {name: i for i, name in enumerate(self.class_names)}
        labels = np.asarray(labels).tolist()
        ids = [index.get(label, label) if isinstance(label, str) else label for label in labels]
        for label in ids:
            if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(index):
                raise UserError(
                    f"The label {label!r} is not one of the {len(index)} classes "
                    f"{_shorten(self.class_names)}, nor an index of one."
                )
        return np.asarray(ids, "int32")

    def predict(self, x, batch_size=None, verbose="auto", **kwargs):
        """Class probabilities of texts, float32 `[n, classes]`.

        Args:
            x: The texts, a sequence of strings; or anything that `keras.Model.predict` takes.
            batch_size: Texts in a batch.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.
            **kwargs: Further arguments of `keras.Model.predict`.

        Raises:
            UserError: A text is no string, or the model has no vocabulary yet.
        """
        if not _holds_strings(x):
            return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)
        batch_size = batch_size or self.RECIPE.batch_size
        data = TextBatches(self.tokenize(x), batch_size=batch_size, max_length=self.max_length)
        return predict_rows(self, data, len(self.class_names), verbose)

    def classify(self, texts, **kwargs):
        """The most probable class of each text, by name.

        Args:
            texts: A sequence of strings.
            **kwargs: As `predict` takes them.

        Returns:
            A list of class names.
        """
        return [self.class_names[i] for i in self.predict(texts, **kwargs).argmax(axis=-1)]

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", **kwargs):
        """Metrics of the predictions for texts.

        Args:
            x: The texts, a sequence of strings; or anything that `keras.Model.evaluate` takes.
            y: Their labels, class names or indices.
            batch_size: Texts in a batch.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            For texts, the dict of `kerasformer.training.classification_metrics`: accuracy, macro
            precision, recall and F1, those of each class, the confusion matrix.

        Raises:
            UserError: There is no text, a text is no string, a label is no class, or texts and
                labels differ in number.
        """
        if not _holds_strings(x):
            return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, **kwargs)
        labels = self._labels_of(x, y)
        probabilities = self.predict(x, batch_size=batch_size, verbose=verbose)
        return classification_metrics(labels, probabilities, self.class_names)

    def get_compile_config(self):
        """None after `fit` alone: its schedule has ended, and the next `fit` makes a new one."""
        return None if self._compiled_by_fit else super().get_compile_config()

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "class_names": list(self.class_names),
            "max_length": self.max_length,
            "tokenizer": self.tokenizer and self.tokenizer.to_json(),
        }


def check_class_names(class_names):
    """The names of classes as a tuple, or a ValueError where they are not two different ones."""
    if isinstance(class_names, int) and not isinstance(class_names, bool):
        class_names = [str(i) for i in range(class_names)]
    is_list = isinstance(class_names, Iterable) and not isinstance(class_names, str)
    if not is_list or not all(isinstance(name, str) for name in class_names):
        raise ValueError(f"class_names={class_names!r} is neither a list of strings nor a number.")
    if len(class_names) < 2 or len(set(class_names)) < len(class_names):
        raise ValueError(
            f"class_names={_shorten(class_names)} must be at least two different names."
        )
    return tuple(class_names)


def _holds_strings(x):
    """Whether x is a sequence of texts rather than tensors or a Keras data set."""
    if hasattr(x, "to_numpy"):  # a column of pandas or polars
        x = x.to_numpy()
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "UO"
    if isinstance(x, str):
        raise UserError("One string was given where a list of texts is expected: put it in [ ].")
    return isinstance(x, list | tuple) and (not len(x) or isinstance(x[0], str))


def predict_rows(model, data, width, verbose):
    """A model's outputs `[n, width]` for `TextBatches`, in the order of the texts."""
    if verbose == "auto":
        verbose = len(data) >= 100 and sys.stdout.isatty()
    bar = keras.utils.Progbar(len(data), unit_name="batch") if verbose else None
    outputs = np.zeros((len(data.tokenized), width), "float32")
    # Not keras.Model.predict, whose data pipeline takes longer than the model for one text.
    batches = ((rows, inputs) for rows, (inputs,) in zip(data.batches, data, strict=True))
    model.make_predict_function()  # else each thread would make its own
    with use_kernels(inference_kernels()):
        for rows, part in in_order(model.predict_on_batch, batches, batches_at_once()):
            outputs[rows] = part
            if bar:
                bar.add(1)
    return outputs


def _shorten(names, most=5):
    shown = ", ".join(map(str, list(names)[:most]))
    return shown + (", ..." if len(names) > most else "")
