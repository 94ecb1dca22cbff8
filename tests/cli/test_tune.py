"""`kerasformer tune`, from the command line."""

import json

import pytest

from kerasformer.cli import main

from .conftest import write_model

ROWS = ["the good film", "bad films", "good cafe", "the bad cafe"]


@pytest.fixture
def data(tmp_path):
    rows = [f"{text} {'!' * (i % 4)},{'yes' if 'good' in text else 'no'}" for i in range(10) for text in ROWS]  # fmt: skip  # noqa: E501
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return str(tmp_path / "data.csv")


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "model")
    (tmp_path / "model" / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film"])
    )
    return str(tmp_path / "model")


def run(data, *options):
    return main(["tune", "classification", "--data", data, *map(str, options)])


def test_it_prints_the_table_and_goes_on(data, model, tmp_path, capsys, eager):
    folder = tmp_path / "found"
    options = ["--pretrained", model, "--output", folder, "--trained", "head", "--epochs", 1]
    options += ["--batch-size", 8, 16, "--learning-rate", 0.001, 0.1, "--metric", "f1"]
    assert run(data, *options, "--trials", 2) == 0
    out, err = capsys.readouterr()
    assert "Validation f1" in out
    assert "(default)" in out
    assert "On the test split" in out
    assert f"kerasformer predict {folder / 'model'} FILE" in out
    assert "trial 2 of 2: complete, validation f1" in err
    record = json.loads((folder / "record.json").read_text())
    assert [trial["trained"] for trial in record["trials"]] == ["head", "head"]
    assert record["settings"]["pretrained"] == model
    assert run(data, *options, "--resume", "--trials", 2) == 0
    assert capsys.readouterr().out == out
    assert run(data, *options, "--resume", "--trials", 3) == 2
    assert "measured on the test split" in capsys.readouterr().err
    assert run(data, *options, "--resume", "--seed", 3) == 2
    assert "seed was 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scratch", "--pretrained", "x"], "exclude each other"),
        (["--learning-rate", "0.1", "0.01"], "the lowest and the highest"),
        (["--trained", "legs"], "trained is 'legs'"),
        (["--trials", "0"], "trials is 0"),
        (["--resume"], "has no search to go on with"),
    ],
)
def test_mistakes(data, options, message, tmp_path, capsys):
    assert run(data, "--output", tmp_path / "found", *options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
