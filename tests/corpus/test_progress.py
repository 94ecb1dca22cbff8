"""What is seen while a corpus is embedded."""

import io
import re
import sys

import pytest

from kerasformer import progress as bars
from kerasformer.corpus import progress
from kerasformer.corpus.progress import WorkProgress, step


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that stands still unless it is set."""

    seconds = 100.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def embed(monkeypatch):
    """1,000 texts in 50 seconds, of which a person hears after 40."""
    clock = Clock()
    for module in (progress, bars):
        monkeypatch.setattr(module, "time", clock)

    def embed(total=1_000_000):
        with WorkProgress("Embedding", total, done=400_000) as work:
            for seconds in (10, 30, 10):
                clock.seconds += seconds
                work.advance(200)
            work.move_to(401_000)
            work.finish()

    return embed


def test_a_terminal_shows_a_bar(embed, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    embed()
    seen = terminal.getvalue()
    assert "401,000 of 1,000,000 texts, 20 texts/s, 8:19:10 left" in re.sub(
        r"\x1b\[[0-9;]*m", "", seen
    )
    assert "Embedding: 1,000 texts in 50.0 s, 20 texts/s." in seen


def test_anything_else_gets_a_line_now_and_then(embed, capsys):
    embed()
    assert capsys.readouterr().err.splitlines() == [
        "Embedding: 400,400 of 1,000,000 texts, 7 texts/s, 1 day, 0:59:00 left",
        "Embedding: 1,000 texts in 50.0 s, 20 texts/s.",
    ]


def test_nobody_knows_how_many(embed, capsys):
    embed(total=None)
    first, _ = capsys.readouterr().err.splitlines()
    assert first == "Embedding: 400,400 texts, 7 texts/s"


def test_a_step_of_unknown_length_is_named(capsys):
    with step("Loading"):
        assert capsys.readouterr().err == "Loading ...\n"


def test_until_the_first_report_nothing_is_estimated(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with WorkProgress("Embedding", 100):
        pass
    assert "left" not in terminal.getvalue()
    assert "%" not in terminal.getvalue()
