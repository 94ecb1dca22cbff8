"""Tables out of files: CSV, TSV, JSONL and Parquet, row by row, with errors that name the row."""

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kerasformer.errors import UserError, require

# Longest cell, in characters; the csv module's own limit of 131,072 is less than some documents.
_LONGEST_CELL = 2**31 - 1
ACCEPTED = ".csv, .tsv, .jsonl (each also with .gz) or .parquet"


@dataclass(frozen=True)
class Table:
    """A file of rows with named columns.

    Attributes:
        path: The file.
        columns: The names, in the file's order; "0", "1", ... for a file without a header.
        unit: What a row's number counts, "line" or "row", from 1.
        read: Called with names of columns, gives the rows: number, cells in the order asked for.
        first: The cells of the first row, where the file has no header.
    """

    path: Path
    columns: tuple[str, ...]
    unit: str
    read: Callable[[Sequence[str]], Iterator[tuple[int, tuple]]]
    first: tuple[str, ...] | None = None


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

    def read(wanted):
        picked = [columns.index(name) for name in wanted]
        records = _records(path, tabs)
        if header:
            next(records)
        for number, cells in records:
            if len(cells) != len(columns):
                raise UserError(
                    f"{path}, line {number}, has {len(cells)} cells where the first line has "
                    f"{len(columns)}: {'remove' if tabs else 'quote'} the separators within a text."
                )
            yield number, tuple([cells[index] for index in picked])

    return Table(path, columns, "line", read, None if header else tuple(first))


def _records(path, tabs):
    """The cells of each record with the number of the line where it begins; none for blank lines.

    Strict, so that a quote that is never closed is an error and does not swallow the other rows.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    style = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {"strict": True}
    reader = csv.reader(_lines(path), **style)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{path}, line {number}, is no valid CSV ({error}): write a text in double quotes, "
                "and each double quote within it twice."
            ) from None
        if len(cells) > 1 or "".join(cells).strip():
            yield number, cells


def _jsonl(path):
    def objects():
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if "\\u" in line:  # half of a surrogate pair is valid JSON, but no text
                    json.dumps(row, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}, line {number}, is no valid JSON ({error}): write one object a line."
                ) from None
            if not isinstance(row, dict):
                raise UserError(
                    f"{path}, line {number}, holds a {type(row).__name__}: write one JSON object a "
                    'line, such as {"text": "...", "label": "..."}.'
                )
            yield number, row

    _, first = next(objects(), (0, None))
    if first is None:
        raise empty(path)

    def read(wanted):
        for number, row in objects():
            yield number, tuple([row.get(name) for name in wanted])

    return Table(path, tuple(first), "line", read)


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

    with _reading(path), readable(), parquet.ParquetFile(path) as file:
        columns = tuple(file.schema_arrow.names)
    _refuse_duplicates(path, columns)

    def read(wanted):
        number = 0
        with _reading(path), readable(), parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=list(dict.fromkeys(wanted))):
                cells = [batch.column(name).to_pylist() for name in wanted]
                for row in zip(*cells, strict=True):
                    number += 1
                    yield number, row

    return Table(path, columns, "row", read)


def _lines(path) -> Iterator[str]:
    """The lines of a text file with their ends as they are."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with _reading(path), opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        for number, line in enumerate(file, 1):
            if "\0" in line:
                raise UserError(
                    f"{path}, line {number}, holds a NUL byte: save the file as UTF-8 text."
                )
            yield line


@contextmanager
def _reading(path):
    """Turns what goes wrong while a file is read into one sentence."""
    try:
        yield
    except UnicodeDecodeError:
        line, byte = _first_undecodable(path)
        raise UserError(
            f"{path} is not UTF-8 text: byte 0x{byte:02x} in line {line}; save the file as UTF-8."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is no whole gzip file ({error}): fetch or compress it again."
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}): check its permissions."
        ) from None


def _first_undecodable(path) -> tuple[int, int]:
    """The number of the first line that is not UTF-8, and its first wrong byte."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    raise AssertionError("decodable after all: the file has changed while it was read")


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
