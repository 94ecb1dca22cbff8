"""Heat maps: one with numbers in its cells, or a grid of small ones on one scale.

The map is cividis, which people with any colour vision read alike, and in grey too.
"""

import io
import math

import numpy as np

from kerasformer.errors import require
from kerasformer.plots.figures import new_figure, plot_style
from kerasformer.plots.labels import drawable

_MAP = "cividis"
_MISSING = "#e5e5e5"
_NUMBERED = (0.46, 0.3)  # inches: a cell that holds a number such as -0.53
_PLAIN = 0.17  # inches: a cell that holds none, as high as its label
_MOST_WITH_NUMBERS = 1_000  # cells; more of them are no longer read one by one
_LARGEST = 16.0  # inches, the sides of what is drawn
_TITLE_LIMIT, _LABEL_LIMIT, _SMALL_LABEL_LIMIT = 120, 48, 16  # characters
_LONGEST_SCALE = 4.0  # inches


def heat_map(
    values,
    row_labels,
    column_labels,
    *,
    value_label: str,
    row_axis: str = "",
    column_axis: str = "",
    title: str = "",
    limits=None,
    decimals: int = 2,
) -> bytes:
    """A PNG of a matrix `[rows, columns]`, with its numbers in the cells where these are few.

    NaN is drawn grey and empty. A label that no font at hand can draw is replaced by its number.

    >>> heat_map([[0.5, 0.7]], ["layer 1"], ["cls", "mean"], value_label="Accuracy")[1:4]
    b'PNG'
    """
    values = _matrix(values, (len(row_labels), len(column_labels)))
    with plot_style():
        with_numbers = values.size <= _MOST_WITH_NUMBERS and max(values.shape) <= 40
        width, height = _NUMBERED if with_numbers else (_PLAIN, _PLAIN)
        width = min(width * len(column_labels), _LARGEST)
        height = min(height * len(row_labels), _LARGEST)
        axes = new_figure(height, width, layout="none").add_axes((0, 0, 1, 1))
        write = _numbers(values, decimals) if with_numbers else None
        image = draw_cells(axes, values, _norm([values], limits), write)
        _label(axes, row_labels, column_labels, width, height)
        axes.set_title(drawable(title, fallback="", limit=_TITLE_LIMIT), loc="left")
        axes.set_xlabel(column_axis)
        axes.set_ylabel(row_axis)
        return _png(image, value_label)


def heat_map_grid(
    panels,
    titles,
    *,
    columns: int,
    value_label: str,
    labels=None,
    title: str = "",
    limits=None,
) -> bytes:
    """A PNG of many matrices on one scale, at most `columns` in a line.

    The short `labels` are those of the rows and of the columns of every panel.

    >>> heads = np.full([2, 5, 5], 0.2)
    >>> heat_map_grid(heads, ["head 1", "head 2"], columns=2, value_label="Weight")[1:4]
    b'PNG'
    """
    if not len(panels) or len(panels) != len(titles):
        raise ValueError(f"{len(panels)} panels have {len(titles)} titles: give one for each.")
    size = None if labels is None else (len(labels), len(labels))
    panels = [_matrix(panel, size) for panel in panels]
    with plot_style():
        image = _draw_grid(panels, titles, columns, labels, title, _norm(panels, limits))
        return _png(image, value_label)


def _matrix(values, shape):
    values = np.asarray(values, "float64")
    if values.ndim != 2 or not values.size or (shape is not None and values.shape != shape):
        wanted = "" if shape is None else f" and labels for {shape[0]} x {shape[1]}"
        raise ValueError(f"A heat map shows a non-empty matrix; got shape {values.shape}{wanted}.")
    return values


def _norm(panels, limits):
    if limits is None:
        finite = np.concatenate([panel[np.isfinite(panel)] for panel in panels])
        limits = (finite.min(), finite.max()) if finite.size else (0, 1)
    low, high = limits
    if not high > low:  # one value everywhere: the middle of the scale
        low, high = low - 0.5, high + 0.5
    return require("matplotlib.colors", extra="compare").Normalize(low, high)


def _draw_grid(panels, titles, columns, labels, title, norm):
    """Draws the panels, and returns the last one's image."""
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    # With labels there is room for these and for small numbers.
    side = 0 if labels is None else min(2.6, 0.34 * max(max(panel.shape) for panel in panels))
    side = min(_LARGEST / columns, max(1.15, side))
    between = _room_for(labels, side)
    width = columns * (side + between[0]) - between[0]
    height = lines * (side + between[1]) - between[1]
    figure = new_figure(height, width, layout="none")
    for number, (panel, name) in enumerate(zip(panels, titles, strict=True)):
        line, column = divmod(number, columns)
        left = column * (side + between[0]) / width
        top = 1 - line * (side + between[1]) / height
        axes = figure.add_axes((left, top - side / height, side / width, side / height))
        roomy = side / max(panel.shape) >= _NUMBERED[1]
        image = draw_cells(axes, panel, norm, _numbers(panel, 2) if roomy else None, size=6)
        axes.set_title(drawable(name, fallback=f"#{number}", limit=24), fontsize=7, pad=2)
        axes.set_xticks([])
        axes.set_yticks([])
        if labels:
            _label(axes, labels, labels, side, side, size=6, limit=_SMALL_LABEL_LIMIT)
    title = drawable(title, fallback="", limit=_TITLE_LIMIT)
    figure.text(0, 1 + 0.3 / height, title, ha="left", va="bottom")
    return image


def _room_for(labels, side):
    """Inches between panels, across and down: for their titles, and the labels if there are any."""
    if labels is None:
        return 0.08, 0.24
    widest = max(map(len, _drawable(labels, _SMALL_LABEL_LIMIT))) * 0.65 * 6 / 72
    flat = widest <= side / len(labels)
    return 0.2 + widest, 0.3 + (0.07 if flat else 0.7 * widest)


def draw_cells(axes, values, norm, write=None, size=8, colors=_MAP):
    """Draws a matrix as cells; `write(row, column)` is the text of one, if it has a value."""
    colors = require("matplotlib", extra="compare").colormaps[colors].with_extremes(bad=_MISSING)
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=colors, norm=norm, aspect="auto", interpolation="auto"
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values) if write else ():
        if np.isfinite(value):
            style = {"ha": "center", "va": "center", "fontsize": size}
            ink = ink_on(colors(norm(value)))
            axes.text(column, row, write(row, column), color=ink, **style)
    return image


def _numbers(values, decimals):
    return lambda row, column: f"{values[row, column]:z.{decimals}f}"


def ink_on(color) -> str:
    """Black or white, whichever contrasts more: at least 4.5 : 1, as WCAG 2.2 (1.4.3) asks for.

    >>> ink_on((1, 1, 0)), ink_on((0, 0, 1))
    ('black', 'white')
    """
    channels = np.clip(np.array(color[:3], "float64"), 0, 1)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    # The contrasts (luminance + 0.05) / 0.05 with black, and 1.05 / (luminance + 0.05) with white.
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def _label(axes, row_labels, column_labels, width, height, size=8, limit=_LABEL_LIMIT):
    """Names rows and columns, every nth where all would run into each other."""
    labels = _drawable(column_labels, limit)
    step = math.ceil(1.3 * size / 72 * len(labels) / width)
    flat = max(map(len, labels)) * 0.65 * size / 72 <= width / len(labels)
    style = {"fontsize": size}
    if not flat:
        steep = step > 1 or len(labels) > 40
        style |= {"rotation": 90 if steep else 45, "va": "center" if steep else "top"}
        style |= {"rotation_mode": "anchor", "ha": "right"}
    axes.set_xticks(range(0, len(labels), step), labels[::step], **style)
    labels = _drawable(row_labels, limit)
    step = math.ceil(1.2 * size / 72 * len(labels) / height)
    axes.set_yticks(range(0, len(labels), step), labels[::step], fontsize=size)


def _drawable(labels, limit):
    return [drawable(str(label), f"#{number}", limit) for number, label in enumerate(labels, 1)]


def _png(image, value_label):
    """The file: the figure, which is all cells, with all that stands around it and a scale."""
    figure = image.figure
    width, height = figure.get_size_inches()
    length = min(max(height, 1.0), _LONGEST_SCALE)
    place = (1 + 0.15 / width, 1 - length / height, 0.14 / width, length / height)
    bar = figure.colorbar(image, cax=figure.add_axes(place))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    bar.ax.set_ylabel(value_label, loc="top")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.1)
    return buffer.getvalue()
