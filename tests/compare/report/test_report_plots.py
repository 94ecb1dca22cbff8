import itertools
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from kerasformer.compare.arms import arms_of
from kerasformer.compare.report.confusion import confusion_matrices, most_confused
from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.plots import (
    describe_curves,
    learning_curves,
    place_labels,
    quality_against_time,
)
from kerasformer.compare.report.summary import summarize
from kerasformer.plots.figures import new_figure, plot_style, png
from kerasformer.plots.labels import drawable

TITLES = ("TF-IDF + logistic regression", "From scratch", "Frozen MiniLM", "Fine-tuned MiniLM")


@pytest.fixture(scope="module")
def axes():
    with plot_style():
        axes = new_figure(4.6).subplots()
        axes.set_xlim(-1, 2)
        axes.set_ylim(-1, 2)
        yield axes


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=4, max_size=4))
@example([(0.5, 0.5)] * 4)
@example([(1, 1), (1, 0.99), (1, 0.98), (1, 0.97)])
def test_labels_never_cover_each_other(axes, points):
    """However close the points are: all of them in one place too."""
    drawn = [axes.plot(*point, "o", markersize=8)[0] for point in points]
    notes = place_labels(axes, points, TITLES, ["black"] * 4, drawn)
    renderer = axes.figure.canvas.get_renderer()
    boxes = [Text.get_window_extent(note, renderer) for note in notes]
    edge = axes.get_window_extent(renderer)
    centres = [axes.transData.transform(point) for point in points]
    for artist in (*notes, *drawn):
        artist.remove()
    assert not any(box.contains(*centre) for box in boxes for centre in centres)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(edge.x0 <= box.x0 and box.x1 <= edge.x1 for box in boxes)
    assert all(edge.y0 <= box.y0 and box.y1 <= edge.y1 for box in boxes)


def test_style_neither_leaks_in_nor_out(make_record):
    findings = Findings(make_record(arms=("tfidf",), seeds=(0,)))

    def plot():
        with plot_style():
            return png(quality_against_time(findings))

    plain = plot()
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "axes.grid": False}):
        before = dict(mpl.rcParams)
        assert plot() == plain
        assert dict(mpl.rcParams) == before


def test_quality_plot_has_an_axis_in_seconds_and_a_point_an_arm(make_record):
    findings = Findings(make_record())
    with plot_style():
        (axes,) = quality_against_time(findings).axes
    assert axes.get_xscale() == "log"
    assert "seconds" in axes.get_xlabel()
    assert "%" in axes.get_ylabel()
    texts = {text.get_text() for text in axes.texts}
    assert texts == {arm.title for arm in findings.arms}
    markers = {arm.marker for arm in arms_of("classification").values()}
    points = [line for line in axes.lines if line.get_marker() in markers]
    assert len(points) == 4  # the majority class is a line


def test_labels_keep_clear_of_error_bars(make_record):
    record = make_record(arms=("majority", "tfidf", "scratch"), seeds=(0, 1))
    for arm in record["arms"].values():
        for run, factor in zip(arm["runs"], (0.6, 1.4), strict=True):
            run["train_seconds"] *= factor
            run["metrics"]["accuracy"] *= 0.9 * factor**0.1
    with plot_style():
        figure = quality_against_time(Findings(record))
        figure.draw_without_rendering()
    renderer, (axes,) = figure.canvas.get_renderer(), figure.axes
    labels = [Text.get_window_extent(label, renderer) for label in axes.texts[1:]]
    lines = [line for line in axes.lines if line.get_marker() in ("|", "_")]
    bars = [line.get_window_extent(renderer) for line in lines]
    assert len(bars) == 4
    assert not any(label.overlaps(bar) for label in labels for bar in bars)


@pytest.mark.parametrize("seconds", [(0.0, 0.0), (None, 3.0), (5.0, 5.0), (1e-9, 1e9)])
def test_quality_plot_of_any_training_times(make_record, seconds):
    record = make_record(arms=("tfidf", "scratch"), seeds=(0,))
    for arm, value in zip(record["arms"].values(), seconds, strict=True):
        arm["runs"][0]["train_seconds"] = value
    with warnings.catch_warnings(), plot_style():
        warnings.simplefilter("error")
        figure = quality_against_time(Findings(record))
        low, high = figure.axes[0].get_xlim()
    assert 0 < low < high < 1e13


def test_learning_curves_of_seeds_with_other_numbers_of_epochs(make_record):
    record = make_record(arms=("scratch",), seeds=(0, 1))
    first, second = record["arms"]["scratch"]["runs"]
    del first["history"][2:]
    second["history"][0] |= {"val_loss": None, "loss": float("nan")}
    with plot_style():
        axes = learning_curves(Findings(record)).axes[0]
    thick = [line for line in axes.lines if line.get_linewidth() == 2]
    assert [len(line.get_xdata()) for line in thick] == [2, 2]
    assert np.isnan(thick[0].get_ydata()[0])
    assert thick[0].get_ydata()[1] == pytest.approx(
        (first["history"][1]["loss"] + second["history"][1]["loss"]) / 2
    )


def test_learning_curves_of_one_epoch_show_markers(make_record):
    record = make_record(arms=("fine_tuned",), seeds=(0,))
    del record["arms"]["fine_tuned"]["runs"][0]["history"][1:]
    with plot_style():
        loss, accuracy = learning_curves(Findings(record)).axes
    assert all(line.get_marker() not in (None, "None") for line in loss.lines)
    low, high = accuracy.get_xlim()
    assert [tick for tick in accuracy.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.parametrize("classes", [1, 2, 9, 120])
def test_confusion_matrices_of_any_number_of_classes(make_record, classes):
    names = [f"a class with a rather long name, {number}" for number in range(classes)]
    record = make_record(arms=("majority", "tfidf", "scratch"), seeds=(0,), n=500)
    arms = summarize(record)
    for arm in arms:  # a class without test examples too
        arm.confusion.clear()
        arm.confusion.update({(c, c): 1 for c in range(1, classes)})
    with warnings.catch_warnings(), plot_style():
        warnings.simplefilter("error")
        figure = confusion_matrices(arms, names)
        figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == [arm.title for arm in arms[1:]]
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert max(map(len, labels)) <= 14
    assert len(panels[0].texts) == (classes**2 if classes <= 8 else 0)


def test_most_confused_pairs(make_record):
    arm = summarize(make_record(arms=("tfidf",), seeds=(0,)))[0]
    arm.confusion.clear()
    arm.confusion.update({(0, 0): 5, (0, 2): 3, (1, 0): 1, (1, 1): 9, (2, 1): 3})
    assert most_confused(arm, 2) == [(0, 2, 3, 3 / 8), (2, 1, 3, 1.0)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("positive", "positive"),
        ("café", "café"),
        ("cafe\u0301", "café"),
        ("$x$ _y", "$x$ _y"),
        ("a\nb", "a b"),
        ("a-very-long-class-name", "a-very-…s-name"),
        ("إيجابي", "#7"),
        ("שלילי", "#7"),
        ("हिन्दी", "#7"),
        ("\U0010fffd", "#7"),
        ("\x00", "#7"),
        ("", "#7"),
        ("\u202eabc", "#7"),
    ],
)
def test_drawable_falls_back_where_matplotlib_would_draw_it_wrong(name, expected):
    assert drawable(name, fallback="#7", limit=14) == expected


def test_names_that_fonts_lack_raise_no_warning(make_record):
    names = ("科学", "😀 smile", "إيجابي", "$\\frac$")
    record = make_record(arms=("tfidf",), seeds=(0,), class_names=names, n=200)
    record["arms"]["tfidf"]["title"] = "ТФ-ИДФ $ 逻辑回归 \U0010fffd"
    arms = summarize(record)
    with warnings.catch_warnings(), plot_style():
        warnings.simplefilter("error")
        png(confusion_matrices(arms, names))
        png(quality_against_time(Findings(record)))


@pytest.mark.parametrize(
    ("task", "title", "points", "lines"),
    [
        ("pairs", "Accuracy", 4, 1),
        ("tagging", "Entity F1", 4, 0),  # the most frequent tag is learnt
        ("answering", "F1", 3, 1),
    ],
)
def test_axes_have_the_names_of_the_tasks_metric(make_record, task, title, points, lines):
    findings = Findings(make_record(task=task, seeds=(0, 1), n=100))
    with plot_style():
        (axes,) = quality_against_time(findings).axes
        curves = learning_curves(findings)
    assert axes.get_ylabel() == f"{title} on the test split, %"
    markers = {arm.marker for arm in arms_of(task).values()}
    assert sum(line.get_marker() in markers for line in axes.lines) == points
    assert sum(line.get_linestyle() == "--" for line in axes.lines) == lines
    assert {panel.get_ylabel() for panel in curves.axes} == {"Loss", f"{title}, %", ""}


def test_curves_of_a_metric_that_is_measured_on_validation_alone(make_record):
    findings = Findings(make_record(task="answering", arms=("fine_tuned",), n=50))
    with plot_style():
        loss, metric = learning_curves(findings).axes
    thick = [[line for line in axes.lines if line.get_linewidth() == 2] for axes in (loss, metric)]
    assert [[line.get_label() for line in lines] for lines in thick] == [
        ["training", "validation"],
        ["validation"],
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "Loss on the training and validation splits and entity F1 on the training and valid"),
        (("score",), "Loss on the training and validation splits and entity F1 on the validation "),
        (("score", "val_score"), "Loss on the training and validation splits, epoch by epoch,"),
        (("score", "val_score", "val_loss"), "Loss on the training split, epoch by epoch, for"),
    ],
)
def test_who_cannot_see_the_curves_is_told_what_they_show(make_record, names, told):
    record = make_record(task="tagging", n=50)
    for entry in record["arms"].values():
        for epoch in (epoch for run in entry["runs"] for epoch in run["history"]):
            epoch |= dict.fromkeys(names)
    assert describe_curves(Findings(record)).startswith(told)


def test_a_metric_that_no_epoch_has_gets_no_panels(make_record):
    record = make_record(task="tagging", arms=("scratch",), n=50)
    for run in record["arms"]["scratch"]["runs"]:
        for epoch in run["history"]:
            epoch |= {"score": None, "val_score": None}
    with plot_style():
        (axes,) = learning_curves(Findings(record)).axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("Loss", "Epoch")


def test_a_panel_without_a_curve_says_so(make_record):
    record = make_record(task="tagging", arms=("frozen", "fine_tuned"), n=50)
    for run in record["arms"]["frozen"]["runs"]:
        for epoch in run["history"]:
            epoch |= {"score": None, "val_score": None}
    with plot_style():
        axes = learning_curves(Findings(record)).axes
    texts = [[text.get_text() for text in panel.texts] for panel in axes]
    assert texts == [[], [], ["not measured\nwhile it trained"], []]
