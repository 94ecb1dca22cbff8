"""The shapes of batches: few of them where each has its price.

XLA compiles a program for each shape, for seconds: on JAX, and on a GPU, a batch is padded to one
of 8 lengths, and one that is not full is filled up. TensorFlow's oneDNN, on a CPU, makes code for
each shape and keeps it, about 1 MB: there are more of them, and less padding.
"""

import functools
from typing import Any

import keras
import numpy as np

from kerasformer import hardware

_LENGTHS = 8
_SHORTEST, _MULTIPLE = 16, 8


def are_few() -> bool:
    """Whether each shape is compiled, so that there are to be few.

    >>> are_few() or keras.backend.backend() == "tensorflow"
    True
    """
    return keras.backend.backend() != "tensorflow" or hardware.has_gpu()


@functools.cache
def grid(most: int) -> np.ndarray:
    """The lengths that batches are padded to where shapes are few: 8 at most, up to the longest.

    Each is about the same multiple of the one before, 1.6 of 512: then padding is a quarter of the
    tokens, whatever the lengths of the texts. Matrix units take multiples of 8.

    >>> grid(512).tolist(), grid(20).tolist()
    ([16, 32, 48, 72, 120, 192, 320, 512], [16, 20])
    """
    lengths = np.geomspace(min(_SHORTEST, most), most, _LENGTHS).round(6)
    return np.unique(np.minimum(-(-lengths // _MULTIPLE) * _MULTIPLE, most)).astype(int)


def padded_length(length: Any, most: int) -> np.ndarray:
    """The length to pad a batch to: one of a few.

    On a CPU TensorFlow gets 16 lengths from one power of two to the next, so that no more than a
    16th is padding.

    Args:
        length: The tokens of the longest text of a batch, or of each of several.
        most: Those that the model takes.

    >>> padded_length(np.array([20, 77, 300]), most=512).tolist()  # on TensorFlow
    [20, 80, 304]
    """
    length = np.asarray(length)
    if are_few():
        return grid(most)[np.searchsorted(grid(most), length)]
    bits = np.frexp(length - 1)[1]  # of a whole number, how many it takes to write it
    multiple = 2 ** np.maximum(bits - 5, 0)
    return np.minimum(-(-length // multiple) * multiple, most)


def full_rows(most: int, count: int) -> int:
    """The rows of a full batch of inference.

    Where shapes are few and a work is small, it is a power of four rather than the most: one text
    is no batch of 64, and one of 5 texts has the same shape as one of 16.

    Args:
        most: The rows that a batch may have.
        count: Those of the whole work.

    >>> full_rows(32, count=1000)
    32
    """
    if not are_few():
        return most
    bits = max(count - 1, 0).bit_length()
    return min(most, 1 << (bits + bits % 2))


def rows_within(tokens: int, length: int, count: int) -> int:
    """The rows of a full batch of inference that has so many tokens, padding included.

    Args:
        tokens: The most tokens.
        length: Those of each row.
        count: The rows of the whole work.

    >>> rows_within(2048, length=500, count=1000)
    4
    """
    rows = max(1, tokens // max(1, length))
    if are_few():
        rows = 1 << (rows.bit_length() - 1)
    return full_rows(rows, count)


def filled(batch: np.ndarray, full: int) -> np.ndarray:
    """Indices, int `[n]`, repeated up to a full batch, or where shapes are many a power of two.

    >>> filled(np.array([7, 3, 5]), full=4).tolist()
    [7, 3, 5, 7]
    """
    size = full if are_few() else min(full, 1 << (len(batch) - 1).bit_length())
    return np.resize(batch, max(len(batch), size))


def row_weights(weights: np.ndarray | None, rows: int, count: int) -> dict[str, np.ndarray]:
    """The sample weights of a batch that was filled up: the first rows alone are examples.

    A task knows by them which rows are to weigh nothing; see `kerasformer.tasks.fitting.filling`.

    Args:
        weights: The weights of all rows, or None.
        rows: How many rows are examples.
        count: How many there are.

    >>> row_weights(None, rows=1, count=2)
    {'is_example': array([ True, False])}
    """
    own = {} if weights is None else {"weights": weights}
    return {"is_example": np.arange(count) < rows, **own}
