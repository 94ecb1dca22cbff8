"""AdamW, the optimizer of BERT's fine-tuning."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from kerasformer.private_api import optimizer_with_hooks
from kerasformer.training.schedule import WarmupDecay

UNDECAYED = ("bias", "gamma", "beta")

_AdamW: Any = optimizer_with_hooks(keras.optimizers.AdamW)


@keras.saving.register_keras_serializable(package="kerasformer")
class AdamW(_AdamW):
    """Keras' AdamW, on TensorFlow with its fused kernel.

    The numbers are those of `keras.optimizers.AdamW`, with every option of it, whose update is a
    dozen passes over the memory of each variable; an embedding table is large, and TensorFlow's
    kernel makes one pass. With `amsgrad`, for variables that are not float32, and on other backends
    the update is Keras' own. They differ in one thing: the moments and the global norm take the
    gradient of a row of an embedding table once, summed over the token's occurrences, as PyTorch
    does, where Keras on TensorFlow squares that of each occurrence.

    With `gradient_accumulation_steps`, which counts batches, a schedule counts updates.

    Args:
        *args: As `keras.optimizers.AdamW` takes them.
        rate_factors: What the learning rate of some variables is multiplied by, by their paths.
        excluded: The names of variables that do not decay, as `exclude_from_weight_decay` takes
            `var_names`; unlike what that is told, they come back from `get_config`.
        **kwargs: As `keras.optimizers.AdamW` takes them.

    Example:

    >>> AdamW(1e-3, weight_decay=0.01).weight_decay
    0.01
    """

    def __init__(
        self,
        *args: Any,
        rate_factors: Mapping[str, float] | None = None,
        excluded: Iterable[str] = (),
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.rate_factors = dict(rate_factors or {})
        self.excluded = list(excluded)
        self._factors: tuple[float, ...] = ()  # in the order of the variables
        if self.excluded:
            self.exclude_from_weight_decay(var_names=self.excluded)

    def build(self, variables):
        """Makes the state for the variables to be trained."""
        super().build(variables)
        self._factors = tuple(self.rate_factors.get(v.path, 1.0) for v in variables)

    @property
    def learning_rate(self):
        """The learning rate of the current step."""
        if (schedule := self.schedule) is not None:
            return schedule(self.iterations)
        return _AdamW.learning_rate.fget(self)

    @learning_rate.setter
    def learning_rate(self, value):
        try:
            _AdamW.learning_rate.fset(self, value)
        except TypeError:
            raise TypeError(
                "The learning rate follows a schedule, so it cannot be set: give fit a "
                "learning_rate or a callback such as keras.callbacks.LearningRateScheduler, or "
                "compile the model with an optimizer whose learning_rate is a number."
            ) from None

    def clip_gradients(self, gradients):
        """The gradients, clipped as the arguments say."""
        if keras.backend.backend() != "tensorflow" or not self.global_clipnorm:
            return super().clip_gradients(gradients)
        import tensorflow as tf

        gradients = [_sum_rows(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]
        dtypes = [gradient.dtype for gradient in gradients]
        if len(set(dtypes)) > 1:  # a head in float32 on layers in float16
            gradients = [tf.cast(gradient, "float32") for gradient in gradients]
        norm, replica = None, tf.distribute.get_replica_context()
        if replica and replica.num_replicas_in_sync > 1:
            # Keras sums the gradients of several devices after it has clipped those of each.
            summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            slices = tf.IndexedSlices
            norm = tf.linalg.global_norm(
                [_sum_rows(g) if isinstance(g, slices) else g for g in summed]
            )
        clipped = tf.clip_by_global_norm(gradients, self.global_clipnorm, use_norm=norm)[0]
        return [tf.cast(one, dtype) for one, dtype in zip(clipped, dtypes, strict=True)]

    def apply_weight_decay(self, variables):
        """Shrinks the variables that weight decay is not kept from."""
        # Keras multiplies each variable by two scalars in turn: a pass more over the memory.
        factor = self.weight_decay * self.learning_rate
        for variable in variables:
            if self.has_weight_decay(variable):
                own = factor * self._factors[self.index(variable)]
                variable.assign_sub(variable * keras.ops.cast(own, variable.dtype))

    def update_step(self, gradient, variable, learning_rate):
        """The update of one variable."""
        learning_rate = learning_rate * self._factors[self.index(variable)]
        if keras.backend.backend() != "tensorflow" or variable.dtype != "float32" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        momentum, velocity = self.moments(variable)
        step = tf.cast(self.iterations + 1, "float32")
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient, "float32"),
        )

    def finish_group(self):
        """Has the batches since the last update, if any, make one of their own: of their mean."""
        steps = self.gradient_accumulation_steps or 1
        if not (done := int(self.batches) % steps):
            return
        for total in self.accumulated:
            total.assign(total * (steps / done))  # Keras divides by the steps of a whole group
        self.batches.assign_add(steps - 1 - done)
        self.apply([keras.ops.zeros(total.shape, total.dtype) for total in self.accumulated])

    def get_config(self):
        """The constructor's arguments."""
        own = {"rate_factors": self.rate_factors, "excluded": self.excluded}
        return super().get_config() | own


def _sum_rows(slices):
    """A sparse gradient with each row once, the gradients of its occurrences summed."""
    import tensorflow as tf

    rows, position = tf.unique(slices.indices)
    values = tf.math.unsorted_segment_sum(slices.values, position, tf.size(rows))
    return tf.IndexedSlices(values, rows, slices.dense_shape)


def adamw(
    learning_rate,
    total_steps=None,
    warmup_ratio=0.1,
    weight_decay=0.01,
    clip_norm=1.0,
    *,
    schedule="linear",
    accumulate=1,
    rate_factors=None,
):
    """AdamW as BERT is fine-tuned: warmup, decay, clipping by the global norm.

    Weight decay leaves out biases and LayerNorm, as in Devlin et al.'s `optimization.py`.

    Args:
        learning_rate: The highest learning rate.
        total_steps: Updates of the whole training; without them the learning rate is constant, and
            can be set.
        warmup_ratio: The part of them in which the learning rate rises.
        weight_decay: Decoupled weight decay, Loshchilov & Hutter, https://arxiv.org/abs/1711.05101.
        clip_norm: Largest global norm of the gradients; None for no clipping.
        schedule: How the learning rate falls, see `WarmupDecay`.
        accumulate: Batches to an update, of whose gradients the mean is taken.
        rate_factors: As of `AdamW`.

    Returns:
        An `AdamW`.

    Example:

    >>> adamw(5e-5, total_steps=100).global_clipnorm
    1.0
    """
    if total_steps is not None:
        warmup_steps = round(warmup_ratio * total_steps)
        learning_rate = WarmupDecay(learning_rate, total_steps, warmup_steps, schedule)
    return AdamW(
        learning_rate,
        weight_decay=weight_decay,
        epsilon=1e-8,  # PyTorch's; Keras has 1e-7
        global_clipnorm=clip_norm,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        rate_factors=rate_factors,
        excluded=UNDECAYED,
    )
