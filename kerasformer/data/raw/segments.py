"""Which parts of a corpus make the examples of a pass: pairs of segments, or full sequences."""

import random
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from kerasformer.data.raw.encoding import spans
from kerasformer.data.raw.token_corpus import TokenCorpus
from kerasformer.errors import UserError

# Examples are sorted by length within pools of the shuffled ones, and the runs that these are cut
# into are shuffled: a batch has rows of nearly one length, and the stream is the same for batches
# of any size.
_RUN, _RUNS = 256, 64


class Pairs(NamedTuple):
    """Pairs of segments: where the tokens of each begin and end, and whether it is a random one."""

    first: np.ndarray  # int64 [examples, 2]
    second: np.ndarray
    is_random: np.ndarray  # int32 [examples]

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each pair, int64 `[examples]`."""
        return np.diff(self.first)[:, 0] + np.diff(self.second)[:, 0]


def segment_pairs(
    corpus: TokenCorpus, room: int, seed: list[int], short_share: float = 0.1
) -> Pairs:
    """Pairs of segments, half of which follow each other, as BERT's `create_pretraining_data.py`.

    A segment is one or more sentences. Of each document as many as fill an example are cut in two
    at the end of a sentence; the second half is the following segment, or gives way to one that
    begins at any sentence of another document, and then begins the next example. Unlike there, a
    single sentence is cut within, so that just half of the pairs are random ones, and besides those
    of a single token that is left of a document, which nothing follows.

    Args:
        corpus: The documents.
        room: The most tokens of a pair; of longer ones the longer segment loses tokens, at its
            beginning or its end.
        seed: What all that is random follows from.
        short_share: The share of the documents whose pairs are to be shorter, of any length.

    Raises:
        UserError: There is only one document, so that there is no other.
    """
    if len(corpus) < 2:
        raise UserError(
            "The corpus is one document, and pairs of segments take half of theirs from another: "
            "put a blank line between documents, give more files, or train without "
            "next_sentence (next_sentence=False)."
        )
    source = random.Random(",".join(map(str, seed)))
    draw, starts, columns = source.random, corpus.sentence_starts, [array("q") for _ in range(5)]
    documents, others = corpus.documents, len(corpus) - 1
    for own, bounds in enumerate(_bounds(corpus, room)):
        target = 2 + int(draw() * (room - 1)) if draw() < short_share else room
        at, last = 0, len(bounds) - 1
        while at < last:
            end = min(bisect_left(bounds, bounds[at] + target, at + 1), last)
            first, stop, follows = bounds[at], bounds[end], draw() < 0.5
            if end - at > 1:
                cut = at + 1 + int(draw() * (end - at - 1))
                middle = bounds[cut]
            else:
                cut, middle = end, stop
                if follows and stop - first > 1:
                    middle = first + 1 + int(draw() * (stop - first - 1))
            if follows and middle < stop:
                second, at = (middle, stop), end
            else:
                other = int(draw() * others)
                other += other >= own
                low, high = documents[other].tolist()
                begin = low + int(draw() * (high - low))
                start = int(starts[begin])
                wanted = start + max(target - (middle - first), 1)
                stop = int(starts[min(bisect_left(starts, wanted, begin + 1, high + 1), high)])
                second, at, follows = (start, stop), cut, False
            values = (first, middle, *second, not follows)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    table = np.stack([np.frombuffer(column, "int64") for column in columns], axis=1)
    first, second = _truncated(table[:, :2], table[:, 2:4], room, np.random.default_rng(seed))
    return Pairs(first, second, table[:, 4].astype("int32"))


def _truncated(first, second, room, rng):
    """The longer of two segments loses tokens, each at its beginning or its end."""
    lengths = np.stack([np.diff(first)[:, 0], np.diff(second)[:, 0]], axis=1)
    shorter = np.minimum(lengths.min(axis=1), room // 2)
    longer = np.minimum(lengths.max(axis=1), room - shorter)
    is_longer = lengths[:, 0] > lengths[:, 1]
    kept = np.stack([np.where(is_longer, longer, shorter), np.where(is_longer, shorter, longer)], 1)
    removed = lengths - kept
    before = rng.binomial(removed, 0.5)
    ends = np.stack([before, before - removed], axis=2)
    return first + ends[:, 0], second + ends[:, 1]


class Joined:
    """Documents one after another, each with a token that ends it, and maybe one that begins it.

    Args:
        corpus: The documents.
        order: Their order.
        end_id: The token behind each.
        begin_id: The token before each, if there is one.

    Example:

    >>> about = {"end_id": 3, "vocab_size": 9, "tokenizer": ""}
    >>> documents = np.array([[0, 1], [1, 2]])
    >>> corpus = TokenCorpus(np.arange(5, 9), np.array([0, 3, 4]), documents, about)
    >>> Joined(corpus, np.array([1, 0]), end_id=3).tokens(np.arange(6)).tolist()
    [8, 3, 5, 6, 7, 3]
    """

    def __init__(
        self, corpus: TokenCorpus, order: np.ndarray, end_id: int, begin_id: int | None = None
    ):
        self._tokens, self._end_id, self._begin_id = corpus.tokens, end_id, begin_id
        before = int(begin_id is not None)
        lengths = corpus.lengths[order] + before + 1
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        first = corpus.sentence_starts[corpus.documents[order, 0]]
        self._shift = first - self._starts - before

    def __len__(self):
        return int(self._ends[-1])

    def tokens(self, places: np.ndarray) -> np.ndarray:
        """The tokens at some places, int32 of the same shape."""
        document = np.searchsorted(self._ends, places, side="right")
        is_end = self._ends[document] == places + 1
        at = np.where(is_end, 0, places + self._shift[document])
        tokens = np.where(is_end, self._end_id, self._tokens[at]).astype("int32")
        if self._begin_id is not None:
            tokens[self._starts[document] == places] = self._begin_id
        return tokens


def full_sequences(corpus: TokenCorpus, order: np.ndarray, room: int) -> np.ndarray:
    """Sequences of as many whole sentences as there is room for, as RoBERTa's FULL-SENTENCES.

    Liu et al., https://arxiv.org/abs/1907.11692, section 4.2: they go on into the next document,
    with a separator between the two.

    Args:
        corpus: The documents.
        order: Their order.
        room: The most tokens of a sequence; a longer sentence is divided.

    Returns:
        Where each sequence begins and ends in the `Joined` documents, int64 `[sequences, 2]`;
        its separator at the end, if it has one there, left out.
    """
    ends, offset, start = array("q", [0]), 0, 0
    for bounds in _bounds(corpus.take(order), room):
        shift, at, last = offset - bounds[0], 0, len(bounds) - 1
        while at < last:
            # The first sentence that does not fit any more.
            at = bisect_right(bounds, start + room - shift, at) - 1
            if at < last:
                start = bounds[at] + shift
                ends.append(start)
        offset = bounds[-1] + shift + 1  # with the separator
        if offset - start >= room:
            start = offset
            ends.append(start)
    if ends[-1] < offset:
        ends.append(offset)
    table = spans(np.array(ends))
    separators = np.cumsum(corpus.lengths[order] + 1)
    table[:, 1] -= np.isin(table[:, 1], separators)
    return table


def mixed_order(lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of examples in which those of nearly one length are beside each other.

    >>> sorted(mixed_order(np.array([3, 5, 4]), np.random.default_rng(0)).tolist())
    [0, 1, 2]
    """
    order, runs = rng.permutation(len(lengths)), []
    for start in range(0, len(order), _RUN * _RUNS):
        pool = order[start : start + _RUN * _RUNS]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        own = [rng.permutation(pool[i : i + _RUN]) for i in range(0, len(pool), _RUN)]
        runs += [own[i] for i in rng.permutation(len(own))]
    return np.concatenate(runs)


def _bounds(corpus: TokenCorpus, room: int) -> Iterator[list[int]]:
    """Of each document where its sentences begin, and the end; longer ones than `room` divided."""
    starts = corpus.sentence_starts
    for first, last in corpus.documents.tolist():
        bounds = starts[first : last + 1]
        too_long = np.diff(bounds).max() > room
        yield list(_divided(bounds.tolist(), room)) if too_long else bounds.tolist()


def _divided(bounds: Iterable[int], room: int) -> Iterator[int]:
    before = None
    for bound in bounds:
        if before is not None:
            yield from range(before + room, bound, room)
        yield bound
        before = bound
