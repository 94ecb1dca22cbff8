"""The settings of a job that embeds a corpus; and the writing of a shard of it."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from kerasformer.corpus.embedding import Embedded, EmbeddingConfig
from kerasformer.corpus.input import CorpusInput
from kerasformer.corpus.shard_plan import ShardRows
from kerasformer.corpus.shards import FORMATS, Shard, ShardFile, write_files
from kerasformer.errors import UserError


@dataclasses.dataclass(frozen=True)
class Job:
    """All that decides what a corpus' shards hold: plain data, to be sent to other processes.

    `text` is whether the texts are kept beside their vectors; a shard has fewer than `shard_size`
    rows where texts are long; None for `limit` takes all of the input.
    """

    config: EmbeddingConfig
    input: CorpusInput
    format: str = "parquet"
    text: bool = True
    shard_size: int = 8192
    limit: int | None = None

    def __post_init__(self):
        if self.format not in FORMATS:
            raise UserError(f"format is {self.format!r}: give one of {', '.join(FORMATS)}.")
        for name in ("shard_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}: give a number of rows, 1 or more.")


class ShardRecord(NamedTuple):
    """A shard that was written: its number and files, how many texts were cut, and their tokens."""

    index: int  # type: ignore[assignment]  # hides `tuple.index`
    files: tuple[ShardFile, ...]
    cut_texts: int
    cut_tokens: int


def write_shard(
    job: Job, folder: Path, index: int, rows: ShardRows, embedded: Embedded
) -> ShardRecord:
    """Writes the files of a shard; the same bytes for the same vectors, wherever they were made."""
    shard = Shard(rows.ids, rows.texts if job.text else None, embedded.vectors)
    files = write_files(folder, index, shard, job.format)
    return ShardRecord(index, files, embedded.cut_texts, embedded.cut_tokens)
