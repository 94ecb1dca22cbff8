"""The shards of a corpus as places in its input, and the reading of one."""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from kerasformer.corpus.input import CorpusInput
from kerasformer.data.text_file import Place
from kerasformer.errors import UserError

# A shard ends behind the text that reaches this, so that long texts need no more memory.
_CHARACTERS = 1 << 24
_TOLD_EVERY = 10_000  # rows


class PlannedShard(NamedTuple):
    """The rows of one shard.

    Attributes:
        index: The number of the shard, from 0.
        first_row: The number of its first row in the whole input, from 0.
        rows: How many there are.
        file: The index of the file where they begin.
        place: The place there.
    """

    index: int
    first_row: int
    rows: int
    file: int
    place: Place


class Rows(NamedTuple):
    """The rows of a shard.

    Attributes:
        ids: An int or a str for each row.
        texts: The texts.
    """

    ids: list[int] | list[str]
    texts: list[str]


def plan_shards(
    source: CorpusInput,
    shard_size: int,
    limit: int | None = None,
    tell: Callable[[int], None] = lambda rows: None,
) -> tuple[PlannedShard, ...]:
    """Reads all of the input once, in bounded memory, and divides it.

    So a row that cannot be read is found now rather than after hours of work, and each shard can be
    made by itself.

    Args:
        source: The input.
        shard_size: Rows in a shard; fewer where its texts are long.
        limit: How many rows to take of the input; by default all.
        tell: Called now and then with the number of rows that were read.

    Returns:
        The planned, in order.

    Raises:
        UserError: A row cannot be read, or there is none.
    """
    planned, first, rows, characters = [], None, 0, 0
    for number, row in enumerate(islice(source.rows(), limit)):
        if first is None:
            first = (number, row.file, row.place)
            rows = characters = 0
        rows += 1
        characters += len(row.text)
        if rows == shard_size or characters >= _CHARACTERS:
            planned.append(_span(len(planned), rows, *first))
            first = None
        if number % _TOLD_EVERY == 0:
            tell(number)
    if first is not None:
        planned.append(_span(len(planned), rows, *first))
    tell(sum(shard.rows for shard in planned))
    if not planned:
        names = ", ".join(file.path for file in source.files)
        raise UserError(f"{names} holds no texts: give a file with at least one row of data.")
    return tuple(planned)


def _span(index, rows, first_row, file, place):
    return PlannedShard(index, first_row, rows, file, place)


class ShardReader:
    """Reads planned: one that begins where the last ended goes on from there, any other seeks.

    Args:
        source: The input.
    """

    def __init__(self, source: CorpusInput):
        self._source = source
        self._rows = None
        self._next = None  # the number of the row that `_rows` gives next

    def read(self, shard: PlannedShard) -> Rows:
        """The rows of a shard.

        Raises:
            UserError: The input has changed, or cannot be read.
        """
        if shard.first_row != self._next:
            self._rows = self._source.rows(shard.file, shard.place)
        rows = list(islice(self._rows, shard.rows))
        self._source.check(shard.file, rows[-1].file if rows else None)
        if len(rows) != shard.rows:
            raise UserError("The input has fewer rows than when the job was begun: start it anew.")
        self._next = shard.first_row + shard.rows
        if self._source.id_column:
            ids = [row.id for row in rows]
        else:
            ids = list(range(shard.first_row, self._next))
        return Rows(ids, [row.text for row in rows])
