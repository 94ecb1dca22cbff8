"""What a file or a server says cannot steer the terminal that it is printed on."""

import io
import json
import pickle
import warnings

import pytest

from kerasformer import progress
from kerasformer.cli import main
from kerasformer.cli import text as cli_text
from kerasformer.corpus import EmbeddedCorpus, embed_corpus
from kerasformer.errors import UserError
from kerasformer.sources.progress import FetchProgress

from .conftest import WORDS, write_model

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r"


@pytest.fixture
def shown(capsys):
    """Runs the command; gives all that it prints, which must hold nothing that steers."""

    def shown(*argv):
        main([*map(str, argv)])
        text = "".join(capsys.readouterr())
        assert text.replace("\n", "").replace("\u200e", "").isprintable()
        return text

    return shown


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": f"bert{ESCAPE}"},
        {"hidden_act": f"gelu{ESCAPE}"},
        {"num_labels": ESCAPE},
        {"architectures": [f"Bert{ESCAPE}"]},
        {f"key{ESCAPE}": 1},
        {"id2label": {"0": f"a{ESCAPE}", "1": "b"}},
        {"license": ESCAPE},
    ],
    ids=lambda config: next(iter(config))[:12],
)
def test_a_configuration(tmp_path, shown, config):
    folder = tmp_path / "model"
    write_model(folder, **config)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    shown("inspect", folder)
    shown("tokenize", folder, "good")
    shown("attention", "good", "--model", folder, "--output", tmp_path / "a.npz")
    shown("convert", folder, tmp_path / "out", "--to", "hf")


@pytest.mark.parametrize("name", [f"a{ESCAPE}.csv", "a.csv"])
def test_names_of_files_and_columns(tmp_path, model, shown, name):
    path = tmp_path / name
    column = "text" if name == "a.csv" else f"one{ESCAPE[:-1]}"
    path.write_text(f"{column},two{ESCAPE[:-1]}\ngood,film\n", encoding="utf-8")
    output = tmp_path / f"out{ESCAPE}"
    text = shown("embed", path, "--output", output, "--model", model, "--text-column", "0,1")
    assert "1 text is embedded in" in text
    shown("similar", output, "good")
    shown("embed", path, "--output", output)
    shown("embed", tmp_path / f"none{ESCAPE}", "--output", tmp_path / "other")


def test_what_programs_read_is_not_changed(tmp_path, model, capsys):
    """The texts of shards, and JSON."""
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": f"good {ESCAPE}"}) + "\n")
    embed_corpus([tmp_path / "a.jsonl"], tmp_path / "out", model=str(model), format="npy")
    (shard,) = EmbeddedCorpus(tmp_path / "out").shards()
    assert shard.texts == [f"good {ESCAPE}"]
    capsys.readouterr()
    main(["similar", str(tmp_path / "out"), "good", "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["neighbours"][0]["text"] == f"good {ESCAPE}"


def test_the_sentence_of_an_error():
    error = UserError(f"{ESCAPE} is not\nread.")
    assert str(error) == "\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202e\\r is not\\nread."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress(monkeypatch, is_terminal):
    """Of a server's reasons and of a model's name; a bar's own control codes are the terminal's."""
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr("sys.stderr", stream)
    with FetchProgress(f"model {ESCAPE}") as bar:
        bar.start(10)
        bar.say(f"Passing over it: {ESCAPE}")
        bar.move_to(10)
    progress.say(ESCAPE)
    for mark in ("\x1b]0;", "\x1b[2J", "\x9b", "\u202e", "\x07"):
        assert mark not in stream.getvalue()
    assert "Passing over it: \\x1b]0;owned\\x07" in stream.getvalue()


def test_warnings_of_a_command(monkeypatch, capsys, tmp_path):
    was = warnings.formatwarning
    monkeypatch.setattr(
        "kerasformer.cli.inspect.run",
        lambda arguments: print(warnings.formatwarning(ESCAPE, UserWarning, "a.py", 1, "")),
    )
    main(["inspect", str(tmp_path)])
    assert "UserWarning: \\x1b]0;owned" in capsys.readouterr().out
    assert warnings.formatwarning is was


def test_lines_stay_lines(capsys):
    cli_text.show("a\n\n  b\x1b[2J")
    assert capsys.readouterr().out == "a\n\n  b\\x1b[2J\n"
