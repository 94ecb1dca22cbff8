"""The scatter plot and its page: labels told apart, and texts that do nothing but show."""

import base64
import hashlib
import html.parser
import itertools
import json
import re

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.plots.figures import plot_style, png
from kerasformer.plots.scatter import REST_MARKER, Scatter, groups, scatter_figure
from kerasformer.plots.scatter_page import plotly_figure, scatter_page

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">here</a>',
    "<b>bold</b> &lt;i&gt; %{x} $x^2$",
    "\u202egnp.exe\x00\x1b[31m",
]


def scatter(labels=None, texts=None, points=None, **changed):
    n = len(labels or texts)
    points = np.random.default_rng(1).normal(size=(n, 2)) if points is None else points
    given = {
        "points": points,
        "texts": texts or [f"text {index}" for index in range(n)],
        "labels": labels,
        "axes": ("first", "second"),
        "title": "films",
    }
    return Scatter(**given | changed)


def figure(of):
    with plot_style():
        return scatter_figure(of)


class Elements(html.parser.HTMLParser):
    """The names and attributes of a page's elements, and the content of its scripts."""

    def __init__(self, page):
        super().__init__()
        self.found, self.scripts, self.text, self.in_script = [], [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.in_script = tag == "script"
        if self.in_script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.in_script = False

    def handle_data(self, data):
        if self.in_script:
            self.scripts[-1] += data
        else:
            self.text += data


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.integers(0, 30).map(str), min_size=1, max_size=80))
def test_every_point_is_in_one_group(labels):
    found = groups(labels, len(labels))
    indices = np.concatenate([group.indices for group in found])
    assert sorted(indices) == list(range(len(labels)))
    for group in found:
        if group.marker != REST_MARKER:
            assert {labels[index] for index in group.indices} == {group.name}
    looks = [(group.color, group.marker) for group in found]
    assert len(set(looks)) == len(looks) <= 17
    own = [group for group in found if group.marker != REST_MARKER]
    fewest = min((len(group.indices) for group in own), default=0)
    others = [label for label in labels if label not in {None, *(group.name for group in own)}]
    assert all(others.count(label) <= fewest for label in others)


def test_labels_beside_each_other_differ_in_colour_and_in_marker():
    found = groups([f"{number}" for number in range(16)], 16)
    for one, other in itertools.pairwise(found):
        assert one.color != other.color
        assert one.marker != other.marker


def test_the_plot_says_what_there_is():
    axes = ("first principal component (31 % of variance)", "second")
    labels = ["b", "a", "$x_1$", "a", None] * 8
    found = figure(scatter(labels, axes=axes, notes=("A sample of 40 of the 90 texts.",)))
    (plot,) = found.axes
    assert (plot.get_xlabel(), plot.get_ylabel()) == axes
    assert found.get_suptitle() == "films"
    assert plot.get_title(loc="left") == "A sample of 40 of the 90 texts."
    texts = [text.get_text() for text in found.legends[0].get_texts()]
    assert texts == ["$x_1$ (8)", "a (16)", "b (8)", "(no label) (8)"]
    assert sum(len(part.get_offsets()) for part in plot.collections) == 40


def test_without_labels_there_is_no_legend():
    assert not figure(scatter(texts=["a", "b", "c"])).legends
    page = plotly_figure(scatter(texts=["a", "b", "c"]))
    assert page["layout"]["showlegend"] is False
    assert page["data"][0]["text"] == ["a", "b", "c"]


def test_nothing_covers_anything_else_or_leaves_the_picture(tmp_path):
    names = [f"a label of quite some length, in all {'characters'} {n:02}" for n in range(40)]
    labels = [names[index % 40] for index in range(100)] + ["体育", "שלום", None]
    with plot_style():
        made = scatter_figure(scatter(labels, title="a title " * 30, notes=("a note. " * 30,)))
        (tmp_path / "plot.png").write_bytes(png(made))
    renderer = made.canvas.get_renderer()
    (axes,), (legend,) = made.axes, made.legends
    boxes = [
        made._suptitle.get_window_extent(renderer),
        axes.title.get_window_extent(renderer),
        axes._left_title.get_window_extent(renderer),
        axes.get_window_extent(renderer),
        axes.xaxis.label.get_window_extent(renderer),
        legend.get_window_extent(renderer),
    ]
    for upper, lower in zip(boxes, boxes[2:], strict=False):
        assert upper.y0 >= lower.y1 - 1
    width = made.bbox.width
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
    height = matplotlib.image.imread(tmp_path / "plot.png").shape[0]
    assert height < 2 * width


def test_labels_that_cannot_be_drawn_are_numbered_in_the_plot_and_named_on_the_page():
    of = scatter(["שלום", "#1", "film"] * 2)
    texts = [text.get_text() for text in figure(of).legends[0].get_texts()]
    assert texts == ["#1 (2)", "film (2)", "#3 (2)"]
    names = [trace["name"] for trace in plotly_figure(of)["data"]]
    assert names == ["#1 (2)", "film (2)", "#3 \u2068שלום\u2069 (2)"]


def test_plotly_takes_the_figure():
    graph_objects = pytest.importorskip("plotly.graph_objects")
    made = plotly_figure(scatter([str(number % 20) for number in range(60)] + [None]))
    checked = graph_objects.Figure(made)
    assert sum(len(trace.x) for trace in checked.data) == 61
    assert len(checked.data) == 17


@pytest.fixture(scope="module")
def hostile_page():
    of = scatter(HOSTILE, HOSTILE, axes=(HOSTILE[0], HOSTILE[3]), title=HOSTILE[1])
    return scatter_page(Scatter(**vars(of) | {"notes": (HOSTILE[3],)}), b"image")


def test_texts_are_no_elements_of_the_page(hostile_page):
    elements = Elements(hostile_page)
    assert [tag for tag, _ in elements.found if tag in ("script", "a", "img")] == [
        "img",  # the plot, for readers that run no scripts
        "script",
        "script",
        "script",
    ]
    assert not [names for _, names in elements.found if any(n.startswith("on") for n in names)]
    assert HOSTILE[3] in elements.text


def test_the_page_runs_its_own_scripts_alone_and_fetches_nothing(hostile_page):
    elements = Elements(hostile_page)
    policy = next(names["content"] for _, names in elements.found if "http-equiv" in names)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in elements.scripts[1:]  # the first one is data
    }
    assert set(rules["script-src"].split()) == hashes
    assert rules["default-src"] == rules["form-action"] == rules["base-uri"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert not [n for _, n in elements.found if "href" in n or n.get("src", "data:")[:5] != "data:"]


def test_texts_are_escaped_for_plotly_which_reads_tags(hostile_page):
    found = json.loads(Elements(hostile_page).scripts[0])
    strings = [trace["name"] for trace in found["data"]]
    strings += [text for trace in found["data"] for text in trace["text"]]
    strings += [found["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in "".join(strings)
    for string in strings:
        assert not set(re.findall(r"<[^>]*>?", string)) - {"<b>", "</b>", "<br>"}
        assert not re.search("[\x00-\x1f\u202e]", string)


def test_hovering_shows_the_label_and_the_beginning_of_the_text():
    long = "word " * 100_000
    made = plotly_figure(scatter(["good", "bad", "bad"], ["a\n\tfilm", long, " \x00"]))
    bad, good = (trace["text"] for trace in made["data"])
    assert good == ["<b>good</b><br>a film"]
    assert bad[1] == "<b>bad</b><br><i>(no text)</i>"
    lines = bad[0].split("<br>")
    assert lines[-1].endswith("…")
    assert max(map(len, lines)) <= 70
    assert 400 < sum(map(len, lines[1:])) < 500


def test_a_label_in_half_a_surrogate_pair_is_data_too():
    made = json.dumps(plotly_figure(scatter(["\ud800", "b", "b"])))
    assert "\\ud800" in made
