"""Which files hold the examples of a task, and how each is opened as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasformer.data.tables import ACCEPTED, Table, read_table, suffix_of
from kerasformer.data.text_file import Dialect


@dataclass(frozen=True)
class Form:
    """The files of a task.

    Attributes:
        accepted: What they are called in messages.
        suffix_of: The suffix that says how to read a file of a folder, or "".
        open: Opens any file as a table.
    """

    accepted: str
    suffix_of: Callable[[Path], str]
    open: Callable[[Path, Dialect], Table]


def read_rows(path: Path, dialect: Dialect) -> Table:
    """`read_table`, whose cells may be lists."""
    return read_table(path, dialect, lists=True)


TABLES = Form(ACCEPTED, suffix_of, read_rows)


def _with_txt(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return suffix_of(path) or (".tsv" if name.endswith(".txt") else "")


# MRPC's own files are called .txt, and are TSV without quoting.
PAIRS = Form(
    ACCEPTED.replace(".tsv, ", ".tsv, .txt, "),
    _with_txt,
    lambda path, dialect: read_table(path, dialect, _with_txt(path), lists=True),
)
