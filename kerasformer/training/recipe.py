"""How a classifier is trained where its user does not say otherwise."""

import dataclasses
import math
import numbers
from typing import Any

import keras

from kerasformer.training.losses import cross_entropy
from kerasformer.training.optimizer import WarmupLinearDecay, adamw


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The hyperparameters of training by AdamW with warmup and decay.

    Attributes:
        epochs: Passes over the training texts.
        batch_size: Texts in a batch.
        learning_rate: The highest learning rate.
        weight_decay: Decoupled weight decay, not of biases and LayerNorm.
        warmup_ratio: The part of all steps in which the learning rate rises.
        clip_norm: Largest global norm of the gradients; None for no clipping.

    Example:

    >>> Recipe().change(epochs=5, learning_rate=None)
    Recipe(epochs=5, batch_size=32, learning_rate=5e-05, weight_decay=0.01, warmup_ratio=0.1, \
clip_norm=1.0)
    """

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    clip_norm: float | None = 1.0

    def __post_init__(self):
        for name, least in (("epochs", 0), ("batch_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name}={value!r} is not an integer of at least {least}.")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
                raise ValueError(
                    f"{name}={value!r} is not a finite number of at least 0; for a schedule or "
                    "another optimizer, compile the model yourself."
                )

    def change(self, **changes) -> "Recipe":
        """A copy with the given attributes; None leaves one as it is."""
        return dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})

    def compile(
        self, model: keras.Model, steps: int, loss: Any = None, settable: bool = False
    ) -> None:
        """Compiles a model that returns logits for training by this recipe.

        Args:
            model: The model.
            steps: The batches of the whole training.
            loss: Of the logits; by default the cross-entropy of labels that are class indices.
            settable: Whether callbacks set the learning rate, which is constant else.
        """
        loss = cross_entropy(one_hot=False) if loss is None else loss
        self._compile(model, None if settable else steps, loss)

    def _compile(self, model: keras.Model, steps: int | None, loss: Any) -> None:
        optimizer = adamw(
            self.learning_rate,
            steps,
            warmup_ratio=self.warmup_ratio,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
        )
        # Not model.compile, which a task takes as its user's own choice.
        keras.Model.compile(model, optimizer, loss, metrics=["accuracy"])

    def extend(self, model: keras.Model, steps: int, settable: bool = False) -> None:
        """Has a model that `compile` compiled train on, as if the steps had been planned with it.

        The optimizer keeps its moments; the learning rate falls from where a schedule over all
        steps would be by now.
        """
        optimizer = _inner(model.optimizer)
        done, rate = int(optimizer.iterations), optimizer.get_config()["learning_rate"]
        had_schedule = isinstance(rate, dict)
        if settable and had_schedule:  # in Keras a schedule cannot be replaced by a number
            self._compile(model, None, model.loss)
            _copy_state(optimizer, _inner(model.optimizer), model.trainable_variables)
            return
        warmup_steps = rate["config"]["warmup_steps"] if had_schedule else 0
        schedule = WarmupLinearDecay(self.learning_rate, done + steps, warmup_steps)
        optimizer.learning_rate = self.learning_rate if settable else schedule
        optimizer.weight_decay = self.weight_decay
        model.train_function = None  # it was traced with the schedule of before


def _inner(optimizer: keras.Optimizer) -> keras.Optimizer:
    # Mixed precision with float16 wraps it in one that scales the loss.
    return getattr(optimizer, "inner_optimizer", optimizer)


def _copy_state(source: keras.Optimizer, target: keras.Optimizer, trained: list) -> None:
    """Hands on the steps done and the moments of an AdamW, which are the last of its variables."""
    target.build(trained)
    target.iterations.assign(source.iterations)
    moments = 2 * len(trained)
    for old, new in zip(source.variables[-moments:], target.variables[-moments:], strict=True):
        new.assign(old)
