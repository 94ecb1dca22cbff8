"""Tables out of files: CSV, TSV, JSONL and Parquet, row by row, with errors that name the row."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kerasformer.data.cells import plain
from kerasformer.data.columns import KNOWN
from kerasformer.data.parquet_file import ParquetFile
from kerasformer.data.text_file import (
    BEGINNING,
    LONGEST_ROW,
    Dialect,
    Place,
    TextLines,
    row_too_long,
)
from kerasformer.errors import UserError
from kerasformer.files import parse_json

# Longest cell, in characters; the csv module's own limit of 131,072 is less than some documents.
_LONGEST_CELL = 2**31 - 1
_SAMPLE, _SAMPLE_CHARACTERS = 100, 1 << 24  # records to detect the dialect from
_MOST_CELLS = 10_000  # in a record
DETECTED = Dialect()
ACCEPTED = ".csv, .tsv, .jsonl (each also with .gz) or .parquet"


@dataclass(frozen=True)
class Table:
    """A file of rows with named columns; without a header they are "0", "1", ...

    Attributes:
        path: The file, or what a DataFrame is called in errors.
        unit: What a row's number counts, "line" or "row", from 1.
        walk: Called with names of columns and, to begin further down, the place of the first row;
            yields the place of each row and its cells.
        sample: The cells of the first rows, where the file has no header.
    """

    path: Path | str
    columns: tuple[str, ...]
    unit: str
    walk: Callable[..., Iterator[tuple[Place, tuple]]]
    sample: tuple[list[str], ...] = ()

    def read(self, wanted: Sequence[str]) -> Iterator[tuple[int, tuple]]:
        """The number of each row, and its cells in the order of the names `wanted`."""
        for place, cells in self.walk(wanted):
            yield place.number, cells


def read_table(
    path: Path, dialect: Dialect = DETECTED, suffix: str | None = None, lists: bool = False
) -> Table:
    """Opens a table by the suffix of its file: .csv, .tsv, .jsonl (and those + .gz), .parquet.

    A .tsv file with tabs has no quoting: a quote is a character like any other, as in GLUE's.
    What cannot be read is a `UserError` now or while the rows are read. Another `suffix` says how
    to read a file whose own does not. The cells of a .parquet file may be `lists` where this is
    asked for; those of a .jsonl file are what they are.
    """
    suffix, given = suffix_of(path) if suffix is None else suffix, set(dialect.given())
    if not suffix:
        raise UserError(f"{path} cannot be read: expected {ACCEPTED}.")
    allowed = {".jsonl": {"encoding"}, ".parquet": set()}.get(suffix, given)
    if wrong := sorted(given - allowed):
        raise UserError(f"{path} is not a CSV or TSV file: leave out {wrong[0]} (--{wrong[0]}).")
    if suffix == ".jsonl":
        return _jsonl(path, dialect.encoding)
    if suffix == ".parquet":
        return _parquet(path, lists)
    return _delimited(path, dialect, is_tsv=suffix == ".tsv")


def read_lines(path: Path, encoding: str | None = None) -> Table:
    """Opens a text file, also with `.gz`, as a table of one column, "text", with a row a line."""
    if next(iter(TextLines(path, encoding=encoding)), None) is None:
        raise empty(path)

    def walk(wanted, start=BEGINNING):
        lines = TextLines(path, start, encoding)
        for line in lines:
            yield lines.here, (line.rstrip("\r\n"),) * len(wanted)

    return Table(path, ("text",), "line", walk)


def read_frame(frame) -> Table:
    """A DataFrame of pandas or polars as a table."""
    columns, where = tuple(map(str, frame.columns)), "The DataFrame"
    _refuse_duplicates(where, columns)

    def walk(wanted, start=BEGINNING):
        cells = [frame[frame.columns[columns.index(name)]].to_list() for name in wanted]
        for number, row in enumerate(zip(*cells, strict=True), 1):
            yield Place(number), tuple(map(plain, row))

    return Table(where, columns, "row", walk)


def suffix_of(path: Path) -> str:
    """The suffix that says how to read the file, such as ".csv" for "a.CSV.gz", or ""."""
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    known = suffix in (".csv", ".tsv", ".jsonl") or name.endswith(".parquet")
    return suffix if known else ""


def empty(path: Path) -> UserError:
    """The error for a file that holds no rows."""
    return UserError(f"{path} holds no examples: give a file with at least one row of data.")


def _delimited(path, dialect, is_tsv):
    delimiter = dialect.delimiter or ("\t" if is_tsv else _sniff_delimiter(path, dialect.encoding))
    bare = is_tsv and delimiter == "\t"
    sample = list(_beginning(path, delimiter, dialect.encoding, bare))
    if not sample:
        raise empty(path)
    names = tuple(cell.strip() for cell in sample[0])
    header = _has_header(names, sample) if dialect.header is None else dialect.header
    columns = names if header else tuple(map(str, range(len(names))))
    _refuse_duplicates(path, columns)

    def walk(wanted, start=None):
        picked = [columns.index(name) for name in wanted]
        records = _records(path, delimiter, dialect.encoding, bare, start or BEGINNING)
        if header and start is None:
            next(records)
        for place, cells in records:
            if len(cells) != len(columns):
                raise UserError(
                    f"{path}, line {place.number}, has {len(cells)} cells where the first line has "
                    f"{len(columns)}: quote texts that hold {delimiter!r}, or give the delimiter "
                    "(--delimiter) if it is another one."
                )
            yield place, tuple([cells[index] for index in picked])

    return Table(path, columns, "line", walk, () if header else tuple(sample))


def _sniff_delimiter(path, encoding):
    """A comma, unless just one other divides all rows alike."""
    found = []
    for delimiter in ",;\t|":
        with suppress(UserError):
            widths = set(map(len, _beginning(path, delimiter, encoding)))
            if len(widths) == 1 and widths != {1}:
                if delimiter == ",":
                    break
                found.append(delimiter)
    return found[0] if len(found) == 1 else ","


def _beginning(path, delimiter, encoding, bare=False):
    """The cells of the first records: `_SAMPLE` of them, or less where they are long."""
    size = 0
    for _, cells in islice(_records(path, delimiter, encoding, bare), _SAMPLE):
        yield cells
        size += sum(map(len, cells))
        if size > _SAMPLE_CHARACTERS:
            return


def _has_header(names, sample):
    """Whether the first row names the columns: one cell is a usual name, or else none is a number
    or stands again further down in its column, as labels do.
    """
    if any(name.lower() in KNOWN for name in names):
        return True
    again = any(
        name and name == cell.strip()
        for cells in sample[1:]
        for name, cell in zip(names, cells, strict=False)
    )
    return not again and not any(map(_is_number, names))


def _records(path, delimiter, encoding, bare, start=BEGINNING):
    """The cells of each record with the place where it begins; none for blank lines.

    Strict, so that a quote that is never closed is an error and does not swallow the other rows.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    quoting = {"quoting": csv.QUOTE_NONE} if bare else {"strict": True}
    lines = TextLines(path, start, encoding)
    place = start

    def of_record():
        for line in lines:
            if lines.next.offset - place.offset > LONGEST_ROW:
                raise row_too_long(f"{path}, line {place.number}")
            yield line

    reader = csv.reader(of_record(), delimiter=delimiter, **quoting)
    while True:
        place = lines.next
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{path}, line {place.number}, is not valid CSV ({error}): write a text in double "
                "quotes, and each double quote within it twice."
            ) from None
        if len(cells) > _MOST_CELLS:
            raise UserError(
                f"{path}, line {place.number}, has {len(cells):,} cells, and at most "
                f"{_MOST_CELLS:,} are read: leave out the columns that are no texts or labels."
            )
        if len(cells) > 1 or "".join(cells).strip():
            yield place, cells


def _jsonl(path, encoding):
    def objects(start=BEGINNING):
        lines = TextLines(path, start, encoding)
        for line in lines:
            if not line.strip():
                continue
            where = f"{path}, line {lines.here.number},"
            yield lines.here, parse_json(line, where, remedy="write one JSON object a line")

    _, first = next(objects(), (0, None))
    if first is None:
        raise empty(path)

    def walk(wanted, start=BEGINNING):
        for place, row in objects(start):
            yield place, tuple([row.get(name) for name in wanted])

    return Table(path, tuple(first), "line", walk)


def _parquet(path, lists):
    file = ParquetFile(path, lists)
    _refuse_duplicates(path, file.columns)
    return Table(path, file.columns, "row", file.rows)


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
