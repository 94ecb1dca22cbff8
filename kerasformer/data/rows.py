"""From the cells of a row to a text and the name of its class."""

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kerasformer.errors import UserError

# In the order of preference; the texts of several columns are joined by a space.
TEXT_COLUMNS = (
    ("text",),
    ("sentence",),
    ("review",),
    ("title", "description"),
    ("title", "content"),
    ("content",),
    ("document",),
    ("comment",),
    ("message",),
    ("tweet",),
    ("body",),
)
LABEL_COLUMNS = ("label", "labels", "class", "category", "sentiment", "target", "topic", "intent")
KNOWN = frozenset(name for names in TEXT_COLUMNS for name in names) | frozenset(LABEL_COLUMNS)

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def split_name(name: str) -> str | None:
    """The split that a file's, a data set's or a cell's name stands for, if any.

    Example:

    >>> split_name("Dev"), split_name("extra")
    ('validation', None)
    """
    return _SPLIT_NAMES.get(name.strip().lower())


@dataclass
class Rows:
    """The texts of a split as they were read, and the name of each one's class."""

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def extend(self, other: "Rows"):
        """Adds the rows of another."""
        self.texts += other.texts
        self.labels += other.labels


@dataclass
class Source:
    """What a reader found: rows by split, what they are called, where they came from.

    Attributes:
        name: What to call the data set.
        splits: The rows of "train" and, where the source has them, "validation" and "test".
        classes: The labels in their order, where the source says so.
        provenance: What the reader can tell of it, ready for JSON.
    """

    name: str
    splits: dict[str, Rows]
    classes: tuple[str, ...] | None
    provenance: dict


def choose_columns(
    columns: Sequence[str],
    text_column: str | Sequence[str] | None,
    label_column: str | None,
    where: object,
) -> tuple[tuple[str, ...], str]:
    """The columns of the text and of the label: those asked for, or the usual names.

    Args:
        columns: The names that there are.
        text_column: A name, several as a sequence or with commas between, or None.
        label_column: A name or None.
        where: What has the columns, for the errors.

    Raises:
        UserError: A column asked for is not there, none has a usual name, or the label is a part
            of the text.

    Example:

    >>> choose_columns(["Label", "Title", "Description", "Url"], None, None, "news.csv")
    (('Title', 'Description'), 'Label')
    >>> choose_columns(["a", "b", "c"], "a, b", "c", "news.csv")
    (('a', 'b'), 'c')
    """
    label = _asked([label_column], columns, where)[0] if label_column else None
    text = _asked(_names(text_column, columns), columns, where) if text_column else None
    if text is None:
        text = usual_text([name for name in columns if name != label])
    if label is None:
        spelling = {name.lower(): name for name in reversed(columns)}
        usual = (spelling[name] for name in LABEL_COLUMNS if name in spelling)
        label = next((name for name in usual if name not in (text or ())), None)
    if text is None:
        raise _unknown("text", columns, where)
    if label is None:
        raise _unknown("label", columns, where)
    if label in text:
        raise UserError(f"Column {label!r} of {where} cannot be both text and label: name two.")
    return text, label


def choose_text(
    columns: Sequence[str],
    text_column: str | Sequence[str] | None,
    id_column: str | None,
    where: object,
) -> tuple[str, ...]:
    """The columns of the text, where there is no label: those asked for, the usual, the only one.

    Args:
        columns: The names that there are.
        text_column: As in `choose_columns`.
        id_column: The name of the column that identifies a row, or None.
        where: What has the columns, for the errors.

    Raises:
        UserError: A column asked for is not there, or none is known to hold the text.

    Example:

    >>> choose_text(["key", "verse"], None, "key", "poems.jsonl")
    ('verse',)
    """
    if id_column is not None:
        _asked([id_column], columns, where)
    if text_column:
        return _asked(_names(text_column, columns), columns, where)
    others = [name for name in columns if name != id_column]
    text = tuple(others) if len(others) == 1 else usual_text(others)
    if text is None:
        raise _unknown("text", columns, where)
    return text


def _unknown(what, columns, where):
    return UserError(
        f"No column of {where} is known to hold the {what}: name one of {_listed(columns)} with "
        f"{what}_column (--{what}-column)."
    )


def usual_text(columns: Sequence[str]) -> tuple[str, ...] | None:
    """The columns that hold the text by their names, in any case of letters."""
    spelling = {name.lower(): name for name in reversed(columns)}
    for names in TEXT_COLUMNS:
        if all(name in spelling for name in names):
            return tuple(spelling[name] for name in names)
    return None


def _names(asked, columns):
    if isinstance(asked, str):
        return [asked] if asked in columns else [name.strip() for name in asked.split(",")]
    return list(asked)


def _asked(names, columns, where):
    for name in names:
        if name not in columns:
            near = difflib.get_close_matches(str(name), columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise UserError(f"{where} has no column {name!r}, only {_listed(columns)}{hint}")
    return tuple(names)


def _listed(columns):
    shown = ", ".join(repr(name) for name in columns[:20])
    return shown + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")


def join_texts(cells: Iterable, where: str) -> str:
    """The cells of a text as one, with a space between.

    Args:
        cells: The cells.
        where: The file and row, for the error.

    Raises:
        UserError: A cell is no str.

    Example:

    >>> join_texts(["A title", "and what it heads."], "news.csv, line 2")
    'A title and what it heads.'
    """
    cells = tuple(cells)
    try:
        return " ".join(cells)
    except TypeError:
        wrong = next(cell for cell in cells if not isinstance(cell, str))
        raise UserError(
            f"{where}, has a {type(wrong).__name__} as text: name a column that holds strings."
        ) from None


def is_missing(cell) -> bool:
    """Whether a cell holds nothing: None, NaN (also spelt out), an empty or blank string."""
    if isinstance(cell, str):
        stripped = cell.strip()
        return not stripped or stripped.lower() == "nan"
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def label_name(cell) -> str:
    """The name of the class in a cell, the same for 1, 1.0, "1" and "1.0".

    Raises:
        TypeError: The cell is no string, number or bool.

    Example:

    >>> [label_name(cell) for cell in (1, 1.0, " 1.0", "spam ", True)]
    ['1', '1', '1', 'spam', 'True']
    """
    if isinstance(cell, str):
        cell = cell.strip()
        return re.sub(r"^([+-]?\d+)\.0+$", r"\1", cell) if "." in cell else cell
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, bool | int | float):
        return str(cell)
    raise TypeError(f"a {type(cell).__name__}")


def label_in(cell, column, where) -> str:
    """The name of the class in a cell of a file.

    Args:
        cell: The cell, not a missing one.
        column: The name of its column, for the error.
        where: Its file and place there, for the error.

    Raises:
        UserError: The cell is no string, number or bool.
    """
    try:
        return label_name(cell)
    except TypeError as error:
        raise UserError(
            f"{where}, has {error} as label in column {column!r}: labels are strings, numbers or "
            "bools."
        ) from None


def class_order(labels: Iterable[str]) -> list[str]:
    """The classes in their usual order: by value if all are numbers, otherwise by name.

    Example:

    >>> class_order({"10", "9", "-1"}), class_order({"b", "a", "1"})
    (['-1', '9', '10'], ['1', 'a', 'b'])
    """
    labels = list(labels)
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)
