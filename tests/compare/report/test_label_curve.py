"""The curve over labels: its answer, its table, its plot and its place on the page."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasformer.compare.report import Findings, format_summary, validate_record, write_report
from kerasformer.compare.report.curve import quality_against_labels
from kerasformer.compare.report.tables import label_rows, markdown_table
from kerasformer.errors import UserError
from kerasformer.plots.figures import settle

ARMS = ("majority", "scratch", "frozen")
HALF, ALL = [0.5] * 3, [0.80, 0.801, 0.799]


def found(make_record, whole, **curve):
    """Findings of mains of scratch and frozen by labels, `n100=(scratch, frozen)`."""

    def mains(pair):
        noise = np.array([0.001, -0.001, 0.0])
        return {
            "majority": HALF,
            **{k: (v + noise).tolist() for k, v in zip(ARMS[1:], pair, strict=True)},
        }

    by_labels = {int(key[1:]): mains(pair) for key, pair in curve.items()}
    return Findings(make_record(ARMS, mains=mains(whole), curve=by_labels))


def test_scratch_is_enough_from_the_first_number_on_which_it_stays_so(make_record):
    findings = found(
        make_record,
        (0.8, 0.8),
        n100=(0.6, 0.7),
        n300=(0.78, 0.78),
        n1000=(0.6, 0.75),
        n3000=(0.8, 0.8),
    )
    assert findings.enough_labels == (
        "From about 3,000 labels on: Transformer from scratch is then within chance of Frozen "
        "all-MiniLM-L6-v2, the best pretrained arm there."
    )


@pytest.mark.parametrize(
    ("whole", "first", "start"),
    [
        (
            (0.7, 0.8),
            (0.6, 0.7),
            "Not with all 8,528 labels: Transformer from scratch is 10.0 points",
        ),
        (
            (0.8, 0.8),
            (0.6, 0.7),
            "Only with more than 100 labels: with all 8,528 Transformer from scratch is within",
        ),
        (
            (0.9, 0.8),
            (0.8, 0.7),
            "Already with 100 labels: Transformer from scratch is then ahead of",
        ),
        # With too few labels all are alike, and no better than what learns nothing.
        ((0.8, 0.8), (0.5, 0.5), "Only with more than 100 labels: with all"),
    ],
)
def test_the_answer_is_one_sentence(make_record, whole, first, start):
    findings = found(make_record, whole, n100=first)
    train = findings.record["data"]["splits"]["train"]["examples"]
    assert findings.enough_labels.startswith(start.replace("8,528", f"{train:,}"))


def test_without_both_arms_there_is_no_answer(make_record):
    curve = {100: {"scratch": [0.6, 0.6, 0.6]}}
    findings = Findings(make_record(("majority", "scratch"), curve=curve))
    assert findings.enough_labels == ""
    assert len(label_rows(findings)) == 3
    assert Findings(make_record()).label_curve == []
    assert label_rows(Findings(make_record())) == []


def test_of_what_has_run_with_all_labels_alone_fewer_are_not_judged(make_record):
    findings = found(make_record, (0.9, 0.85), n100=(0.6, 0.7))
    del findings.record["label_curve"]["100"]["frozen"]
    findings = Findings(findings.record)
    assert findings.enough_labels.startswith("At least with all labels: with all 6,")


def test_the_table_has_a_column_for_each_number(make_record):
    findings = found(make_record, (0.8, 0.85), n100=(0.6, 0.7))
    train = findings.record["data"]["splits"]["train"]["examples"]
    rows = label_rows(findings)
    assert rows[0] == ["Accuracy, %, by training labels", "100", f"{train:,}"]
    assert rows[2] == ["Transformer from scratch", "60.0 ± 0.1", "80.0 ± 0.1"]
    assert "| Transformer from scratch | 60.0 ± 0.1 | 80.0 ± 0.1 |" in markdown_table(findings)
    assert "How many labels are enough from scratch?" in format_summary(findings)
    del findings.record["label_curve"]["100"]["frozen"]  # not run yet
    rows = label_rows(Findings(findings.record))
    assert rows[3][1:] == ["–", "85.0 ± 0.1"]


def test_the_plot_and_the_page(make_record, tmp_path):
    findings = found(make_record, (0.8, 0.85), n100=(0.6, 0.7), n1000=(0.7, 0.8))
    write_report(findings.record, tmp_path)
    image = Image.open(io.BytesIO((tmp_path / "label_curve.png").read_bytes()))
    assert image.width == 1440
    page = (tmp_path / "report.html").read_text()
    assert "<h2>How many labels are enough from scratch?</h2>" in page
    assert findings.enough_labels in page
    write_report(make_record(), tmp_path / "without")
    assert not (tmp_path / "without" / "label_curve.png").exists()
    assert "How many labels" not in (tmp_path / "without" / "report.html").read_text()


def test_a_curve_of_one_seed_says_so_and_has_no_bars(make_record, monkeypatch, tmp_path):
    def report(seeds):
        curve = {100: {"scratch": [0.6] * len(seeds), "frozen": [0.7] * len(seeds)}}
        record = make_record(ARMS[1:], seeds=seeds, curve=curve)
        write_report(record, tmp_path / str(len(seeds)))
        (axes,) = quality_against_labels(Findings(record)).axes
        page = (tmp_path / str(len(seeds)) / "report.html").read_text()
        return page.partition("<h2>How many labels")[2].partition("</section>")[0], axes

    page, axes = report((0,))
    assert "With one seed it is unknown" in page
    assert "Bars" not in page
    assert not axes.collections
    page, axes = report((0, 1, 2))
    assert "With one seed" not in page
    assert "Bars: one standard" in page
    assert len(axes.collections) == 2


def test_the_legend_is_in_the_order_of_the_ends_of_the_lines(make_record):
    findings = found(make_record, (0.9, 0.85), n100=(0.6, 0.7))
    (legend,) = quality_against_labels(findings).legends
    titles = [text.get_text().replace("\n", " ") for text in legend.get_texts()]
    assert titles == ["Transformer from scratch", "Frozen all-MiniLM-L6-v2", "Majority class"]


def test_close_numbers_do_not_overlap_on_the_axis(make_record):
    curve = {n: {"scratch": [0.6], "frozen": [0.7]} for n in (100, 200, 4000, 5000, 6000)}
    findings = Findings(make_record(ARMS[1:], seeds=(0,), curve=curve))
    figure = quality_against_labels(findings)
    settle(figure)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    texts = [label.get_text().count("\n") for label in figure.axes[0].get_xticklabels()]
    assert texts == [0, 0, 0, 1, 0, 2]
    ink = [(box.x0, box.x1, down) for box, down in zip(boxes, texts, strict=True)]
    for place, (left, right, down) in enumerate(ink):
        others = [one for one in ink[place + 1 :] if one[2] == down]
        assert all(right < other[0] or left > other[1] for other in others)


def test_a_damaged_curve_is_one_sentence(make_record):
    findings = found(make_record, (0.8, 0.85), n100=(0.6, 0.7))
    findings.record["label_curve"]["100"]["frozen"]["runs"][0]["scores"].pop()
    with pytest.raises(UserError, match="The record is damaged"):
        validate_record(findings.record)
    record = make_record() | {"label_curve": {"many": {}}}
    with pytest.raises(UserError, match="The record is damaged"):
        validate_record(record)
