"""Token ids of many texts, and their packing into the encoders' padded inputs."""

import functools
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike


class Tokenized:
    """The token ids of many texts, not padded yet.

    The ids of all texts are in one array, as in `tf.RaggedTensor`: 4 bytes a token, where lists of
    Python's integers take 36.

    Args:
        ids: The token ids of each text.
        type_ids: The segment (0 or 1) of each token, shaped like `ids`; by default all are 0.
        pad_id: The id that `pack` pads with.

    Attributes:
        lengths: The number of tokens of each text, int64 `[texts]`.

    Raises:
        ValueError: `type_ids` is not shaped like `ids`.

    Example:

    >>> tokenized = Tokenized([[2, 7, 3], [2, 3]])
    >>> len(tokenized), tokenized.lengths
    (2, array([3, 2]))
    >>> tokenized.type_ids
    [[0, 0, 0], [0, 0]]
    """

    def __init__(
        self,
        ids: Iterable[Sequence[int]],
        type_ids: Iterable[Sequence[int]] | None = None,
        *,
        pad_id: int = 0,
    ):
        self._ids, self.lengths = _flatten(ids, "i")
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._type_ids = None
        if type_ids is not None:
            self._type_ids, lengths = _flatten(type_ids, "b")
            if not np.array_equal(lengths, self.lengths):
                raise ValueError("type_ids must have one value for each of ids, text by text.")
        self.pad_id = pad_id

    def __len__(self):
        return len(self.lengths)

    def __repr__(self):
        return f"Tokenized({len(self):,} texts, {len(self._ids):,} tokens)"

    @functools.cached_property
    def ids(self) -> list[list[int]]:
        """The token ids of each text, as lists."""
        return self._lists(self._ids)

    @functools.cached_property
    def type_ids(self) -> list[list[int]]:
        """The segment of each token, 0 or 1, as lists."""
        if self._type_ids is None:
            return [[0] * length for length in self.lengths.tolist()]
        return self._lists(self._type_ids)

    def _lists(self, flat):
        rows = zip(self._starts.tolist(), self.lengths.tolist(), strict=True)
        return [flat[start : start + length].tolist() for start, length in rows]


def pack(
    tokenized: Tokenized,
    indices: ArrayLike | slice | None = None,
    pad_id: int | None = None,
    pad_to: int | None = None,
) -> dict[str, np.ndarray]:
    """Pads token ids into one rectangular batch, the input of every encoder.

    The mask is made from the lengths, never from the ids: one tokenizer's padding id may be
    another's real token.

    Args:
        tokenized: What `Tokenizer.tokenize` returned.
        indices: The texts to take, in order: ints, a slice or a boolean array; by default all.
        pad_id: The padding id; by default that of the tokenizer that made `tokenized`.
        pad_to: The length to pad to; by default that of the longest text of the batch.

    Returns:
        `input_word_ids`, `input_mask` (1 where there is a token) and `input_type_ids` (the
        segment, 0 under the padding), each int32 `[batch, seq]`.

    Raises:
        ValueError: A text is longer than `pad_to`.

    Example:

    >>> batch = pack(Tokenized([[2, 7, 3], [2, 3], [2, 9, 8, 3]], pad_id=1), indices=[1, 0])
    >>> batch["input_word_ids"].tolist(), batch["input_mask"].tolist()
    ([[2, 3, 1], [2, 7, 3]], [[1, 1, 0], [1, 1, 1]])
    """
    if indices is None:
        indices = slice(None)
    elif not isinstance(indices, slice):
        indices = np.asarray(indices)
        indices = indices if len(indices) else indices.astype(np.int64)  # [] is float
    lengths, starts = tokenized.lengths[indices], tokenized._starts[indices]
    longest = int(lengths.max(initial=0))
    width = longest if pad_to is None else pad_to
    if longest > width:
        raise ValueError(
            f"A text has {longest} tokens, more than pad_to={pad_to}: "
            f"pass max_length={pad_to} to tokenize, or a larger pad_to."
        )
    columns = np.arange(width)
    mask = columns < lengths[:, None]
    where = (starts[:, None] + columns)[mask]
    word_ids = np.full(mask.shape, tokenized.pad_id if pad_id is None else pad_id, np.int32)
    word_ids[mask] = tokenized._ids[where]
    type_ids = np.zeros(mask.shape, np.int32)
    if tokenized._type_ids is not None:
        type_ids[mask] = tokenized._type_ids[where]
    return {
        "input_word_ids": word_ids,
        "input_mask": mask.astype(np.int32),
        "input_type_ids": type_ids,
    }


def longest_first(length: int, pair_length: int, room: int | None) -> tuple[int, int]:
    """How many tokens to keep of each of two texts: the longer one is truncated first.

    Once both are equally long they share the room, and an odd token goes to the longer text, or
    to the second of two that are equally long: as in tokenizers, strategy "longest_first".
    """
    if room is None or length + pair_length <= room:
        return length, pair_length
    shorter = min(length, pair_length, room // 2)
    longer = room - shorter
    return (longer, shorter) if length > pair_length else (shorter, longer)


def _flatten(rows, typecode):
    """The values of all rows in one array, and the length of each row."""
    flat, lengths = array(typecode), array("q")
    for row in rows:
        flat.extend(row)
        lengths.append(len(row))
    return np.array(flat), np.array(lengths, np.int64)
