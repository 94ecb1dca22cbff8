"""The metrics of a model, as a person reads them."""

from typing import Any

from kerasformer.cli.text import table

_SHARE = 4  # digits


def scores_table(scores: dict[str, Any]) -> str:
    """The metrics that are numbers, a line each, and those of each class or type as a table.

    >>> print(scores_table({"loss": 0.51234, "accuracy": 0.8, "confusion_matrix": [[1]]}))
    loss      0.5123
    accuracy  0.8000
    """
    numbers = {k: v for k, v in scores.items() if _is_number(v)}
    parts = [table([[name, _text(value)] for name, value in numbers.items()], right={1})]
    for rows in scores.values():
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            names = [name for name, value in rows[0].items() if not isinstance(value, list)]
            lines = [[_text(row.get(name)) for name in names] for row in rows]
            parts.append(table([names, *lines], right=set(range(1, len(names)))))
    return "\n\n".join(parts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.{_SHARE}f}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
