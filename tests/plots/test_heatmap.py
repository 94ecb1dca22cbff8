"""Heat maps: what the files show, read back from their pixels, and what is asked of their text."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.image import imread

from kerasformer.plots.heatmap import heat_map, heat_map_grid, ink_on


def pixels(png):
    """`[height, width, 3]`, from 0 to 1."""
    return imread(io.BytesIO(png), format="png")[..., :3]


def share_of(image, color):
    """The share of pixels of about this colour."""
    return (np.abs(image - np.array(color[:3])).max(axis=-1) < 0.02).mean()


@pytest.fixture
def written(monkeypatch):
    """The numbers written into cells, with their colours."""
    found = {}
    text = Axes.text

    def noted(axes, x, y, content, **kwargs):
        found[axes, y, x] = (content, kwargs["color"])
        return text(axes, x, y, content, **kwargs)

    monkeypatch.setattr(Axes, "text", noted)
    return found


def test_cells_have_the_colours_of_their_values():
    image = pixels(heat_map([[0.0, 1.0]], ["row"], ["low", "high"], value_label="Share"))
    low, high = colormaps["cividis"](0.0), colormaps["cividis"](1.0)
    assert share_of(image, low) == pytest.approx(share_of(image, high), rel=0.3)
    assert share_of(image, low) > 0.03
    left = np.abs(image - np.array(low[:3])).max(axis=-1) < 0.02
    right = np.abs(image - np.array(high[:3])).max(axis=-1) < 0.02
    assert np.median(np.nonzero(left)[1]) < np.median(np.nonzero(right)[1])


def test_numbers_stand_in_their_cells_in_a_readable_colour(written):
    heat_map([[0.0, 1.0], [-0.001, 0.25]], ["a", "b"], ["c", "d"], value_label="Cosine")
    cells = {key[1:]: value for key, value in written.items()}
    assert cells == {
        (0, 0): ("0.00", "white"),
        (0, 1): ("1.00", "black"),
        (1, 0): ("0.00", "white"),  # not -0.00
        (1, 1): ("0.25", "white"),
    }


def test_a_missing_value_is_grey_and_empty(written):
    image = pixels(heat_map([[np.nan, 0.5]], ["a"], ["b", "c"], value_label="Accuracy"))
    assert [content for content, _ in written.values()] == ["0.50"]
    assert share_of(image, (0xE5 / 255,) * 3) > 0.03


def test_many_cells_hold_no_numbers(written):
    values = np.zeros([60, 60])
    names = [f"token {i}" for i in range(60)]
    heat_map(values, names, names, value_label="Weight")
    assert not written


def test_the_size_follows_the_cells_up_to_a_limit():
    def size(rows, columns):
        names = [str(i) for i in range(max(rows, columns))]
        png = heat_map(
            np.zeros([rows, columns]), names[:rows], names[:columns], value_label="Weight"
        )
        return pixels(png).shape[:2]

    small, wide, tall = size(4, 4), size(4, 12), size(12, 4)
    assert wide[1] - small[1] == pytest.approx(8 * 0.46 * 180, abs=25)
    assert tall[0] - small[0] == pytest.approx(8 * 0.3 * 180, abs=25)
    assert size(2, 512)[1] < 20 * 180


@pytest.mark.parametrize("name", ["שלום", "$x_1$", "e\u0301", "", "a\nb", "x" * 500, "日本"])
def test_labels_in_any_script(name):
    """None overflows the file, is read as mathematics, or is drawn as empty boxes."""
    png = heat_map([[0.5]], [name], [name], value_label="Weight", title=f"“{name}”")
    assert max(pixels(png).shape) < 2600


@pytest.mark.filterwarnings("error")
def test_one_value_everywhere_and_no_value_at_all(written):
    assert heat_map([[3.0, 3.0]], ["a"], ["b", "c"], value_label="Loss")
    assert heat_map([[np.nan]], ["a"], ["b"], value_label="Loss")
    assert len(written) == 2


def test_panels_share_one_scale(written):
    panels = [np.zeros([2, 2]), np.ones([2, 2])]
    image = pixels(
        heat_map_grid(panels, ["low", "high"], columns=5, value_label="Cosine", labels=["1", "2"])
    )
    assert share_of(image, colormaps["cividis"](0.0)) > 0.1
    assert share_of(image, colormaps["cividis"](1.0)) > 0.1
    assert sorted(written.values()) == [("0.00", "white")] * 4 + [("1.00", "black")] * 4


def test_a_grid_of_many_panels_holds_no_numbers_and_fits_a_page(written):
    panels = np.zeros([32, 9, 9])
    titles = [f"head {i}" for i in range(len(panels))]
    image = pixels(heat_map_grid(panels, titles, columns=16, value_label="Weight"))
    assert image.shape[1] < 20 * 180
    assert not written


@pytest.mark.parametrize(
    ("values", "rows", "columns"),
    [([[1.0, 2.0]], ["a"], ["b"]), ([1.0], ["a"], ["b"]), (np.zeros([0, 0]), [], [])],
)
def test_refuses_what_is_no_matrix_of_its_labels(values, rows, columns):
    with pytest.raises(ValueError, match="non-empty matrix"):
        heat_map(values, rows, columns, value_label="Loss")


def test_refuses_panels_without_titles():
    with pytest.raises(ValueError, match="2 panels have 1 titles"):
        heat_map_grid(np.zeros([2, 3, 3]), ["one"], columns=2, value_label="Loss")
    with pytest.raises(ValueError, match="0 panels"):
        heat_map_grid([], [], columns=2, value_label="Loss")


@settings(deadline=None, max_examples=50)
@given(st.tuples(*[st.floats(0, 1)] * 3))
def test_ink_stands_out_on_any_colour(color):
    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ink = {"black": (0, 0, 0), "white": (1, 1, 1)}[ink_on(color)]
    low, high = sorted([luminance(ink), luminance(color)])
    assert (high + 0.05) / (low + 0.05) >= 4.5
