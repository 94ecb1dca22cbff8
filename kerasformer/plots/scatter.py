"""Texts as points in the plane, a colour and a marker for each label."""

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasformer.errors import require
from kerasformer.plots.figures import new_figure
from kerasformer.plots.labels import drawable

# Okabe and Ito without their yellow, which is hard to see on white. Seven colours and eight
# markers, counted up together: labels beside each other in the legend differ in both.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "os^DvXP*"
REST_MARKER = "."  # of the points that share grey
_REST_COLORS = ("#707070", "#bbbbbb")
_MOST_LABELS = 16  # with colours of their own; people cannot tell more of them apart
_TURNS = 10  # labels take turns in being drawn, so that none covers all others
_LEGEND_LINE = 110  # characters
_LEGEND_ROW = 0.2  # inches


@dataclass(frozen=True, eq=False)
class Scatter:
    """What there is to plot."""

    points: np.ndarray  # float [n, 2]
    texts: Sequence[str]
    labels: Sequence[str | None] | None
    axes: tuple[str, str]
    title: str
    notes: tuple[str, ...] = ()  # sentences beneath the plot


@dataclass(frozen=True, eq=False)
class Group:
    """The points that share a colour and a marker."""

    number: int  # from 1, in the order of the legend
    name: str
    drawn: str  # the name shortened for matplotlib; "" if it cannot draw it
    indices: np.ndarray  # int [m], the points
    color: str
    marker: str  # matplotlib's


def groups(labels: Sequence[str | None] | None, points: int) -> list[Group]:
    """The points by their labels, in the order of the labels' names or numbers.

    Of more than 16 labels the 15 with the most points have groups of their own, and all others
    share one. Points without a label are the last group.

    >>> for group in groups(["10", "9", None, "9"], 4):
    ...     print(group.name, group.indices, group.color, group.marker)
    9 [1 3] #0072B2 o
    10 [0] #D55E00 s
    (no label) [2] #bbbbbb .
    """
    if labels is None:
        return [Group(1, "texts", "texts", np.arange(points), _COLORS[0], _MARKERS[0])]
    counts = Counter(label for label in labels if label is not None)
    shown = _shown(counts)
    number = {label: index for index, label in enumerate(shown)}
    others, none = len(shown), len(shown) + 1
    of_point = np.array([none if label is None else number.get(label, others) for label in labels])
    looks = [(_COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)]) for i in range(len(shown))]
    looks += [(grey, REST_MARKER) for grey in _REST_COLORS]
    names = [*shown, f"{len(counts) - len(shown):,} other labels", "(no label)"]
    found = [
        Group(i + 1, name, drawable(name, "", 40), np.flatnonzero(of_point == i), *look)
        for i, (name, look) in enumerate(zip(names, looks, strict=True))
    ]
    return [group for group in found if len(group.indices)]


def _shown(counts):
    """The labels that get colours of their own: by value if all are numbers, else by name."""
    labels = sorted(counts, key=lambda label: (-counts[label], label))
    if len(labels) > _MOST_LABELS:
        labels = labels[: _MOST_LABELS - 1]
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)


def scatter_figure(scatter: Scatter):
    """The points on two axes of one scale, so that distances are what they seem."""
    found = groups(scatter.labels, len(scatter.points))
    widest = max(len(_legend_label(group)) for group in found) + 6
    columns = min(len(found), max(1, _LEGEND_LINE // widest))
    figure = new_figure(6.4 + _LEGEND_ROW * math.ceil(len(found) / columns))
    axes = figure.subplots()
    style = {"alpha": 0.7, "linewidths": 0}
    style["s"] = np.clip(12_000 / len(scatter.points), 9, 40)  # square points
    for turn, group in itertools.product(range(_TURNS), found):
        points = scatter.points[group.indices[turn::_TURNS]]
        below = 1 if group.marker == REST_MARKER else 2
        axes.scatter(*points.T, c=group.color, marker=group.marker, zorder=below, **style)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(scatter.axes[0])
    axes.set_ylabel(scatter.axes[1])
    heading = {"x": 0.01, "ha": "left"}
    figure.suptitle(_lines(scatter.title, 85), **heading, fontweight="bold", fontsize=11)
    notes = "\n".join(_lines(note, 110) for note in scatter.notes)
    axes.set_title(notes, loc="left", fontsize=9, color="#555555")
    if scatter.labels is not None:
        _add_legend(figure, found, columns)
    return figure


def _lines(text, width):
    """A text on lines of a width, as far as matplotlib can draw it."""
    return "\n".join(textwrap.wrap(drawable(text, fallback="", limit=4 * width), width))


def _legend_label(group):
    return f"{group.drawn or f'#{group.number}'} ({len(group.indices):,})"


def _add_legend(figure, found, columns):
    line = require("matplotlib.lines", extra="compare").Line2D
    dot = {"linestyle": "none", "markersize": 7, "markeredgewidth": 0}
    handles = [
        line([], [], color=group.color, marker=group.marker, label=_legend_label(group), **dot)
        for group in found
    ]
    style = {"frameon": False, "fontsize": 9, "handletextpad": 0.2}
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **style)
