"""What plots share; no pyplot and no global state, so that no other style is seen or changed."""

import contextlib
import io

from kerasformer.errors import require
from kerasformer.plots.labels import font_families
from kerasformer.progress import errors_only

WIDTH = 8.0  # inches: 800 px wide on the page
_DPI = 180
_PADDING = 0.1  # inches
INK = "#333333"
GRID = "#dddddd"

_STYLE = {
    "axes.titlesize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # names come from people: a $ in them is a dollar
}


@contextlib.contextmanager
def plot_style():
    """The look of every plot, put on for a while and taken off again."""
    style = require("matplotlib.style", extra="compare")
    chosen = ["default", {**_STYLE, "font.family": list(font_families())}]
    # That a fallback font comes in one weight only is no news.
    with errors_only("matplotlib.font_manager"), style.context(chosen):
        yield


def new_figure(height: float, width: float = WIDTH, layout: str = "constrained"):
    """An empty figure of a size in inches, with one of matplotlib's layout engines."""
    figures = require("matplotlib.figure", extra="compare")
    figure = figures.Figure(figsize=(width, height), dpi=_DPI, layout=layout)
    require("matplotlib.backends.backend_agg", extra="compare").FigureCanvasAgg(figure)
    return figure


def note_figure(text: str):
    """A figure that says why there is nothing to plot."""
    figure = new_figure(1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def settle(figure):
    """Lays the figure out once and for all; what is added later moves nothing."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def png(figure) -> bytes:
    """The figure as a PNG file, without the empty space above and below it."""
    settle(figure)
    tight = figure.get_tightbbox()
    bbox = require("matplotlib.transforms", extra="compare").Bbox
    box = bbox.from_extents(0, tight.y0 - _PADDING, WIDTH, tight.y1 + _PADDING)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches=box)
    return buffer.getvalue()
