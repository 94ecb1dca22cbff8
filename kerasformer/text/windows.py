"""Texts to the rows of token ids that an encoder takes: truncated, or in overlapping windows."""

import dataclasses
import itertools
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from kerasformer.errors import UserError
from kerasformer.text.tokenized import Tokenized, longest_first

_WHOLE = [slice(None)]


@dataclasses.dataclass
class Windows:
    """The windows of many texts: one a text, or several of a long one.

    Every token of a text, special tokens included, is owned by exactly one of its windows, and the
    windows' own tokens in order are the text's.
    """

    tokenized: Tokenized
    texts: np.ndarray  # the index of each window's text, never falling, int [windows]
    start: np.ndarray  # where each window's own tokens begin, int [windows]
    stop: np.ndarray  # where they end, int [windows]
    middle: np.ndarray  # the place of the token between a pair's texts, or -1, int [windows]
    parts: list[list[slice]]  # of each window, what it has of all tokens of its text
    sizes: np.ndarray  # of each text, how many tokens that are, special ones included, int [texts]
    kept: list[tuple[int, int]]  # of each text and its pair, the tokens in the windows
    cut: np.ndarray  # of each text, the tokens that are not, int [texts]

    def positions(self, window: int) -> np.ndarray:
        """The place of each token of a window among all tokens of its text, int `[length]`.

        Special tokens count, and of a pair the tokens of both: token `k` of a text is at `1 + k`,
        and that of the second one at `kept[text][0] + 2 + k`.
        """
        places = np.arange(self.sizes[self.texts[window]])
        return np.concatenate([places[part] for part in self.parts[window]])

    def merge(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for all tokens of each text, each from the window that owns the token.

        Args:
            outputs: Of each window one, `[length, ...]`; what is padded behind it does not count.

        Returns:
            Of each text one, `[size, ...]`, in the order of `positions`.
        """
        own = [out[a:b] for out, a, b in zip(outputs, self.start, self.stop, strict=True)]
        bounds = np.searchsorted(self.texts, np.arange(len(self.sizes) + 1)).tolist()
        return [np.concatenate(own[a:b]) for a, b in itertools.pairwise(bounds)]


@dataclasses.dataclass(frozen=True)
class Windowing:
    """Makes windows of at most `max_length` tokens of a text's, or a pair's, tokens.

    Of a pair the windows slide over one of the texts, and the other one is in each of them,
    truncated to half the room where it is longer than that.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    >>> windows = Windowing(tokenizer, 6, window=True, overlap=2).windows([([5, 6, 7, 8, 9], None)])
    >>> windows.tokenized.ids
    [[2, 5, 6, 7, 8, 3], [2, 6, 7, 8, 9, 3]]
    >>> windows.positions(1).tolist(), windows.start.tolist(), windows.stop.tolist()
    ([0, 2, 3, 4, 5, 6], [0, 3], [4, 6])
    """

    tokenizer: Any  # with cls_id, sep_id and pad_id, as a WordPieceTokenizer
    max_length: int
    window: bool = False  # whether long texts get several, or are truncated to one
    overlap: int | None = None  # by default a quarter of a window
    prompt: int = 0  # the tokens at the start of a text that are in each of its windows
    slides: Literal["longer", "second"] = "longer"  # over which text of a pair windows slide

    def windows(self, documents: Iterable[tuple[Sequence[int], Sequence[int] | None]]) -> Windows:
        """The windows of texts, given as their token ids and those of their pair or None."""
        ids, types, spans, taken, sizes, kept, cut = [], [], [], [], [], [], []
        two: Sequence[int] | None = None
        for number, (one, two) in enumerate(documents):
            keep = self._keep(len(one), two)
            kept.append(keep)
            cut.append(len(one) + len(two or ()) - sum(keep))
            row = [self.tokenizer.cls_id, *one[: keep[0]], self.tokenizer.sep_id]
            first_end, segments = len(row) - 1, bytes(len(row))
            if two is not None:
                row += [*two[: keep[1]], self.tokenizer.sep_id]
                segments += b"\1" * (len(row) - len(segments))
            sizes.append(len(row))
            slides_over_first = two is None or (self.slides == "longer" and keep[0] >= keep[1])
            for parts, start, stop in self._windows(row, first_end, slides_over_first):
                ids.append(_take(row, parts))
                types.append(_take(segments, parts))
                own_middle = types[-1].index(1) - 1 if two is not None else -1
                spans.append((number, start, stop, own_middle))
                taken.append(parts)
        texts, start, stop, middle = np.array(spans, np.int64).reshape(-1, 4).T
        tokenized = Tokenized(ids, types if two is not None else None, pad_id=self.tokenizer.pad_id)
        counts = np.array(sizes, np.int64), kept, np.array(cut, np.int64)
        return Windows(tokenized, texts, start, stop, middle, taken, *counts)

    def _keep(self, length, two):
        """How many tokens of a text and of its pair stay."""
        special = 2 if two is None else 3
        if self.max_length <= special:
            raise UserError(
                f"max_length is {self.max_length}, and {special} of these are special tokens: "
                "give a larger one."
            )
        room, pair_length = self.max_length - special, len(two or ())
        if not self.window:
            return longest_first(length, pair_length, room)
        if two is not None and self.slides == "second":
            return min(length, max(room // 2, room - pair_length)), pair_length
        if length >= pair_length:
            return length, min(pair_length, room // 2)
        return min(length, room // 2), pair_length

    def _windows(self, row, middle, slides_over_first):
        """For each window its slices of the row, and where its own tokens begin and end."""
        if len(row) <= self.max_length:
            yield _WHOLE, 0, len(row)
            return
        # The windows slide over row[head:tail]; what is around it is in each of them.
        if slides_over_first:
            head, tail = 1 + self.prompt, middle
        else:
            head, tail = middle + 1, len(row) - 1
        room = self.max_length - (len(row) - (tail - head))
        if room < 1 or head > tail:
            raise UserError(
                f"max_length is {self.max_length}, and the prompt has {self.prompt} tokens "
                "already: give a larger one, or a shorter prompt."
            )
        overlap = room // 4 if self.overlap is None else self.overlap
        if not 0 <= overlap < room:
            raise UserError(
                f"overlap is {self.overlap}, and a window has room for {room} tokens of a text: "
                f"give 0 to {room - 1}."
            )
        starts, owned = window_places(tail - head, room, overlap)
        for i, start in enumerate(starts):
            parts = [slice(head), slice(head + start, head + start + room), slice(tail, None)]
            own_start = head + owned[i] - start if i else 0
            is_last = i + 1 == len(starts)
            yield parts, own_start, self.max_length if is_last else head + owned[i + 1] - start


def _take(values: Sequence[int], parts: Iterable[slice]) -> array:
    """The parts of a list or of bytes, one after another, in an array of few bytes a value."""
    typecode = "b" if isinstance(values, bytes) else "i"
    taken = array(typecode)
    for part in parts:
        taken.extend(values[part])
    return taken


def window_places(length: int, room: int, overlap: int) -> tuple[list[int], list[int]]:
    """Where windows over `length` tokens begin, and which tokens each of them owns.

    A token in several windows is owned by the one in which it has most context, as in
    `run_squad.py` of https://github.com/google-research/bert; by the earlier one of two equal.
    Unlike there, the last window is moved back to be as long as the others.

    >>> window_places(length=10, room=4, overlap=2)  # where each begins, what each owns first
    ([0, 2, 4, 6], [0, 3, 5, 7])
    """
    starts = [*range(0, length - room, room - overlap), length - room]
    # Of windows of one length, a token has most context in the one whose middle is nearest.
    owned = [(one + two + room + 1) // 2 for one, two in itertools.pairwise(starts)]
    return starts, [0, *owned]
