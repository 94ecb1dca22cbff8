"""The texts of an embedded corpus that are nearest to others, by the cosine of their vectors."""

from typing import NamedTuple

import numpy as np

from kerasformer.errors import UserError

_BLOCK_BYTES = 1 << 25  # of vectors as float32, compared at a time
_QUERIES = 256  # compared with a block at a time
DECIMALS = 6  # of a similarity: the others depend on the block that a vector is in


class Neighbour(NamedTuple):
    """A text of a corpus: its id, the text or None where it was not kept, and the cosine.

    Of a "binary" corpus that is the cosine of the signs, 1 - 2 * (Hamming distance / bits).
    """

    id: int | str
    text: str | None
    similarity: float


def nearest(corpus, vectors: np.ndarray, top: int = 10) -> list[list[Neighbour]]:
    """The `top` texts of an `EmbeddedCorpus` nearest to vectors, as its `encode` gives them.

    Exact, in memory that does not grow with it. Returns for each query its neighbours, the nearest
    first, and equally near ones in the order of the corpus; fewer where the corpus has fewer. A
    vector of zeros has the similarity 0 to all.
    """
    queries = directions(check_queries(corpus, vectors, top), corpus.dtype)
    best = _Best(len(queries), min(top, len(corpus)))
    first, rows = 0, max(1, _BLOCK_BYTES // (4 * queries.shape[1]))
    for ids, texts, stored in corpus.shards():
        for start in range(0, len(stored), rows):
            block = np.asarray(stored[start : start + rows])
            best.compare(queries, directions(block, corpus.dtype), first + start)
        best.note(first, ids, texts)
        first += len(ids)
    return best.neighbours()


def check_queries(corpus, vectors: np.ndarray, top: int) -> np.ndarray:
    """The vectors, or a `UserError` if they cannot be compared with those of a corpus."""
    vectors = np.asarray(vectors)
    if top < 1:
        raise UserError(f"top is {top}: give how many texts to find, 1 or more.")
    if vectors.ndim != 2 or vectors.shape[1] != corpus.width:
        raise UserError(
            f"The queries have the shape {list(vectors.shape)}, but must be [n, {corpus.width}]: "
            "make them with the corpus' own encode."
        )
    if corpus.dtype == "binary" and vectors.dtype != np.uint8:
        raise UserError(
            f"The queries are {vectors.dtype}, but must be uint8 as the bits of this corpus are: "
            "make them with the corpus' own encode."
        )
    return vectors


def directions(vectors: np.ndarray, dtype: str) -> np.ndarray:
    """Vectors as stored, scaled to length 1, so that a product of two is their cosine; zeros stay.

    The bits of a "binary" corpus become 1 and -1.

    >>> print(directions(np.array([[3, -4], [0, 0]], "int8"), "int8"))
    [[ 0.6 -0.8]
     [ 0.   0. ]]
    >>> print(directions(np.array([[0b11010000]], "uint8"), "binary").round(2))
    [[ 0.35  0.35 -0.35  0.35 -0.35 -0.35 -0.35 -0.35]]
    """
    if dtype == "binary":
        found = np.unpackbits(vectors, axis=1).astype("float32")
        return (2 * found - 1) / np.float32(np.sqrt(found.shape[1]))
    found = vectors.astype("float32")
    with np.errstate(invalid="ignore"):
        # First, or the squares of large numbers would be beyond float32.
        found /= np.maximum(np.abs(found).max(axis=1, keepdims=True, initial=0), 1e-30)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise UserError("A vector holds a number that is not finite: embed the texts again.")
    return found / np.where(lengths > 0, lengths, 1)


class _Best:
    """The nearest rows so far of each query."""

    def __init__(self, queries, top):
        self._similarities = np.full((queries, top), -np.inf, "float32")
        self._rows = np.full((queries, top), -1, "int64")
        self._noted = {}

    def compare(self, queries, block, first):
        """Takes in rows, `block` being their directions and `first` the number of the first."""
        for start in range(0, len(queries), _QUERIES):
            found = np.round(queries[start : start + _QUERIES] @ block.T, DECIMALS) + 0.0  # no -0
            worst = self._similarities[start : start + _QUERIES, -1]
            for index in np.flatnonzero(found.max(axis=1) > worst):
                self._merge(start + index, found[index], first)

    def _merge(self, query, found, first):
        """What is as near as the worst so far comes after it in the corpus, and is left out."""
        top = self._rows.shape[1]
        better = np.flatnonzero(found > self._similarities[query, -1])
        if len(better) > top:
            least = np.partition(found[better], -top)[-top]
            better = better[found[better] >= least]
        similarities = np.concatenate([self._similarities[query], found[better]])
        rows = np.concatenate([self._rows[query], first + better])
        order = np.argsort(-similarities, kind="stable")[:top]
        self._similarities[query], self._rows[query] = similarities[order], rows[order]

    def note(self, first, ids, texts):
        """Keeps the ids and texts of a shard's rows that are among the nearest."""
        for row in np.unique(self._rows[(self._rows >= first) & (self._rows < first + len(ids))]):
            text = None if texts is None else texts[row - first]
            self._noted[row] = (ids[row - first], text)
        if len(self._noted) > 4 * self._rows.size:
            self._noted = {row: self._noted[row] for row in np.unique(self._rows[self._rows >= 0])}

    def neighbours(self) -> list[list[Neighbour]]:
        """What was found."""
        return [
            [
                Neighbour(id, text, round(float(similarity), DECIMALS))
                for row, similarity in zip(rows, similarities, strict=True)
                for id, text in [self._noted[row]]
            ]
            for rows, similarities in zip(self._rows, self._similarities, strict=True)
        ]
