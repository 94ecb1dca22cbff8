"""`kerasformer convert`: each way round, what is refused, and that nothing half-written stays."""

import itertools
import json
import zipfile

import keras
import numpy as np
import pytest
import safetensors.numpy

from kerasformer import BertEncoder, tasks
from kerasformer.cli import convert as command
from kerasformer.cli import main

from .conftest import random_tensors

HEADS = {
    "MaskedLanguageModel": (["masked_lm"], "BertForMaskedLM"),
    "NextSentencePredictor": (["next_sentence"], "BertForNextSentencePrediction"),
    "PretrainingModel": (["masked_lm", "next_sentence"], "BertForPreTraining"),
    "TextClassifier": (["classifier"], "BertForSequenceClassification"),
    "TokenClassifier": (["classifier"], "BertForTokenClassification"),
    "QuestionAnswerer": (["span"], "BertForQuestionAnswering"),
}
NO_POOLER = ("BertForMaskedLM", "BertForTokenClassification", "BertForQuestionAnswering")
LABELS = {"id2label": {"0": "bad", "1": "so so", "2": "good"}}


@pytest.fixture
def convert(capsys):
    """Runs the command, which must succeed; gives what it printed."""

    def convert(source, target, to, *options):
        assert main(["convert", str(source), str(target), "--to", to, *options]) == 0
        out, err = capsys.readouterr()
        assert "Reading it back ..." in err
        return out

    return convert


@pytest.fixture
def refused(capsys):
    """Runs the command, which must fail; gives the last line that it wrote."""

    def refused(source, target, to, *options):
        assert main(["convert", str(source), str(target), "--to", to, *options]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        return err.rstrip("\n").split("\n")[-1]

    return refused


def weights(model):
    return [(w.path.partition("/")[2], keras.ops.convert_to_numpy(w)) for w in model.weights]


def assert_same(one, other):
    for (path, value), (other_path, other_value) in zip(weights(one), weights(other), strict=True):
        assert path == other_path
        np.testing.assert_array_equal(value, other_value)


@pytest.mark.parametrize("to", ["hf", "keras"])
def test_an_encoder(convert, model, tmp_path, to):
    target = tmp_path / "new" / "out.keras"
    out = convert(model, target, to)
    assert "Wrote a BertEncoder of 2,354 parameters:" in out
    assert "Read back: 39 weights are equal" in out
    assert ("Left out: the tokenizer." in out) == (to == "keras")
    assert_same(BertEncoder.from_pretrained(model), BertEncoder.from_pretrained(target))
    assert [path.name for path in target.parent.iterdir()] == ["out.keras"]


@pytest.mark.parametrize("name", HEADS)
def test_a_model_with_its_heads(convert, make_model, tmp_path, name):
    heads, architecture = HEADS[name]
    tensors = random_tensors(*heads)
    if architecture in NO_POOLER:
        tensors = {key: value for key, value in tensors.items() if "pooler" not in key}
    source = make_model(tensors=tensors, architectures=[architecture], **LABELS)
    out = convert(source, tmp_path / "out", "hf")
    assert f"Wrote a {name} of" in out
    assert "Left out" not in out
    written = safetensors.numpy.load_file(tmp_path / "out/model.safetensors")
    assert written.keys() == tensors.keys()
    for key, value in tensors.items():
        np.testing.assert_array_equal(written[key], value)
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["architectures"] == [architecture]
    if "Classif" in name:
        assert config["id2label"] == LABELS["id2label"]
    assert (tmp_path / "out/tokenizer.json").is_file()
    again = getattr(tasks, name).from_pretrained(tmp_path / "out")
    assert again.tokenizer.tokenize(["good films"]).ids == [[2, 6, 8, 9, 3]]


def test_what_a_format_cannot_hold_is_told(convert, make_model, tmp_path):
    source = make_model("masked_lm", architectures=["BertForMaskedLM"])
    out = convert(source, tmp_path / "out", "hf")
    assert "Left out: the pooler, which transformers' class lacks." in out
    out = convert(source, tmp_path / "out.keras", "keras")
    assert "Left out: the masked lm head." in out
    tensors = random_tensors("masked_lm")
    tensors["cls.predictions.decoder.weight"] = np.ones((16, 12), "float32")
    source = make_model(
        tensors=tensors, architectures=["BertForMaskedLM"], tie_word_embeddings=False
    )
    out = convert(source, tmp_path / "encoder", "hf")
    assert "Wrote a BertEncoder" in out
    assert "Left out: the masked lm head." in out


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("with_head", [False, True], ids=["encoder", "masked-lm"])
def test_tf_hub(convert, make_model, tmp_path, with_head):
    pytest.importorskip("tensorflow_text")
    import tensorflow as tf

    heads = ["masked_lm"] if with_head else []
    source = make_model(*heads, architectures=["BertForMaskedLM" if with_head else "BertModel"])
    out = convert(source, tmp_path / "out", "tfhub")
    assert "out/encoder/saved_model.pb" in out
    saved = tf.saved_model.load(str(tmp_path / "out/encoder"))
    assert hasattr(saved, "mlm") == with_head
    packed = tf.saved_model.load(str(tmp_path / "out/preprocessor"))(tf.constant(["good films"]))
    assert packed["input_word_ids"].numpy()[0, :6].tolist() == [2, 6, 8, 9, 3, 0]


def test_tf_hub_needs_a_tokenizer(refused, convert, model, tmp_path):
    pytest.importorskip("tensorflow_text")
    for path in model.glob("vocab.txt"):
        path.unlink()
    assert "The source has no tokenizer" in refused(model, tmp_path / "out", "tfhub")
    assert not (tmp_path / "out").exists()
    out = convert(model, tmp_path / "out", "hf")
    assert "Left out: the tokenizer, which the source lacks." in out


def test_a_model_that_is_there_is_replaced_when_asked(convert, refused, model, tmp_path):
    target = tmp_path / "out"
    convert(model, target, "hf")
    (target / "notes.txt").write_text("mine")
    (target / "modules.json").write_text("[]")  # of an older model, which would be read first
    assert "exists: give --overwrite" in refused(model, target, "hf")
    assert (target / "modules.json").exists()
    convert(model, target, "hf", "--overwrite")
    assert not (target / "modules.json").exists()
    assert (target / "notes.txt").read_text() == "mine"
    assert not list(target.glob(".*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out"]


def test_an_empty_folder_is_taken(convert, model, tmp_path):
    (tmp_path / "out").mkdir()
    convert(model, tmp_path / "out", "hf")
    assert (tmp_path / "out/config.json").is_file()


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["plain", "overwrite"])
def test_other_things_are_never_replaced(refused, model, tmp_path, options):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").write_text("miaow")
    assert "exists and is not of the format hf" in refused(model, photos, "hf", *options)
    assert "is not of the format tfhub" in refused(model, photos, "tfhub", *options)
    assert "has another suffix than .keras" in refused(model, photos / "cat.jpg", "keras", *options)
    assert "holds the source itself" in refused(model, model, "hf", *options)
    assert "holds the source itself" in refused(model, tmp_path, "hf", *options)
    assert (photos / "cat.jpg").read_text() == "miaow"


@pytest.mark.parametrize("to", ["hf", "keras"])
def test_an_interruption_leaves_what_was_there(convert, model, tmp_path, capsys, monkeypatch, to):
    from kerasformer.cli import model as module

    target = tmp_path / "out.keras"
    interrupted = itertools.repeat(KeyboardInterrupt)
    monkeypatch.setattr(module, "compare_with", lambda *_: (_ for _ in ()).throw(next(interrupted)))
    argv = ["convert", str(model), str(target), "--to", to, "--overwrite"]
    assert main(argv) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    monkeypatch.undo()
    convert(model, target, to)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(module, "compare_with", lambda *_: (_ for _ in ()).throw(next(interrupted)))
    assert main(argv) == 130
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_does_not_read_back_is_removed(refused, model, tmp_path, monkeypatch):
    from kerasformer.cli import model as module

    write = module.write_model

    def write_another(given, tokenizer, path, to):
        write(given, tokenizer, path, to)
        tensors = safetensors.numpy.load_file(path / "model.safetensors")
        tensors["pooler.dense.bias"][3] += 1
        safetensors.numpy.save_file(tensors, path / "model.safetensors")

    monkeypatch.setattr(module, "write_model", write_another)
    message = refused(model, tmp_path / "out", "hf")
    assert "pooler_transform/bias was not read back as it was written" in message
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_outputs_that_differ(monkeypatch):
    from kerasformer.cli.model import _largest_difference
    from kerasformer.errors import UserError

    outputs = {"a": np.array([1.0, 300.0]), "b": [np.array([0.5])]}
    near = {"a": np.array([1.0, 300.0003]), "b": [np.array([0.500001])]}
    assert 9e-7 < _largest_difference(outputs, near) < 1.1e-6
    for wrong in (0.5001, np.nan):
        with pytest.raises(UserError, match=r"differ from the source's by"):
            _largest_difference(outputs, {**near, "b": [np.array([wrong])]})


def test_a_source_that_does_not_load(refused, make_model, tmp_path):
    tensors = random_tensors()
    tensors.pop("pooler.dense.bias")
    message = refused(make_model(tensors=tensors), tmp_path / "out", "hf")
    assert "'pooler.dense.bias' is missing" in message
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written(refused, model, tmp_path):
    (tmp_path / "file").write_text("x")
    message = refused(model, tmp_path / "file" / "out", "hf")
    assert "Cannot save to" in message


def test_options(capsys):
    with pytest.raises(SystemExit) as end:
        main(["convert", "source", "target"])
    assert end.value.code == 2
    assert "--to" in capsys.readouterr().err
    assert set(command._FORMATS) == {"hf", "tfhub", "keras"}


def test_the_keras_file_loads_by_keras_too(convert, model, tmp_path):
    convert(model, tmp_path / "out.keras", "keras")
    assert zipfile.is_zipfile(tmp_path / "out.keras")
    again = keras.saving.load_model(tmp_path / "out.keras")
    assert_same(BertEncoder.from_pretrained(model), again)
