"""Labelled texts out of a file, or out of a folder with a file for each split."""

import hashlib
import re
from pathlib import Path

from kerasformer.data.rows import (
    KNOWN,
    Rows,
    Source,
    choose_columns,
    is_missing,
    join_texts,
    label_in,
    split_name,
)
from kerasformer.data.tables import ACCEPTED, Table, empty, read_table, suffix_of
from kerasformer.errors import UserError

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")  # as in train-00000-of-00002.parquet


def read_path(path: Path, text_column, label_column, header) -> Source:
    """Reads a file, or the files of a folder that are named after splits.

    Args:
        path: A file, whose rows may name their split in a column called "split"; or a folder with
            train, and perhaps validation and test, each a file or several numbered ones.
        text_column: As in `choose_columns`.
        label_column: As in `choose_columns`.
        header: As in `read_table`.

    Returns:
        A `Source`.

    Raises:
        UserError: There is nothing to read, or something in it that is no labelled text.
    """
    if not path.is_dir():
        splits, provenance = _read_file(path, "train", text_column, label_column, header)
        return Source(_stem(path), splits, None, provenance)
    splits, files, columns = {}, [], {}
    for file, split in _split_files(path):
        found, provenance = _read_file(file, split, text_column, label_column, header)
        files += provenance["files"]
        columns[file.name] = provenance["columns"]
        for name, rows in found.items():
            splits.setdefault(name, Rows()).extend(rows)
    return Source(path.resolve().name, splits, None, {"files": files, "columns": columns})


def _split_files(folder):
    """The data files of a folder with their splits, in order."""
    found = {}
    for file in sorted(folder.iterdir()):
        split = split_name(_SHARD.sub("", _stem(file)))
        if split and suffix_of(file) and file.is_file():
            found.setdefault(split, []).append(file)
    for split, files in found.items():
        if len(files) > 1 and not all(_SHARD.search(_stem(file)) for file in files):
            names = " and ".join(file.name for file in files)
            raise UserError(f"{folder} has more than one {split} file, {names}: keep one of them.")
    if "train" not in found:
        raise UserError(
            f"{folder} has no training data: give a file, or a folder with a file named train and "
            f"perhaps validation and test, each {ACCEPTED}."
        )
    return [(file, split) for split, files in found.items() for file in files]


def _stem(path):
    """The name without its suffixes."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _read_file(path, split, text_column, label_column, header):
    """The rows of one file by split, and what to state of it."""
    table = read_table(path, header, KNOWN)
    if table.first is not None and text_column is None and label_column is None:
        text, label = _columns_without_header(table)
    else:
        text, label = choose_columns(table.columns, text_column, label_column, path)
    by_row = next((name for name in table.columns if name.lower() == "split"), None)
    if by_row in (*text, label):
        by_row = None
    splits = _read_rows(table, text, label, by_row, split)
    columns = {"text": list(text), "label": label} | ({"split": by_row} if by_row else {})
    return splits, {"files": [file_identity(path)], "columns": columns}


def _columns_without_header(table: Table):
    """The one column of whole numbers is the label, all others are the text.

    As in the files of Zhang et al. (2015), https://arxiv.org/abs/1509.01626: AG News, DBpedia,
    Yelp, Amazon and Yahoo reviews.
    """
    numbers = [
        name
        for name, cell in zip(table.columns, table.first, strict=True)
        if re.fullmatch(r"\s*[+-]?\d+\s*", cell)
    ]
    if len(numbers) != 1 or len(table.columns) < 2:
        raise UserError(
            f"{table.path} has no header, and its first line has {len(numbers)} whole numbers "
            "where one, the label, was expected: name the columns by their place, such as "
            "text_column='1' (--text-column) and label_column='0' (--label-column)."
        )
    return tuple(name for name in table.columns if name != numbers[0]), numbers[0]


def _read_rows(table, text_columns, label_column, split_column, split):
    splits: dict[str, Rows] = {}
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
            rows = splits.setdefault(_split_of(cells[-1], where) if split_column else split, Rows())
            rows.texts.append(join_texts(parts, where))
            rows.labels.append(label_in(label, label_column, where))
    for what, numbers in missing.items():
        raise UserError(
            f"{table.path} has {len(numbers)} row{'s' * (len(numbers) > 1)} without a {what}, the "
            f"first in {table.unit} {numbers[0]}: fill or remove {'them' * (len(numbers) > 1)}"
            f"{'it' * (len(numbers) == 1)}."
        )
    if not splits:
        raise empty(table.path)
    return splits


def _split_of(cell, where):
    split = split_name(cell) if isinstance(cell, str) else None
    if split is None:
        raise UserError(
            f"{where}, has {cell!r} in the column 'split': write train, validation or test, or "
            "give the column another name if it means something else."
        )
    return split


def file_identity(path: Path) -> dict:
    """The name, sha256 and size of a file, for the provenance."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "sha256": digest, "bytes": path.stat().st_size}
