"""What is no sound SavedModel is refused in one sentence; content has one fingerprint."""

import os
import shutil

import keras
import pytest

from kerasformer.errors import UserError
from kerasformer.hub import HubEncoder, HubPreprocessor
from kerasformer.hub.saved_model import (
    content_fingerprint,
    find_saved_model,
    load_saved_model,
    read_vocabulary,
)

tensorflow_only = pytest.mark.backend("tensorflow")


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return text


@pytest.fixture
def copy_of(golden, tmp_path):
    """Copies a golden SavedModel."""

    def copy(name="encoder"):
        return shutil.copytree(golden[name], tmp_path / name)

    return copy


def test_no_saved_model(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(UserError, match=r"is no SavedModel, as it has no saved_model.pb") as error:
        find_saved_model(tmp_path)
    one_sentence(error)
    with pytest.raises(UserError, match="is no SavedModel"):
        find_saved_model(tmp_path / "weights.h5")
    with pytest.raises(UserError, match="There is no file or folder"):
        find_saved_model(tmp_path / "nothing")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    with pytest.raises(UserError, match="TF Hub's format for TensorFlow 1") as error:
        find_saved_model(tmp_path)
    one_sentence(error)


@tensorflow_only
@pytest.mark.parametrize("share", [0, 0.7])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("saved_model.pb", "TensorFlow cannot load the SavedModel"),
        ("variables/variables.index", "is not a sound index"),
    ],
)
def test_truncated_file(copy_of, name, message, share):
    folder = copy_of()
    size = (folder / name).stat().st_size
    os.truncate(folder / name, int(size * share))
    with pytest.raises(UserError, match=message) as error:
        load_saved_model(folder)
    assert str(folder) in one_sentence(error)


@tensorflow_only
def test_truncated_variables(copy_of):
    folder = copy_of()
    os.truncate(folder / "variables" / "variables.data-00000-of-00001", 20_000)
    with pytest.raises(UserError, match="TensorFlow cannot load") as error:
        HubEncoder(folder)
    one_sentence(error)


@tensorflow_only
@pytest.mark.parametrize("missing", ["variables", "assets/vocab.txt"])
def test_missing_parts(copy_of, missing):
    pytest.importorskip("tensorflow_text")
    folder = copy_of("preprocessor" if missing.startswith("assets") else "encoder")
    path = folder / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match="TensorFlow cannot load") as error:
        load_saved_model(folder)
    one_sentence(error)


@tensorflow_only
def test_missing_tensorflow_text(golden, monkeypatch):
    from kerasformer.hub import saved_model

    def load(folder):
        raise FileNotFoundError("Op type not registered 'CaseFoldUTF8' in binary running on x.")

    def missing(module, extra):
        raise UserError(f"{module} is not installed, {extra}")

    monkeypatch.setattr("tensorflow.saved_model.load", load)
    monkeypatch.setattr(saved_model, "require", missing)
    with pytest.raises(UserError, match="tensorflow_text is not installed, hub"):
        load_saved_model(golden["preprocessor"])


@tensorflow_only
def test_each_for_the_other(golden):
    pytest.importorskip("tensorflow_text")
    with pytest.raises(UserError, match="is a preprocessor: use HubPreprocessor"):
        HubEncoder(golden["preprocessor"])
    with pytest.raises(UserError, match="no tokenize and bert_pack_inputs: use HubEncoder"):
        HubPreprocessor(golden["encoder"])


@pytest.mark.backend("jax")
@pytest.mark.parametrize("layer_class", [HubEncoder, HubPreprocessor])
def test_other_backends(golden, layer_class):
    with pytest.raises(UserError, match=f"{layer_class.__name__} runs a TensorFlow graph, but"):
        layer_class(golden["encoder"])


def test_fingerprint_is_of_what_runs(copy_of):
    folder = copy_of()
    first = content_fingerprint(folder)
    (folder / "README.md").write_text("not run")
    os.utime(folder / "saved_model.pb")
    assert content_fingerprint(folder) == first
    seen = {first}

    def is_new():
        fingerprint = content_fingerprint(folder)
        new, _ = fingerprint not in seen, seen.add(fingerprint)
        return new

    with open(folder / "saved_model.pb", "ab") as stream:
        stream.write(b"\0")
    assert is_new()
    (folder / "assets" / "vocab.txt").write_text("other")
    assert is_new()
    (folder / "assets" / "vocab.txt").rename(folder / "assets" / "words.txt")
    assert is_new()
    (folder / "assets" / "deeper").mkdir()
    (folder / "assets" / "deeper" / "file").write_bytes(b"")
    assert is_new()
    with open(folder / "variables" / "variables.data-00000-of-00001", "r+b") as stream:
        stream.write(b"\xff")
    assert is_new()
    (folder / "saved_model.pbtxt").write_text("")
    assert is_new()
    assert len(first) == 64


def test_fingerprint_of_an_unreadable_file(copy_of, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("kerasformer.hub.saved_model.sha256_of", refuse)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\)"):
        content_fingerprint(copy_of())


def test_vocabulary_splits_at_line_ends_alone(copy_of):
    folder = copy_of()
    (folder / "assets" / "vocab.txt").write_text("[PAD]\n\x85\n\u2028\nlast", encoding="utf-8")
    assert read_vocabulary(folder) == ["[PAD]", "\x85", "\u2028", "last"]
    (folder / "assets" / "vocab.txt").rename(folder / "assets" / "sentencepiece.model")
    assert read_vocabulary(folder) == []


def test_layers_are_registered():
    for layer_class in (HubEncoder, HubPreprocessor):
        name = keras.saving.get_registered_name(layer_class)
        assert name == f"kerasformer>{layer_class.__name__}"
