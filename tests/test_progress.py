"""Progress on a terminal and elsewhere."""

import io
import re
import sys

import pytest

from kerasformer import progress as module
from kerasformer.compare.label_curve import Job
from kerasformer.compare.progress import Progress
from kerasformer.progress import Bars, WorkProgress, step


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
        ("%", {"total": 1, "completed": 1e-20}, "0%"),
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


def embed(clock, total=1_000_000):
    """1,000 texts in 50 seconds, of which a person hears after 40."""
    with WorkProgress("Embedding", total, done=400_000) as work:
        for seconds in (10, 30, 10):
            clock.seconds += seconds
            work.advance(200)
        work.move_to(401_000)
        work.finish()


def test_a_terminal_shows_a_bar_for_long_work(clock, on_terminal):
    seen = on_terminal(embed, clock)
    assert "401,000 of 1,000,000 texts, 20 texts/s, 8:19:10 left" in seen
    assert "Embedding: 1,000 texts in 50.0 s, 20 texts/s." in seen


def test_anything_else_gets_a_line_now_and_then(clock, capsys):
    embed(clock)
    assert capsys.readouterr().err.splitlines() == [
        "Embedding: 400,400 of 1,000,000 texts, 7 texts/s, 1 day, 0:59:00 left",
        "Embedding: 1,000 texts in 50.0 s, 20 texts/s.",
    ]


def test_nobody_knows_how_many(clock, capsys):
    embed(clock, total=None)
    first, _ = capsys.readouterr().err.splitlines()
    assert first == "Embedding: 400,400 texts, 7 texts/s"


def test_a_step_of_unknown_length_is_named(capsys):
    with step("Loading"):
        assert capsys.readouterr().err == "Loading ...\n"


def test_a_step_of_unknown_length_is_named_on_a_terminal(on_terminal):
    def work():
        with step("[Loading]"):
            pass

    assert "[Loading]" in on_terminal(work)


def test_until_the_first_report_nothing_is_estimated(on_terminal):
    def work():
        with WorkProgress("Embedding", 100):
            pass

    seen = on_terminal(work)
    assert "left" not in seen
    assert "%" not in seen


def compare(clock):
    """A run that loads for 50 seconds and then trains for 20."""
    with Progress(total=5, done=2) as progress:
        progress.start("Frozen", Job(seed=0))
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


def test_a_part_of_an_epoch_is_all_that_there_is_to_do(clock, on_terminal):
    def work():
        with Progress(total=1) as progress:
            progress.start("Student", Job(seed=0))
            progress.phase("training, first batch")
            for done in (0.1, 0.2):
                progress.progress(epoch=1, epochs=0.4, done=done, loss=0.7)
                clock.seconds += 5

    seen = on_terminal(work)
    assert "epoch 1/1, loss 0.700" in seen
    assert "50%, 0:00:10 left" in seen


def test_a_comparison_without_a_terminal_says_a_line_for_each_phase(clock, capsys):
    compare(clock)
    assert capsys.readouterr().err.splitlines() == [
        "[3/5] Frozen, seed 0: computing the features of 100 texts",
        "[3/5] Frozen, seed 0: training, first batch",
        "[3/5] Frozen, seed 0: accuracy 0.900, macro F1 0.800, trained in 70.0 s",
        "Frozen: 2 more runs would take too long; --seeds has them run.",
    ]
