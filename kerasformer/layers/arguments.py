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


def clone_initializer(initializer):
    """A fresh copy of an initializer: one instance used twice gives both weights equal values."""
    initializer = keras.initializers.get(initializer)
    return initializer.__class__.from_config(initializer.get_config())
