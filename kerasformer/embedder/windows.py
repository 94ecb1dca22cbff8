"""The vectors of a text's windows: which tokens are pooled, and the text's vector from them."""

from collections.abc import Sequence

import numpy as np

from kerasformer.text.windows import Windows


def pooling_mask(
    windows: Windows, rows: np.ndarray, width: int, special_tokens: bool, first: int
) -> np.ndarray:
    """Which tokens of the windows `rows` are pooled, bool `[rows, width]`.

    They are a window's own, without special tokens and the first ones if these are left out.
    Where that leaves none, as of an empty text without its special tokens, all its own are.
    """
    column = np.arange(width)
    start, stop = windows.start[rows, None], windows.stop[rows, None]
    own = (column >= start) & (column < stop)
    mask = own & (column >= first)
    if not special_tokens:
        last = windows.tokenized.lengths[rows, None] - 1
        mask &= (column != 0) & (column != last) & (column != windows.middle[rows, None])
    return np.where(mask.any(axis=1, keepdims=True), mask, own)


def merge_windows(
    vectors: np.ndarray, counts: np.ndarray, texts: np.ndarray, poolings: Sequence[str]
) -> np.ndarray:
    """The vectors of texts from those of their windows, `[windows, size]`, poolings side by side.

    In a mean all of the `counts` tokens that were pooled in each window count alike; `"cls"` and
    `"pooled"` are averaged. `texts` is as in `Windows`.
    """
    firsts = np.flatnonzero(np.diff(texts, prepend=-1))
    if len(firsts) == len(texts):
        return vectors
    merged = []
    for pooling, part in zip(poolings, np.split(vectors, len(poolings), axis=1), strict=True):
        if pooling == "max":
            merged.append(np.maximum.reduceat(part, firsts))
            continue
        if pooling == "lasttoken":
            merged.append(part[np.append(firsts[1:], len(part)) - 1])
            continue
        is_mean = pooling in ("mean", "mean_sqrt_len")
        tokens = (counts if is_mean else np.ones_like(counts))[:, None]
        power = 0.5 if pooling == "mean_sqrt_len" else 1.0
        weights = (tokens**power).astype(part.dtype)
        total = (np.add.reduceat(tokens, firsts) ** power).astype(part.dtype)
        merged.append(np.add.reduceat(part * weights, firsts) / total)
    return np.concatenate(merged, axis=1)
