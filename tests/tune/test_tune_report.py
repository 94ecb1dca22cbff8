"""The table and the plot of a search."""

import numpy as np
import pytest

from kerasformer.plots.figures import plot_style, png
from kerasformer.tune.plot import trials_figure
from kerasformer.tune.report import markdown, table_rows, verdict


def trial(number, value, trained="all", outcome="complete", learning_rate=1e-4):
    return {
        "trial": number, "value": value, "trained": trained, "outcome": outcome, "seconds": 1.25,
        "learning_rate": learning_rate, "batch_size": 32, "epochs": 2, "warmup_ratio": 0.1,
    }  # fmt: skip


@pytest.fixture
def record():
    trials = [
        trial(1, 0.8), trial(2, 0.7, "2", "pruned", 3e-5), trial(3, 0.9, "head", "complete", 3e-3),
        trial(4, None, outcome="diverged"), trial(5, 0.85, "1"),
    ]  # fmt: skip
    test = {"scores": {"accuracy": 0.875}, "examples": 1000, "interval": [0.85, 0.9]}
    data = {"name": "my|data"}
    return {
        "trials": trials, "metric": "accuracy", "best": 3, "test": test, "data": data,
        "status": "complete",
    }  # fmt: skip


def test_the_table_has_the_best_first_and_what_was_cut_short_last(record):
    rows = table_rows(record)
    assert [row[0] for row in rows] == ["Trial", "3", "5", "1 (default)", "2", "4"]
    assert [row[-1] for row in rows[1:]] == ["best", "complete", "complete", "pruned", "diverged"]
    assert [row[1] for row in rows[1:]] == ["head", "last block", "all", "last 2 blocks", "all"]
    lowest = table_rows({**record, "metric": "loss", "best": 1})
    assert [row[0] for row in lowest[1:4]] == ["1 (default)", "5", "3"]


def test_what_was_found_in_sentences(record):
    assert verdict(record) == [
        "Best on the validation split: trial 3, accuracy 0.9000.",
        "The default hyperparameters: accuracy 0.8000.",
        "On the test split (1,000 examples), measured once: accuracy 0.8750, 95 % interval 0.8500 "
        "to 0.9000.",
    ]
    text = markdown(record)
    assert text.startswith("# Hyperparameters for my\\|data\n")
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 7
    interrupted = {**record, "status": "interrupted", "test": None, "best": 1}
    assert "(the default hyperparameters)" in verdict(interrupted)[0]
    assert "test split yet" in verdict(interrupted)[-1]
    assert verdict({**record, "best": None}) == ["No trial has been trained to its end."]


def points(axes):
    return {
        tuple(p) for line in axes.lines for p in line.get_xydata() if line.get_marker() != "None"
    }


def test_the_plot_shows_each_trial_twice_and_the_best_so_far(record):
    with plot_style():
        figure = trials_figure(record)
        left, right = figure.axes
        assert png(figure)[:4] == b"\x89PNG"
    shown = [one for one in record["trials"] if one["value"] is not None]
    assert points(left) == {(one["trial"], 100 * one["value"]) for one in shown}
    assert points(right) == {(one["learning_rate"], 100 * one["value"]) for one in shown}
    assert left.get_ylabel() == "Validation accuracy, %"
    assert (left.get_xlabel(), right.get_xlabel()) == ("Trial", "Learning rate (logarithmic)")
    assert right.get_xscale() == "log"
    (best,) = (line for line in left.lines if line.get_label() == "best so far")
    np.testing.assert_allclose(best.get_ydata(), [80, 80, 90, 90, 90])
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [
        "all trained", "last blocks trained", "head trained", "ended early", "best so far",
    ]  # fmt: skip
    renderer = figure.canvas.get_renderer()
    inside, whole = legend.get_window_extent(renderer), figure.bbox
    assert whole.x0 <= inside.x0 < inside.x1 <= whole.x1


def test_the_plot_of_a_loss_and_of_nothing(record):
    with plot_style():
        left, _ = trials_figure({**record, "metric": "loss"}).axes
        nothing = trials_figure({**record, "trials": [trial(1, None, outcome="diverged")]})
    assert left.get_ylabel() == "Validation loss"
    (best,) = (line for line in left.lines if line.get_label() == "best so far")
    np.testing.assert_allclose(best.get_ydata(), [0.8] * 5)
    assert not nothing.axes
