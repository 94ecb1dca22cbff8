"""Which classes are confused: a plot of each arm's matrix, and the most frequent confusions."""

import math
from collections import Counter

import numpy as np

from kerasformer.compare.report.plots import arm_label
from kerasformer.compare.report.summary import ArmSummary
from kerasformer.errors import require
from kerasformer.plots.figures import WIDTH, new_figure, note_figure
from kerasformer.plots.heatmap import draw_cells
from kerasformer.plots.labels import drawable

_MOST_WITH_NUMBERS = 8  # classes; in more cells, numbers are too small to read
MOST_WITH_NAMES = 25  # classes; with more, every nth number stands on the axes


def confusion_matrices(arms: list[ArmSummary], class_names: list[str]):
    """Confusion matrices of the arms that learn, counts summed over seeds.

    Colours are shares of the true class; few classes have numbers in the cells, and names.
    """
    arms = [arm for arm in arms if arm.row.learns]
    if not arms:
        return note_figure("No arm that trains has finished.")
    columns = min(max(2, len(arms)), 4 if len(class_names) <= 3 else 2)
    rows = math.ceil(len(arms) / columns)
    figure = new_figure(height=1.0 + rows * (WIDTH / columns + 0.1), layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False)
    used, empty = list(grid.flat)[: len(arms)], list(grid.flat)[len(arms) :]
    for axes, arm in zip(used, arms, strict=True):
        counts = np.zeros((len(class_names), len(class_names)), int)
        for cell, count in arm.confusion.items():
            counts[cell] = count
        image = _draw_matrix(axes, counts)
        axes.set_title(arm_label(arm, line_width=64 // columns))
        leftmost, lowest = axes in grid[:, 0], axes in used[-columns:]
        _label_axes(axes, class_names, leftmost, lowest)
    for axes in empty:
        axes.remove()
    if len(class_names) > _MOST_WITH_NUMBERS:
        bar = figure.colorbar(image, ax=used, location="bottom", shrink=0.5, aspect=40)
        bar.set_label("Share of the true class, % (square-root scale)")
        bar.outline.set_visible(False)
    return figure


def most_confused(arm: ArmSummary, limit: int) -> list[tuple[int, int, int, float]]:
    """What an arm confuses most: true and predicted class, count, share of the true class."""
    examples: Counter[int] = Counter()
    for (true, _), count in arm.confusion.items():
        examples[true] += count
    pairs = [
        (true, predicted, count, count / examples[true])
        for (true, predicted), count in arm.confusion.items()
        if predicted != true
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))[:limit]


def _draw_matrix(axes, counts):
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)

    def write(row, column):
        return f"{shares[row, column]:.0f} %\n{counts[row, column]:,}"

    # Among many classes each confusion is rare: the square root makes it visible.
    many = len(counts) > _MOST_WITH_NUMBERS
    norm = require("matplotlib.colors", extra="compare").PowerNorm(0.5 if many else 1, 0, 100)
    size = 9 if len(counts) <= 5 else 7.5
    image = draw_cells(axes, shares, norm, None if many else write, size, colors="Blues")
    axes.set_aspect("equal")
    return image


def _label_axes(axes, names, leftmost, lowest):
    """Names the classes at the left and the lower edge of the grid of panels."""
    if leftmost:
        axes.set_ylabel("True class")
    if lowest:
        axes.set_xlabel("Predicted class")
    if len(names) > MOST_WITH_NAMES:
        return  # matplotlib's own ticks count the classes
    labels = [drawable(name, fallback=f"#{number}", limit=14) for number, name in enumerate(names)]
    size = 9 if len(names) <= 12 else 6.5
    flat = max(map(len, labels)) * len(labels) <= 24
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ticks, none = range(len(names)), [""] * len(names)
    axes.set_xticks(ticks, labels if lowest else none, fontsize=size, **({} if flat else slanted))
    axes.set_yticks(ticks, labels if leftmost else none, fontsize=size)
