"""The plot of quality against the number of training labels."""

from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.plots import arm_label
from kerasformer.errors import require
from kerasformer.plots.figures import new_figure


def quality_against_labels(findings: Findings):
    """The main metric against training labels: an arm a line, one that learns nothing dashed.

    Bars are a standard deviation over seeds, those of each arm a little beside the others'.
    """
    curve = findings.label_curve
    figure = new_figure(4.6)
    axes = figure.subplots()
    rows = {arm.key: arm for point in curve for arm in point.arms}
    for number, (key, shown) in enumerate(rows.items()):
        found = [(point.labels, arm) for point in curve if (arm := point.get(key))]
        beside = 1 + 0.012 * (number - (len(rows) - 1) / 2)  # on a logarithmic axis
        axes.errorbar(
            [labels * beside for labels, _ in found],
            [100 * arm.main for _, arm in found],
            yerr=[100 * (arm.main_std or 0) for _, arm in found],
            color=shown.row.color,
            marker=shown.row.marker,
            markersize=7,
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
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("Training labels (logarithmic)")
