"""The files of texts without labels, which a person names, and how each is read."""

import os
from collections.abc import Sequence
from pathlib import Path

from kerasformer.data.tables import DETECTED, Table, read_lines, read_table, suffix_of
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError
from kerasformer.files import expanded

ACCEPTED = ".txt, .csv, .tsv, .jsonl (each also with .gz) or .parquet"
# JSON in other layouts: read as text, its lines would become vectors of punctuation.
_REFUSED = (".json", ".ndjson", ".ipynb")


def list_files(paths: Sequence[str]) -> list[Path]:
    """The files of paths; of a folder, those directly in it that have a known suffix."""
    files = []
    if "" in map(os.fspath, paths):
        raise UserError("The path of a text is empty: give a file or a folder.")
    for path in map(Path, paths):
        if path == Path("-"):
            raise UserError("Standard input cannot be read here: save it to a file, and give that.")
        path = expanded(path)
        if not path.exists():
            raise UserError(f"There is no file or folder '{path}': check the path.")
        if path.is_dir():
            found = [file for file in sorted(path.iterdir()) if _is_data(file)]
            if not found:
                raise UserError(f"{path} holds no file that can be read: give {ACCEPTED}.")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise UserError(f"{path} is not a regular file: save its output to one, and give that.")
    return files


def open_table(path: Path, dialect: Dialect = DETECTED) -> Table:
    """Opens a file: a table by its suffix, any other one as text with a row for each line.

    What of the dialect does not apply to its kind is ignored, as a folder may hold several kinds.
    """
    suffix = suffix_of(path)
    if suffix == ".jsonl":
        dialect = Dialect(encoding=dialect.encoding)
    if suffix:
        return read_table(path, DETECTED if suffix == ".parquet" else dialect)
    refuse_json(path)
    return read_lines(path, dialect.encoding)


def refuse_json(path: Path):
    """Refuses JSON in other layouts than JSONL, which is no text either."""
    if path.suffix.lower() in _REFUSED:
        raise UserError(f"{path} is not JSONL: write one object a line into a .jsonl file.")


def _is_data(path):
    name = path.name.lower().removesuffix(".gz")
    known = bool(suffix_of(path)) or name.endswith(".txt")
    return known and path.is_file() and not name.startswith(".")
