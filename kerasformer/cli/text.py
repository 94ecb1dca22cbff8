"""Tables and foreign text for a terminal."""

import unicodedata
from collections.abc import Set

from rich.cells import cell_len

from kerasformer.formatting import readable

_LEFT_TO_RIGHT = "\u200e"


def show(text: str):
    r"""Prints lines to stdout, with escapes for what could steer a terminal.

    >>> show("a\x1b[31m\nb")
    a\x1b[31m
    b
    """
    for line in text.split("\n"):
        print(_LEFT_TO_RIGHT.join(map(readable, line.split(_LEFT_TO_RIGHT))))


def table(rows: list[list], right: Set[int] = frozenset(), indent: str = "") -> str:
    """Rows as lines with aligned columns, those of `right` to the right; whole numbers get commas.

    A cell with letters of a right-to-left script ends in a mark that keeps a terminal from moving
    the cells behind it.

    >>> print(table([["a", 1], ["bc", 1000]], right={1}))
    a       1
    bc  1,000
    """
    rows = [[f"{c:,}" if isinstance(c, int) else readable(str(c)) for c in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for index, (cell, size) in enumerate(zip(row, widths, strict=True)):
            space = " " * (size - cell_len(cell))
            if any(unicodedata.bidirectional(character) in ("R", "AL") for character in cell):
                cell += _LEFT_TO_RIGHT
            cells.append(space + cell if index in right else cell + space)
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)
