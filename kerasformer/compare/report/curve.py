"""The plot of quality against the number of training labels."""

import math

from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.label_curve import has_spread
from kerasformer.compare.report.plots import arm_label
from kerasformer.errors import require
from kerasformer.plots.figures import new_figure

_CLOSE = 0.09  # of the axis: closer to each other, two numbers do not fit on a line


def quality_against_labels(findings: Findings):
    """The main metric against training labels: an arm a line, one that learns nothing dashed.

    Bars are a standard deviation over seeds, those of each arm a little beside the others'. The
    legend names the arms from the best with the most labels down, as the lines end.
    """
    curve = findings.label_curve
    figure = new_figure(4.6)
    axes = figure.subplots()
    last = {arm.key: arm for point in curve for arm in point.arms}
    rows = sorted(last.values(), key=lambda arm: arm.main, reverse=True)
    for number, shown in enumerate(rows):
        found = [(point.labels, arm) for point in curve if (arm := point.get(shown.key))]
        beside = 1.018 ** (number - (len(rows) - 1) / 2)  # on a logarithmic axis
        axes.errorbar(
            [labels * beside for labels, _ in found],
            [100 * arm.main for _, arm in found],
            yerr=[100 * (arm.main_std or 0) for _, arm in found] if has_spread(curve) else None,
            color=shown.row.color,
            marker=shown.row.marker,
            markersize=6,
            linestyle="-" if shown.row.learns else "--",
            linewidth=1.8 if shown.row.learns else 1.2,
            elinewidth=1,
            capsize=2,
            label=arm_label(shown, line_width=26),
        )
    _set_label_axis(axes, [point.labels for point in curve])
    axes.set_ylabel(f"{findings.quality.title} on the test split, %")
    axes.set_ylim(top=min(axes.get_ylim()[1], 101))
    figure.legend(loc="outside right upper", frameon=False, handlelength=3)
    return figure


def _set_label_axis(axes, counts):
    """A logarithmic axis with the numbers of labels that were trained with."""
    ticker = require("matplotlib.ticker", extra="compare")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.FixedLocator(counts))
    axes.xaxis.set_major_formatter(ticker.FixedFormatter(_tick_labels(counts)))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("Training labels (logarithmic)")


def _tick_labels(counts):
    """The numbers, each on the first line where it is not close to one before it.

    >>> _tick_labels([100, 1000, 6000, 6822])
    ['100', '1,000', '6,000', '\\n6,822']
    """
    width = math.log(counts[-1] / counts[0])
    labels, last = [], {}  # by lines, where the last number on each is
    for count in counts:
        line, place = 0, math.log(count)
        while line in last and place - last[line] < _CLOSE * width:
            line += 1
        last[line] = place
        labels.append("\n" * line + f"{count:,}")
    return labels
