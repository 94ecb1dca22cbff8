"""The shards of a corpus made one after the other in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kerasformer.corpus.job import Job, ShardRecord, write_shard
from kerasformer.corpus.recipe import Embedding
from kerasformer.corpus.spans import RowReader, Span


def run(
    job: Job, folder: Path, spans: Sequence[Span], embedding: Embedding
) -> Iterator[ShardRecord]:
    """Makes shards: what every engine does, each in its way.

    Args:
        job: The job.
        folder: The corpus' folder.
        spans: The shards to make.
        embedding: The job's recipe at work in this process.

    Yields:
        The record of each shard, once its files are whole in their places.

    Raises:
        UserError: The input has changed, or a file cannot be written.
    """
    reader = RowReader(job.input)
    for span in spans:
        rows = reader.read(span)
        yield write_shard(job, folder, span, rows, embedding(rows.texts))
