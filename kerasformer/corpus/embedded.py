"""A corpus that has been embedded: its vectors, shard by shard, and the model that made them."""

import functools
import os
from collections.abc import Iterator

import numpy as np

from kerasformer.corpus.embedding import ConfiguredEmbedder
from kerasformer.corpus.manifest import Manifest
from kerasformer.corpus.shards import Shard, read_files
from kerasformer.errors import UserError
from kerasformer.files import expanded


class EmbeddedCorpus:
    """What `kerasformer embed` wrote to a `folder`, also where it is still incomplete.

    Attributes:
        manifest: The `Manifest`: the job with its model, settings and input, and its shards.

    Raises:
        UserError: There is no corpus in the folder, or its manifest cannot be read.

    Example:

    >>> corpus = EmbeddedCorpus("vectors")  # doctest: +SKIP
    >>> for ids, texts, vectors in corpus.shards():  # doctest: +SKIP
    ...     print(len(ids), vectors.shape)
    8192 (8192, 384)
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = expanded(folder)
        self.manifest = Manifest.load(self.folder)

    def __len__(self):
        return self.manifest.done_rows

    def __repr__(self):
        part = "" if self.complete else f" of {self.manifest.rows:,}"
        return (
            f"<EmbeddedCorpus {self.folder}: {len(self):,}{part} texts, {self.width} numbers each, "
            f"{self.dtype}>"
        )

    @property
    def complete(self) -> bool:
        """Whether all of the input is embedded."""
        return self.manifest.complete

    @property
    def width(self) -> int:
        """Numbers in a stored vector; bytes of 8 dimensions each where `dtype` is "binary"."""
        return self.manifest.width

    @property
    def dtype(self) -> str:
        """ "float32", "float16", "int8" or "binary"."""
        return self.manifest.job.config.dtype

    def shards(self) -> Iterator[Shard]:
        """The shards that are made, in the order of the input, of which one at a time is in memory.

        Yields:
            `(ids, texts, vectors)`: for each row an int (its number, from 0) or a str (of the id
            column); the texts, or None where they were not kept; the vectors `[rows, width]`.

        Raises:
            UserError: The file of a shard is missing or broken.
        """
        for index in sorted(self.manifest.done):
            yield self.shard(index)

    def shard(self, index: int) -> Shard:
        """The shard of a number, which has to be made; yielded and raised as by `shards`."""
        rows = self.manifest.planned[index].rows
        files = self.manifest.done[index].files
        return read_files(self.folder, files, rows, self.width, self.dtype)

    def verify(self):
        """Compares every file with its sha256 in the manifest, which reads all of the corpus.

        Raises:
            UserError: A file is not what was written; it names it.
        """
        for problem in self.manifest.damage(self.folder).values():
            raise UserError(
                f"{problem}; make it again by `kerasformer embed --resume --output {self.folder}`."
            )

    def embedder(self):
        """The `TextEmbedder` that made the vectors, or a `UserError` if it has changed since."""
        return self._embedder.embedder

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors `[texts, width]` of other texts, made and stored as those of the corpus."""
        return self._embedder(texts).vectors

    @functools.cached_property
    def _embedder(self):
        return ConfiguredEmbedder(self.manifest.job.config)
