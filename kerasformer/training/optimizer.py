"""AdamW with linear warmup and decay, the optimizer of BERT's fine-tuning."""

import keras
from keras import ops


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


def adamw(learning_rate, total_steps, warmup_ratio=0.1, weight_decay=0.01, clip_norm=1.0):
    """Keras' AdamW as BERT is fine-tuned: warmup, linear decay, clipping by the global norm.

    Weight decay leaves out biases and LayerNorm, as in Devlin et al.'s `optimization.py`.

    Args:
        learning_rate: The highest learning rate.
        total_steps: Steps of the whole training.
        warmup_ratio: The part of them in which the learning rate rises.
        weight_decay: Decoupled weight decay, Loshchilov & Hutter, https://arxiv.org/abs/1711.05101.
        clip_norm: Largest global norm of the gradients; None for no clipping.

    Returns:
        A `keras.optimizers.AdamW`.

    Example:

    >>> adamw(5e-5, total_steps=100).global_clipnorm
    1.0
    """
    warmup_steps = round(warmup_ratio * total_steps)
    optimizer = keras.optimizers.AdamW(
        WarmupLinearDecay(learning_rate, total_steps, warmup_steps),
        weight_decay=weight_decay,
        epsilon=1e-8,  # PyTorch's; Keras has 1e-7
        global_clipnorm=clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
