"""What the scratch and the pretrained classifier share: training and answering on strings."""

from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.tasks import problems
from kerasformer.tasks.examples import (
    Examples,
    check_counts,
    check_frequency,
    gather,
    hold_strings,
    read_examples,
    read_validation,
)
from kerasformer.tasks.prediction import callback_list, check_answers, predict_rows, softmax
from kerasformer.tasks.string_model import StringModel
from kerasformer.training import classification_metrics
from kerasformer.training.losses import cross_entropy


class StringClassifier(StringModel):
    """A Keras classifier with its tokenizer and class names, so that strings go in.

    A child builds its layers, and returns logits for the dict that `kerasformer.text.pack` makes.
    `fit`, `evaluate` and `predict` have Keras' arguments, which mean what they mean in Keras. They
    take strings, or anything that a Keras model takes, and then do what a Keras model does.
    """

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        *,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        seed: int = 0,
        restart: bool = False,
    ) -> keras.callbacks.History:
        """Trains on texts and labels, in batches of similar length.

        Unless the model was compiled by hand, it is trained by AdamW with linear warmup and decay
        (`kerasformer.training.adamw`) and the hyperparameters of the property `recipe`. A further
        `fit` then goes on where the last one ended: with the optimizer's state, and at the
        learning rate that a schedule over all epochs so far has by then. Where an encoder was
        frozen or unfrozen in between, it starts with a new optimizer. With a callback that sets the
        learning rate, `LearningRateScheduler` or `ReduceLROnPlateau`, there is no warmup or decay.

        The same seed trains the same weights to the same ones on a CPU with one backend; on a GPU
        after `keras.utils.set_random_seed` and `tf.config.experimental.enable_op_determinism()`.

        Args:
            x: The texts: a sequence, a column or a tensor of strings; or a `tf.data.Dataset` or
                `keras.utils.PyDataset` of texts and labels, which is read once, as a whole.
            y: Their labels: names or indices of classes, or class probabilities `[n, classes]`.
            batch_size: Texts in a batch; by default that of `recipe`.
            epochs: Passes over the texts; by default those of `recipe`.
            verbose, callbacks, validation_freq: As in Keras.
            validation_split: The share of the texts, the last ones, to evaluate on instead.
            validation_data: `(texts, labels)` or `(texts, labels, weights)` to evaluate on after
                each epoch, or a data set as for `x`.
            shuffle: Whether each epoch has an order of its own; if not, the texts keep theirs.
            class_weight: Weights of the classes by name or index, or `"balanced"`: inversely to
                their frequency, as in scikit-learn.
            sample_weight: A weight for each text, float `[n]`.
            initial_epoch: The epoch to start at.
            steps_per_epoch: Batches in an epoch, which starts where the last one ended; of a data
                set its own batches, unless `batch_size` is given.
            validation_steps, validation_batch_size: Batches to evaluate on, and texts in each.
            learning_rate, weight_decay: Of AdamW; by default those of `recipe`.
            seed: Of the order of the batches and of dropout.
            restart: Whether to start with a new optimizer and schedule.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: There is no text, a text is not a string, a label is not a class, texts,
                labels and weights differ in number, a weight is negative or not finite, or
                training diverged.
            ValueError: `learning_rate`, `weight_decay` or `restart` for a model that was compiled
                by hand, or for tensors.
        """
        is_text = hold_strings(x := gather(x))
        if self._compiled_by_hand or not is_text:
            _refuse(learning_rate=learning_rate, weight_decay=weight_decay, restart=restart)
        if not is_text:
            return self._fit_tensors(
                *(x, y, batch_size, 1 if epochs is None else epochs, verbose, callbacks),
                *(validation_split, validation_data, shuffle, class_weight, sample_weight),
                *(initial_epoch, steps_per_epoch, validation_steps, validation_batch_size),
                validation_freq,
            )
        check_counts(steps_per_epoch=steps_per_epoch, batch_size=batch_size)
        check_counts(0, initial_epoch=initial_epoch, seed=seed)
        changes = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
        recipe = self.recipe.change(**changes, weight_decay=weight_decay)
        most = steps_per_epoch and steps_per_epoch * max(1, recipe.epochs - initial_epoch)
        train = read_examples(x, y, sample_weight, most, recipe.batch_size)
        if steps_per_epoch and batch_size is None:  # the steps are the data set's batches, if any
            recipe = recipe.change(batch_size=train.batch_size)
        check_counts(validation_steps=validation_steps, validation_batch_size=validation_batch_size)
        check_frequency(validation_freq)
        size = validation_batch_size or recipe.batch_size
        train, held = _hold_out(train, validation_data, validation_split, validation_steps, size)
        told = {"verbose": verbose, "callbacks": callbacks, "validation_freq": validation_freq}
        told |= {"seed": seed, "restart": restart, "initial_epoch": initial_epoch}
        order = {"seed": seed, "in_order": not shuffle, "steps": steps_per_epoch}
        return self._fit_examples(train, held, recipe, size, class_weight, order, **told)

    def _fit_tensors(self, *arguments: Any) -> keras.callbacks.History:
        if not self.compiled:
            given = type(arguments[0]).__name__
            raise UserError(f"Expected texts, got {given}; for tensors, compile first.")
        return super().fit(*arguments)

    def _fit_examples(
        self,
        train: Examples,
        held: Any,
        recipe: Any,
        size: int,
        class_weight: Any,
        order: dict,
        **told: Any,
    ) -> keras.callbacks.History:
        """`held` are the examples to evaluate on, `size` how many of them a batch has."""
        self._prepare(train.texts)
        loss = self.loss if self.compiled and not told["restart"] else None
        options: dict[str, Any] = {"class_weight": class_weight, "make": self._training_inputs}
        data = self._batches(train, loss, recipe.batch_size, **options, **order)
        loss = loss or cross_entropy(one_hot=data.labels.ndim == 2)
        validation = held and self._batches(held, loss, size, make=self._training_inputs)
        return self._train(data, validation, recipe, **told)

    def _prepare(self, texts: list[str]) -> None:
        """Called with the training texts before they are tokenized."""

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> np.ndarray:
        """Logits of texts, as calling the model returns them.

        Args:
            x: The texts, as in `fit`; or anything that `keras.Model.predict` takes.
            batch_size: Texts in a batch.
            verbose: Whether to show a progress bar; by default for many texts on a terminal.
            steps, callbacks: As in Keras.

        Returns:
            float32 `[n, classes]`.

        Raises:
            UserError: A text is not a string, or the model has no vocabulary yet.
        """
        if not self._takes(x := gather(x)):
            return super().predict(x, batch_size, verbose, steps, callbacks)
        size = self.RECIPE.batch_size if batch_size is None else batch_size
        check_counts(steps=steps)
        texts = read_examples(x, None, None, steps, size).first(steps, size).texts
        data = self._inputs(texts, batch_size=size)
        told = callback_list(callbacks, self, len(data))
        logits = predict_rows(self, data, len(self.class_names), verbose, told)
        told.on_predict_end()
        return logits

    def predict_proba(self, texts: Any, **kwargs: Any) -> np.ndarray:
        """Class probabilities, float32 `[n, classes]`: the softmax of the logits of `predict`.

        With several labels the sigmoid of each; of a regression's numbers there are none, which is
        a UserError.

        Args:
            texts: As `predict` takes them.
            **kwargs: Further arguments of `predict`.
        """
        problems.warn_untrained(self)
        return problems.probabilities(self.predict(texts, **kwargs), self.problem_type)

    def classify(self, texts: Any, **kwargs: Any) -> list:
        """The name of the most probable class of each text.

        With several labels the list of those with a probability of a half or more.

        Args:
            texts: As `predict` takes them.
            **kwargs: Further arguments of `predict`.
        """
        problems.warn_untrained(self)
        return problems.names_of(self.predict(texts, **kwargs), self.class_names, self.problem_type)

    def _takes(self, x: Any) -> bool:
        """Whether x has texts, and not tensors."""
        if x is None:
            raise UserError("Expected texts, got None.")
        return hold_strings(x)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The loss and the metrics of the predictions for texts.

        Args:
            x, y: The texts and their labels, as in `fit`.
            batch_size: Texts in a batch.
            verbose: As of `predict`.
            sample_weight, steps, callbacks: As in Keras.
            return_dict: Whether to return a dict, which has more for texts.
            **kwargs: None for texts.

        Returns:
            As in Keras, the loss and what `compile` had as metrics (accuracy where `fit` compiled
            the model, or nobody did), a list; or with `return_dict=True` a dict of these and, for
            texts, of all that `kerasformer.training.classification_metrics` gives: accuracy, macro
            precision, recall and F1, those of each class, the confusion matrix.

        Raises:
            UserError: As `fit`.
            TypeError: An unknown argument.
        """
        if not self._takes(x := gather(x)):
            return super().evaluate(
                *(x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict), **kwargs
            )
        if kwargs:
            raise TypeError(f"evaluate got an unexpected argument {next(iter(kwargs))!r}.")
        size = self.RECIPE.batch_size if batch_size is None else batch_size
        loss = self.loss if self.compiled else None
        check_counts(steps=steps)
        examples = read_examples(x, y, sample_weight, steps, size).first(steps, size)
        data = self._batches(examples, loss, size)
        told = callback_list(callbacks, self, len(data))
        logits = predict_rows(self, data, len(self.class_names), verbose, told, "test")
        check_answers(logits)
        ids = data.labels if data.labels.ndim == 1 else data.labels.argmax(axis=-1)
        scores = classification_metrics(ids, softmax(logits), self.class_names, data.sample_weight)
        logs = {name: scores[name] for name in ("loss", "accuracy")}
        if self.compiled:
            logs = self._compiled_metrics(data.labels, logits, data.sample_weight)
        told.on_test_end(logs)
        values = list(logs.values())
        return scores | logs if return_dict else values if len(values) > 1 else values[0]


def _hold_out(
    train: Examples, given: Any, share: float, steps: int | None, batch_size: int
) -> tuple[Examples, Examples | None]:
    """What is left to train on, and the examples to evaluate on, if any."""
    if given is not None:
        return train, read_validation(given, steps, batch_size)
    if not share:
        return train, None
    train, held = train.split(share)
    return train, held.first(steps, batch_size)


def _refuse(**arguments: Any) -> None:
    """Raises a ValueError for arguments that only a model that `fit` itself compiles has."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise ValueError(
                f"{name}={value!r} needs texts and a model that fit compiles: with tensors, or a "
                "model compiled by hand, give it to compile."
            )
