"""Random numbers that follow from a key alone, whatever else was drawn before."""

from typing import Any

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)


def keys_of(first: int, *others: Any) -> np.ndarray:
    """A key for each combination of whole numbers, uint64, as the arrays are broadcast.

    >>> len(set(keys_of(1, 2, np.arange(1000)).tolist()))
    1000
    """
    keys = _mixed(np.atleast_1d(np.asarray(first, "uint64")) + _STEP)
    for other in others:
        keys = _mixed(keys + (np.atleast_1d(np.asarray(other, "uint64")) + np.uint64(1)) * _STEP)
    return keys


def uniform(keys: np.ndarray, count: int) -> np.ndarray:
    """The first numbers of the stream of each key, float64 in [0, 1), `[keys, count]`.

    The generator is SplitMix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2660193.2660195),
    whose n-th number takes no other ones, and so all of a batch are drawn in one operation.

    >>> np.array_equal(uniform(keys_of(7), 3), uniform(keys_of(7), 5)[:, :3])
    True
    """
    states = keys[:, None] + np.arange(1, count + 1, dtype="uint64") * _STEP
    return (_mixed(states) >> np.uint64(11)) * 2.0**-53


def _mixed(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
