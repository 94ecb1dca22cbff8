"""Parquet files, read row by row in bounded memory, however well they are compressed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from kerasformer.data.parquet_lists import is_plain, named, names_of, size_of, weight
from kerasformer.data.parquet_pages import page_sizes, page_values, row_groups
from kerasformer.data.text_file import (
    BEGINNING,
    Place,
    most_unpacked,
    reading,
    require_regular,
    unpacks_to_too_much,
)
from kerasformer.errors import UserError, require

_ROWS = 1024  # decoded at a time
_BYTES = 1 << 20  # read at a time
_DECODED = 1 << 26  # bytes decoded at a time
_MOST_VALUES = 1 << 24  # in the lists of a column of a row group
_LARGEST_PAGE = 1 << 29  # bytes unpacked; writers make pages of 1 MiB, or of 1024 rows


class ParquetFile:
    """A Parquet file: the names of its `columns`, and its rows.

    A list or a struct is no cell, unless `lists` allows for it.

    Raises:
        UserError: It is no whole Parquet file, or would take too much memory; also while its rows
            are read.
    """

    def __init__(self, path: Path, lists: bool = False):
        self._path, self._lists = path, lists
        self._strings: list[str] = []
        with self._opened() as file:
            self.columns = tuple(map(str, file.schema_arrow.names))
            self._names = names_of(file.schema_arrow.metadata) if lists else {}
            leaves = [file.schema.column(i) for i in range(len(file.schema))] if lists else []
            # Decoded as their places in a dictionary: one long string may be in a list a million
            # times over.
            self._strings = [
                leaf.path
                for leaf in leaves
                if leaf.physical_type == "BYTE_ARRAY" and leaf.max_repetition_level
            ]

    def rows(
        self, wanted: Sequence[str], start: Place = BEGINNING
    ) -> Iterator[tuple[Place, tuple]]:
        """The place and the cells, in the order of the names `wanted`, of the rows from one on."""
        most, unpacked = most_unpacked(self._path), 0
        with self._opened() as file:
            nested = self._check_nested(file, wanted)
            rows = self._rows(file, wanted, nested, start.number - 1)
            for number, row in enumerate(rows, start.number):
                unpacked += 1 + sum(map(weight, row))
                if unpacked > most:
                    raise unpacks_to_too_much(self._path)
                yield Place(number), row

    def _rows(self, file, wanted, nested, skipped):
        """The rows but for the first ones, whose row groups are not read."""
        for index, group in enumerate(self._groups()):
            if skipped >= group.rows:
                skipped -= group.rows
                continue
            self._check_values(group, nested)
            batches = file.iter_batches(
                self._batch(group, wanted), [index], list(dict.fromkeys(wanted)), use_threads=False
            )
            parts = (part for batch in batches for part in self._parts(batch, nested))
            cells = ([self._cells(part, name) for name in wanted] for part in parts)
            rows = (row for columns in cells for row in zip(*columns, strict=True))
            yield from islice(rows, skipped, None)
            skipped = 0

    def _cells(self, batch, name):
        cells = batch.column(name).to_pylist()
        names = self._names.get(name)
        return cells if names is None else [named(cell, names) for cell in cells]

    def unpacked(self, name: str) -> int:
        """The bytes that all pages of a column, or of the parts of a nested one, unpack to."""
        with reading(self._path), readable(self._path):
            pages = (size for group in self._groups() for _, size in self._pages(group, [name]))
            return sum(pages)

    def _groups(self):
        with open(self._path, "rb") as stream:
            return row_groups(stream)

    def _batch(self, group, wanted):
        """How many rows to decode at once: each needs no more than the largest of its pages."""
        largest = 1
        for name, size in self._pages(group, wanted):
            largest = max(largest, size)
            if size > _LARGEST_PAGE:
                raise UserError(
                    f"{self._path} has a page of {size >> 20:,} MiB in the column {name!r}, and "
                    f"at most {_LARGEST_PAGE >> 20} are read: write the file again, with smaller "
                    "pages."
                )
        return max(1, min(_ROWS, _DECODED // largest))

    def _pages(self, group, wanted):
        """The columns and sizes of the pages of a row group, of wanted columns."""
        with open(self._path, "rb") as stream:
            for chunk in group.chunks:
                name = chunk.path if chunk.path in wanted else chunk.path.partition(".")[0]
                if name in wanted:
                    for size in page_sizes(stream, chunk):
                        yield name, size

    def _check_nested(self, file, wanted):
        """Which of the columns are of lists or structs, of strings or numbers where allowed."""
        kinds = {name: file.schema_arrow.field(name).type for name in wanted}
        for name, kind in kinds.items():
            if kind.num_fields and not (self._lists and is_plain(kind)):
                raise UserError(
                    f"{self._path} has the type {kind} in the column {name!r}: name a column of "
                    "strings or numbers."
                )
        return [name for name, kind in kinds.items() if kind.num_fields]

    def _check_values(self, group, nested):
        """A list can hold any number of values, in no bytes at all."""
        with open(self._path, "rb") as stream:
            for chunk in group.chunks:
                if chunk.path.partition(".")[0] not in nested:
                    continue
                if sum(page_values(stream, chunk)) > _MOST_VALUES:
                    raise UserError(
                        f"{self._path} has more than {_MOST_VALUES:,} values of the column "
                        f"{chunk.path!r} in a row group: write the file again, with smaller ones."
                    )

    def _parts(self, batch, nested):
        """Parts of a batch whose lists are not too large as Python's objects."""
        if sum(size_of(batch.column(name)) for name in nested) <= _DECODED:
            yield batch
        elif len(batch) > 1:
            half = len(batch) // 2
            yield from self._parts(batch.slice(0, half), nested)
            yield from self._parts(batch.slice(half), nested)
        else:
            raise UserError(
                f"{self._path} has a row with lists of more than {_DECODED >> 20} MiB: divide it "
                "into several."
            )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        parquet = require("pyarrow.parquet", extra="parquet")
        require_regular(self._path)
        with (
            reading(self._path),
            readable(self._path),
            # Buffered, or all pages of a row group's column are in memory at once.
            parquet.ParquetFile(
                self._path,
                buffer_size=_BYTES,
                pre_buffer=False,
                read_dictionary=self._strings,
            ) as file,
        ):
            yield file


@contextmanager
def readable(path: Path):
    """Turns Arrow's errors into one sentence, a `UserError`."""
    arrow = require("pyarrow", extra="parquet")
    try:
        yield
    except UserError:
        raise
    except (arrow.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise UserError(
            f"{path} cannot be read as Parquet ({reason}): write the file again."
        ) from None
