"""What every task has: a Keras model, the tokenizer whose ids it takes, and how it is trained."""

from typing import Any

import keras

from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models.export import ServingExport
from kerasformer.text import Tokenizer
from kerasformer.training import Recipe


class Task(ServingExport):
    """A Keras model on token ids with its tokenizer.

    Args:
        tokenizer: A `kerasformer.text.Tokenizer`, its `to_json()`, or None.
        **kwargs: Keras arguments of the model.
    """

    RECIPE = Recipe()

    def __init__(self, tokenizer: Tokenizer | str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.tokenizer = Tokenizer.from_json(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self._compiled_by_fit = False

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        return self.RECIPE

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.compile`; `fit` then uses this optimizer, loss and metrics.

        The model returns logits, so the loss needs `from_logits=True`.
        """
        self._compiled_by_fit = False
        super().compile(*args, **kwargs)

    @property
    def _compiled_by_hand(self) -> bool:
        return self.compiled and not self._compiled_by_fit

    def _train(
        self,
        data: Batches,
        validation: Batches | None,
        recipe: Recipe,
        *,
        restart: bool,
        initial_epoch: int = 0,
        callbacks: Any = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains on batches by a recipe, or as the model was compiled by hand."""
        if not self.trainable_weights:
            raise UserError(f"This {type(self).__name__} has no trainable weights: set trainable.")
        if not self._compiled_by_hand:
            steps = len(data) * max(1, recipe.epochs - initial_epoch)
            if self._compiled_by_fit and not restart:
                recipe.extend(self, steps)
            else:
                recipe.compile(self, steps, one_hot=data.labels.ndim == 2)
            self._compiled_by_fit = True
        # Keras starts passes over data that it does not train on, how many depends on the backend.
        start = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: data.start_epoch(epoch - initial_epoch)
        )
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(start)
        else:
            callbacks = [start, *keras.tree.flatten(callbacks or [])]
        # Not shuffled by Keras: the batches have an order of their own already.
        return keras.Model.fit(
            self,
            data.for_backend(),
            epochs=recipe.epochs,
            initial_epoch=initial_epoch,
            callbacks=callbacks,
            validation_data=validation and validation.for_backend(),
            shuffle=False,
            **options,
        )

    def _compiled_metrics(self, labels, logits, sample_weight) -> dict[str, float]:
        """The loss and the metrics of `compile`, by their names."""
        given = {"y": labels, "y_pred": keras.ops.convert_to_tensor(logits)}
        given["sample_weight"] = sample_weight
        self.reset_metrics()
        logs = self.compute_metrics(x=None, **given)
        loss = self.compute_loss(x=None, training=False, **given)
        return {name: float(value) for name, value in ({**logs, "loss": loss}).items()}

    def get_compile_config(self) -> dict[str, Any] | None:
        """None after `fit` alone: its schedule is not the next process's."""
        return None if self._compiled_by_fit else super().get_compile_config()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        tokenizer = None if self.tokenizer is None else self.tokenizer.to_json()
        return {**super().get_config(), "tokenizer": tokenizer}
