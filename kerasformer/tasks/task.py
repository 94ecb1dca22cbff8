"""What every task has: a Keras model, the tokenizer whose ids it takes, and how it is trained."""

import warnings
from typing import Any

import keras

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models.data_parallel import is_first_process
from kerasformer.models.distribution import loss_across_replicas, replicas, strategy_scope
from kerasformer.models.export import ServingExport
from kerasformer.models.partial import set_remat
from kerasformer.sources.programs import keep_programs
from kerasformer.tasks.fitting.ahead import Ready
from kerasformer.tasks.fitting.collapse import CollapseCheck
from kerasformer.tasks.fitting.divergence import DivergenceCheck
from kerasformer.tasks.fitting.filling import loss_of_examples, weights_of_examples
from kerasformer.tasks.fitting.loop import (
    batches_done,
    build_state,
    end_of,
    fit_batches,
    fit_from,
    rewind,
)
from kerasformer.tasks.fitting.validation import ValidationScores, check_monitor
from kerasformer.text import Tokenizer
from kerasformer.training import Recipe
from kerasformer.training.budget import sets_rate, with_budget
from kerasformer.training.callbacks import BestEpoch, LastGroup, as_callbacks
from kerasformer.training.description import describe_training
from kerasformer.training.losses import cross_entropy, takes_probabilities
from kerasformer.training.resume import Run
from kerasformer.training.seeds import seed_dropout


class Task(ServingExport):
    """A Keras model on token ids with its tokenizer.

    A forked process cannot use the model of its parent, nor make one where that has: each loads its
    own, or is started by multiprocessing's "spawn".

    Args:
        tokenizer: A `kerasformer.text.Tokenizer`, its `to_json()`, or None.
        **kwargs: Keras arguments of the model.

    Attributes:
        head_is_new: Whether `fit` has trained no weight yet, and none was read.
    """

    RECIPE = Recipe()

    def __init__(self, tokenizer: Tokenizer | str | None = None, **kwargs: Any):
        keep_programs()
        super().__init__(**kwargs)
        self.tokenizer = Tokenizer.from_json(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self.head_is_new = True
        self._compiled_by_fit = False
        self._optimized: frozenset[int] = frozenset()  # ids of the variables fit compiled it for
        self._followed = self.RECIPE  # by the last fit

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        return self.RECIPE

    @property
    def stages(self) -> list[list[keras.layers.Layer]]:
        """The layers below the head, from the embeddings up, for `layer_decay` of a recipe."""
        return []

    def describe_training(self, recipe: Recipe | None = None) -> str:
        """What training by a recipe changes, as a table that can be printed.

        Args:
            recipe: The recipe; by default the property `recipe`.

        Returns:
            A line for each variable: its path and shape, whether it is trained, at which multiple
            of the learning rate, and whether weight decay shrinks it.

        Example:

        >>> from kerasformer.tasks import TransformerClassifier
        >>> model = TransformerClassifier(2, vocab_size=9, max_length=4, hidden_size=4, num_heads=1)
        >>> print(model.describe_training().splitlines()[-1].split()[-4:])
        ['(2,)', 'yes', '1', 'no']
        """
        return describe_training(self, recipe or self.recipe)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.compile`; `fit` then uses this optimizer, loss and metrics.

        The model returns logits, so the loss needs `from_logits=True`; one without it is warned of.
        """
        self._compiled_by_fit = False
        super().compile(*args, **kwargs)
        for loss in keras.tree.flatten(self.loss):
            if loss is not None and takes_probabilities(loss):
                name = getattr(loss, "name", None) or getattr(loss, "__name__", loss)
                warnings.warn(
                    f"The loss {name} expects probabilities, but {type(self).__name__} returns "
                    "logits: use the loss's class with from_logits=True.",
                    stacklevel=2,
                )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was; Keras does so unless `compile` is ours."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """As in Keras, of the examples alone, which weigh alike on all devices."""

        def compute(weights):
            return super(Task, self).compute_loss(x, y, y_pred, weights, training)

        across = loss_of_examples if replicas(self) == 1 else loss_across_replicas
        return across(self, compute, y_pred, sample_weight)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """As in Keras, of the examples alone."""
        return super().compute_metrics(x, y, y_pred, weights_of_examples(y_pred, sample_weight))

    @property
    def _compiled_by_hand(self) -> bool:
        is_ours = self._compiled_by_fit and getattr(self.optimizer, "made_by_fit", False)
        return self.compiled and not is_ours

    def _check_trainable(self) -> None:
        self.check_process()
        if not self.trainable_weights:
            raise UserError(f"This {type(self).__name__} has no trainable weights: set trainable.")
        if any(weight.dtype == "float16" for weight in self.trainable_weights):
            raise UserError(
                f"This {type(self).__name__} has weights in float16, too narrow for the steps of "
                "training: make it with dtype='mixed_float16', which computes in float16 and keeps "
                "its weights in float32."
            )

    def _train(
        self,
        data: Batches,
        validation: Batches | None,
        recipe: Recipe,
        *,
        seed: int,
        restart: bool,
        initial_epoch: int = 0,
        callbacks: Any = None,
        run: Run | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains on batches by a recipe, or as the model was compiled by hand.

        Where there is a run, its checkpoints are written, and training goes on from the last one.
        """
        self._check_trainable()
        callbacks, recipe = as_callbacks(callbacks), recipe.planned(len(data), initial_epoch)
        seed_dropout(self, seed)
        if not self._compiled_by_hand:
            callbacks = self._follow(recipe, len(data), validation, callbacks)
        steps = recipe.steps(len(data), max(1, recipe.epochs - initial_epoch))
        settable = any(map(sets_rate, callbacks))
        restart = (not self._compiled_by_hand and rewind(self, run)) or restart
        self._compile_for_fit(recipe, steps, self._loss_for(data), settable, restart)
        if run and run.finished:
            return end_of(self, run, callbacks)
        if not self.run_eagerly or (run and run.start):  # eagerly, a metric may need values
            build_state(self, data)
        if replicas(self) == 1 and not (self._compiled_by_hand or (run and run.start)):
            check_monitor(self, recipe.monitor, validation, callbacks)
        rate = recipe.learning_rate
        if self._compiled_by_hand:
            rate = float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))
        scores = (one.data for one in callbacks if isinstance(one, ValidationScores))
        check, collapse = DivergenceCheck(), CollapseCheck(data, validation or next(scores, None))
        callbacks = [check, collapse, *callbacks]
        told = {"epochs": recipe.epochs, "initial_epoch": initial_epoch, **options}
        told |= {} if is_first_process() else {"verbose": 0}
        callbacks.append(ready := Ready(self, data, validation, told.get("verbose", "auto")))
        told["validation_data"] = validation and validation.for_backend()
        try:
            if run:
                told |= {"done": batches_done(self), "check": lambda: check.refuse(rate)}
                history = fit_from(self, data, run, callbacks, **told)
            else:
                history = fit_batches(self, data, callbacks, **told)
        finally:
            ready.release()
        check.refuse(rate)
        collapse.warn(rate)
        return history

    def _follow(
        self, recipe: Recipe, batches: int, validation: Batches | None, callbacks: list
    ) -> list[keras.callbacks.Callback]:
        """The callbacks that training by a recipe takes, with those given among them."""
        if recipe.head_epochs:
            raise UserError(
                f"head_epochs={recipe.head_epochs} is for a pretrained encoder: leave it at 0 for "
                f"a {type(self).__name__}."
            )
        if recipe.accumulate > 1 and replicas(self) > 1:
            raise UserError(
                f"accumulate={recipe.accumulate} is not possible on several devices of "
                "tf.distribute: take a larger batch_size, which they divide among them."
            )
        is_evaluated = validation or any(isinstance(one, ValidationScores) for one in callbacks)
        if (recipe.monitor or "").startswith("val_") and not is_evaluated:
            raise UserError(
                f"monitor={recipe.monitor!r} is of examples to evaluate on: give fit "
                "validation_data or a validation_split."
            )
        set_remat(self, recipe.remat)
        # The metric of the best epoch may be one that another callback gives.
        last = [BestEpoch(recipe)] if recipe.monitor else []
        first = [LastGroup(batches)] if recipe.accumulate > 1 else []
        return with_budget(recipe, [*first, *callbacks, *last])

    def same_answers(self, data: Batches, which: str, least: int, batches: int) -> str:
        """Says that the answers to all examples are one and the same, of a task without classes.

        Args:
            data: Batches, of which the first ones are looked at.
            which: What to call their examples.
            least: Of fewer examples nothing is said.
            batches: How many batches to look at.
        """
        return ""

    def _loss_for(self, data: Batches) -> Any:
        """The loss of the logits that `fit` compiles the model with, for the labels of batches."""
        return cross_entropy(one_hot=data.labels.ndim == 2)

    def _compile_for_fit(self, recipe, steps, loss, settable, restart) -> None:
        """Gives the model the recipe's optimizer, or the one it has the further steps."""
        self.head_is_new = False
        if self._compiled_by_hand:
            if self._compiled_by_fit:  # and its user replaced the optimizer
                self._compiled_by_fit = False
                self.train_function = None
            return
        trained = frozenset(map(id, self.trainable_variables))
        with strategy_scope(self):
            # An optimizer is of the variables that it was built with, with a frozen encoder or not.
            is_same = trained == self._optimized and recipe.goes_on(self._followed)
            if self._compiled_by_fit and not restart and is_same:
                recipe.extend(self, steps, settable)
            else:
                recipe.compile(self, steps, loss, settable)
        self.note_compiled(recipe)

    def note_compiled(self, recipe: Recipe) -> None:
        """Notes that the optimizer of now is of a recipe, for what is trained now."""
        self._optimized, self._followed = frozenset(map(id, self.trainable_variables)), recipe
        self.optimizer.made_by_fit = self._compiled_by_fit = True

    def _compiled_metrics(self, labels, logits, sample_weight) -> dict[str, Any]:
        """The loss and the metrics of `compile`, by their names."""
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, logits)
        given = {"y": labels, "y_pred": tensors}
        given["sample_weight"] = sample_weight
        self.reset_metrics()
        # First, as in Keras: the losses of several outputs are metrics too.
        loss = self.compute_loss(x=None, training=False, **given)
        logs = self.compute_metrics(x=None, **given)
        values = keras.tree.map_structure(keras.ops.convert_to_numpy, {**logs, "loss": loss})
        # A metric may be an array, such as the F1 of each class.
        return {name: value if value.ndim else float(value) for name, value in values.items()}

    def load_own_variables(self, store: Any) -> None:
        """Called by Keras when it reads weights."""
        super().load_own_variables(store)
        self.head_is_new = False

    def _new_tokenizer(self, texts: list[str]) -> Tokenizer:
        """The tokenizer of a model without one, learnt from texts."""
        raise UserError(f"This {type(self).__name__} has no tokenizer: make it with one.")

    def get_compile_config(self) -> dict[str, Any] | None:
        """None after `fit` alone: its schedule is not the next process's."""
        return None if self._compiled_by_fit else super().get_compile_config()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        tokenizer = self.tokenizer and self.tokenizer.to_json(with_max_length=True)
        return {**super().get_config(), "tokenizer": tokenizer}
