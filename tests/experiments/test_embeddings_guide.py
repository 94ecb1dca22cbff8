"""The guide to embeddings, in English and in Spanish: one program, and what it prints is true."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments"
ENGLISH, SPANISH = FOLDER / "embeddings_guide.ipynb", FOLDER / "embeddings_guide_es.ipynb"
NUMBER = re.compile(r"-?\d+\.\d+")
# Two decimals are shown, and the last one may be rounded otherwise on another machine.
TOLERANCE = 0.015


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def printed(cell):
    """What a code cell printed when the page was made."""
    streams = [output for output in cell["outputs"] if output["output_type"] == "stream"]
    assert all(stream["name"] == "stdout" for stream in streams)
    return "".join("".join(stream["text"]) for stream in streams)


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell["outputs"])


def is_example(cell):
    return "examples" in cell["metadata"].get("tags", [])


def test_both_pages_have_the_same_code_but_for_the_examples():
    english, spanish = cells(ENGLISH), cells(SPANISH)
    assert len(english) == len(spanish)
    for ours, theirs in zip(english, spanish, strict=True):
        assert ours["cell_type"] == theirs["cell_type"]
        assert is_example(ours) == is_example(theirs)
        is_code = ours["cell_type"] == "code" and not is_example(ours)
        assert (source(ours) == source(theirs)) == is_code, source(ours)
    code = [cell for cell in english if cell["cell_type"] == "code"]
    assert sum(map(is_example, code)) < len(code) / 2


@pytest.mark.parametrize("path", [ENGLISH, SPANISH], ids=["en", "es"])
def test_what_the_page_shows_was_run_from_top_to_bottom(path):
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for cell in code for output in cell["outputs"]} <= {
        *("stream", "display_data")
    }
    assert sum(map(pictures, code)) == 3


@pytest.mark.network
@pytest.mark.parametrize("path", [ENGLISH, SPANISH], ids=["en", "es"])
def test_the_page_runs_and_prints_what_it_shows(path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf()))
    names = {}
    for cell in cells(path):
        if cell["cell_type"] != "code":
            continue
        drawn.clear()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(source(cell), path.name, "exec"), names)
        now, shown = out.getvalue(), printed(cell)
        assert NUMBER.sub("#", now).split() == NUMBER.sub("#", shown).split()
        for new, old in zip(NUMBER.findall(now), NUMBER.findall(shown), strict=True):
            assert float(new) == pytest.approx(float(old), abs=TOLERANCE), shown
        assert len(drawn) == pictures(cell)
        for figure in drawn:
            assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)
            plt.close(figure)
