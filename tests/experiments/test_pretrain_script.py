"""`experiments/pretrain.py`: from raw text to accuracies and their curve, in seconds."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from kerasformer.models import config

FOLDER = Path(__file__).parents[2] / "experiments"
TEXT = "\n\n".join(
    f"The {noun} is {word}.\nI call it {word}.\nThe {noun} again."
    for noun in ("film", "cast", "plot")
    for word in ("fine", "dull", "good", "bad")
)
ROWS = "text,label\n" + "".join(
    f"The film {k} is {word},{word}\n" for k in range(8) for word in ("fine", "dull")
)


@pytest.mark.usefixtures("eager")
def test_it_tells_what_pretraining_brings(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setitem(config._PUBLISHED, "tiny", (1, 8, 2))
    Path("text.txt").write_text(TEXT)
    Path("rows.csv").write_text(ROWS)
    arguments = ["--text", "text.txt", "--data", "rows.csv", "--minutes", "0.005", "--size", "tiny"]
    arguments += ["--labels", "8", "--seeds", "1", "--vocab-size", "60", "--batch-size", "8"]
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *arguments])
    runpy.run_path(str(FOLDER / "pretrain.py"), run_name="__main__")
    assert "pretraining brings" in capsys.readouterr().out
    record = json.loads(Path("results/pretrain/accuracy.json").read_text())
    assert "1.0" in record["pretrained"]
    assert Path("results/pretrain/curve.png").read_bytes()[1:4] == b"PNG"
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *arguments, "--learning-rate", "0.1"])
    with pytest.raises(SystemExit, match=r"with other settings \(learning_rate\): give the same"):
        runpy.run_path(str(FOLDER / "pretrain.py"), run_name="__main__")
