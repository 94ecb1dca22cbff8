"""The shards of a corpus made one after the other in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kerasformer.corpus.embedding import ConfiguredEmbedder
from kerasformer.corpus.job import Job, ShardRecord, write_shard
from kerasformer.corpus.shard_plan import PlannedShard, ShardReader


def run(
    job: Job, folder: Path, planned: Sequence[PlannedShard], embedder: ConfiguredEmbedder
) -> Iterator[ShardRecord]:
    """Makes shards, as every engine does in its way.

    Yields:
        The record of each shard, once its files are whole in their places.

    Raises:
        UserError: The input has changed, or a file cannot be written.
    """
    reader = ShardReader(job.input)
    for shard in planned:
        rows = reader.read(shard)
        yield write_shard(job, folder, shard.index, rows, embedder(rows.texts))
