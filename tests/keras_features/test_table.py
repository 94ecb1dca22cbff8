"""What Keras offers, on every public class: each cell runs, or is refused in a sentence."""

import fnmatch
import pathlib

import keras
import numpy as np
import pytest

from kerasformer.embedder import TextEmbedder
from kerasformer.errors import UserError

from . import model_rows, training_rows  # noqa: F401
from .cell import ROWS, Cell
from .subjects import TENSORS, TEXTS, TOKENIZER, encoder

ON_JAX = keras.backend.backend() == "jax"
OLD_FORMAT = "would be in Keras' old HDF5 format"
# (row, columns) that are refused, and the sentence.
REFUSED = {
    ("fit(class_weight)", "BertEncoder"): "`class_weight` is only supported for Models with a sing",
    ("fit(class_weight)", "PretrainingModel"): "`class_weight` is only supported for Models with a",
    ("fit, evaluate, predict of a generator", "*, texts"): "got a generator of tuples: give a list",
    **{("save, .h5", name): OLD_FORMAT for name in TENSORS},
}
# (row, columns) that Keras' own models do not have either, and why.
ABSENT = {
    ("compile(metrics, weighted_metrics)", "BertEncoder"): "Keras asks for labels of all outputs",
    ("enable_lora", "SequencePooling"): "it has no weights",
}
if ON_JAX:
    ABSENT |= {
        ("dtype='float64'", "*"): "JAX has none unless it is told at its start",
        ("fit, evaluate, predict of a tf.data.Dataset", "*"): "the data are TensorFlow's",
    }
# What other tests prove of the classes named.
ELSEWHERE = {
    "quantize of SelfAttention and others": (
        "models/test_quantized.py::test_layers_of_a_functional_model_come_back"
    ),
    "quantize of BertEncoder": "models/test_quantized.py::test_an_encoder_comes_back_from_its_file",
    "quantize of TextClassifier": (
        "models/test_quantized.py::test_a_quantized_classifier_keeps_its_answers_and_comes_back"
    ),
    "MirroredStrategy": "tasks/test_distribution.py::test_two_devices_compute_what_one_does",
    "export": "models/test_export.py::test_every_model_is_served_by_keras_too",
    "fit on texts in float16": "tasks/test_divergence.py::test_pure_float16_is_not_trained",
    "TextEmbedder, copied": "embedder/test_copies.py::test_equal_vectors_and_independent_weights",
    "HubEncoder, policies": "hub/test_hub_encoder.py::test_dtype_policies_cast_the_outputs_alone",
    "HubEncoder, saved": "hub/test_hub_saving.py::test_saved_and_loaded_twice_in_a_fresh_process",
    "HubEncoder, exported": "hub/test_hub_saving.py::test_exported_for_serving",
    "HubEncoder, fitted": "hub/test_hub_saving.py::test_strings_in_every_form_of_keras",
    "HubPreprocessor in tf.data": "hub/test_hub_preprocessor.py::test_inside_tf_data",
}


def find(table, feature, name):
    for (row, columns), value in table.items():
        if row == feature and fnmatch.fnmatchcase(name, columns):
            return value
    return None


CELLS = [
    (feature, name)
    for feature, row in ROWS.items()
    for name in row.columns
    if not find(ABSENT, feature, name)
]


@pytest.mark.parametrize(("feature", "name"), CELLS)
def test_cell(feature, name, tmp_path, request):
    row, sentence = ROWS[feature], find(REFUSED, feature, name)
    if not row.traced:
        request.getfixturevalue("eager")
    if sentence is None:
        row.check(Cell(name, tmp_path))
    else:
        with pytest.raises((UserError, ValueError, TypeError), match=sentence):
            row.check(Cell(name, tmp_path))


def test_every_exception_is_of_a_cell():
    for feature, pattern in [*REFUSED, *ABSENT]:
        assert fnmatch.filter(ROWS[feature].columns, pattern)


@pytest.mark.parametrize("place", ELSEWHERE.values())
def test_what_others_prove_is_there(place):
    path, name = place.split("::")
    assert f"def {name}" in (pathlib.Path(__file__).parents[1] / path).read_text()


def test_keras_asks_for_labels_of_all_outputs():
    inputs = keras.Input((3,))
    outputs = {name: keras.layers.Dense(2)(inputs) for name in "ab"}
    model = keras.Model(inputs, outputs)
    model.compile(loss={"b": "mse"}, metrics={"b": ["mae"]}, run_eagerly=True)
    with pytest.raises(KeyError, match="a"):
        model.evaluate(np.ones((4, 3)), {"b": np.ones((4, 2))}, verbose=0)


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "float64"])
def test_an_embedder_of_a_policy(policy):
    if ON_JAX and policy == "float64":
        pytest.skip("JAX has none unless it is told at its start")
    exact, model = encoder(), encoder(policy)
    model.set_weights(exact.get_weights())
    vectors = [TextEmbedder(one, TOKENIZER).encode(TEXTS) for one in (exact, model)]
    assert vectors[1].dtype == np.float32
    np.testing.assert_allclose(*vectors, atol=0.1 if "16" in policy else 1e-5)


@pytest.mark.parametrize("name", ["TokenClassifier", "MaskedLanguageModel"])
@pytest.mark.usefixtures("eager")
def test_class_weights_of_tokens_are_refused(name, tmp_path):
    cell = Cell(name, tmp_path)
    x, y = cell.subject.x, cell.subject.y
    weights = dict.fromkeys(range(10), 2.0)
    for train in (cell.fit, lambda **k: cell.model.train_on_batch(x, y, **k)):
        with pytest.raises(UserError, match=rf"a {name} has one per token: give their weights as"):
            train(class_weight=weights)
    expected = cell.evaluate(sample_weight=np.full(y.shape, 2.0), batch_size=4)["loss"]
    loss = cell.fit(sample_weight=np.full(y.shape, 2.0), batch_size=4).history["loss"][0]
    assert abs(loss - expected) < 1e-4
