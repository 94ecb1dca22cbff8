"""A page with a scatter plot to zoom into, and each point's text on hovering."""

import base64
import hashlib
import html
import math
import textwrap

import numpy as np

from kerasformer.errors import require
from kerasformer.formatting import shorten
from kerasformer.plots.page import environment
from kerasformer.plots.scatter import REST_MARKER, Scatter, groups

_SYMBOLS = {  # plotly's names of matplotlib's markers
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "X": "x",
    "P": "cross",
    "*": "star",
    ".": "circle",
}
_HOVERED = 500  # characters of a text
_LINE = 70  # characters
# What would steer the text around it: control characters, and marks for the direction of writing.
_CONTROLS = dict.fromkeys(
    [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], " "
)
# Of plotly's buttons these alone: another would send the texts to its makers' cloud.
_SCRIPT = """
const figure = JSON.parse(document.getElementById("figure").textContent);
Plotly.newPlot("plot", figure.data, figure.layout, {
  displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  plotlyServerURL: "",
  responsive: true,
  scrollZoom: true,
});
"""


def scatter_page(scatter: Scatter, image: bytes) -> str:
    """A self-contained page, with the PNG of `scatter_figure` for readers without scripts.

    Texts and labels come from anywhere: they are data in the page, escaped, and its content
    security policy lets no script run but plotly's and the few lines that call it.
    """
    plotly = require("plotly.offline", extra="plot").get_plotlyjs()
    return (
        environment("plot")
        .get_template("scatter.html.j2")
        .render(
            title=scatter.title,
            notes=scatter.notes,
            figure=plotly_figure(scatter),
            plotly=plotly,
            script=_SCRIPT,
            rows=math.ceil(len(groups(scatter.labels, len(scatter.points))) / 3),
            hashes=[_hash(plotly), _hash(_SCRIPT)],
            image=base64.b64encode(image).decode("ascii"),
        )
    )


def plotly_figure(scatter: Scatter) -> dict:
    """`data` and `layout` as in https://plotly.com/javascript/reference/, ready for JSON.

    What comes from people is escaped, because plotly reads some of HTML's tags in every string.
    """
    found = groups(scatter.labels, len(scatter.points))
    return {
        "data": [_trace(scatter, group) for group in found],
        "layout": {
            "font": {"family": "system-ui, 'Noto Sans', sans-serif", "color": "#333333"},
            "xaxis": _axis(scatter.axes[0]),
            "yaxis": {**_axis(scatter.axes[1]), "scaleanchor": "x"},
            "showlegend": scatter.labels is not None,
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
            "hovermode": "closest",
            "hoverlabel": {"align": "left", "bgcolor": "#ffffff", "font": {"color": "#333333"}},
            "margin": {"l": 70, "r": 20, "t": 40, "b": 70},
            "dragmode": "pan",
        },
    }


def _trace(scatter, group):
    is_rest = group.marker == REST_MARKER
    size = float(np.clip(320 / len(scatter.points) ** 0.5, 5, 10))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _escaped(_legend(group)),
        "x": scatter.points[group.indices, 0].tolist(),
        "y": scatter.points[group.indices, 1].tolist(),
        "text": [_hover(scatter, index) for index in group.indices],
        "hoverinfo": "text",
        "zorder": 1 if is_rest else 2,
        "marker": {
            "color": group.color,
            "symbol": _SYMBOLS[group.marker],
            "size": 0.6 * size if is_rest else size,
            "opacity": 0.75,
        },
    }


def _axis(title):
    return {
        "title": {"text": _escaped(_clean(title)), "standoff": 8},
        "automargin": True,
        "zeroline": False,
    }


def _legend(group):
    """The name, behind its number where that is what the PNG shows."""
    name = shorten(_clean(group.name), 40)
    if not group.drawn:  # isolated, for it may run from the right
        name = f"#{group.number} \u2068{name}\u2069"
    return f"{name} ({len(group.indices):,})"


def _hover(scatter, index):
    """A point's label and the beginning of its text, on lines."""
    text = _clean(scatter.texts[index])
    text = text if len(text) <= _HOVERED else text[: _HOVERED - 1] + "…"
    lines = [_escaped(line) for line in textwrap.wrap(text, _LINE)] or ["<i>(no text)</i>"]
    label = scatter.labels[index] if scatter.labels is not None else None
    if label is not None:
        lines.insert(0, f"<b>{_escaped(_clean(label)[:_LINE])}</b>")
    return "<br>".join(lines)


def _clean(text):
    """A text on one line, without characters that steer what is around them."""
    return " ".join(text[: 4 * _HOVERED].translate(_CONTROLS).split())


def _escaped(text):
    return html.escape(text, quote=False)


def _hash(script):
    """As a content security policy names a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
