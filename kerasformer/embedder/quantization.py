"""The last steps of a vector: truncated dimensions, length 1, quantization."""

import numpy as np

DTYPES = ("float32", "float16", "int8", "binary")


def quantize(
    vectors: np.ndarray, dimensions: int | None, normalize: bool, dtype: str
) -> np.ndarray:
    """Truncates vectors, then normalises them, then quantizes them.

    Args:
        vectors: float32 `[..., size]`.
        dimensions: How many of the first dimensions to keep; None for all.
        normalize: Whether to scale to length 1; a vector of zeros stays.
        dtype: One of `DTYPES`. `"int8"` scales each vector so that its largest absolute value is
            127, which keeps cosines; `"binary"` packs the signs, 1 where above 0, eight in a byte
            (the `"ubinary"` of sentence-transformers).

    Returns:
        The vectors; for `"binary"` uint8 `[..., ceil(size / 8)]`.

    Example:

    >>> vectors = np.array([[3.0, -4.0, 1.0], [0.0, 0.0, 0.0]], "float32")
    >>> quantize(vectors, dimensions=2, normalize=True, dtype="float32").tolist()
    [[0.6000000238418579, -0.800000011920929], [0.0, 0.0]]
    """
    vectors = vectors[..., :dimensions]
    if normalize:
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors = vectors / np.maximum(lengths, 1e-12)
    if dtype == "binary":
        return np.packbits(vectors > 0, axis=-1)
    if dtype == "int8":
        largest = np.abs(vectors).max(axis=-1, keepdims=True, initial=0.0)
        return np.rint(vectors * (127 / np.where(largest > 0, largest, 1))).astype("int8")
    return vectors.astype(dtype, copy=False)
