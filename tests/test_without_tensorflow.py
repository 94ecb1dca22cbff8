"""Keras on JAX, without TensorFlow: in processes of their own that cannot import it."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from kerasformer import TextClassifier, TextEmbedder

# As if it were not installed. (Where it is not, this changes nothing.)
WITHOUT = """
import sys

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTensorFlow())
"""
TEXTS = ["a fine film", "a dull film", "fine", "dull and long"] * 4
LABELS = ["good", "bad"] * 8
ON_JAX = f"""
import json, pathlib, sys
import keras, numpy as np
from kerasformer import EncoderConfig, TextClassifier, TextEmbedder
from kerasformer.text import pack

folder, texts, labels = pathlib.Path(sys.argv[1]), {TEXTS}, {LABELS}
config = EncoderConfig(40, 8, num_layers=2, num_heads=2, intermediate_size=8, max_length=32)
options = {{"validation_data": (texts, labels), "epochs": 2, "seed": 0, "verbose": 0}}

def trained():
    keras.utils.set_random_seed(0)
    model = TextClassifier.from_scratch(["bad", "good"], config=config)
    return model, model.fit(texts, labels, resume=folder / "checkpoints", **options).history

(model, history), (again, _) = trained(), trained()
logits = model.predict(texts, verbose=0)
np.testing.assert_array_equal(again.predict(texts, verbose=0), logits)
model.save_pretrained(folder / "model")
model.save(folder / "model.keras")
read = keras.saving.load_model(folder / "model.keras")
np.testing.assert_allclose(read(pack(model.tokenize(texts))), logits, atol=1e-6)
embedder = TextEmbedder(model.encoder, model.tokenizer)
embedder.save_pretrained(folder / "embedder")
vectors = embedder.encode(texts)
np.savez(folder / "outputs.npz", logits=logits, vectors=vectors)
print(json.dumps({{"history": history, "scores": model.evaluate(texts, labels, return_dict=True),
    "loaded": sorted(name for name in sys.modules if name.startswith("tensorflow"))}}))
"""
# What only TensorFlow can do: the sentences that say so.
REFUSED = """
import json, pathlib, sys
from kerasformer import BertEncoder, EncoderConfig, HubEncoder, TextEmbedder, UserError
from kerasformer.checkpoints.export.tfhub import export_tfhub

folder = pathlib.Path(sys.argv[1])
(folder / "saved").mkdir()
(folder / "saved/saved_model.pb").touch()
(folder / "bert_model.ckpt.index").touch()
encoder = BertEncoder(EncoderConfig(9, 4, num_layers=1, num_heads=1, intermediate_size=4))

def in_graph():
    from kerasformer.text.in_graph import InGraphTokenizer

calls = {
    "checkpoint": lambda: BertEncoder.from_pretrained(folder / "bert_model.ckpt"),
    "SavedModel": lambda: TextEmbedder.from_pretrained(folder / "saved"),
    "layer": lambda: HubEncoder(folder / "saved"),
    "export": lambda: encoder.export(folder / "exported"),
    "onnx": lambda: encoder.export(folder / "exported.onnx", format="onnx"),
    "TF Hub": lambda: export_tfhub(encoder, None, folder / "exported"),
    "in a graph": in_graph,
}
told = {}
for name, call in calls.items():
    try:
        call()
    except UserError as error:
        told[name] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function: what code prints in a process that has no TensorFlow, as those it starts."""
    place = tmp_path_factory.mktemp("site")
    (place / "sitecustomize.py").write_text(WITHOUT)
    path = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])

    def run(code, *arguments, backend="jax", status=0, **environment):
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": path, **environment}
        environment.pop("KERAS_BACKEND", None)
        environment |= {"KERAS_BACKEND": backend} if backend else {}
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=300,
        )
        assert done.returncode == status, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run):
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("trained")
    return folder, json.loads(run(ON_JAX, folder).stdout.splitlines()[-1])


def test_a_model_is_trained_on_jax(trained):
    _, told = trained
    assert told["loaded"] == []
    assert len(told["history"]["val_accuracy"]) == 2
    assert np.isfinite(told["history"]["loss"]).all()
    assert told["scores"]["loss"] == pytest.approx(told["history"]["val_loss"][-1], rel=1e-4)


def test_what_it_wrote_computes_the_same_on_this_backend(trained):
    folder, _ = trained
    outputs = np.load(folder / "outputs.npz")
    logits = TextClassifier.from_pretrained(folder / "model").predict(TEXTS, verbose=0)
    np.testing.assert_allclose(logits, outputs["logits"], atol=1e-5)
    vectors = TextEmbedder.from_pretrained(folder / "embedder").encode(TEXTS)
    np.testing.assert_allclose(vectors, outputs["vectors"], atol=1e-5)


def test_what_is_tensorflow_s_own_says_what_to_install(tmp_path, run):
    pytest.importorskip("jax")
    told = json.loads(run(REFUSED, tmp_path).stdout.splitlines()[-1])
    for name in ("checkpoint", "SavedModel", "in a graph"):
        needs = rf"tensorflow is not installed, and .*{name}.* needs it: pip install tensorflow\."
        assert re.fullmatch(needs, told.pop(name))
    assert told.keys() == {"layer", "export", "onnx", "TF Hub"}
    for sentence in told.values():
        assert "KERAS_BACKEND=tensorflow, where TensorFlow is installed (pip install" in sentence


@pytest.mark.parametrize("backend", [None, "tensorflow"])
@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_command_without_the_backend_of_keras_says_what_to_set(command, backend, tmp_path, run):
    rows = (f"fine {i},good\ndull {i},bad\n" for i in range(20))
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(rows))
    options = {
        "train": ["classification", "--scratch"],
        "compare": ["--arms", "scratch", "--seeds", "1"],
    }[command]
    options += ["--data", tmp_path / "a.csv", "--output", tmp_path / "out"]
    code = "import sys; from kerasformer.cli import main; sys.exit(main())"
    home = str(tmp_path)  # without settings of Keras, which may name another backend
    told = run(code, command, *options, backend=backend, status=2, KERAS_HOME=home).stderr
    assert told.splitlines()[-1] == (
        "kerasformer: Keras' backend is tensorflow, which is not installed: set KERAS_BACKEND=jax "
        "to run on that, or pip install tensorflow."
    )
