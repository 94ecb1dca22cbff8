"""`kerasformer context`: the tables and the pictures."""

import json

import pytest

from kerasformer import TextEmbedder
from kerasformer.analysis.context import word_contexts
from kerasformer.cli import main

TEXTS = ["The good film", "good bad film!", "films film"]


@pytest.fixture
def context(model, tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder; gives its status and what it wrote."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def context(*argv):
        status = main(["context", *argv, "--model", str(model)])
        return status, *capsys.readouterr()

    return context


def written(tmp_path):
    return sorted(path.name for path in (tmp_path / "here").iterdir())


def test_the_tables_and_the_pictures(context, tmp_path):
    status, out, _ = context("Film", "--texts", *TEXTS, "the bad")
    assert status == 0
    sections = out.split("\n\n")
    assert sections[0] == "Film (film), 3 occurrences"
    assert [line.split("  ") for line in sections[1].split("\n")] == [
        ["1", "text 1", "The good [film]"],
        ["2", "text 2", "good bad [film]!"],
        ["3", "text 3", "films [film]"],
    ]
    assert sections[2] == "The word is not in text 4."
    rows = [line.split() for line in sections[3].split("\n")]
    assert rows[0] == ["layer", "mean", "cosine", "least", "most", "other", "words"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2"]
    assert sections[5] == "Cosines in layer 2"
    matrix = [line.split() for line in sections[6].split("\n")]
    assert matrix[0] == ["1", "2", "3"]
    assert [row[i] for i, row in enumerate(matrix[1:], 1)] == ["1.00"] * 3
    assert sections[7] == "Written: context.png, context-layer-2.png\n"
    assert written(tmp_path) == ["context-layer-2.png", "context.png"]
    for name in written(tmp_path):
        assert (tmp_path / "here" / name).read_bytes().startswith(b"\x89PNG")


def test_json_has_the_cosines(context, model, tmp_path):
    argv = ["--layer", "0", "--output", "film.png", "--json"]
    _, out, _ = context("films", "--texts", "films", *TEXTS, *argv)
    record = json.loads(out)
    expected = word_contexts(TextEmbedder.from_pretrained(model), "films", ["films", *TEXTS])
    assert record["cosines"] == expected.cosines.tolist()
    assert record["layer"] == 0
    assert record["occurrences"][1]["tokens"] == ["film", "##s"]
    assert record["without"] == [1, 2]
    assert record["others"][0] is None
    assert record["files"] == ["film.png", "film-layer-0.png"] == sorted(written(tmp_path))[::-1]


def test_a_file_of_lines(context, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffa good CAFÉ\r\n\r\nthe cafe".encode())
    status, out, _ = context("café", "--file", str(path))
    assert status == 0
    assert "1  text 1  a good [CAFÉ]\n2  text 3  the [cafe]" in out
    assert "not in text 2." in out


def test_more_than_the_limit_and_than_a_terminal_is_wide(context):
    _, out, _ = context("film", "--texts", "film " * 15, "--limit", "13")
    assert "There are more: raise --limit above 13." in out
    assert "Cosines in layer" not in out
    assert "–" in out  # no other words


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["good", "--texts", "bad"], "'good' is not in the text"),
        (["good", "--texts", "good"], "'good' stands only once, in text 1"),
        (["film", "--texts", *TEXTS, "--layer", "3"], "--layer is 3, but the model has 0"),
        (["film", "--texts", *TEXTS, "--layer", "-4"], "--layer is -4"),
        (["film", "--texts", *TEXTS, "--limit", "1"], "--limit is 1"),
        (["film", "--texts", *TEXTS, "--output", "a.pdf"], "a.pdf, but must end in .png."),
        (["film", "--texts", *TEXTS, "--output", "no/a.png"], "no/a.png cannot be written (No"),
        (["film", "--file", "nothing.txt"], "nothing.txt"),
    ],
    ids=["not", "once", "layer", "below", "limit", "suffix", "folder", "file"],
)
def test_mistakes(context, tmp_path, argv, message):
    status, out, err = context(*argv)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not written(tmp_path)


@pytest.mark.parametrize("content", [b"", b"caf\xe9\n"], ids=["empty", "latin-1"])
def test_files_that_are_no_texts(context, tmp_path, content):
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    status, _, err = context("good", "--file", str(path))
    assert status == 2
    assert "texts.txt" in err


@pytest.mark.parametrize("argv", [["good"], ["good", "--texts", "a", "--file", "b"]])
def test_texts_or_a_file(context, argv):
    with pytest.raises(SystemExit, match="2"):
        context(*argv)
