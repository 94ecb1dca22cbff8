"""Progress on a terminal and elsewhere."""

import io
import re
import sys

import pytest

from kerasformer import progress as module
from kerasformer.compare.progress import Progress
from kerasformer.progress import Bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that stands still unless it is set."""

    seconds = 100.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def on_terminal(monkeypatch):
    """A function: calls another one with stderr as a terminal, and gives what that shows."""

    def on_terminal(function, *args):
        with monkeypatch.context() as patch:  # in the test, for pytest replaces stderr before it
            patch.setattr(sys, "stderr", Terminal())
            patch.setenv("TERM", "xterm")
            patch.setenv("COLUMNS", "120")
            function(*args)
            return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sys.stderr.getvalue())

    return on_terminal


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        ("%", {"total": 4, "completed": 1}, "25%, 0:01:00 left"),
        (
            "texts",
            {"total": 4_000, "completed": 1_000},
            "1,000 of 4,000 texts, 50 texts/s, 0:01:00",
        ),
        ("texts", {"completed": 1_000}, "1,000 texts, 50 texts/s"),
        ("MB", {"total": 8e6, "completed": 6e6}, "6.0 of 8.0 MB, 0.3 MB/s, 0:00:07 left"),
    ],
)
def test_a_bar_says_what_is_done_how_fast_and_what_is_left(
    clock, on_terminal, unit, values, expected
):
    def work():
        with Bars(unit=unit) as bars:
            bars.add("[work]")
            clock.seconds += 20
            bars.update(**values)

    seen = on_terminal(work)
    assert expected in seen
    assert "[work]" in seen


def test_what_was_done_before_counts_neither_for_the_rate_nor_the_time_left(clock, on_terminal):
    def work():
        with Bars(unit="texts") as bars:
            bars.add("work", total=4_000, completed=2_000)
            clock.seconds += 10
            bars.update(advance=1_000)

    assert "3,000 of 4,000 texts, 100 texts/s, 0:00:10 left" in on_terminal(work)


def test_elsewhere_there_is_a_line_every_half_minute(clock, capsys):
    with Bars(unit="texts") as bars:
        bars.add("work", total=100)
        for _ in range(10):
            clock.seconds += 10
            bars.update(advance=10)
        bars.say("done")
    assert capsys.readouterr().err.splitlines() == [
        "work: 30 of 100 texts, 1 texts/s, 0:01:10 left",
        "work: 60 of 100 texts, 1 texts/s, 0:00:40 left",
        "work: 90 of 100 texts, 1 texts/s, 0:00:10 left",
        "done",
    ]


def compare(clock):
    """A run that loads for 50 seconds and then trains for 20."""
    with Progress(total=5, done=2) as progress:
        progress.start("Frozen", seed=0)
        progress.phase("computing the features of 100 texts")
        clock.seconds += 50
        progress.phase("training, first batch")
        clock.seconds += 5
        progress.progress(epoch=1, epochs=4, done=0.5, loss=0.7)
        clock.seconds += 5
        progress.progress(epoch=1, epochs=4, done=1.0, loss=0.612)
        metrics = {"accuracy": 0.9, "f1": 0.8}
        progress.finish({"metrics": metrics, "train_seconds": 70.0})
        progress.leave_out(2)


def test_a_comparison_estimates_from_training_alone(clock, on_terminal):
    seen = on_terminal(compare, clock)
    assert "[3/5] Frozen, seed 0: epoch 1/4, loss 0.612" in seen
    assert "25%, 0:00:30 left" in seen  # half an epoch in 5 seconds
    assert "0%" not in seen


def test_a_comparison_without_a_terminal_says_a_line_for_each_phase(clock, capsys):
    compare(clock)
    assert capsys.readouterr().err.splitlines() == [
        "[3/5] Frozen, seed 0: computing the features of 100 texts",
        "[3/5] Frozen, seed 0: training, first batch",
        "[3/5] Frozen, seed 0: accuracy 0.900, macro F1 0.800, trained in 70.0 s",
        "Frozen: 2 more seeds would take too long; --seeds has them run.",
    ]
