"""Where examples are read from: the tables of a file, a folder or a DataFrame, by their splits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kerasformer.data.columns import Columns
from kerasformer.data.dataset import split_name
from kerasformer.data.forms import Form
from kerasformer.data.split_files import split_files, stem_of
from kerasformer.data.tables import Table, read_frame
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError
from kerasformer.files import sha256_of


class Row(NamedTuple):
    """A row of a table: where it is, for messages, its split, and the cells that were asked for."""

    where: str
    number: int
    split: str
    cells: tuple


class Part(NamedTuple):
    """A table, what it is called in the provenance, and the split of its rows."""

    name: str
    split: str
    table: Table

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """The rows of some columns; a column called "split" names the split of each."""
        table = self.table
        by_row = self.split_column(wanted)
        for number, cells in table.read([*wanted, *([by_row] if by_row else [])]):
            where, split = f"{table.path}, {table.unit} {number}", self.split
            if by_row:
                found = split_name(str(cells[-1]))
                if found is None:
                    raise UserError(
                        f"{where}, has {cells[-1]!r} in the column 'split': write train, "
                        "validation or test, or give the column another name if it means something "
                        "else."
                    )
                split = found
            yield Row(where, number, split, cells[: len(wanted)])

    def split_column(self, wanted: Sequence[str]) -> str | None:
        """The column called "split", unless it is asked for as another one."""
        found = next((name for name in self.table.columns if name.lower() == "split"), None)
        return None if found in wanted else found


@dataclass(frozen=True)
class Source:
    """Tables of examples, and where they are from.

    Attributes:
        name: What to call the data set.
        parts: Its tables.
        provenance: What it is, ready for JSON.
        is_folder: Whether each of its tables has a name of its own.
        is_published: Whether rows without a label are to be expected, as in test splits whose
            labels are secret: they are left out, and counted.
    """

    name: str
    parts: list[Part]
    provenance: dict = field(default_factory=dict)
    is_folder: bool = False
    is_published: bool = False

    def label_columns(
        self, text_column: Columns | None, label_column: Columns | None, pairs: bool
    ) -> tuple[Columns | None, Columns | None]:
        """The columns of texts and labels to read, of those asked for; None is found by name."""
        return text_column, label_column

    def classes(self, label_columns: Sequence[str]) -> tuple[str, ...] | None:
        """The names of the classes in their order, where the source says it."""
        return None

    def columns_read(self, columns: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """The provenance, given which columns of each part were read."""
        read = columns if self.is_folder else next(iter(columns.values()), {})
        return {**self.provenance, "columns": read}


def open_path(path: Path, form: Form, dialect: Dialect) -> Source:
    """Opens a file, or the files of a folder that are named after splits.

    A folder has train, and perhaps validation and test, as `kerasformer.data.split_files` finds
    them.
    """
    is_folder = path.is_dir()
    parts, files = [], []
    for file, split in split_files(path, form) if is_folder else [(path, "train")]:
        name = file.relative_to(path).as_posix() if is_folder else file.name
        parts.append(Part(name, split, form.open(file, dialect)))
        files.append(file_identity(file) | {"name": name})
    name = path.resolve().name if is_folder else stem_of(path)
    return Source(name, parts, {"files": files}, is_folder)


def open_frame(frame: Any) -> Source:
    """Opens a DataFrame of pandas or polars as a file of the same columns."""
    return Source("DataFrame", [Part("DataFrame", "train", read_frame(frame))])


def file_identity(path: Path) -> dict[str, Any]:
    """The name, sha256 and size of a file, for the provenance."""
    return {"name": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
