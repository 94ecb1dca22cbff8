"""The plots of quality: against training time, and epoch by epoch."""

import itertools
import math
import textwrap

import numpy as np

from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.summary import ArmSummary
from kerasformer.errors import require
from kerasformer.formatting import joined
from kerasformer.plots.figures import new_figure, note_figure, settle
from kerasformer.plots.labels import drawable

_MOST_COLUMNS = 4  # of learning curves: in more, no title has room
_SHORTEST = 0.01  # seconds; a logarithmic axis has no zero
# Where a label may stand, in points from its own point: to the right, to the left, or centred.
_OFFSETS = [(10, 0), (-10, 0), (20, 0), (-20, 0)]
_OFFSETS += [(x, y) for y in (14, -14, 28, -28, 42, -42) for x in (0, 10, -10)]


def quality_against_time(findings: Findings):
    """The main metric against training seconds: an arm a point, one that learns nothing a line."""
    arms = findings.arms
    timed = [arm for arm in arms if arm.row.learns and arm.mean("train_seconds") is not None]
    if not timed:
        return note_figure("No arm that trains has finished.")
    figure = new_figure(4.6)
    axes = figure.subplots()
    points = [(max(arm.mean("train_seconds") or 0, _SHORTEST), 100 * arm.main) for arm in timed]
    drawn = [_draw_arm(axes, arm, *point) for arm, point in zip(timed, points, strict=True)]
    drawn += [_draw_line(axes, arm) for arm in arms if not arm.row.learns]
    _set_time_axis(axes)
    axes.set_ylabel(f"{findings.quality.title} on the test split, %")
    axes.margins(y=0.15)
    axes.set_ylim(top=min(axes.get_ylim()[1], 101))
    labels = [drawable(arm.title, fallback=arm.key, limit=42) for arm in timed]
    colors = [arm.row.color for arm in timed]
    place_labels(axes, points, labels, colors, obstacles=itertools.chain(*drawn))
    return figure


def place_labels(axes, points, labels, colors, obstacles=()):
    """Writes a label beside each point, at the first free place, and returns the labels.

    Call it last, when nothing else moves. The obstacles are artists, the points' markers too; the
    colours are those of the lines that lead to a label above or below its point.
    """
    Text = require("matplotlib.text", extra="compare").Text  # noqa: N806
    settle(axes.figure)
    renderer = axes.figure.canvas.get_renderer()
    edge = axes.get_window_extent()
    taken = [artist.get_window_extent().padded(2) for artist in obstacles]
    notes = []
    for point, label, color in zip(points, labels, colors, strict=True):
        note = axes.annotate(
            label,
            point,
            xytext=(0, 0),
            textcoords="offset points",
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "shrinkB": 4},
        )
        notes.append(note)
        for x, y in _OFFSETS:
            note.set_position((x, y))
            note.set_horizontalalignment("left" if x > 0 else "right" if x < 0 else "center")
            note.arrow_patch.set_visible(y != 0)
            note.update_positions(renderer)
            box = Text.get_window_extent(note, renderer)  # without the line
            inside = edge.containsx(box.x0) and edge.containsx(box.x1)
            inside = inside and edge.containsy(box.y0) and edge.containsy(box.y1)
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
    return notes


def arm_label(arm: ArmSummary, line_width: int) -> str:
    """An arm's title on at most two lines, or its key where no font at hand has the title."""
    title = drawable(arm.title, fallback=arm.key, limit=2 * line_width)
    lines = textwrap.wrap(title, line_width, break_on_hyphens=False)
    return "\n".join([lines[0], " ".join(lines[1:])]) if len(lines) > 1 else title


def learning_curves(findings: Findings):
    """Loss and main metric by epoch, a column an arm: thin lines are seeds, thick ones their mean.

    The metric is left out where no epoch has it.
    """
    record = findings.record
    arms = [arm for arm in findings.arms if histories(record, arm.key)]
    if not arms:
        return note_figure("No arm that trains in epochs has finished.")
    rows = [("loss", "Loss", 1)]
    if any(_measured(record, arm.key, "score", "val_score") for arm in arms):
        rows.append(("score", f"{findings.quality.title}, %", 100))
    bands = math.ceil(len(arms) / _MOST_COLUMNS)
    columns = max(2, math.ceil(len(arms) / bands))
    figure = new_figure(0.6 + 2.3 * len(rows) * bands)
    grid = figure.subplots(bands * len(rows), columns, squeeze=False)
    panels = np.reshape(grid, (bands, len(rows), columns)).swapaxes(0, 1).reshape(len(rows), -1)
    for column, arm in enumerate(arms):
        for row, (measure, label, scale) in enumerate(rows):
            axes = panels[row][column]
            _draw_curves(axes, histories(record, arm.key), measure, scale)
            _share_axes(axes, across=panels[row][0], below=panels[-1][column])
            if column % columns == 0:
                axes.set_ylabel(label)
            else:
                axes.tick_params(labelleft=False)
        panels[0][column].set_title(arm_label(arm, line_width=60 // columns))
        panels[-1][column].set_xlabel("Epoch")
        ticker = require("matplotlib.ticker", extra="compare")
        integers = ticker.MaxNLocator(integer=True, min_n_ticks=1)
        panels[-1][column].xaxis.set_major_locator(integers)
    for empty in panels[:, len(arms) :].flat:
        empty.remove()
    legend = {"loc": "outside upper center", "ncols": 2, "frameon": False, "handlelength": 4}
    figure.legend(*_legend(panels[:, : len(arms)]), **legend)
    return figure


def _share_axes(axes, across, below):
    """Gives a panel the scale of the first arm's, and the epochs of its own arm's lowest one."""
    if axes is not across:
        axes.sharey(across)
    if axes is not below:
        axes.sharex(below)
        axes.tick_params(labelbottom=False)


def describe_curves(findings: Findings) -> str:
    """What the learning curves show, for who cannot see them."""
    record, parts = findings.record, []
    arms = [arm for arm in findings.arms if histories(record, arm.key)]
    main = findings.quality.metrics[0].within_text
    for measure, title in (("loss", "Loss"), ("score", main)):
        names = {"training": measure, "validation": f"val_{measure}"}
        splits = [
            split
            for split, name in names.items()
            if any(_measured(record, arm.key, name) for arm in arms)
        ]
        if splits:
            parts.append(f"{title} on the {joined(splits)} split{'s' * (len(splits) > 1)}")
    return f"{joined(parts)}, epoch by epoch, for each arm that trains in epochs."


def _legend(grid):
    """A line and its label for training and validation, wherever they are drawn."""
    found = {}
    for axes in grid.flat:
        lines, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, lines, strict=True))
    return list(found.values()), list(found)


def histories(record: dict, key: str) -> list[list[dict]]:
    """The histories of an arm's runs, one a seed; empty where it does not train in epochs."""
    return [run["history"] for run in record["arms"][key]["runs"] if run["history"]]


def validates(record: dict, key: str) -> bool:
    """Whether an arm was measured on a validation split while it trained."""
    return _measured(record, key, "val_loss", "val_score")


def _measured(record, key, *names):
    """Whether any epoch of an arm has one of some measures."""
    epochs = itertools.chain(*histories(record, key))
    return any(epoch[name] is not None for epoch in epochs for name in names)


def _draw_arm(axes, arm, x, y):
    """Draws an arm's point and its error bars, as lines, and returns them."""
    across = arm.measures["train_seconds"].std or 0
    up = 100 * (arm.main_std or 0)
    color = arm.row.color
    ends = [max(x - across, 0.1 * x), x + across]  # a logarithmic axis ends above zero
    return [
        *axes.plot(ends, [y, y], color=color, marker="|", zorder=2),
        *axes.plot([x, x], [y - up, y + up], color=color, marker="_", zorder=2),
        *axes.plot(x, y, arm.row.marker, color=color, markersize=8, zorder=3),
    ]


def _draw_line(axes, arm):
    y = 100 * arm.main
    line = axes.axhline(y, color=arm.row.color, linestyle="--", linewidth=1.2)
    label = axes.annotate(
        arm_label(arm, line_width=40),
        (0, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(5, 3),
        textcoords="offset points",
        color=arm.row.color,
    )
    return [line, label]


def _set_time_axis(axes):
    """A logarithmic axis with plain numbers and room for the labels at both ends."""
    ticker = require("matplotlib.ticker", extra="compare")
    axes.set_xscale("log")
    axes.margins(x=0.2)
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 300 else (1,)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=steps, numticks=20))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel("Training time, seconds (logarithmic)")


def _draw_curves(axes, runs, measure, scale):
    """Draws one measure: training dashed, validation solid where there is any."""
    for name, label, color, style, marker in (
        (measure, "training", "#0072B2", "--", "o"),
        (f"val_{measure}", "validation", "#D55E00", "-", "s"),
    ):
        curves = [[epoch[name] for epoch in run] for run in runs]
        curves = [scale * np.array(curve, "float64") for curve in curves]  # None is NaN
        if np.isnan(np.concatenate(curves)).all():
            continue
        epochs = [[epoch["epoch"] for epoch in run] for run in runs]
        if len(runs) > 1:
            for x, y in zip(epochs, curves, strict=True):
                axes.plot(x, y, style, color=color, linewidth=0.8, alpha=0.5)
        shared = min(map(len, curves))  # the epochs that every seed reached
        mean = np.mean([curve[:shared] for curve in curves], axis=0)
        thick = {"color": color, "linewidth": 2, "markersize": 5, "label": label}
        thick["marker"] = None if shared > 20 else marker  # more would run into each other
        axes.plot(epochs[0][:shared], mean, style, **thick)
    if not axes.lines:
        place = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "not measured\nwhile it trained", **place)
