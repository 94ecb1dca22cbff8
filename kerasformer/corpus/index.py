"""An approximate index of an embedded corpus, for one that is too large to compare all of it."""

import hashlib
import json

import numpy as np

from kerasformer.corpus.neighbours import DECIMALS, Neighbour, check_queries, directions
from kerasformer.errors import UserError, require
from kerasformer.files import open_whole, read_json, sha256_of, write_whole, writing
from kerasformer.progress import WorkProgress

INDEX, NOTE = "neighbours.faiss", "neighbours.json"
_VERSION = 1
_MOST_LISTS = 4096
_SAMPLE = 39  # vectors for each list that the lists are found from, as FAISS recommends at least
_PROBED = 64  # lists that are searched; of 4096, they hold about 1.6 % of the corpus


class CorpusIndex:
    """The inverted lists of FAISS, Douze et al. (2024), https://arxiv.org/abs/2401.08281.

    K-means divides the corpus into lists, 4 times the square root of its size. A query is compared
    with the vectors in the 64 lists nearest to it, held in half precision, or as the bits that they
    are. What is found is compared again exactly, so similarities are those of `nearest`; but a near
    text in another list is missed. In a corpus of up to 2,500 texts none is.

    The index lies beside the corpus, with a note of its checksum and of its shards', and is mapped
    into memory. If either is not as noted, it is made again, which takes 2 bytes of memory for each
    number of the corpus, or a bit for each bit.
    """

    def __init__(self, corpus):
        self._faiss = require("faiss", extra="faiss")
        if not len(corpus):
            raise UserError(f"{corpus.folder} holds no vectors yet: embed its texts first.")
        self._corpus = corpus
        self._binary = corpus.dtype == "binary"
        self._index = self._read()
        if self._index is None:
            self._write(self._make())
            self._index = self._read()
        self._index.nprobe = _PROBED

    def nearest(self, vectors: np.ndarray, top: int = 10) -> list[list[Neighbour]]:
        """As `kerasformer.corpus.neighbours.nearest`, of the lists that are searched."""
        vectors = check_queries(self._corpus, vectors, top)
        queries = directions(vectors, self._corpus.dtype)
        if not len(queries):
            return []
        top = min(top, len(self._corpus))
        _, rows = self._index.search(vectors if self._binary else queries, top)
        return self._look_up(queries, rows)

    def _look_up(self, queries, rows):
        """The rows `[queries, top]` that were found, -1 for none, compared exactly."""
        found = [[] for _ in queries]
        for first, count, index in self._shards():
            query, column = np.nonzero((rows >= first) & (rows < first + count))
            if not len(query):
                continue
            shard = self._corpus.shard(index)
            places = rows[query, column] - first
            stored = directions(shard.vectors[places], self._corpus.dtype)
            similarities = np.round((queries[query] * stored).sum(axis=1), DECIMALS) + 0.0
            for number, place, similarity in zip(query, places, similarities, strict=True):
                text = None if shard.texts is None else shard.texts[place]
                neighbour = Neighbour(shard.ids[place], text, round(float(similarity), DECIMALS))
                found[number].append((-similarity, first + place, neighbour))
        return [[neighbour for *_, neighbour in sorted(each)] for each in found]

    def _shards(self):
        """The number of the first row of each shard, how many it has, and its number."""
        manifest, first = self._corpus.manifest, 0
        for shard in manifest.planned:
            if shard.index in manifest.done:
                yield first, shard.rows, shard.index
                first += shard.rows

    def _made_from(self):
        """A checksum of the corpus: of those of its shards."""
        done = self._corpus.manifest.done
        files = [file.sha256 for _, _, index in self._shards() for file in done[index].files]
        content = [_VERSION, self._corpus.dtype, self._corpus.width, files]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _read(self):
        """The index beside the corpus, or None if there is none that was made from it."""
        path = self._corpus.folder / INDEX
        try:
            note = read_json(self._corpus.folder / NOTE)
            if note != {"corpus": self._made_from(), "sha256": sha256_of(path)}:
                return None
            read = self._faiss.read_index_binary if self._binary else self._faiss.read_index
            limit = self._faiss.get_deserialization_vector_byte_limit()
            # No part of a file can be longer than all of it, whatever it says.
            self._faiss.set_deserialization_vector_byte_limit(path.stat().st_size + 1)
            try:
                index = read(str(path), self._faiss.IO_FLAG_MMAP)
            finally:
                self._faiss.set_deserialization_vector_byte_limit(limit)
        except (OSError, ValueError, RuntimeError):  # FAISS' errors are RuntimeErrors
            return None
        return index if index.ntotal == len(self._corpus) else None

    def _write(self, index):
        folder = self._corpus.folder
        write = self._faiss.write_index_binary if self._binary else self._faiss.write_index
        with writing(folder / INDEX, "free some space, or search without an index"):
            with open_whole(folder / INDEX) as stream:
                write(index, self._faiss.PyCallbackIOWriter(stream.write))
            note = {"corpus": self._made_from(), "sha256": sha256_of(folder / INDEX)}
            write_whole(folder / NOTE, json.dumps(note, indent=1) + "\n")

    def _make(self):
        rows = len(self._corpus)
        lists = max(1, min(int(4 * rows**0.5), rows // _SAMPLE, _MOST_LISTS))
        sample = self._sample(min(rows, lists * _SAMPLE))
        if self._binary:
            index = self._faiss.index_binary_factory(8 * self._corpus.width, f"BIVF{lists}")
        else:
            inner = self._faiss.METRIC_INNER_PRODUCT
            index = self._faiss.index_factory(sample.shape[1], f"IVF{lists},SQfp16", inner)
            index.cp.spherical = True
        index.cp.min_points_per_centroid = 1  # a corpus of a few texts is one list
        index.train(sample)
        with WorkProgress("Indexing", rows) as progress:
            for _, _, stored in self._corpus.shards():
                index.add(self._prepared(stored))
                progress.move_to(index.ntotal)
            progress.finish()
        return index

    def _sample(self, size):
        """Vectors of rows chosen at random, the same each time."""
        rows = np.random.default_rng(0).choice(len(self._corpus), size, replace=False)
        parts, first = [], 0
        for ids, _, stored in self._corpus.shards():
            inside = np.sort(rows[(rows >= first) & (rows < first + len(ids))] - first)
            parts.append(self._prepared(stored[inside]))
            first += len(ids)
        return np.concatenate(parts)

    def _prepared(self, stored):
        """Vectors for FAISS: their bits, or their directions."""
        return np.asarray(stored) if self._binary else directions(stored, self._corpus.dtype)
