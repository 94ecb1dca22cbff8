"""The rows of a source as labelled texts, or pairs of texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kerasformer.data.cells import is_missing, join_texts, label_in, labels_in, number_in
from kerasformer.data.columns import Columns, choose_columns, choose_pair, named
from kerasformer.data.labeled import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from kerasformer.data.source import Source
from kerasformer.data.tables import Table, empty
from kerasformer.errors import UserError

_WHOLE = re.compile(r"\s*[+-]?\d+\s*")

Label = str | tuple[str, ...] | tuple[float, ...]
# What the secret labels of published test splits are, all of them.
_SECRET: tuple[set[Label], ...] = ({"-1"}, {(-1.0,)})


@dataclass
class RawSplit:
    """The texts or pairs of a split as they were read, and the label of each.

    A label is the name of a class, the names of several, or numbers; `first` is where each name
    was read first.
    """

    texts: list = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, text: str | tuple[str, str], label: Label, where: str):
        """Appends an example."""
        self.texts.append(text)
        self.labels.append(label)
        for name in (label,) if isinstance(label, str) else label:
            self.first.setdefault(str(name), where)


@dataclass
class RawDataset:
    """What was read from some columns; `classes` are in their order where the source has one."""

    name: str
    splits: dict[str, RawSplit]
    label_columns: tuple[str, ...]
    classes: tuple[str, ...] | None
    provenance: dict


@dataclass(frozen=True)
class _Reading:
    """Which columns of a table are read, and how."""

    text: tuple[str, ...]
    labels: tuple[str, ...]
    pairs: bool
    problem_type: str | None

    def text_of(self, cells: Sequence, where: str) -> str | tuple[str, str] | None:
        """The text or pair in the cells of the text columns; None where it is missing."""
        parts = [cell for cell in cells if not is_missing(cell)]
        if not self.pairs:
            return join_texts(parts, where) if parts else None
        if len(parts) < 2:
            return None
        first, second = (join_texts([part], where) for part in parts)
        return first, second

    def label_of(self, cells: Sequence, where: str, lists: bool) -> Label | None:
        """The label in the cells of the label columns, lists or not; None where it is missing."""
        if len(self.labels) > 1 or self.problem_type == REGRESSION:
            if any(map(is_missing, cells)):
                return None
            numbers = zip(cells, self.labels, strict=True)
            return tuple(number_in(cell, column, where) for cell, column in numbers)
        (cell,), column = cells, self.labels[0]
        if self.problem_type == MULTI_LABEL or (lists and isinstance(cell, list)):
            return labels_in(cell, column, where)
        return None if is_missing(cell) else label_in(cell, column, where)


def read_labels(
    source: Source,
    text_column: Columns | None,
    label_column: Columns | None,
    *,
    pairs: bool = False,
    problem_type: str | None = None,
) -> RawDataset:
    """Reads the texts and labels of a source; what kind of labels they are is seen in them.

    Raises:
        UserError: The columns are not known, or a row has no text or no label that can be used.
    """
    splits: dict[str, RawSplit] = {}
    columns: dict[str, dict] = {}
    text_column, label_column = source.label_columns(text_column, label_column, pairs)
    left_out, ignored = 0, []
    for part in source.parts:
        reading = _choose(part.table, text_column, label_column, pairs, problem_type)
        columns[part.name] = _described(part, reading)
        found, without = _read_rows(part, reading, source.is_published)
        if source.is_published:
            found = {n: rows for n, rows in found.items() if set(rows.labels) not in _SECRET}
        if not found:
            ignored.append(part.name)
            continue
        left_out += without
        for name, rows in found.items():
            split = splits.setdefault(name, RawSplit())
            split.texts += rows.texts
            split.labels += rows.labels
            split.first = rows.first | split.first
    if not splits:
        raise UserError(f"{source.name} holds no labelled texts: give another set.")
    provenance = source.columns_read(columns)
    if source.is_published:
        provenance["ignored_splits"] = [*provenance.get("ignored_splits", []), *ignored]
        provenance["rows_left_out"] = left_out
    classes = source.classes(reading.labels)
    return RawDataset(source.name, splits, reading.labels, classes, provenance)


def _described(part, reading):
    """The columns that are read, for the provenance."""
    split_column = part.split_column([*reading.text, *reading.labels])
    label = reading.labels[0] if len(reading.labels) == 1 else list(reading.labels)
    texts = {"pair" if reading.pairs else "text": list(reading.text)}
    return texts | {"label": label} | ({"split": split_column} if split_column else {})


def _choose(table, text_column, label_column, pairs, problem_type):
    """Which columns to read."""
    several = label_column is not None and named(label_column, table.columns, table.path)
    if several and len(several) > 1:
        others = [name for name in table.columns if name not in several]
        if problem_type == SINGLE_LABEL:
            raise UserError(
                f"{len(several)} label columns are given for {SINGLE_LABEL}: give one, or another "
                "problem_type."
            )
        choose = choose_pair if pairs else choose_columns
        text = choose([*others, several[0]], text_column, several[0], table.path)[0]
        return _Reading(text, several, pairs, problem_type)
    if table.sample and text_column is None and label_column is None:
        text, label = _columns_without_header(table)
        if pairs and len(text) != 2:
            raise UserError(
                f"{table.path} has no header, and {len(text)} of its columns may be texts where a "
                "pair was expected: give the columns by number, such as text_column='1,2' "
                "(--text-column 1,2) and label_column=0 (--label-column 0)."
            )
    elif pairs:
        text, label = choose_pair(table.columns, text_column, label_column, table.path)
    else:
        text, label = choose_columns(table.columns, text_column, label_column, table.path)
    return _Reading(text, (label,), pairs, problem_type)


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


def _read_rows(part, reading, is_published):
    """The examples of a table by split, and how many rows had no text or no label."""
    splits: dict[str, RawSplit] = {}
    missing: dict[str, list[int]] = {}
    texts, lists = len(reading.text), None
    for where, number, name, cells in part.rows([*reading.text, *reading.labels]):
        text = reading.text_of(cells[:texts], where)
        if lists is None:
            lists = reading.problem_type is None and isinstance(cells[texts], list)
        label = None if text is None else reading.label_of(cells[texts:], where, lists)
        if text is None:
            missing.setdefault("text", []).append(number)
        elif label is None:
            missing.setdefault("label", []).append(number)
        else:
            splits.setdefault(name, RawSplit()).add(text, label, where)
    if is_published:
        return splits, sum(map(len, missing.values()))
    for what, numbers in missing.items():
        rows, them = ("rows", "them") if len(numbers) > 1 else ("row", "it")
        raise UserError(
            f"{part.table.path} has {len(numbers)} {rows} without a {what}, the first in "
            f"{part.table.unit} {numbers[0]}: fill or remove {them}."
        )
    if not splits:
        raise empty(part.table.path)
    return splits, 0
