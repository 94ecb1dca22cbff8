"""The cells of a row as a text and the name of its class."""

import math
import re
from collections.abc import Iterable

from kerasformer.errors import UserError
from kerasformer.text.texts import LONGEST_TEXT, too_long

_LARGEST = 3e38  # of float32, in which labels that are numbers are kept


def join_texts(cells: Iterable, where: str) -> str:
    """The cells of a text as one, with a space between; `where` is the file and row, for the error.

    A text of more than `LONGEST_TEXT` bytes is an error, too.

    >>> join_texts(["A title", "and what it heads."], "news.csv, line 2")
    'A title and what it heads.'
    """
    cells = tuple(cells)
    for cell in cells:
        if not isinstance(cell, str):
            raise UserError(
                f"{where}, has a value of type {type(cell).__name__} as text: name a column that "
                "holds strings."
            )
    text = " ".join(cells)
    if 4 * len(text) > LONGEST_TEXT and len(text.encode(errors="replace")) > LONGEST_TEXT:
        raise too_long(where)
    return text


def is_missing(cell) -> bool:
    """Whether a cell holds nothing: None, NaN (also spelt out), an empty or blank string."""
    if isinstance(cell, str):
        stripped = cell.strip()
        return not stripped or stripped.lower() == "nan"
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or type(cell).__name__ == "NAType"  # of pandas


def label_in(cell, column: str, where: str) -> str:
    """The name of the class in a cell, not a missing one: the same for 1, 1.0, "1" and "1.0".

    >>> [label_in(cell, "label", "a.csv, line 2") for cell in (1, 1.0, " 1.0", "spam ", True)]
    ['1', '1', '1', 'spam', 'True']
    """
    if isinstance(cell, str):
        cell = cell.strip()
        return re.sub(r"^([+-]?\d+)\.0+$", r"\1", cell) if "." in cell else cell
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if not isinstance(cell, bool | int | float):
        raise UserError(
            f"{where}, has a {type(cell).__name__} as label in column {column!r}: labels are "
            "strings, numbers or bools."
        )
    return str(cell)


def labels_in(cell, column: str, where: str) -> tuple[str, ...]:
    """The names of the classes in a cell: of a list, or separated by commas, semicolons or bars.

    >>> labels_in("toxic | insult", "label", "a.csv, line 2"), labels_in([3, 1], "label", "")
    (('toxic', 'insult'), ('3', '1'))
    """
    if is_missing(cell):
        return ()
    if isinstance(cell, str):
        cell = [name for name in re.split("[,;|]", cell) if not is_missing(name)]
    for name in (cells := cell if isinstance(cell, list) else [cell]):
        if is_missing(name):
            raise UserError(
                f"{where}, has an empty label among those in column {column!r}: leave it out."
            )
    return tuple(dict.fromkeys(label_in(name, column, where) for name in cells))


def number_in(cell, column: str, where: str) -> float:
    """The number in a cell, not a missing one.

    >>> number_in("3.5", "score", "a.csv, line 2"), number_in(True, "toxic", "a.csv, line 2")
    (3.5, 1.0)
    """
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST:
        shown = repr(cell) if isinstance(cell, str) else f"a {type(cell).__name__}"
        raise UserError(
            f"{where}, has {shown} in column {column!r}, where a number was expected: correct it, "
            "or give another problem_type if these are classes."
        )
    return number


def plain(cell):
    """A cell of a DataFrame without arrays: lists in their place, in the values of a dict too."""
    if isinstance(cell, dict):
        return {key: plain(value) for key, value in cell.items()}
    if getattr(cell, "ndim", 0) and hasattr(cell, "tolist"):
        return [plain(value) for value in cell.tolist()]
    return cell


def class_order(labels: Iterable[str]) -> list[str]:
    """The classes in their usual order: by value if all are numbers, otherwise by name.

    >>> class_order({"10", "9", "-1"}), class_order({"b", "a", "1"})
    (['-1', '9', '10'], ['1', 'a', 'b'])
    """
    labels = list(labels)
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)
