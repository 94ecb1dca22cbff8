"""Checks of constructor arguments that the layers and models share."""

import keras


def check_sizes(**sizes):
    """Raises a ValueError for the first of the named sizes that is no positive integer."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise ValueError(f"{name}={size!r} is not a positive integer.")


def check_rates(**rates):
    """Raises a ValueError for the first of the named dropout rates that is not in [0, 1)."""
    for name, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(f"{name}={rate!r} is not a number from 0 up to, not including, 1.")


def check_positive(**numbers):
    """Raises a ValueError for the first of the named numbers that is not above zero."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
            raise ValueError(f"{name}={number!r} is not a number above 0.")


def check_rank(name, tensor, axes, *other_axes):
    """Raises a ValueError where a tensor has none of the numbers of axes that it may have.

    Args:
        name: What the tensor is called in the message.
        tensor: The tensor, or None, which passes.
        axes: The axes' names, such as `"[batch, seq]"`.
        *other_axes: Further choices.
    """
    choices = (axes, *other_axes)
    if tensor is None or len(tensor.shape) in [choice.count(",") + 1 for choice in choices]:
        return
    raise ValueError(f"{name} has shape {tuple(tensor.shape)}, and {' or '.join(choices)} is due.")


def clone_initializer(initializer):
    """A fresh copy of an initializer: one instance used twice gives both weights equal values."""
    initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.Initializer):
        return initializer  # a plain function
    return initializer.clone()
