"""Labels beside points, so that none covers another label, a point, or the edge of the axes."""

import itertools
import math

from kerasformer.plots.figures import settle

_DISTANCES = (9, 20, 34, 50, 70, 95)  # points from the marker's centre
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_LEADER = 15  # from this distance on, a thin line ties a label to its point
_CLEAR = 3  # points kept free around a label


def place_labels(axes, points, labels, colors, obstacles=()):
    """Writes a label beside each point, at the nearest place that is free.

    Call it last: the axes' limits and everything else must be there.

    Args:
        axes: Matplotlib axes on an Agg canvas.
        points: The points, in data coordinates.
        labels: A text for each point.
        colors: A colour for each point; it colours the line from a far label to its point.
        obstacles: Artists to keep clear of.

    Returns:
        The matplotlib annotations, in the order of the points.
    """
    figure = axes.figure
    settle(figure)
    renderer = figure.canvas.get_renderer()
    scale = figure.dpi / 72
    pixels = [tuple(axes.transData.transform(point)) for point in points]
    taken = [_around(point, 6 * scale) for point in pixels]
    extents = [artist.get_window_extent(renderer) for artist in obstacles]
    taken += [_grow(_rectangle(extent), scale) for extent in extents]  # a line's has no area
    edge = _rectangle(axes.get_window_extent(renderer))
    annotations = []
    for point, pixel, label, color in zip(points, pixels, labels, colors, strict=True):
        note = axes.annotate(label, point)
        extent = note.get_window_extent(renderer)
        size = (extent.width, extent.height)
        distance, (dx, dy), covered = _best_place(pixel, size, taken, edge, scale)
        taken += covered
        note.remove()
        line = {"arrowstyle": "-", "color": color, "linewidth": 0.8, "shrinkB": 4}
        line["relpos"] = ((1 - dx) / 2, (1 - dy) / 2)  # the side of the label that faces the point
        annotations.append(
            axes.annotate(
                label,
                point,
                xytext=_offset(distance, dx, dy),
                textcoords="offset points",
                ha=("right", "center", "left")[dx + 1],
                va=("top", "center", "bottom")[dy + 1],
                arrowprops=line if distance > _LEADER else None,
                zorder=4,
            )
        )
    return annotations


def _best_place(pixel, size, taken, edge, scale):
    """The nearest place that overlaps nothing, or else the one that overlaps least.

    Returns the distance, the direction, and the rectangles that the label and its line cover.
    """
    best = None
    for distance, (dx, dy) in itertools.product(_DISTANCES, _DIRECTIONS):
        across, up = (scale * part for part in _offset(distance, dx, dy))
        left = pixel[0] + across - size[0] * (1 - dx) / 2
        bottom = pixel[1] + up - size[1] * (1 - dy) / 2
        label = (left, bottom, left + size[0], bottom + size[1])
        line = _leader(pixel, (across, up), scale) if distance > _LEADER else []
        clear = [_grow(label, _CLEAR * scale), *line]
        outside = _overlap(label, label) - _overlap(label, edge)
        cost = outside + sum(_overlap(mine, other) for mine in clear for other in taken)
        if best is None or cost < best[0]:
            best = (cost, (distance, (dx, dy), [label, *line]))
        if cost == 0:
            break
    return best[1]


def _leader(pixel, offset, scale):
    """Small squares along the line from a point's marker to its label."""
    steps = (0.4, 0.55, 0.7, 0.85)
    return [
        _around((pixel[0] + step * offset[0], pixel[1] + step * offset[1]), 2 * scale)
        for step in steps
    ]


def _offset(distance, dx, dy):
    length = math.hypot(dx, dy)
    return distance * dx / length, distance * dy / length


def _overlap(one, other):
    """The area that two rectangles (left, bottom, right, top) share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    up = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, up)


def _around(point, half):
    return _grow((*point, *point), half)


def _grow(rectangle, by):
    left, bottom, right, top = rectangle
    return left - by, bottom - by, right + by, top + by


def _rectangle(box):
    return box.x0, box.y0, box.x1, box.y1
