"""What is embedded: the files, the columns of their texts and ids, and where each row begins."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kerasformer.data.cells import is_missing, join_texts
from kerasformer.data.columns import choose_text, divided, named
from kerasformer.data.input_files import list_files, open_table
from kerasformer.data.tables import Table, suffix_of
from kerasformer.data.text_file import Dialect, Place, reading
from kerasformer.errors import UserError
from kerasformer.files import sha256_of


class Row(NamedTuple):
    """The index of its file, its place there, its id (None without such a column), and its text."""

    file: int
    place: Place
    id: str | None
    text: str


@dataclasses.dataclass(frozen=True)
class InputFile:
    """A file as it was when the job began: its path as given, size, time of change and sha256."""

    path: str
    bytes: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: str | os.PathLike) -> "InputFile":
        """The file as it is now, all of which is read."""
        with reading(Path(path)):
            status = os.stat(path)
            return cls(str(path), status.st_size, status.st_mtime_ns, sha256_of(Path(path)))

    def at(self, path: str | os.PathLike, read: bool = False) -> "InputFile":
        """The same file where it is now.

        What has the same size and time is taken for the same, unless it is to be `read`.
        It is a `UserError` if it has changed, is gone, or would be read as another kind of file.
        """
        try:
            status = os.stat(path)
        except OSError as error:
            raise UserError(
                f"{path} can no longer be read ({error.strerror}): put it back, or give its place."
            ) from None
        size, hint = status.st_size, "embed it into a new folder"
        if size > self.bytes:
            hint = (
                f"if lines were only added, give its first {self.bytes} bytes as a file of their "
                f"own (head -c {self.bytes}), else {hint}"
            )
        if size != self.bytes:
            change = f"it had {self.bytes:,} bytes and has {size:,} now"
        elif (read or status.st_mtime_ns != self.mtime_ns) and self._is_another(path):
            change = "its size is the same, its content is not"
        elif kind_of(path) != kind_of(self.path):
            change, hint = f"it was read as {kind_of(self.path)}", "give it a name that ends so"
        else:
            return dataclasses.replace(self, path=str(path), mtime_ns=status.st_mtime_ns)
        raise UserError(f"{path} has changed since the job was begun ({change}): {hint}.")

    def _is_another(self, path):
        return InputFile.of(path).sha256 != self.sha256


@dataclasses.dataclass(frozen=True)
class CorpusInput:
    """The files of a job, in order, and how they are read: plain data.

    A text is its columns joined by a space; without an `id_column`, ids are the numbers of the
    rows, from 0; the others are as in `kerasformer.data.text_file.Dialect`.
    """

    files: tuple[InputFile, ...]
    text_columns: tuple[str, ...]
    id_column: str | None = None
    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, paths: Sequence, text_column=None, id_column=None, **dialect) -> "CorpusInput":
        """Identifies files, and those of folders, and chooses the columns as `choose_text` does."""
        chosen = choose_columns(paths, text_column, id_column, **dialect)
        return dataclasses.replace(chosen, files=tuple(InputFile.of(f.path) for f in chosen.files))

    def check(self, first: int = 0, last: int | None = None):
        """Makes sure that no file from the first to the last one (by default all) has changed."""
        for file in self.files[first : None if last is None else last + 1]:
            file.at(file.path)

    def open(self, file: InputFile) -> Table:
        """Opens a file as `open_table` does."""
        dialect = Dialect(self.header, self.delimiter, self.encoding)
        return open_table(Path(file.path), dialect)

    def rows(self, file: int = 0, place: Place | None = None) -> Iterator[Row]:
        """The rows from a place in a file on."""
        asked = [*self.text_columns, *([] if self.id_column is None else [self.id_column])]
        for index in range(file, len(self.files)):
            table = self.open(self.files[index])
            wanted = named(asked, table.columns, table.path)
            for at, cells in table.walk(wanted, *filter(None, [place])):
                where = f"{table.path}, {table.unit} {at.number}"
                id = None if self.id_column is None else str(cells[-1])
                if id is not None and not _is_there(cells[-1]):
                    raise UserError(
                        f"{where}, has no id in the column {self.id_column!r}: fill it."
                    )
                texts = cells[: len(self.text_columns)]
                yield Row(index, at, id, join_texts(filter(_is_there, texts), where))
            place = None


def choose_columns(paths: Sequence, text_column=None, id_column=None, **dialect) -> CorpusInput:
    """As `CorpusInput.of`, but only the beginnings of the files are read."""
    read, files = Dialect(**dialect), list_files(paths)
    asked = text_column
    for path in files:
        columns = open_table(path, read).columns
        ids = () if id_column is None else named([id_column], columns, path)
        text = choose_text(columns, asked, *ids, where=path)
        # A number stays one: the column may have another name in the next file.
        asked = text if asked is None else divided(asked, columns)
    known = tuple(InputFile(str(path), 0, 0, "") for path in files)
    text_columns = tuple(map(str, asked or ()))
    return CorpusInput(known, text_columns, id_column, **dataclasses.asdict(read))


def kind_of(path: str | os.PathLike) -> str:
    """How a file is read: the suffix of a table or ".txt", and ".gz" where it is compressed.

    >>> kind_of("a.log"), kind_of("A.CSV.gz")
    ('.txt', '.csv.gz')
    """
    path = Path(path)
    return (suffix_of(path) or ".txt") + ".gz" * (path.suffix.lower() == ".gz")


def _is_there(cell):
    """Whether a cell holds something; the word "nan" is a text like any other."""
    return bool(cell) if isinstance(cell, str) else not is_missing(cell)
