"""The picture of a search: the metric over its trials, and against the learning rate."""

from typing import Any

import numpy as np

from kerasformer.errors import require
from kerasformer.plots.figures import new_figure, note_figure
from kerasformer.plots.labels import drawable
from kerasformer.tune.space import ALL, HEAD
from kerasformer.tune.study import COMPLETE, falls

_HEIGHT = 3.6  # inches
# Of Okabe and Ito, who chose them for any colour vision; each has a marker of its own too.
_BLUE, _GREEN, _ORANGE, _BLACK = "#0072B2", "#009E73", "#D55E00", "#333333"
_KINDS = (
    (ALL, "all trained", _BLUE, "o"),
    ("blocks", "last blocks trained", _GREEN, "^"),
    (HEAD, "head trained", _ORANGE, "s"),
)


def trials_figure(record: dict[str, Any]) -> Any:
    """Two panels: the metric of each trial with the best so far, and over the learning rate."""
    metric = record["metric"] or ""
    trials = [trial for trial in record["trials"] if trial["value"] is not None]
    if not trials:
        return note_figure("No trial has been trained to its end.")
    values = np.array([trial["value"] for trial in trials])
    is_share = not falls(metric) and values.min() >= 0 and values.max() <= 1
    scale, unit = (100, ", %") if is_share else (1, "")
    figure = new_figure(_HEIGHT)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, name in ((left, "trial"), (right, "learning_rate")):
        _draw(axes, trials, name, scale)
    best = _best_so_far(record["trials"], metric)
    if best:
        places, heights = zip(*best, strict=True)
        left.step(
            places, scale * np.array(heights), where="post", color=_BLACK, linewidth=1.2, zorder=1,
            label="best so far",
        )  # fmt: skip
    shown = drawable(metric.replace("_", " "), fallback="metric", limit=30)
    left.set_ylabel(f"Validation {shown}{unit}")
    left.set_xlabel("Trial")
    ticker = require("matplotlib.ticker", extra="tune")
    left.xaxis.set_major_locator(
        ticker.MaxNLocator(integer=True, min_n_ticks=1, steps=(1, 2, 5, 10))
    )
    right.tick_params(left=False)
    right.set_xlabel("Learning rate (logarithmic)")
    _set_rate_axis(right, ticker)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
    return figure


def _draw(axes: Any, trials: list[dict[str, Any]], x: str, scale: int) -> None:
    """A point for each trial: filled for those that were trained to their end, else hollow."""
    for kind, label, color, marker in _KINDS:
        of_kind = [trial for trial in trials if _kind(trial) == kind]
        for is_complete in (True, False):
            chosen = [trial for trial in of_kind if (trial["outcome"] == COMPLETE) is is_complete]
            places = [trial[x] for trial in chosen]
            axes.plot(
                places, [scale * trial["value"] for trial in chosen], marker, color=color,
                markerfacecolor=color if is_complete else "white", markersize=6, zorder=3,
            )  # fmt: skip
        if of_kind:
            axes.plot([], [], marker, color=color, markersize=6, label=label)
    if any(trial["outcome"] != COMPLETE for trial in trials):
        axes.plot([], [], "o", color=_BLACK, markerfacecolor="white", label="ended early")


def _kind(trial: dict[str, Any]) -> str:
    return "blocks" if trial["trained"].isdigit() else trial["trained"]


def _best_so_far(trials: list[dict[str, Any]], metric: str) -> list[tuple[int, float]]:
    """The best value up to each trial, from the first complete one on."""
    found: list[tuple[int, float]] = []
    choose = min if falls(metric) else max
    for trial in trials:
        values = [found[-1][1]] if found else []
        if trial["outcome"] == COMPLETE:
            values.append(trial["value"])
        if values:
            found.append((trial["trial"], choose(values)))
    return found


def _set_rate_axis(axes: Any, ticker: Any) -> None:
    """A logarithmic axis with numbers such as 3e-05, at 1, 2 and 5 of each decade."""
    axes.set_xscale("log")
    axes.margins(x=0.1)
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 30 else (1, 3) if high / low < 300 else (1,)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=steps, numticks=20))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.0e}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
