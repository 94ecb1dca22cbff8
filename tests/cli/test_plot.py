"""`kerasformer plot`: the picture and the page of texts in files and in embedded corpora."""

import json
import re

import numpy as np
import pytest

from kerasformer.analysis.projection import project
from kerasformer.cli import main
from kerasformer.corpus import EmbeddedCorpus, embed_corpus

ROWS = [
    *[(f"the good film {'good ' * n}", "good") for n in range(8)],
    *[(f"a bad film {'bad ' * n}", "<bad>") for n in range(8)],
]


@pytest.fixture
def films(tmp_path):
    """The path of a labelled file."""
    path = tmp_path / "films.jsonl"
    rows = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def plot(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder; gives its status and what it wrote."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def plot(*argv):
        status = main(["plot", *map(str, argv)])
        return status, *capsys.readouterr()

    return plot


def figure_of(page):
    """The figure in a page, as plotly gets it."""
    content = page.read_text(encoding="utf-8")
    return json.loads(re.search('id="figure">(.*?)</script>', content)[1])


def points_of(figure):
    """The points by the text that they show."""
    return {
        text.split("<br>")[-1].strip(): (x, y)
        for trace in figure["data"]
        for text, x, y in zip(trace["text"], trace["x"], trace["y"], strict=True)
    }


def test_a_file_as_picture_and_page(plot, films, model, tmp_path):
    status, out, _ = plot(films, "--model", model)
    assert status == 0
    assert out == "16 texts are plotted: plot.png, plot.html\n"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["plot.html", "plot.png"]
    assert (tmp_path / "here/plot.png").read_bytes().startswith(b"\x89PNG")
    figure = figure_of(tmp_path / "here/plot.html")
    assert [trace["name"] for trace in figure["data"]] == ["&lt;bad&gt; (8)", "good (8)"]
    assert "principal component" in figure["layout"]["xaxis"]["title"]["text"]


def test_a_corpus_is_plotted_by_its_own_vectors_and_the_labels_of_its_input(
    plot, films, model, tmp_path
):
    embed_corpus([films], tmp_path / "vectors", model=str(model), shard_size=5, layers=-2)
    status, out, _ = plot(tmp_path / "vectors", "--output", "a/b/page.html")
    assert (status, out) == (0, "16 texts are plotted: a/b/page.html\n")
    figure = figure_of(tmp_path / "here/a/b/page.html")
    assert [trace["name"] for trace in figure["data"]] == ["&lt;bad&gt; (8)", "good (8)"]
    found = points_of(figure)
    vectors = np.concatenate([s.vectors for s in EmbeddedCorpus(tmp_path / "vectors").shards()])
    expected = project(vectors).points
    for (text, _), point in zip(ROWS, expected, strict=True):
        np.testing.assert_allclose(found[text.strip()], point, atol=1e-6)
    # The same vectors as those of the file, embedded by the same settings.
    plot(films, "--model", model, "--layers=-2", "--output", "page.html")
    again = points_of(figure_of(tmp_path / "here/page.html"))
    for text, point in found.items():
        np.testing.assert_allclose(again[text], point, atol=1e-4)


def test_a_sample_says_that_it_is_one(plot, films, model, tmp_path):
    argv = ["--limit", "5", "--method", "tsne", "--output", "page.html", "--pooling", "cls"]
    status, out, _ = plot(films, "--model", model, *argv)
    assert (status, out) == (0, "5 texts are plotted: page.html\n")
    page = (tmp_path / "here/page.html").read_text(encoding="utf-8")
    assert "A sample of 5 of its 16 texts." in page
    assert "pooling cls" in page
    assert "t-SNE" in page


def test_columns_by_number_with_semicolons_in_another_encoding(plot, model, tmp_path):
    path = tmp_path / "films.csv"
    rows = [f"{label};the {text}é" for text, label in ROWS]
    path.write_text("\n".join(rows), encoding="cp1252")
    options = ["--text-column", "1", "--label-column", "0", "--no-header", "--encoding", "cp1252"]
    status, *_ = plot(path, "--model", model, "--output", "page.html", *options)
    assert status == 0
    figure = figure_of(tmp_path / "here/page.html")
    assert [trace["name"] for trace in figure["data"]] == ["&lt;bad&gt; (8)", "good (8)"]
    status, _, err = plot(path, "--model", model)
    assert status == 2
    assert "is not UTF-8 text" in err
    assert "--encoding" in err


def test_texts_without_labels(plot, model, tmp_path):
    (tmp_path / "texts.txt").write_text("good\nbad\nthe film\n", encoding="utf-8")
    status, *_ = plot(tmp_path / "texts.txt", "--model", model, "--output", "page.html")
    assert status == 0
    figure = figure_of(tmp_path / "here/page.html")
    assert figure["layout"]["showlegend"] is False


def test_mistakes(plot, films, model, tmp_path):
    (tmp_path / "two.txt").write_text("good\nbad\n", encoding="utf-8")
    (tmp_path / "same.txt").write_text("good\n" * 4, encoding="utf-8")
    embed_corpus([films], tmp_path / "vectors", model=str(model), limit=4)
    for argv, message in (
        ([tmp_path / "none.csv"], "There is no file or folder"),
        ([films, "--output", "x.svg"], "--output is x.svg: give a file that ends in .png or .html"),
        ([films, "--limit", "2"], "--limit is 2: give how many texts to plot, 3 or more"),
        ([films, "--label-column", "genre"], "has no column 'genre'"),
        ([tmp_path / "two.txt"], "holds 2 texts: give at least 3"),
        ([tmp_path / "same.txt", "--model", model], "All 4 vectors are the same"),
        ([tmp_path / "vectors", "--pooling", "cls"], "vectors of its own: leave out --pooling"),
        ([tmp_path / "vectors", "--text-column", "a"], "leave out --text-column"),
        ([tmp_path / "vectors", "--label-column", "b"], "has no column 'b'"),
        ([tmp_path / "vectors", "--output", films / "x.png"], "cannot be written"),
    ):
        status, out, err = plot(*argv)
        assert (status, out) == (2, "")
        assert message in err
    assert not list((tmp_path / "here").iterdir())


def test_an_extra_that_is_missing_is_told_before_the_work_begins(plot, films, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "plotly", None)
    status, _, err = plot(films, "--model", "no-such-model")
    assert status == 2
    assert "pip install 'kerasformer[plot]'" in err
