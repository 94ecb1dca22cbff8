"""What is seen while files are fetched."""

import io
import sys

import pytest

from kerasformer.sources.progress import FetchProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fetch(size=4_000_000):
    with FetchProgress("a model") as progress:
        progress.start(size)
        progress.move_to(1_000_000)
        progress.say("Passing over [a place].")
        progress.move_to(size)


def test_a_terminal_shows_a_bar_with_bytes(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    fetch()
    seen = terminal.getvalue()
    assert "4.0 of 4.0 MB" in seen
    assert "Passing over [a place]." in seen
    assert "Fetched a model (4.0 MB) in" in seen


def test_anything_else_gets_a_line_at_the_start_and_the_end(capsys):
    fetch()
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["Fetching a model (4.0 MB) ...", "Passing over [a place]."]
    assert lines[2].startswith("Fetched a model (4.0 MB) in ")
    assert len(lines) == 3


def test_a_failure_is_not_called_fetched(capsys):
    def fail():
        with FetchProgress("a model") as progress:
            progress.start(None)
            [].index(1)

    with pytest.raises(ValueError, match="is not in list"):
        fail()
    assert capsys.readouterr().err == "Fetching a model ...\n"


def test_what_was_there_already_is_not_called_fetched(capsys):
    with FetchProgress("a model") as progress:
        progress.move_to(0)
    assert capsys.readouterr().err == ""
