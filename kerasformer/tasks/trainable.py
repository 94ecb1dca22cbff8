"""Training, evaluating and predicting on what a person has: the same for every task."""

import os
from typing import Any

import keras

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.tasks.batch_methods import BatchMethods
from kerasformer.tasks.examples import Examples, check_counts, check_frequency, refuse_given
from kerasformer.tasks.fitting.resumable import resumed
from kerasformer.tasks.fitting.validation import ShortProgress, ValidationScores, to_evaluate_on
from kerasformer.tasks.prediction import callback_list
from kerasformer.training import Recipe
from kerasformer.training.callbacks import LOGGED, as_callbacks


class Trainable(BatchMethods):
    """A Keras model that is trained on what a person has, such as texts with their classes.

    `fit`, `evaluate` and `predict` have Keras' arguments, which mean what they mean in Keras. They
    take examples, or anything that a Keras model takes, and then do what a Keras model does.

    A child has the hooks of `BatchMethods`, and may have those below; it returns logits for the
    inputs of its batches.
    """

    # Whether `fit` evaluates by the metrics of the field, and not by those of `compile` alone.
    SCORES_VALIDATION = False
    HIDDEN: tuple[str, ...] = ()  # metrics that its progress line leaves out, by their beginnings

    def _prepare(self, examples: Examples) -> None:
        """Called with the training examples before they are tokenized: learns a vocabulary."""
        if self.tokenizer is None:
            self.tokenizer = self._new_tokenizer(keras.tree.flatten(examples.texts))

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        """As `_batches`, of examples that several epochs see."""
        return self._batches(examples, batch_size, **options)

    def _outputs(self, data: Batches, verbose: Any, told: Any, event: str = "predict") -> Any:
        """The model's outputs for the examples of batches, in their order."""
        raise NotImplementedError

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        """The metrics of the field, the loss and the accuracy among them if there are any."""
        raise NotImplementedError

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
        recipe: Recipe | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        seed: int = 0,
        restart: bool = False,
        resume: str | os.PathLike | None = None,
    ) -> keras.callbacks.History:
        """Trains on examples, in batches of similar length.

        Unless the model was compiled by hand, it is trained by AdamW with warmup and decay
        (`kerasformer.training.adamw`) and the hyperparameters of the property `recipe`. A further
        `fit` then goes on where the last one ended: with the optimizer's state, and at the
        learning rate that a schedule over all epochs so far has by then. Where an encoder was
        frozen or unfrozen in between, it starts with a new optimizer. With a callback that sets the
        learning rate, `LearningRateScheduler` or `ReduceLROnPlateau`, there is no warmup or decay.

        The same seed trains the same weights to the same ones on a CPU with one backend; on a GPU
        after `keras.utils.set_random_seed` and `tf.config.experimental.enable_op_determinism()`.

        Args:
            x: The examples. Of a classifier texts, or pairs of texts: a sequence, a column or a
                tensor of strings, or of two strings each; or a `tf.data.Dataset` or
                `keras.utils.PyDataset` of texts and labels, which is read once, as a whole. Or a
                split of `kerasformer.data`, or a data set, of which the train split is trained on,
                and the validation split evaluated on unless something else is given for that.
            y: Their labels. Of a classifier names or indices of classes, or class probabilities
                `[n, classes]`; with several labels lists of names, or 0 and 1 `[n, classes]`; of a
                regression numbers, `[n]` or `[n, outputs]`.
            batch_size: Examples in a batch; by default that of `recipe`.
            epochs: Passes over the examples; by default those of `recipe`.
            verbose, callbacks, validation_freq: As in Keras.
            validation_split: The share of the examples, the last ones, to evaluate on instead.
            validation_data: `(x, y)` or `(x, y, weights)` to evaluate on after each epoch, or a
                data set as for `x`.
            shuffle: Whether each epoch has an order of its own; if not, the examples keep theirs.
            class_weight: Weights of the classes by name or index, or `"balanced"`: inversely to
                their frequency, as in scikit-learn.
            sample_weight: A weight for each example, float `[n]`.
            initial_epoch: The epoch to start at.
            steps_per_epoch: Batches in an epoch, which starts where the last one ended; of a data
                set its own batches, unless `batch_size` is given.
            validation_steps, validation_batch_size: Batches to evaluate on, and examples in each.
            recipe: All hyperparameters, such as `model.recipe.change(layer_decay=0.9)`; by default
                the property `recipe`. The arguments above and below win over it.
            learning_rate, weight_decay: Of AdamW.
            seed: Of the order of the batches and of dropout.
            restart: Whether to start with a new optimizer and schedule.
            resume: A folder for checkpoints, one each epoch and minute if they take no more than a
                20th of the time. Ended at any moment, even killed, training goes on in the same
                call, to the same weights and history; a finished one returns at once.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            UserError: There is no example, a text is not a string, a label is not a class,
                examples, labels and weights differ in number, a weight is negative or not finite,
                or training diverged; `resume` cannot be used, or has other data or settings.
            ValueError: `recipe`, `learning_rate`, `weight_decay` or `restart` for a model that was
                compiled by hand, or for tensors; `resume` for tensors.
        """
        validation_data = to_evaluate_on(x, validation_data, validation_split)
        is_text = self._holds(x := self._chosen(x, "train"))
        rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
        if self._compiled_by_hand or not is_text:
            refuse_given(recipe=recipe, **rates, restart=restart)
        if not is_text:
            given: tuple = x, y, batch_size, 1 if epochs is None else epochs, verbose, callbacks
            given = *given, validation_split, validation_data, shuffle, class_weight, sample_weight
            given = *given, initial_epoch, steps_per_epoch, validation_steps, validation_batch_size
            return self._fit_tensors(resume, *given, validation_freq)
        check_counts(validation_steps=validation_steps, validation_batch_size=validation_batch_size)
        check_counts(steps_per_epoch=steps_per_epoch, batch_size=batch_size)
        check_counts(0, initial_epoch=initial_epoch, seed=seed)
        recipe = (recipe or self.recipe).change(epochs=epochs, batch_size=batch_size, **rates)
        most = steps_per_epoch and steps_per_epoch * max(1, recipe.epochs - initial_epoch)
        train = self._read(x, y, sample_weight, most, recipe.batch_size)
        if steps_per_epoch and batch_size is None:  # the steps are the data set's batches, if any
            recipe = recipe.change(batch_size=train.batch_size)
        size = validation_batch_size or recipe.batch_size
        train, held = self._split(train, validation_data, validation_split, validation_steps, size)
        told = {"verbose": verbose, "callbacks": callbacks, "validation_freq": validation_freq}
        told |= {"seed": seed, "restart": restart, "resume": resume, "initial_epoch": initial_epoch}
        order = {"in_order": not shuffle, "steps": steps_per_epoch, "class_weight": class_weight}
        return self._fit_examples(train, held, recipe, size, order, **told)

    def _fit_tensors(self, resume: Any, *arguments: Any) -> keras.callbacks.History:
        if resume is not None:
            raise ValueError(
                f"resume={resume!r} needs texts: with tensors, take Keras' BackupAndRestore."
            )
        if not self.compiled:
            given = type(arguments[0]).__name__
            raise UserError(f"Expected texts, got {given}; for tensors, compile first.")
        return super().fit(*arguments)

    def _fit_examples(
        self,
        train: Examples,
        held: Examples | None,
        recipe: Recipe,
        size: int,
        options: dict[str, Any],
        **told: Any,
    ) -> keras.callbacks.History:
        """Trains as `options` say how to make batches, and `told` how to train.

        `held` are the examples to evaluate on, `size` how many of them a batch has.
        """
        check_frequency(told["validation_freq"])
        told["callbacks"], folder = as_callbacks(told["callbacks"]), told.pop("resume")
        self._prepare(train)
        loss = self.loss if self.compiled and not told["restart"] else None
        with resumed(self, folder, recipe, train, held, size, **options, **told) as run:
            told, options = told | {"run": run}, {"loss": loss, "seed": told["seed"], **options}
            # What has ended needs no features of a frozen encoder.
            make = self._batches if run and run.finished else self._training_batches
            data = make(train, recipe.batch_size, **options)
            loss = loss or self._loss_for(data)
            if not held or not (self.SCORES_VALIDATION or recipe.monitor not in LOGGED):
                validation = held and make(held, size, loss=loss)
                return self._train(data, validation, recipe, **told)
            batches, freq = make(held, size, loss=loss), told.pop("validation_freq")
            few = held.first(1, size)

            def some():
                return self._evaluate(few, self._batches(few, size, loss=loss))[0]

            scores = ValidationScores(lambda: self._evaluate(held, batches)[0], freq, batches, some)
            told["callbacks"] = [scores, *told["callbacks"], ShortProgress(self.HIDDEN)]
            return self._train(data, None, recipe, **told)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The model's outputs for examples.

        Args:
            x: The examples, as in `fit`, of a data set its test split; or anything that
                `keras.Model.predict` takes.
            batch_size: Examples in a batch; by default those of `RECIPE`, on an accelerator as many
                as it is quickest with.
            verbose: Whether to show a progress bar; by default for many examples on a terminal.
            steps, callbacks: As in Keras.

        Returns:
            Of a classifier the logits, float32 `[n, classes]`, as calling the model returns them.

        Raises:
            UserError: A text is not a string, or the model has no vocabulary yet.
        """
        if not self._takes(x := self._chosen(x, "test")):
            return super().predict(x, batch_size, verbose, steps, callbacks)
        size = self.RECIPE.batch_size if batch_size is None else batch_size
        check_counts(steps=steps)
        examples = self._read(x, steps=steps, batch_size=size).first(steps, size)
        order = self._whole_device(batch_size, steps)
        data = self._batches(examples, size, labelled=False, **order)
        told = callback_list(callbacks, self, len(data))
        outputs = self._outputs(data, verbose, told)
        told.on_predict_end()
        return outputs

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
        """The loss and the metrics of the predictions for examples.

        Args:
            x, y: The examples and their labels, as in `fit`; of a data set its test split.
            batch_size, verbose: As of `predict`.
            sample_weight, steps, callbacks: As in Keras.
            return_dict: Whether to return a dict, which has more for examples.
            **kwargs: None for examples.

        Returns:
            As in Keras, the loss and what `compile` had as metrics (accuracy where `fit` compiled
            the model, or nobody did), a list; or with `return_dict=True` a dict of these and, for
            examples, of the metrics of the field; of a classifier all that
            `kerasformer.training.classification_metrics` gives: accuracy, macro precision, recall
            and F1, those of each class, the confusion matrix; or with several labels
            `multilabel_metrics`, and of a regression `regression_metrics`.

        Raises:
            UserError: As `fit`.
            TypeError: An unknown argument.
        """
        if not self._takes(x := self._chosen(x, "test")):
            return super().evaluate(
                *(x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict), **kwargs
            )
        if kwargs:
            raise TypeError(f"evaluate got an unexpected argument {next(iter(kwargs))!r}.")
        size = self.RECIPE.batch_size if batch_size is None else batch_size
        loss = self.loss if self.compiled else None
        check_counts(steps=steps)
        examples = self._read(x, y, sample_weight, steps, size).first(steps, size)
        data = self._batches(examples, size, loss=loss, **self._whole_device(batch_size, steps))
        told = callback_list(callbacks, self, len(data))
        scores, logs = self._evaluate(examples, data, verbose, told)
        told.on_test_end(logs)
        values = list(logs.values())
        return scores if return_dict else values if len(values) > 1 else values[0]

    def _evaluate(
        self, examples: Examples, data: Batches, verbose: Any = 0, told: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """All metrics, and those among them that Keras' `evaluate` would return."""
        outputs = self._outputs(data, verbose, told, "test")
        scores = self._scores(examples, data, outputs)
        names: tuple[str, ...] = ("loss", "accuracy")
        logs = {name: scores[name] for name in names if name in scores}
        if self.compiled:
            logs = self._compiled_metrics(data.labels, outputs, data.sample_weight)
        return scores | logs, logs
