"""What is written for serving gives the model's own outputs, with plain TensorFlow."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kerasformer.checkpoints.export.onnx_file import export_onnx
from kerasformer.checkpoints.export.serving import export_serving
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer, pack

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.backend("tensorflow")

# BETO's order of the special ids, which are not those of BERT.
WORDS = [
    "[MASK]",
    "[PAD]",
    "a",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "good",
    "bad",
    "film",
    "##s",
    "##é",
    ".",
]
TEXTS = ["Good films.", "", "a bad film. " * 9, "[SEP] café"]
NAMES = ("input_word_ids", "input_mask", "input_type_ids")


def make_encoder(**changes):
    sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "intermediate_size": 20}
    sizes |= {"vocab_size": len(WORDS), "max_length": 16, "initializer_range": 0.3}
    return BertEncoder(EncoderConfig(**{**sizes, "pad_token_id": 1, **changes}))


def random_batch(rng, length):
    lengths = rng.integers(1, length + 1, 3)
    return {
        "input_word_ids": rng.integers(0, len(WORDS), (3, length)).astype("int32"),
        "input_mask": (np.arange(length) < lengths[:, None]).astype("int32"),
        "input_type_ids": rng.integers(0, 2, (3, length)).astype("int32"),
    }


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def classifier(tokenizer):
    encoder = make_encoder(pooler=False)
    return TextClassifier(["bad", "good"], encoder, tokenizer, max_length=10)


@pytest.fixture(scope="module")
def served(classifier, tokenizer, tmp_path_factory):
    pytest.importorskip("tensorflow_text")
    folder = tmp_path_factory.mktemp("served") / "classifier"
    assert export_serving(classifier, folder, tokenizer) == folder
    assert [path.name for path in folder.parent.iterdir()] == ["classifier"]
    return folder


RUN = """
import sys
sys.modules["kerasformer"] = None
import numpy as np, tensorflow as tf, tensorflow_text
served = tf.saved_model.load(sys.argv[1])
texts = tf.constant(np.load(sys.argv[2]))
ids = {name: tf.constant(value) for name, value in np.load(sys.argv[3]).items()}
np.savez(
    sys.argv[4],
    strings=served.strings(texts)["outputs"],
    strings_signature=served.signatures["strings"](texts=texts)["outputs"],
    ids=served.ids(**ids)["outputs"],
    ids_signature=served.signatures["ids"](**ids)["outputs"],
    serving_default=served.signatures["serving_default"](**ids)["outputs"],
)
"""


def test_runs_without_kerasformer(served, classifier, tmp_path, rng):
    batch = random_batch(rng, 7)
    np.save(tmp_path / "texts.npy", np.array([text.encode() for text in TEXTS]))
    np.savez(tmp_path / "ids.npz", **batch)
    paths = [served, *(tmp_path / name for name in ("texts.npy", "ids.npz", "out.npz"))]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", RUN, *map(str, paths)], check=True, env=quiet)
    of_texts, of_ids = classifier.predict(TEXTS, verbose=0), classifier(batch)
    for name, outputs in np.load(paths[-1]).items():
        expected = of_texts if name.startswith("strings") else of_ids
        np.testing.assert_allclose(outputs, expected, atol=1e-5, err_msg=name)


def test_an_encoder_takes_ids_of_any_length(tmp_path, rng):
    encoder = make_encoder()
    served = tf.saved_model.load(export_serving(encoder, tmp_path / "encoder"))
    assert set(served.signatures) == {"ids", "serve", "serving_default"}
    for length in (1, 2, 7, 16):
        batch = random_batch(rng, length)
        outputs = served.ids(**{name: tf.constant(value) for name, value in batch.items()})
        assert set(outputs) == {"sequence_output", "pooled_output", "default"}
        expected = encoder(batch)
        for name, value in outputs.items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_replaces_a_savedmodel_and_nothing_else(tmp_path):
    encoder = make_encoder(num_layers=1)
    folder = export_serving(encoder, tmp_path / "model")
    (folder / "assets" / "old").parent.mkdir(exist_ok=True)
    (folder / "assets" / "old").write_text("of the one before")
    export_serving(encoder, folder)
    assert not (folder / "assets" / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="exists and is no SavedModel"):
        export_serving(encoder, tmp_path / "notes")
    with pytest.raises(UserError, match="exists and is no SavedModel"):
        export_serving(encoder, tmp_path / "notes" / "mine.txt")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"


def test_an_interrupted_export_leaves_the_old_one(tmp_path, monkeypatch):
    encoder = make_encoder(num_layers=1)
    folder = export_serving(encoder, tmp_path / "model")
    before = (folder / "saved_model.pb").read_bytes()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(tf.saved_model, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_serving(encoder, folder)
    assert (folder / "saved_model.pb").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_refuses_another_models_tokenizer(tmp_path):
    pytest.importorskip("tensorflow_text")
    other = WordPieceTokenizer.from_vocabulary([*WORDS, "more"])
    with pytest.raises(UserError, match="tokenizer has 13 tokens and the encoder 12"):
        export_serving(make_encoder(), tmp_path / "model", other)
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    with pytest.raises(UserError, match="max_length is 17, but must be from 2 to the encoder's 16"):
        export_serving(make_encoder(), tmp_path / "model", tokenizer, max_length=17)
    assert not list(tmp_path.iterdir())


@pytest.mark.oracle
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
def test_onnx(tmp_path, rng, activation):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    encoder = make_encoder(activation=activation)
    path = export_onnx(encoder, tmp_path / "encoder.onnx")
    session = onnxruntime.InferenceSession(path)
    assert [entry.name for entry in session.get_inputs()] == list(NAMES)
    names = [entry.name for entry in session.get_outputs()]
    for length in (1, 7, 16):
        batch = random_batch(rng, length)
        expected = encoder(batch)
        for name, value in zip(names, session.run(None, batch), strict=True):
            np.testing.assert_allclose(value, expected[name], atol=1e-4, err_msg=name)


@pytest.mark.oracle
def test_onnx_of_a_classifier(classifier, tmp_path, tokenizer):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(export_onnx(classifier, tmp_path / "model.onnx"))
    batch = pack(tokenizer.tokenize(TEXTS, max_length=10))
    outputs = session.run(["outputs"], batch)[0]
    np.testing.assert_allclose(outputs, classifier(batch), atol=1e-4)


def test_onnx_without_tf2onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"pip install 'kerasformer\[onnx\]'"):
        export_onnx(make_encoder(), tmp_path / "model.onnx")
