"""How a model is trained where its user does not say otherwise."""

import dataclasses
import math
import numbers
from collections.abc import Iterable
from typing import Any

import keras

from kerasformer.training.losses import cross_entropy, metrics_for, smoothed
from kerasformer.training.optimizer import adamw
from kerasformer.training.schedule import WarmupDecay, check_decay

_MOST_COUNT = 2**31 - 1  # an optimizer counts its steps in int32
_MOST_EPOCHS = 10**6  # where time alone says when training ends
# A change of one of these makes a new optimizer or loss.
_STEP = ("clip_norm", "layer_decay", "accumulate", "label_smoothing")


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
        schedule: How the learning rate then falls: `"linear"`, `"cosine"` or `"constant"`, not at
            all.
        layer_decay: The learning rate of a block as a multiple of that of the block above it, as in
            ELECTRA, https://arxiv.org/abs/2003.10555; that of the head is `learning_rate`, that of
            the embeddings the lowest. 1 for one learning rate.
        accumulate: Batches to a step, which follows the mean of their gradients, as if they were
            one large batch; the last step of an epoch may have fewer of them.
        label_smoothing: The share of a label's probability that is spread over all classes.
        head_epochs: So many of the epochs, the first, train the head alone, at the learning rate
            of a frozen encoder.
        monitor: A metric, such as `"val_accuracy"` or `"val_f1"`: the weights of the epoch in which
            it was best are kept. The lowest is best of a loss or an error, else the highest.
        patience: Training ends after so many epochs without a better one; None to train them all.
        max_steps: Training ends after so many steps, and goes over the examples as often as that
            takes, in place of `epochs`.
        minutes: Training ends after so many minutes likewise, or after `max_steps`, if that is
            sooner; the learning rate rises and falls with the time.
        remat: Whether blocks are computed again in the backward pass (gradient checkpointing,
            https://arxiv.org/abs/1604.06174): a third more work, and the memory of one block.

    Raises:
        ValueError: A value that is out of range, `patience` without `monitor`, or `head_epochs`
            with `max_steps` or `minutes`.

    Example:

    >>> Recipe().change(epochs=5, learning_rate=None).epochs
    5
    """

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    clip_norm: float | None = 1.0
    schedule: str = "linear"
    layer_decay: float = 1.0
    accumulate: int = 1
    label_smoothing: float = 0.0
    head_epochs: int = 0
    monitor: str | None = None
    patience: int | None = None
    remat: bool = False
    max_steps: int | None = None
    minutes: float | None = None

    def __post_init__(self):
        counts = {"epochs": 0, "batch_size": 1, "accumulate": 1, "head_epochs": 0}
        if self.patience is not None:
            counts["patience"] = 0
        if self.max_steps is not None:
            counts["max_steps"] = 1
        for name, least in counts.items():
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name}={value!r} is not an integer of at least {least}.")
            if value > _MOST_COUNT:
                raise ValueError(f"{name}={value!r} is above {_MOST_COUNT}, the most there can be.")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
                raise ValueError(
                    f"{name}={value!r} is not a finite number of at least 0; for a schedule or "
                    "another optimizer, compile the model yourself."
                )
        self._check("warmup_ratio", "from 0 to 1", lambda x: 0 <= x <= 1)
        self._check("layer_decay", "above 0 and up to 1", lambda x: 0 < x <= 1)
        self._check("label_smoothing", "from 0 up to, not including, 1", lambda x: 0 <= x < 1)
        if self.minutes is not None:
            self._check("minutes", "above 0", lambda x: 0 < x < math.inf)
        check_decay(self.schedule)
        if self.head_epochs and self.has_budget:
            raise ValueError(
                f"head_epochs={self.head_epochs} counts epochs: leave it at 0 with max_steps or "
                "minutes."
            )
        if self.patience is not None and self.monitor is None:
            raise ValueError(
                f"patience={self.patience} waits for a better epoch: name the metric that says "
                "which is better, such as monitor='val_loss'."
            )

    def _check(self, name, bounds, is_within):
        value = getattr(self, name)
        if not isinstance(value, numbers.Real) or not is_within(value):
            raise ValueError(f"{name}={value!r} is not a number {bounds}.")

    @property
    def has_budget(self) -> bool:
        """Whether `max_steps` or `minutes`, and not `epochs`, say when training ends."""
        return self.max_steps is not None or self.minutes is not None

    def change(self, **changes) -> "Recipe":
        """A copy with the given attributes; None leaves one as it is."""
        return dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})

    def steps(self, batches: int, epochs: int) -> int:
        """The steps of training on so many batches in each of so many epochs.

        >>> Recipe(accumulate=4).steps(batches=10, epochs=2)
        6
        """
        steps = -(-batches // self.accumulate) * epochs
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def planned(self, batches: int, initial_epoch: int = 0) -> "Recipe":
        """The recipe with as many epochs, of so many batches, as its budget takes, if it has one.

        >>> Recipe(max_steps=25).planned(batches=10).epochs
        3
        """
        if not self.has_budget:
            return self
        most = _MOST_EPOCHS
        if self.max_steps is not None:
            most = -(-self.max_steps // -(-batches // self.accumulate))
        return dataclasses.replace(self, epochs=initial_epoch + most)

    def goes_on(self, before: "Recipe") -> bool:
        """Whether an optimizer that the recipe of before made can go on by this one."""
        return all(getattr(self, name) == getattr(before, name) for name in _STEP)

    def optimizer(self, model: keras.Model, steps: int | None = None) -> keras.Optimizer:
        """A new AdamW for a model.

        Args:
            model: The model; `layer_decay` needs one that has `stages`, as a task.
            steps: The steps of the whole training; None for a constant learning rate.
        """
        return adamw(
            self.learning_rate,
            steps,
            warmup_ratio=self.warmup_ratio,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
            schedule=self.schedule,
            accumulate=self.accumulate,
            rate_factors=rate_factors(getattr(model, "stages", ()), self.layer_decay),
        )

    def compile(
        self, model: keras.Model, steps: int, loss: Any = None, settable: bool = False
    ) -> None:
        """Compiles a model that returns logits for training by this recipe.

        Args:
            model: The model.
            steps: The steps of the whole training.
            loss: Of the logits; by default the cross-entropy of labels that are class indices.
            settable: Whether callbacks set the learning rate, which is constant else.
        """
        loss = smoothed(loss or cross_entropy(one_hot=False), self.label_smoothing)
        self._compile(model, None if settable else steps, loss)

    def _compile(self, model: keras.Model, steps: int | None, loss: Any) -> None:
        # Not model.compile, which a task takes as its user's own choice.
        metrics = getattr(model, "FIT_METRICS", None) or {"metrics": metrics_for(loss)}
        keras.Model.compile(model, self.optimizer(model, steps), loss, **metrics)

    def extend(self, model: keras.Model, steps: int, settable: bool = False) -> None:
        """Has a model that `compile` compiled train on, as if the steps had been planned with it.

        The optimizer keeps its moments; the learning rate falls from where a schedule over all
        steps would be by now.
        """
        optimizer = inner(model.optimizer)
        done, before = as_int(optimizer.iterations), optimizer.schedule
        if settable and before:  # in Keras a schedule cannot be replaced by a number
            self._compile(model, None, model.loss)
            _copy_state(optimizer, inner(model.optimizer), model.trainable_variables)
            return
        warmup_steps = before.warmup_steps if before else 0
        schedule = WarmupDecay(self.learning_rate, done + steps, warmup_steps, self.schedule)
        optimizer.learning_rate = self.learning_rate if settable else schedule
        optimizer.weight_decay = self.weight_decay
        model.train_function = None  # it was traced with the schedule of before


def rate_factors(stages: Iterable[list[keras.layers.Layer]], decay: float) -> dict[str, float]:
    """What layer-wise decay multiplies the learning rate of variables by, by their paths.

    Args:
        stages: The layers below the head, from the embeddings up.
        decay: Of each stage by the one above it; the head has the factor 1.
    """
    if decay == 1:
        return {}
    stages = list(stages)
    return {
        variable.path: decay ** (len(stages) - depth)
        for depth, layers in enumerate(stages)
        for layer in layers
        for variable in layer.trainable_variables
    }


def inner(optimizer: keras.Optimizer) -> keras.Optimizer:
    """The optimizer itself, which in mixed precision one that scales the loss is around."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def as_int(count: Any) -> int:
    """A whole number that an optimizer counts, of which each device may have a copy.

    >>> as_int(keras.Variable(3, dtype="int32"))
    3
    """
    return int(keras.ops.convert_to_numpy(count))


def _copy_state(source: keras.Optimizer, target: keras.Optimizer, trained: list) -> None:
    """Hands on the steps done and the moments of an AdamW, which are the last of its variables."""
    target.build(trained)
    target.batches.assign(source.batches)
    moments = 2 * len(trained)
    for old, new in zip(source.variables[-moments:], target.variables[-moments:], strict=True):
        new.assign(old)
