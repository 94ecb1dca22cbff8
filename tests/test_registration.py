"""Files of Keras load after `import kerasformer` alone, in a process of their own."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasformer
from kerasformer import layers
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier, TokenClassifier, TransformerClassifier
from kerasformer.text import WordPieceTokenizer
from kerasformer.training import adamw

IDS = np.array([[2, 5, 4, 3, 0, 0], [2, 6, 5, 3, 7, 3]], "int32")
ORDERS = ("import kerasformer, keras", "import keras, kerasformer")
LOAD = """
import json, pathlib, sys
import numpy as np
assert not [name for name in sys.modules if name.startswith("kerasformer.layers")]
folder, ids = pathlib.Path(sys.argv[1]), np.load(sys.argv[1] + "/ids.npy")
for path in sorted(folder.glob("*.keras")) + sorted(folder.glob("*.h5")):
    model = keras.saving.load_model(path)
    output = keras.tree.flatten(model(ids))[0]
    np.testing.assert_allclose(output, np.load(path.with_suffix(".npy")), atol=1e-6)
    print(path.name, type(getattr(model, "optimizer", None)).__name__)
print(type(keras.models.model_from_json((folder / "model.json").read_text()).layers[1]).__name__)
for name, config in json.loads((folder / "objects.json").read_text()).items():
    print(name, type(getattr(keras, name).deserialize(config)).__name__)
print(keras.activations.deserialize(json.loads((folder / "activation.json").read_text())).__name__)
print(keras.saving.get_registered_object("kerasformer>HubEncoder").__name__)
"""


def make_encoder():
    config = EncoderConfig(8, 4, num_layers=1, num_heads=2, intermediate_size=4, max_length=9)
    return BertEncoder(config)


def functional():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.TokenAndPositionEmbedding(8, 9, 4)(inputs)
    return keras.Model(inputs, layers.SequencePooling()(layers.TransformerBlock(4, 2, 4)(x)))


def functional_encoder():
    inputs = keras.Input((None,), dtype="int32")
    return keras.Model(inputs, make_encoder()(inputs)["pooled_output"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d"]
    tokenizer = WordPieceTokenizer.from_vocabulary(words)
    compiled = TextClassifier(2, make_encoder(), tokenizer)
    compiled.compile(adamw(1e-3, 10), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    models = {
        "encoder.keras": make_encoder(),
        "compiled.keras": compiled,
        "token.keras": TokenClassifier(2, make_encoder()),
        "scratch.keras": TransformerClassifier(2, vocab_size=8, max_length=9),
        "functional.keras": functional(),
        "legacy.h5": functional_encoder(),
        "sequential.keras": keras.Sequential(
            [layers.TokenAndPositionEmbedding(8, 9, 4), layers.SequencePooling()]
        ),
    }
    for name, model in models.items():
        output = keras.tree.flatten(model(IDS))[0]
        model.save(folder / name)
        np.save((folder / name).with_suffix(".npy"), keras.ops.convert_to_numpy(output))
    (folder / "model.json").write_text(functional().to_json())
    objects = {
        "layers": keras.layers.serialize(layers.SelfAttention(2, 4)),
        "optimizers": keras.optimizers.serialize(adamw(1e-3, 10)),
    }
    (folder / "objects.json").write_text(json.dumps(objects))
    gelu = keras.activations.serialize(layers.get_activation("gelu_tanh"))
    (folder / "activation.json").write_text(json.dumps(gelu))
    np.save(folder / "ids.npy", IDS)
    return folder


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", *arguments],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("imports", ORDERS)
def test_files_load_after_the_import_alone(folder, imports):
    assert run(f"{imports}\n{LOAD}", folder) == [
        "compiled.keras AdamW",
        *(f"{name}.keras NoneType" for name in ("encoder", "functional", "scratch")),
        "sequential.keras NoneType",
        "token.keras NoneType",
        "legacy.h5 NoneType",
        "TokenAndPositionEmbedding",
        "layers SelfAttention",
        "optimizers AdamW",
        "gelu_tanh",
        "HubEncoder",
    ]


def test_everything_that_registers_is_imported_on_demand():
    root = pathlib.Path(kerasformer.__file__).parent
    names = {
        ".".join(["kerasformer", *path.relative_to(root).with_suffix("").parts])
        for path in root.rglob("*.py")
        if "@keras.saving.register_keras_serializable" in path.read_text(encoding="utf-8")
    }
    code = "import keras, kerasformer, sys\n'a' in keras.saving.get_custom_objects()\n"
    loaded = run(code + "print(*sys.modules, sep='\\n')")
    assert len(names) > 10
    assert names <= set(loaded)


def test_looking_for_keras_without_importing_it_changes_nothing():
    code = """
import importlib.util, sys
import kerasformer
assert importlib.util.find_spec("keras").loader
assert "keras" not in sys.modules
import keras
print("kerasformer>BertEncoder" in keras.saving.get_custom_objects(), "keras" in sys.modules)
"""
    assert run(code) == ["True True"]


def test_an_unknown_name_is_keras_error():
    with pytest.raises(TypeError, match="Could not locate class 'Nothing'"):
        keras.saving.deserialize_keras_object(
            {"module": "kerasformer", "class_name": "Nothing", "registered_name": "kerasformer>N"}
            | {"config": {}}
        )


def test_the_registry_is_kerass_own():
    """What registers afterwards, and what a user puts in, is found as before."""

    @keras.saving.register_keras_serializable(package="tests")
    class Later(keras.layers.Layer):
        pass

    objects = keras.saving.get_custom_objects()
    assert objects["tests>Later"] is keras.saving.get_registered_object("tests>Later") is Later
    del objects["tests>Later"]
    assert "tests>Later" not in keras.saving.get_custom_objects()
