"""`kerasformer attention`: the table, the pictures, the weights."""

import json

import numpy as np
import pytest

from kerasformer.analysis.attention import attention_maps
from kerasformer.checkpoints import open_checkpoint
from kerasformer.cli import main
from kerasformer.models import BertEncoder


@pytest.fixture
def attention(model, tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder; gives its status and what it wrote."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def attention(*argv):
        status = main(["attention", *argv, "--model", str(model)])
        return status, *capsys.readouterr()

    return attention


def test_the_tables_and_the_picture_of_all_heads(attention, tmp_path):
    status, out, _ = attention("The good films")
    assert status == 0
    lines = out.split("\n")
    assert lines[0] == "6 tokens: [CLS] the good film ##s [SEP]"
    assert lines[4].split()[:3] == ["block", "to", "[CLS]"]
    assert [line.split()[0] for line in lines[5:7]] == ["1", "2"]
    assert "widest, entropy" in out
    assert out.endswith("Written: attention.png\n")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["attention.png"]
    assert (tmp_path / "here/attention.png").read_bytes().startswith(b"\x89PNG")


def test_one_block_and_one_head(attention, tmp_path):
    status, out, _ = attention("The good films", "--block", "2", "--output", "block.png")
    assert status == 0
    rows = [line.split() for line in out.split("\n\n")[2].split("\n")]
    assert [row[0] for row in rows] == ["head", "1", "2", "3"]
    attention("The good films", "--block", "2", "--head", "3", "--output", "head.png")
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert pictures.keys() == {"block.png", "head.png"}
    assert pictures["block.png"] != pictures["head.png"]


def test_the_weights_as_arrays_and_the_heads_as_json(attention, model, tmp_path):
    status, out, _ = attention("good", "--pair", "bad film", "--output", "maps.npz", "--json")
    assert status == 0
    record = json.loads(out)
    checkpoint = open_checkpoint(model)
    expected = attention_maps(
        checkpoint.load_encoder(BertEncoder), checkpoint.read_tokenizer(), "good", "bad film"
    )
    with np.load(tmp_path / "here/maps.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["weights"], expected.weights)
        assert arrays["tokens"].tolist() == record["tokens"] == expected.tokens
    assert record["segments"] == [0, 0, 0, 1, 1, 1]
    assert len(record["heads"]) == 6
    assert record["heads"][4]["block"] == 2
    assert record["heads"][4]["cls"] == pytest.approx(expected.weights[1, 1, :, 0].mean())


def test_a_text_that_is_too_long(attention):
    _, out, _ = attention("good " * 100)
    assert "82 more did not fit into the model and are cut off." in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["good", "--block", "3"], "--block is 3, but the model has 2 blocks, numbered from 1."),
        (["good", "--block", "0"], "--block is 0"),
        (["good", "--block", "1", "--head", "4"], "--head is 4, but the model has 3 heads"),
        (["good", "--head", "1"], "give --block too"),
        (["good", "--output", "maps.pdf"], "maps.pdf, but must end in .png or .npz"),
        (["good", "--output", "nowhere/maps.png"], "nowhere/maps.png cannot be written (No such"),
        (["\ud800"], "holds half a surrogate pair"),
    ],
    ids=["beyond", "zero", "no-head", "no-block", "suffix", "folder", "surrogate"],
)
def test_mistakes(attention, tmp_path, argv, message):
    status, out, err = attention(*argv)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "here").iterdir())


def test_a_file_that_is_no_model(tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    assert main(["attention", "good", "--model", str(tmp_path / "nothing")]) == 2
    assert "holds no model that can be read" in capsys.readouterr().err
