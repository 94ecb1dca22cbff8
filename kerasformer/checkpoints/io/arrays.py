"""Arrays that become TensorFlow's tensors without a copy."""

import math

import numpy as np


def empty_aligned(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array without values that begins at a multiple of 64 bytes, as TensorFlow's tensors do."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    buffer = np.empty(size + 64, np.uint8)
    first = -buffer.ctypes.data % 64
    return buffer[first : first + size].view(dtype).reshape(shape)


def widen(bits: np.ndarray) -> np.ndarray:
    """bfloat16, given as uint16, as the same numbers in float32."""
    wide = empty_aligned(bits.shape, np.uint32)
    np.left_shift(bits, 16, out=wide, dtype=np.uint32)
    return wide.view(np.float32)


def to_tensor(array: np.ndarray, dtype=None):
    """The array as a tensor of Keras' backend; TensorFlow takes over an aligned one as it lies.

    Its usual conversion has two more copies in memory for a moment: a model of 408 MiB, of which
    366 MiB are word embeddings, takes 459 MiB to load like this, and 1,116 MiB otherwise.
    """
    import keras

    is_aligned = array.ctypes.data % 64 == 0 and array.flags.c_contiguous and array.flags.writeable
    if keras.backend.backend() == "tensorflow" and is_aligned and array.size:
        import tensorflow as tf

        array = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return keras.ops.convert_to_tensor(array, dtype=dtype)
