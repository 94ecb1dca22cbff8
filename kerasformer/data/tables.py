"""Tables out of files: CSV, TSV, JSONL and Parquet, row by row, with errors that name the row."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kerasformer.data.lines import BEGINNING, Lines, Place, reading
from kerasformer.errors import UserError, require

# Longest cell, in characters; the csv module's own limit of 131,072 is less than some documents.
_LONGEST_CELL = 2**31 - 1
_PARQUET_ROWS = 1024  # decoded at a time
_PARQUET_BYTES = 1 << 20  # read at a time
ACCEPTED = ".csv, .tsv, .jsonl (each also with .gz) or .parquet"


@dataclass(frozen=True)
class Table:
    """A file of rows with named columns.

    Attributes:
        path: The file.
        columns: The names, in the file's order; "0", "1", ... for a file without a header.
        unit: What a row's number counts, "line" or "row", from 1.
        walk: Called with names of columns and the place of the first row to read (all by default),
            gives the rows: place, cells in the order asked for.
        first: The cells of the first row, where the file has no header.
    """

    path: Path
    columns: tuple[str, ...]
    unit: str
    walk: Callable[..., Iterator[tuple[Place, tuple]]]
    first: tuple[str, ...] | None = None

    def read(self, wanted: Sequence[str]) -> Iterator[tuple[int, tuple]]:
        """The number of each row, and its cells in the order of the names `wanted`."""
        for place, cells in self.walk(wanted):
            yield place.number, cells


def read_table(path: Path, header: bool | None = None, known: frozenset[str] = frozenset()):
    """Opens a table by the suffix of its file: .csv, .tsv, .jsonl (and those + .gz), .parquet.

    Args:
        path: The file, text in UTF-8 with or without a byte-order mark. TSV has no quoting: a
            quote is a character like any other, as in the files of GLUE.
        header: Whether the first line of a CSV or TSV file names the columns. By default it does
            if one of its cells is a known name, or if none of them is a number.
        known: Lower-case names of columns that tell a header from data.

    Returns:
        A `Table`.

    Raises:
        UserError: The file cannot be read as what its suffix says; also while the rows are read.
    """
    suffix = suffix_of(path)
    if header is not None and suffix not in (".csv", ".tsv"):
        raise UserError(f"{path} is no CSV or TSV file: leave the header option out.")
    if suffix in (".csv", ".tsv"):
        return _delimited(path, suffix == ".tsv", header, known)
    if suffix == ".jsonl":
        return _jsonl(path)
    if suffix == ".parquet":
        return _parquet(path)
    raise UserError(f"{path} is no kind of file that can be read: give {ACCEPTED}.")


def read_lines(path: Path) -> Table:
    """Opens a text file as a table of one column, "text": a row for each line, blank ones too.

    Args:
        path: The file, in UTF-8 with or without a byte-order mark, also with `.gz`.

    Returns:
        A `Table`.

    Raises:
        UserError: The file is empty or cannot be read; also while the rows are read.
    """
    if next(iter(Lines(path)), None) is None:
        raise empty(path)

    def walk(wanted, start=BEGINNING):
        lines = Lines(path, start)
        for line in lines:
            yield lines.here, (line.rstrip("\r\n"),) * len(wanted)

    return Table(path, ("text",), "line", walk)


def suffix_of(path: Path) -> str:
    """The suffix that says how to read the file, such as ".csv" for "a.CSV.gz", or ""."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = Path(path.stem).suffix.lower()
        return suffix if suffix in (".csv", ".tsv", ".jsonl") else ""
    return suffix if suffix in (".csv", ".tsv", ".jsonl", ".parquet") else ""


def empty(path: Path) -> UserError:
    """The error for a file that holds no rows."""
    return UserError(f"{path} holds no examples: give a file with at least one row of data.")


def _delimited(path, tabs, header, known):
    _, first = next(_records(path, tabs), (0, None))
    if first is None:
        raise empty(path)
    names = tuple(cell.strip() for cell in first)
    if header is None:
        header = any(name.lower() in known for name in names) or not any(map(_is_number, names))
    columns = names if header else tuple(map(str, range(len(first))))
    _refuse_duplicates(path, columns)

    def walk(wanted, start=None):
        picked = [columns.index(name) for name in wanted]
        records = _records(path, tabs, start or BEGINNING)
        if header and start is None:
            next(records)
        for place, cells in records:
            if len(cells) != len(columns):
                raise UserError(
                    f"{path}, line {place.number}, has {len(cells)} cells where the first line has "
                    f"{len(columns)}: {'remove' if tabs else 'quote'} the separators within a text."
                )
            yield place, tuple([cells[index] for index in picked])

    return Table(path, columns, "line", walk, None if header else tuple(first))


def _records(path, tabs, start=BEGINNING):
    """The cells of each record with the place where it begins; none for blank lines.

    Strict, so that a quote that is never closed is an error and does not swallow the other rows.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    style = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {"strict": True}
    lines = Lines(path, start)
    reader = csv.reader(lines, **style)
    while True:
        place = lines.next
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{path}, line {place.number}, is no valid CSV ({error}): write a text in double "
                "quotes, and each double quote within it twice."
            ) from None
        if len(cells) > 1 or "".join(cells).strip():
            yield place, cells


def _jsonl(path):
    def objects(start=BEGINNING):
        lines = Lines(path, start)
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if "\\u" in line:  # half of a surrogate pair is valid JSON, but no text
                    json.dumps(row, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}, line {lines.here.number}, is no valid JSON ({error}): write one "
                    "object a line."
                ) from None
            if not isinstance(row, dict):
                raise UserError(
                    f"{path}, line {lines.here.number}, holds a {type(row).__name__}: write one "
                    'JSON object a line, such as {"text": "...", "label": "..."}.'
                )
            yield lines.here, row

    _, first = next(objects(), (0, None))
    if first is None:
        raise empty(path)

    def walk(wanted, start=BEGINNING):
        for place, row in objects(start):
            yield place, tuple([row.get(name) for name in wanted])

    return Table(path, tuple(first), "line", walk)


def _parquet(path):
    parquet = require("pyarrow.parquet", extra="parquet")
    arrow = require("pyarrow", extra="parquet")

    @contextmanager
    def readable():
        try:
            yield
        except (arrow.ArrowException, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise UserError(
                f"{path} cannot be read as Parquet ({reason}): write the file again."
            ) from None

    with reading(path), readable(), parquet.ParquetFile(path) as file:
        columns = tuple(file.schema_arrow.names)
    _refuse_duplicates(path, columns)

    def walk(wanted, start=BEGINNING):
        # Buffered, or all pages of a row group's column are in memory at once.
        with (
            reading(path),
            readable(),
            parquet.ParquetFile(path, buffer_size=_PARQUET_BYTES, pre_buffer=False) as file,
        ):
            rows = _parquet_rows(file, wanted, start.number - 1)
            for number, row in enumerate(rows, start.number):
                yield Place(number), row

    return Table(path, columns, "row", walk)


def _parquet_rows(file, wanted, skipped):
    """The rows of a `ParquetFile` but for the first ones, whose row groups are not read."""
    group, groups = 0, file.metadata.num_row_groups
    while group < groups and skipped >= file.metadata.row_group(group).num_rows:
        skipped -= file.metadata.row_group(group).num_rows
        group += 1
    columns = list(dict.fromkeys(wanted))
    groups = range(group, groups)
    batches = file.iter_batches(_PARQUET_ROWS, groups, columns, use_threads=False)
    cells = ([batch.column(name).to_pylist() for name in wanted] for batch in batches)
    rows = (row for columns in cells for row in zip(*columns, strict=True))
    return islice(rows, skipped, None)


def _refuse_duplicates(path, columns):
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        raise UserError(
            f"{path} has more than one column {twice[0]!r}: give each column a name of its own."
        )


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
