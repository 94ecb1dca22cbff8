"""AdamW with linear warmup and decay, the optimizer of BERT's fine-tuning."""

from typing import Any

import keras
from keras import ops

from kerasformer.private_api import optimizer_with_hooks


@keras.saving.register_keras_serializable(package="kerasformer")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly to its peak and then falls linearly to 0.

    Devlin et al., https://arxiv.org/abs/1810.04805, appendix A.2; the schedule of transformers'
    `get_linear_schedule_with_warmup`.

    Args:
        peak: The highest learning rate.
        total_steps: The step at which it is 0.
        warmup_steps: The step at which it is highest.

    Raises:
        ValueError: `total_steps` is not positive, or `warmup_steps` not between 0 and it.

    Example:

    >>> schedule = WarmupLinearDecay(peak=1.0, total_steps=10, warmup_steps=2)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak, total_steps, warmup_steps=0):
        if total_steps <= 0 or not 0 <= warmup_steps <= total_steps:
            raise ValueError(
                f"warmup_steps={warmup_steps} and total_steps={total_steps} must satisfy "
                "0 <= warmup_steps <= total_steps and total_steps > 0."
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        """The learning rate of a step, counted from 0; a float32 scalar."""
        step = ops.cast(step, "float32")
        rising = step / max(self.warmup_steps, 1)
        falling = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        factor = ops.where(step < self.warmup_steps, rising, falling)
        return self.peak * ops.maximum(factor, 0.0)

    def get_config(self):
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


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

    Args:
        *args: As `keras.optimizers.AdamW` takes them.
        **kwargs: Likewise.

    Example:

    >>> AdamW(1e-3, weight_decay=0.01).weight_decay
    0.01
    """

    @property
    def learning_rate(self):
        """The learning rate of the current step."""
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
                variable.assign_sub(variable * keras.ops.cast(factor, variable.dtype))

    def update_step(self, gradient, variable, learning_rate):
        """The update of one variable."""
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


def _sum_rows(slices):
    """A sparse gradient with each row once, the gradients of its occurrences summed."""
    import tensorflow as tf

    rows, position = tf.unique(slices.indices)
    values = tf.math.unsorted_segment_sum(slices.values, position, tf.size(rows))
    return tf.IndexedSlices(values, rows, slices.dense_shape)


def adamw(learning_rate, total_steps=None, warmup_ratio=0.1, weight_decay=0.01, clip_norm=1.0):
    """AdamW as BERT is fine-tuned: warmup, linear decay, clipping by the global norm.

    Weight decay leaves out biases and LayerNorm, as in Devlin et al.'s `optimization.py`.

    Args:
        learning_rate: The highest learning rate.
        total_steps: Steps of the whole training; without them the learning rate is constant, and
            can be set.
        warmup_ratio: The part of them in which the learning rate rises.
        weight_decay: Decoupled weight decay, Loshchilov & Hutter, https://arxiv.org/abs/1711.05101.
        clip_norm: Largest global norm of the gradients; None for no clipping.

    Returns:
        An `AdamW`.

    Example:

    >>> adamw(5e-5, total_steps=100).global_clipnorm
    1.0
    """
    if total_steps is not None:
        warmup_steps = round(warmup_ratio * total_steps)
        learning_rate = WarmupLinearDecay(learning_rate, total_steps, warmup_steps)
    optimizer = AdamW(
        learning_rate,
        weight_decay=weight_decay,
        epsilon=1e-8,  # PyTorch's; Keras has 1e-7
        global_clipnorm=clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
