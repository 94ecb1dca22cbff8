"""Labelled texts out of a file, or out of a folder with a file for each split."""

import re
from pathlib import Path

from kerasformer.data.cells import is_missing, join_texts, label_in
from kerasformer.data.columns import Columns, choose_columns
from kerasformer.data.dataset import split_name
from kerasformer.data.raw import RawDataset, RawSplit
from kerasformer.data.split_files import split_files, stem_of
from kerasformer.data.tables import Table, empty, read_frame, read_table
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError
from kerasformer.files import sha256_of

_WHOLE = re.compile(r"\s*[+-]?\d+\s*")


def read_path(
    path: Path, text_column: Columns | None, label_column: str | int | None, dialect: Dialect
) -> RawDataset:
    """Reads a file, or the files of a folder that are named after splits.

    A file's rows may name their split in a column called "split". A folder has train, and perhaps
    validation and test, as `kerasformer.data.split_files` finds them.
    """
    folder = path.is_dir()
    splits: dict[str, RawSplit] = {}
    files, columns = [], {}
    for file, split in split_files(path) if folder else [(path, "train")]:
        table = read_table(file, dialect)
        name = file.relative_to(path).as_posix() if folder else file.name
        found, columns[name] = _read(table, split, text_column, label_column)
        files.append(file_identity(file) | {"name": name})
        for name, rows in found.items():
            splits.setdefault(name, RawSplit()).texts.extend(rows.texts)
            splits[name].labels.extend(rows.labels)
    provenance = {"files": files, "columns": columns if folder else columns[path.name]}
    return RawDataset(path.resolve().name if folder else stem_of(path), splits, None, provenance)


def read_labelled_frame(
    frame, text_column: Columns | None, label_column: str | int | None
) -> RawDataset:
    """Reads a DataFrame of pandas or polars as a file of the same columns."""
    splits, columns = _read(read_frame(frame), "train", text_column, label_column)
    return RawDataset("DataFrame", splits, None, {"columns": columns})


def _read(table, split, text_column, label_column):
    """The rows of a table by split, and the columns that are read."""
    if table.sample and text_column is None and label_column is None:
        text, label = _columns_without_header(table)
    else:
        text, label = choose_columns(table.columns, text_column, label_column, table.path)
    by_row = next((name for name in table.columns if name.lower() == "split"), None)
    if by_row in (*text, label):
        by_row = None
    splits = _read_rows(table, text, label, by_row, split)
    columns = {"text": list(text), "label": label} | ({"split": by_row} if by_row else {})
    return splits, columns


def _columns_without_header(table: Table):
    """The one column of whole numbers, or else of repeated values, is the label; the rest is text.

    As in the files of Zhang et al. (2015), https://arxiv.org/abs/1509.01626: AG News, DBpedia,
    Yelp, Amazon and Yahoo reviews.
    """
    cells = dict(zip(table.columns, zip(*table.sample, strict=False), strict=False))
    numbers = [name for name, column in cells.items() if re.fullmatch(_WHOLE, column[0])]
    repeated = [name for name, column in cells.items() if 2 * len(set(column)) <= len(column)]
    labels = numbers or repeated
    if len(labels) != 1 or len(table.columns) < 2:
        raise UserError(
            f"{table.path} has no header, and {len(labels)} of its {len(table.columns)} columns "
            "look like a label where one was expected: give the columns by number, such as "
            "text_column=1 (--text-column 1) and label_column=0 (--label-column 0)."
        )
    return tuple(name for name in table.columns if name != labels[0]), labels[0]


def _read_rows(table, text_columns, label_column, split_column, split):
    splits: dict[str, RawSplit] = {}
    missing: dict[str, list[int]] = {}
    wanted = [*text_columns, label_column] + ([split_column] if split_column else [])
    texts = len(text_columns)
    for number, cells in table.read(wanted):
        where = f"{table.path}, {table.unit} {number}"
        parts = [cell for cell in cells[:texts] if not is_missing(cell)]
        label = cells[texts]
        if not parts:
            missing.setdefault("text", []).append(number)
        elif is_missing(label):
            missing.setdefault("label", []).append(number)
        else:
            name = split_name(str(cells[-1])) if split_column else split
            if name is None:
                raise UserError(
                    f"{where}, has {cells[-1]!r} in the column 'split': write train, validation or "
                    "test, or give the column another name if it means something else."
                )
            rows = splits.setdefault(name, RawSplit())
            rows.texts.append(join_texts(parts, where))
            rows.labels.append(label_in(label, label_column, where))
    for what, numbers in missing.items():
        rows, them = ("rows", "them") if len(numbers) > 1 else ("row", "it")
        raise UserError(
            f"{table.path} has {len(numbers)} {rows} without a {what}, the first in {table.unit} "
            f"{numbers[0]}: fill or remove {them}."
        )
    if not splits:
        raise empty(table.path)
    return splits


def file_identity(path: Path) -> dict:
    """The name, sha256 and size of a file, for the provenance."""
    return {"name": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
