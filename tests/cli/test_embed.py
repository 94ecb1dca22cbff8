"""`kerasformer embed`: what is printed, and the status; tests/corpus has the rest."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerasformer.cli import main
from kerasformer.corpus import EmbeddedCorpus


@pytest.fixture
def embed(model, tmp_path, monkeypatch, capsys):
    """Runs the command on four texts; gives its status, and what it wrote."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("the good films\n\nbad!\n" + "the film " * 20 + "\n")

    def embed(*options, inputs=("a.txt",)):
        arguments = ["embed", *inputs, "--output", "out", "--format", "npy", *options]
        status = main([*arguments, "--model", str(model)])
        return status, *capsys.readouterr()

    return embed


def test_a_summary(embed):
    status, out, err = embed("--shard-size", "3")
    assert status == 0
    assert (
        "4 texts are embedded in out: 2 shards (npy), 12 numbers a text (float32), 0.0 MB." in out
    )
    assert "1 of them was too long for the model and cut: 22 tokens are left out" in out
    assert "Embedding: 4 texts in" in err
    assert sorted(path.name for path in Path("out").iterdir()) == [
        *("manifest.json", "part-00000.jsonl", "part-00000.npy"),
        *("part-00001.jsonl", "part-00001.npy"),
    ]
    status, out, err = embed("--resume")
    assert status == 0
    assert "out is complete" in err
    assert "4 texts are embedded" in out


def test_options(embed):
    status, _, err = embed("--no-text", "--limit", "2", "--pooling", "cls,max", "--normalize")
    assert status == 0, err
    corpus = EmbeddedCorpus("out")
    ((ids, texts, vectors),) = corpus.shards()
    assert (ids, texts, vectors.shape) == ([0, 1], None, (2, 24))
    config = corpus.manifest.job.config
    assert (config.pooling, config.normalize) == (("cls", "max"), True)


def test_columns(embed):
    Path("b.csv").write_text("x1,the film\nx2,bad\n")
    options = ("--no-header", "--id-column", "0", "--text-column", "1")
    assert embed(*options, inputs=["b.csv"])[0] == 0
    ((ids, texts, _),) = EmbeddedCorpus("out").shards()
    assert (ids, texts) == (["x1", "x2"], ["the film", "bad"])


def test_semicolons_in_another_encoding(embed):
    Path("b.csv").write_bytes("key;verse\n1;né\n2;bad\n".encode("cp1252"))
    options = ["--text-column", "verse", "--encoding", "cp1252"]
    assert embed(*options, inputs=["b.csv"])[0] == 0
    ((_, texts, _),) = EmbeddedCorpus("out").shards()
    assert texts == ["né", "bad"]


def test_without_the_extra_of_parquet(model, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.txt").write_text("good\n")
    argv = [str(tmp_path / "a.txt"), "--output", str(tmp_path / "out"), "--model", str(model)]
    assert main(["embed", *argv]) == 2
    assert "pip install 'kerasformer[parquet]'; or give --format npy." in capsys.readouterr().err
    assert main(["embed", *argv, "--format", "npy"]) == 0


def test_mistakes(embed):
    assert "There is no file or folder 'b.txt'" in embed(inputs=["b.txt"])[2]
    assert "No input given" in embed(inputs=[])[2]
    status, out, err = embed("--text-column", "body")
    assert (status, out) == (2, "")
    assert err.endswith("kerasformer: a.txt has no column 'body', only 'text'.\n")
    assert not Path("out").exists()


SLOW = """
import sys, time
from kerasformer.cli import main
from kerasformer.corpus import run
sys.path.insert(0, {folder!r})
from stand_in import StandIn

class Slow(StandIn):
    def __call__(self, texts):
        time.sleep(0.05)
        return super().__call__(texts)

run.ConfiguredEmbedder = Slow
sys.exit(main(["embed", "a.txt", "--output", "out", "--format", "npy", "--shard-size", "1"]))
"""


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("text\n" * 100)
    tests = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW.format(folder=str(tests / "corpus"))],
        env={**os.environ, "PYTHONPATH": str(tests.parent)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not Path("out/part-00002.npy").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    done = len(EmbeddedCorpus("out"))
    assert process.returncode == 130
    assert f"interrupted; {done} of 100 texts are embedded in out" in err
    assert "--resume" in err
    assert json.loads(Path("out/manifest.json").read_text())["complete"] is False


def test_standard_input(model, tmp_path):
    command = [sys.executable, "-m", "kerasformer.cli", "embed", "-", "--output", "out"]
    command += ["--format", "npy", "--model", str(model), "--stdin-format", "jsonl"]
    process = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        input='{"text": "the good films"}\n{"text": "bad\\nfilm"}\n',
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    assert "2 texts are embedded in out: 1 shard" in process.stdout
    ((ids, texts, _),) = EmbeddedCorpus(tmp_path / "out").shards()
    assert (ids, texts) == ([0, 1], ["the good films", "bad\nfilm"])
