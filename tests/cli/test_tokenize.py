"""`kerasformer tokenize`: tokens, ids and offsets as a model gets them, and the vocabulary."""

import io
import json
import subprocess
import sys

import pytest

from kerasformer.cli import main
from kerasformer.cli.text import table
from kerasformer.formatting import readable
from kerasformer.text import WordTokenizer
from kerasformer.text.texts import LONGEST_TEXT


@pytest.fixture
def tokenize(model, capsys):
    """Runs the command with `--json`; gives what it wrote."""

    def tokenize(*argv, source=model):
        assert main(["tokenize", str(source), *argv, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return tokenize


@pytest.fixture
def refused(model, capsys):
    """Runs the command, which must fail; gives the one line that it wrote."""

    def refused(*argv, source=model):
        assert main(["tokenize", str(source), *argv]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    return refused


def columns(result, *names):
    return [tuple(token[name] for name in names) for token in result["tokens"]]


def test_tokens_with_ids_and_offsets(tokenize):
    (result,) = tokenize("The  good films.")
    assert columns(result, "token", "id", "start", "end") == [
        ("[CLS]", 2, None, None),
        ("the", 5, 0, 3),
        ("good", 6, 5, 9),
        ("film", 8, 10, 14),
        ("##s", 9, 14, 15),
        (".", 14, 15, 16),
        ("[SEP]", 3, None, None),
    ]
    assert not any(token["unknown"] for token in result["tokens"])


def test_offsets_are_those_of_the_text_as_given(tokenize):
    text = "CAFÉ\u200b 👩‍👧 שלום"
    (result,) = tokenize(text)
    places = columns(result, "token", "start", "end")[1:-1]
    assert [(token, text[start:end]) for token, start, end in places] == [
        ("cafe", "CAFÉ"),
        ("[UNK]", "👩‍👧"),
        ("שלום", "שלום"),
    ]
    assert [token["token"] for token in result["tokens"] if token["unknown"]] == ["[UNK]"]


def test_pairs_and_maximum_length(tokenize):
    (result,) = tokenize("the good film", "--pair", "bad film!", "--max-length", "7")
    assert columns(result, "token", "segment", "start") == [
        ("[CLS]", 0, None),
        ("the", 0, 0),
        ("good", 0, 4),
        ("[SEP]", 0, None),
        ("bad", 1, 0),
        ("film", 1, 4),
        ("[SEP]", 1, None),
    ]
    assert (result["left_out"], result["pair"]) == (2, "bad film!")


def test_the_table(model, capsys):
    argv = ["tokenize", str(model), "films", "what!", "--pair", "bad", "--max-length", "6"]
    assert main(argv) == 0
    assert capsys.readouterr().out.split("\n\n")[0] == "\n".join(
        [
            "   id  segment  offsets  token  text",
            "0   2        0           [CLS]",
            "1   8        0      0:4  film   film",
            "2   9        0      4:5  ##s    s",
            "3   3        0           [SEP]",
            "4   7        1      0:3  bad    bad",
            "5   3        1           [SEP]",
        ]
    )
    assert main(["tokenize", str(model), "what a film", "--max-length", "4"]) == 0
    out = capsys.readouterr().out
    assert "[UNK]  what  (unknown)" in out
    assert out.endswith("1 more token is cut off.\n")


def test_lines_of_standard_input(tokenize, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the film\n\ngood"))
    results = tokenize("bad", "-")
    assert [result["text"] for result in results] == ["bad", "the film", "", "good"]
    assert [len(result["tokens"]) for result in results] == [3, 4, 2, 3]


def test_a_line_without_end_is_refused(refused, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a" * (2 * LONGEST_TEXT)))
    assert "texts[0] is a text of more than 2 MiB" in refused("-")


def test_standard_input_that_is_no_utf_8(refused, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), "utf-8"))
    assert "Standard input is not utf-8 text (byte 3)" in refused("-")


@pytest.mark.parametrize(
    ("part", "ids"),
    [
        ("5:8", [5, 6, 7]),
        (":2", [0, 1]),
        ("14:", [14, 15]),
        ("8", [8]),
        ("*s", [9]),
        ("##?", [9]),
        ("g*", [6]),
        ("[X]", [12]),
        ("[*]", [0, 1, 2, 3, 4, 12]),
        (".", [14]),
    ],
)
def test_parts_of_the_vocabulary(tokenize, part, ids):
    entries = tokenize("--vocab", part)
    assert [entry["id"] for entry in entries] == ids


def test_the_vocabulary_as_text(model, capsys):
    assert main(["tokenize", str(model), "--vocab", "13:"]) == 0
    assert capsys.readouterr().out == "13  !\n14  .\n15  \\u200d\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "takes texts, or --vocab PART"),
        (["text", "--vocab", "1:2"], "takes texts, or --vocab PART"),
        (["--vocab", "100:200"], "No entry of the vocabulary is '100:200': its ids are 0 to 15"),
        (["--vocab", "99999999999999999999"], "No entry of the vocabulary is '9999"),
        (["--vocab", "nothing*"], "No entry of the vocabulary is 'nothing*'"),
        (["text", "--max-length", "1"], "max_length is 1, but must be at least 2"),
        (["text", "--max-length", "-3"], "max_length is -3, but must be at least 2"),
        (["\ud800"], "holds half a surrogate pair"),
    ],
    ids=["none", "both", "beyond", "huge", "no-match", "short", "negative", "surrogate"],
)
def test_mistakes(refused, argv, message):
    assert message in refused(*argv)


def test_what_a_tokenizer_can_be_read_from(tokenize, refused, model, tmp_path):
    expected = tokenize("good films")
    assert tokenize("good films", source=model / "vocab.txt") == expected
    (model / "config.json").unlink()
    (model / "model.safetensors").unlink()
    assert tokenize("good films", source=model) == expected
    words = WordTokenizer.train(["good films", "bad"])
    words.save_pretrained(tmp_path / "words")
    (result,) = tokenize("good films?", source=tmp_path / "words")
    assert columns(result, "token", "start", "unknown") == [
        ("good", 0, False),
        ("films", 5, False),
        ("[UNK]", 10, True),
    ]
    assert tokenize("", source=tmp_path / "words/tokenizer.json")[0]["tokens"][0]["unknown"]
    (tmp_path / "nothing").mkdir()
    assert "holds no model that can be read" in refused("text", source=tmp_path / "nothing")
    assert "There is no file or folder" in refused("text", source=tmp_path / "none")


def test_a_vocabulary_with_capitals_is_cased(tokenize, model, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text((model / "vocab.txt").read_text(encoding="utf-8") + "Bank\n", encoding="utf-8")
    (result,) = tokenize("Bank the The", source=path)
    assert columns(result, "token")[1:-1] == [("Bank",), ("the",), ("[UNK]",)]


def test_nothing_heavy_is_imported(model):
    script = "import sys; from kerasformer.cli import main; "
    script += f"main(['tokenize', {str(model)!r}, 'a film']); "
    script += "print({'tensorflow', 'keras', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "set()", run.stderr


def test_columns_stay_in_place_beside_text_from_the_right():
    first, second = table([["שלום", "a"], ["b", "c"]]).split("\n")
    assert first == "שלום\u200e  a"
    assert second == "b     c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b é 体 👩", "a b é 体 👩"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\t\n", "\\t\\n"),
    ],
    ids=["plain", "escape", "override", "tag", "surrogate", "spaces"],
)
def test_what_does_not_show_is_escaped(text, shown):
    assert readable(text) == shown
