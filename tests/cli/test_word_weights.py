"""`kerasformer attention` of a classifier that weighs the words of a text."""

import json

import numpy as np
import pytest

from kerasformer.cli import main
from kerasformer.tasks import RecurrentClassifier, StaticClassifier
from kerasformer.text import WordTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    options = {
        "vocab_size": 20,
        "hidden_size": 4,
        "tokenizer": WordTokenizer.train(["a fine film"]),
    }
    model = RecurrentClassifier(["bad", "good"], units=4, attention_units=4, **options)
    model.save_pretrained(folder / "lstm")
    StaticClassifier(["bad", "good"], **options).save_pretrained(folder / "static")
    return folder, model


def test_the_weights_of_the_words(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "A fine \x1b[31m film"
    expected = folder[1].attention(text)
    assert main(["attention", text, "--model", str(folder[0] / "lstm")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Class: ")
    assert [line.split()[-1] for line in out.split("\n")[3:-3]] == [f"{w:.3f}" for _, w in expected]
    assert "\x1b" not in out
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
    command = ["attention", text, "--model", str(folder[0] / "lstm"), "--json", "--output", "a.npz"]
    assert main(command) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["words"] == [word for word, _ in expected]
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["weights"], [w for _, w in expected], atol=1e-6)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("lstm", ["--block", "1"], "--block is for an encoder"),
        ("lstm", ["--pair", "b"], "--pair is for an encoder"),
        ("static", [], "is a StaticClassifier, which does not tell what it attends to"),
    ],
)
def test_what_it_cannot_show_is_one_sentence(folder, tmp_path, capsys, model, options, message):
    output = str(tmp_path / "a.png")
    command = ["attention", "a", "--model", str(folder[0] / model), "--output", output, *options]
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
