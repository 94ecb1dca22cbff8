"""A curve of means with their spread over seeds, and a level to compare it with."""

from collections.abc import Sequence

import numpy as np

from kerasformer.plots.figures import new_figure, plot_style, png

_HEIGHT = 3.6  # inches
_BLUE, _GREY = "#0072b2", "#777777"


def curve(
    x: Sequence[float],
    values: Sequence[Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    level: Sequence[float] = (),
    level_label: str = "",
    title: str = "",
) -> bytes:
    """A PNG of the means at each place, with a bar of the standard error, and each value.

    Args:
        x: The places, rising.
        values: The values at each, such as one of each seed.
        x_label, y_label: What the axes are.
        level: The values of what there is no curve of: their mean is a line across.
        level_label: What that is.
        title: Above the plot.

    Example:

    >>> curve([5, 10], [[0.6, 0.62], [0.7, 0.68]], x_label="Minutes", y_label="Accuracy")[1:4]
    b'PNG'
    """
    with plot_style():
        figure = new_figure(_HEIGHT)
        axes = figure.subplots()
        means = [float(np.mean(one)) for one in values]
        errors = [standard_error(one) for one in values]
        axes.errorbar(x, means, errors, color=_BLUE, marker="o", capsize=3)
        for place, one in zip(x, values, strict=True):
            axes.plot([place] * len(one), one, ".", color=_BLUE, alpha=0.4)
        if len(level):
            axes.axhline(float(np.mean(level)), color=_GREY, linestyle="--", label=level_label)
            axes.legend(frameon=False)
        axes.set_xlim(left=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_title(title, loc="left")
        return png(figure)


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean of values; 0 of a single one.

    >>> round(standard_error([0.0, 2.0]), 3)
    1.0
    """
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
