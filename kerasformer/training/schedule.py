"""Learning rates that rise and then fall."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasformer")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly to its peak and then falls to 0, or stays there.

    Devlin et al., https://arxiv.org/abs/1810.04805, appendix A.2; the schedules of transformers'
    `get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup` and
    `get_constant_schedule_with_warmup`.

    Args:
        peak: The highest learning rate.
        total_steps: The step at which it is 0.
        warmup_steps: The step at which it is highest.
        decay: `"linear"`, `"cosine"`, half a period of it, or `"constant"`.

    Raises:
        ValueError: `total_steps` is not positive, `warmup_steps` not between 0 and it, or an
            unknown decay.

    Example:

    >>> schedule = WarmupDecay(peak=1.0, total_steps=10, warmup_steps=2, decay="cosine")
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak, total_steps, warmup_steps=0, decay="linear"):
        if total_steps <= 0 or not 0 <= warmup_steps <= total_steps:
            raise ValueError(
                f"warmup_steps={warmup_steps} and total_steps={total_steps} must satisfy "
                "0 <= warmup_steps <= total_steps and total_steps > 0."
            )
        check_decay(decay)
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.decay = decay

    def __call__(self, step):
        """The learning rate of a step, counted from 0; a float32 scalar."""
        step = ops.cast(step, "float32")
        rising = step / max(self.warmup_steps, 1)
        left = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        falling = _DECAYS[self.decay](ops.maximum(left, 0.0))
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self):
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "decay": self.decay,
        }


@keras.saving.register_keras_serializable(package="kerasformer")
class WarmupLinearDecay(WarmupDecay):
    """`WarmupDecay` under the name that it had while its decay was always linear.

    Args:
        *args: As of `WarmupDecay`.
        **kwargs: Likewise.

    Example:

    >>> schedule = WarmupLinearDecay(peak=1.0, total_steps=10, warmup_steps=2)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """


# The share of the peak by the share of the steps after the warmup that is left.
_DECAYS = {
    "linear": lambda left: left,
    "cosine": lambda left: 0.5 - 0.5 * ops.cos(math.pi * left),
    "constant": ops.ones_like,
}


def check_decay(decay: str) -> None:
    """Raises a ValueError for a decay that there is not."""
    if decay not in _DECAYS:
        raise ValueError(f"{decay!r} is no schedule: take one of {', '.join(_DECAYS)}.")
