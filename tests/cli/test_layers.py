"""`kerasformer layers`, from the command line to the files that it leaves."""

import json
import os
import re
import shutil
import signal

import numpy as np
import pytest

from kerasformer import load_dataset
from kerasformer.cli import layers as cli_layers
from kerasformer.cli import main

from ..kills import in_a_child

FILES = {"layers.png", "table.md", "record.json"}
NAMES = ["the", "film", "films", "cafe", "!", "."]


@pytest.fixture(scope="module")
def texts():
    """Sixty texts of different words, of which one tells the class."""
    rng = np.random.default_rng(1)
    rows = ["text,label"]
    for i in range(60):
        others = " ".join(rng.choice(NAMES, 4 + i % 3).tolist())
        rows.append(
            f"{others} {('good', 'bad')[i % 2]} {'film ' * (i // 10)},{('yes', 'no')[i % 2]}"
        )
    return "\n".join(rows) + "\n"


@pytest.fixture
def data(texts, tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text(texts)
    return file


@pytest.fixture
def layers(data, model, tmp_path):
    """Runs the command; gives the exit status."""

    def run(*options):
        required = ["--data", data, "--model", model, "--output", tmp_path / "out"]
        return main(["layers", *map(str, required), *map(str, options)])

    return run


def test_it_says_which_layer_and_leaves_the_table_the_map_and_the_record(
    layers, data, model, tmp_path, capsys
):
    assert layers("--poolings", "max") == 0
    out, err = capsys.readouterr()
    folder = tmp_path / "out"
    assert {file.name for file in folder.iterdir()} == FILES
    assert "TextEmbedder.from_pretrained(" in out
    assert "Traceback" not in err
    found = json.loads((folder / "record.json").read_text())
    assert [p["layers"] for p in found["probes"]] == [0, 1, 2, "sum_all"]
    assert found["data"] == json.loads(json.dumps(load_dataset(data).describe()))
    assert found["answer"][0] in out
    assert found["answer"][0] in (folder / "table.md").read_text().replace("\\", "")
    assert (folder / "layers.png").read_bytes().startswith(b"\x89PNG")
    assert found["choice"]["informative"]
    # The same command gives the same.
    capsys.readouterr()
    assert main(["layers", "--data", str(data), "--model", str(model), "--poolings", "max",
                 "--output", str(tmp_path / "again")]) == 0  # fmt: skip
    again = json.loads((tmp_path / "again" / "record.json").read_text())
    for name in ("probes", "choice", "test", "answer"):
        assert again[name] == found[name]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, ["--poolings", "pooled"], "Unknown pooling 'pooled' for every layer"),
        (None, ["--seed", "-1"], "--seed is -1"),
        (None, ["--limit", "2"], "limit 2 is too small"),
        (None, ["--label-column", "lable"], "did you mean 'label'"),
        ("text\na film\n", [], "label"),
        ("text,label\nfine,1\nwarm,1\n", [], "one class"),
        ("text,label\na,1\nb,1\nc,0\nd,0\n", [], "have 5 different texts"),
    ],
    ids=["pooling", "seed", "limit", "column", "no labels", "one class", "few texts"],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    layers, data, tmp_path, capsys, content, options, message
):
    if content is not None:
        data.write_text(content)
    assert layers(*options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err.strip().splitlines()[-1])
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_dialect(layers, texts, data, tmp_path, capsys):
    rows = texts.splitlines()[1:]
    data.write_text("\n".join(row.replace(",", ";é;") for row in rows), encoding="utf-16")
    options = ["--text-column", "0,1", "--label-column", "2", "--no-header"]
    assert layers("--poolings", "max", *options) == 0
    assert "the columns '0', '1' of a row, joined by a space" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["data"]["class_names"] == ["no", "yes"]
    assert record["settings"]["header"] is False


def test_a_folder_that_cannot_be_written_to_is_told_before_the_work(
    layers, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("kerasformer.cli.layers._study", None)  # would fail if it were called
    (tmp_path / "file").write_text("")
    assert layers("--output", tmp_path / "file" / "out") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_interruption_leaves_nothing(layers, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasformer.analysis.layer_probe.fit_probe", interrupted)
    assert layers("--poolings", "cls") == 130
    assert capsys.readouterr().err.endswith("interrupted; nothing was written.\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_at_any_step_the_same_command_runs_afterwards(layers, tmp_path, monkeypatch):
    studies, study = [], cli_layers._study
    monkeypatch.setattr(cli_layers, "_study", lambda *given: studies.append(study(*given)))
    with pytest.raises(AttributeError):  # of the study that is None
        layers("--poolings", "cls")
    monkeypatch.setattr(cli_layers, "_study", lambda *_: studies[0])
    monkeypatch.setattr("kerasformer.analysis.layer_report.layers_map", lambda *_: b"a picture")
    monkeypatch.setattr(os, "fsync", lambda _: None)
    folder, records = tmp_path / "out", []
    for step in range(1, 50):
        status = in_a_child(lambda: layers("--poolings", "cls"), step, folder)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        records.append((folder / "record.json").exists())
        if not records[-1]:
            assert layers("--poolings", "cls") == 0
        assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
        shutil.rmtree(folder)
    assert status == 0
    assert records.count(False) > 5


def test_a_folder_in_use_is_refused(layers, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert layers() == 2
    assert "is not empty; give another." in capsys.readouterr().err
