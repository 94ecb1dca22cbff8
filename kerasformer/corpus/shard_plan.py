"""The shard plan of a corpus, each shard a place in the input; and the reading of a shard."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from kerasformer.corpus.input import CorpusInput, Row
from kerasformer.data.text_file import Place
from kerasformer.errors import UserError

# A shard ends with the text that reaches this, so that long texts need no more memory.
_CHARACTERS = 1 << 24
_REPORT_EVERY = 10_000  # rows


class PlannedShard(NamedTuple):
    """Its number, that of its first row in the whole input, and the file and place of that row."""

    index: int  # type: ignore[assignment]  # hides `tuple.index`
    first_row: int
    rows: int
    file: int
    place: Place


class ShardRows(NamedTuple):
    """An id for each row of a shard, and its text."""

    ids: list[int] | list[str]
    texts: list[str]


def plan_shards(
    source: CorpusInput,
    shard_size: int,
    limit: int | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> tuple[PlannedShard, ...]:
    """Reads all of the input once, in bounded memory, and divides it.

    So a row that cannot be read is found now rather than after hours of work, and each shard can be
    made by itself.
    """
    planned: list[PlannedShard] = []
    rows = characters = total = 0
    for row in islice(source.rows(), limit):
        if not rows:
            file, place = row.file, row.place
        rows, total = rows + 1, total + 1
        characters += len(row.text)
        if rows == shard_size or characters >= _CHARACTERS:
            planned.append(PlannedShard(len(planned), total - rows, rows, file, place))
            rows = characters = 0
        if total % _REPORT_EVERY == 0:
            on_rows(total)
    if rows:
        planned.append(PlannedShard(len(planned), total - rows, rows, file, place))
    on_rows(total)
    if not planned:
        names = ", ".join(file.path for file in source.files)
        raise UserError(f"{names} holds no texts: give a file with at least one row of data.")
    return tuple(planned)


class ShardReader:
    """Reads shards: one that begins where the last ended goes on from there, any other seeks."""

    def __init__(self, source: CorpusInput):
        self._source = source
        self._rows: Iterator[Row] = iter(())
        self._next = -1  # the number of the row that `_rows` gives next

    def read(self, shard: PlannedShard) -> ShardRows:
        """The rows of a shard, or a `UserError` if the input has changed."""
        if shard.first_row != self._next:
            self._rows = self._source.rows(shard.file, shard.place)
        rows = list(islice(self._rows, shard.rows))
        self._source.check(shard.file, rows[-1].file if rows else None)
        if len(rows) != shard.rows:
            raise UserError(
                "The input has fewer rows than when the job was begun: embed it into a new folder."
            )
        self._next = shard.first_row + shard.rows
        if self._source.id_column is None:
            ids: list = list(range(shard.first_row, self._next))
        else:
            ids = [row.id for row in rows]
        return ShardRows(ids, [row.text for row in rows])
