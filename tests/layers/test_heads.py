"""MaskedLMHead: what it computes, and what every layer promises (see test_contract.py)."""

import inspect
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import MaskedLMHead

HIDDEN, WIDTH, VOCABULARY = 8, 6, 11
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(2, 5, HIDDEN)).astype("float32")
TABLE = RNG.normal(size=(VOCABULARY, WIDTH)).astype("float32")
POSITIONS = np.array([[4, 0, 4], [1, 2, 3]], "int32")
OTHER = {
    "activation": "relu",
    "layer_norm_epsilon": 0.1,
    "kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.5),
}


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def make(**options):
    """A built head whose weights are all random: zeros and ones would hide mistakes."""
    head = MaskedLMHead(VOCABULARY, WIDTH, **options)
    head.build(VECTORS.shape)
    rng = np.random.default_rng(1)
    for weight in head.weights:
        weight.assign(rng.normal(size=weight.shape))
    return head


def by_numpy(head, vectors, table):
    weights = {w.path.removeprefix(head.path + "/"): array(w.value) for w in head.weights}
    x = vectors @ weights["transform/kernel"] + weights["transform/bias"]
    if head.activation == "relu":
        x = np.maximum(x, 0)
    else:
        x = x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, keepdims=True) + head.layer_norm_epsilon
    )
    x = x * weights["layer_norm/gamma"] + weights["layer_norm/beta"]
    return x @ table.T + weights["bias"]


@pytest.mark.parametrize("options", [{}, OTHER], ids=["default", "other"])
def test_it_is_dense_norm_and_the_embeddings(options):
    head = make(**options)
    expected = by_numpy(head, VECTORS, TABLE)
    np.testing.assert_allclose(array(head(VECTORS, TABLE)), expected, atol=1e-4)


@settings(settings.get_profile("layers"))
@given(positions=st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_positions_pick_from_the_full_logits(positions):
    head = make()
    positions = np.array([positions, positions[::-1]])
    full = array(head(VECTORS, TABLE))
    picked = np.take_along_axis(full, positions[..., None], axis=1)
    np.testing.assert_allclose(array(head(VECTORS, TABLE, positions=positions)), picked, atol=1e-5)


@pytest.mark.parametrize("options", [{}, OTHER], ids=["default", "other"])
def test_config_round_trip(options):
    head = MaskedLMHead(VOCABULARY, WIDTH, **options, name="given", dtype="mixed_bfloat16")
    config = head.get_config()
    again = MaskedLMHead.from_config(config)
    assert again.get_config() == config
    assert again.name == "given"
    assert again.dtype_policy.name == "mixed_bfloat16"
    constructor = inspect.signature(MaskedLMHead.__init__).parameters.keys() - {"self", "kwargs"}
    assert constructor <= config.keys()
    serialized = keras.saving.serialize_keras_object(head)
    assert serialized["registered_name"] == "kerasformer>MaskedLMHead"
    assert keras.saving.deserialize_keras_object(serialized).get_config() == config


@pytest.mark.parametrize("positions", [None, POSITIONS])
def test_shapes_known_and_actual(positions):
    head = make()
    output = head(VECTORS, TABLE, positions=positions)
    shapes = [VECTORS.shape, TABLE.shape, None if positions is None else positions.shape]
    assert tuple(head.compute_output_shape(*shapes)) == tuple(output.shape)
    symbols = [keras.KerasTensor((None, *VECTORS.shape[1:])), keras.KerasTensor(TABLE.shape)]
    if positions is not None:
        symbols.append(keras.KerasTensor((None, 3), dtype="int32"))
    symbolic = head(*symbols)
    assert tuple(symbolic.shape) == (None, *output.shape[1:])
    assert symbolic.dtype == "float32"
    fresh = MaskedLMHead.from_config(head.get_config())
    assert tuple(fresh(VECTORS, TABLE).shape) == (2, 5, VOCABULARY)  # built by the call
    assert len(fresh.trainable_weights) == 5


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [
        ("mixed_float16", 0.05),
        ("mixed_bfloat16", 0.4),
        pytest.param("float16", 0.05, marks=pytest.mark.backend("tensorflow")),
        pytest.param("bfloat16", 0.4, marks=pytest.mark.backend("tensorflow")),
    ],
)
def test_logits_are_float32_under_every_policy(policy, tolerance):
    head = make(dtype=policy)
    output = head(VECTORS, TABLE)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    assert {w.dtype for w in head.weights} == {head.variable_dtype}
    assert {part.compute_dtype for part in head._flatten_layers()} == {head.compute_dtype}
    np.testing.assert_allclose(array(output), array(make()(VECTORS, TABLE)), atol=tolerance)


def in_a_model(head):
    vectors, table = keras.Input(VECTORS.shape[1:]), keras.Input(TABLE.shape[1:], name="table")
    return keras.Model([vectors, table], head(vectors, table))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_saved_and_reloaded(policy, tmp_path):
    model = in_a_model(make(dtype=policy))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [VECTORS, TABLE]
    np.testing.assert_array_equal(array(again(inputs)), array(model(inputs)))


def test_compiled_by_xla():
    head = make()
    expected = array(head(VECTORS, TABLE, positions=POSITIONS))
    vectors, positions = keras.Input(VECTORS.shape[1:]), keras.Input((None,), dtype="int32")
    model = keras.Model([vectors, positions], head(vectors, TABLE, positions=positions))
    model.compile(jit_compile=True)
    ours = model.predict_on_batch([VECTORS, POSITIONS])
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_every_weight_learns(gradients):
    head = make()
    vectors = keras.Input(VECTORS.shape[1:])
    model = keras.Model(vectors, head(vectors, TABLE))
    direction = RNG.normal(size=(2, 5, VOCABULARY)).astype("float32")
    found = gradients(model, VECTORS, direction)
    assert len(found) == 5
    assert all(np.abs(gradient).max() > 0 for gradient in found.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size=0 is not a positive integer"),
        ({"embedding_size": 2.0}, "embedding_size=2.0 is not a positive integer"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon=0 is not a number above 0"),
        ({"activation": "gelu_9000"}, "'gelu_9000' is not a known activation"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        MaskedLMHead(**{"vocab_size": 3, "embedding_size": 2, **options})


def test_wrong_ranks():
    with pytest.raises(ValueError, match=r"Expected inputs of shape \[batch, seq, hidden\], got"):
        make()(VECTORS[0], TABLE)
    with pytest.raises(
        ValueError, match=r"Expected positions of shape \[batch, predictions\], got"
    ):
        make()(VECTORS, TABLE, positions=np.array([1, 2]))
