"""The batches of an embedding job: how many tokens each has, and in which shapes."""

import math
import sys
from collections.abc import Iterable, Iterator

import numpy as np

from kerasformer import hardware
from kerasformer.data.batches import length_batches, token_batches
from kerasformer.data.shapes import are_few, filled, full_rows, padded_length, rows_within
from kerasformer.embedder.graph import multiplies_in_half
from kerasformer.models import BertEncoder
from kerasformer.models.inference import batches_at_once
from kerasformer.text import Tokenized, pack

# Fastest on 2 cores: few enough for the caches, many enough for whole matrix products.
_BATCH_TOKENS, _HALF_BATCH_TOKENS = 2048, 4096
_LEAST_TOKENS = 256  # fewer are not worth a batch of their own


def planned_batches(
    lengths: np.ndarray, encoder: BertEncoder, batch_size: int | None, has_all: bool
) -> list[tuple[np.ndarray, int]]:
    """Batches of rows of similar lengths: their indices, some perhaps repeated, and their width.

    Without a `batch_size` they have about the same number of tokens. A call with a single batch
    gets its own shape where shapes are many: there is no other to share.

    Args:
        lengths: The tokens of each row, int `[rows]`.
        encoder: The model that they are for.
        batch_size: How many of them are a batch, if that is said.
        has_all: Whether there are no others; else their batches are to have the same shapes.
    """
    count = len(lengths) if has_all else sys.maxsize
    padded = padded_length(lengths, encoder.config.max_length)
    if batch_size is None:
        in_half = multiplies_in_half(encoder.compute_dtype)
        most = _HALF_BATCH_TOKENS if in_half else _BATCH_TOKENS
        most = hardware.device_tokens() or most
        tokens = most if are_few() else batch_tokens(int(padded.sum()), most, batches_at_once())
        batches = token_batches(padded, tokens, count)
    else:
        batches = length_batches(padded, batch_size)
    planned = []
    for number, batch in enumerate(batches):
        width = int(padded[batch].max())
        if number or are_few():
            full = full_rows(batch_size, count) if batch_size else rows_within(tokens, width, count)
            batch = filled(batch, full)
        planned.append((batch, width))
    return planned


def packed_batches(
    tokenized: Tokenized, planned: Iterable[tuple[np.ndarray, int]]
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The indices and the inputs of each batch."""
    for batch, width in planned:
        yield batch, pack(tokenized, batch, pad_to=width)


def batch_tokens(total: int, most: int, at_once: int) -> int:
    """How many tokens a batch has: the most, or fewer where that leaves too few batches.

    In a long job the batches of one length have the same shape each time, for which oneDNN has its
    code ready.
    """
    return min(most, max(math.ceil(total / at_once), _LEAST_TOKENS))
