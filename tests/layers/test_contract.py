"""What every layer promises, in the spirit of KerasHub's test case."""

import inspect
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer import layers

# One step: TensorFlow takes it sooner than it would compile it, JAX the other way round.
EAGER = keras.backend.backend() != "jax"
BATCH, LENGTH, HIDDEN = 2, 5, 8
VECTORS = np.random.default_rng(0).normal(size=(BATCH, LENGTH, HIDDEN)).astype("float32")
IDS = np.array([[3, 9, 4, 0, 0], [7, 1, 2, 5, 6]], "int32")


def array(tensor):
    """float32, as numpy has no bfloat16."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


# name -> class, constructor arguments, input, number of weights
CASES = {
    "attention": (layers.SelfAttention, {"num_heads": 2, "key_dim": 4}, VECTORS, 8),
    "attention_other": (
        layers.SelfAttention,
        {"num_heads": 2, "key_dim": 4, "dropout": 0.2, "bias_initializer": "ones", "seed": 3},
        VECTORS,
        8,
    ),
    "block": (
        layers.TransformerBlock,
        {"hidden_size": HIDDEN, "num_heads": 2, "intermediate_size": 12},
        VECTORS,
        16,
    ),
    "block_other": (
        layers.TransformerBlock,
        {
            "hidden_size": HIDDEN,
            "num_heads": 2,
            "intermediate_size": 12,
            "dropout": 0.3,
            "attention_dropout": 0.1,
            "activation": "gelu_tanh",
            "norm_first": True,
            "causal": True,
            "layer_norm_epsilon": 1e-5,
            "kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.02),
            "seed": 1,
        },
        VECTORS,
        16,
    ),
    "token_and_position": (
        layers.TokenAndPositionEmbedding,
        {"vocab_size": 10, "max_length": 6, "hidden_size": HIDDEN, "dropout": 0.1},
        IDS,
        2,
    ),
    "bert_embedding": (
        layers.BertEmbedding,
        {
            "vocab_size": 10,
            "max_length": 6,
            "type_vocab_size": 2,
            "hidden_size": HIDDEN,
            "embeddings_initializer": keras.initializers.RandomNormal(stddev=0.5),
        },
        IDS,
        5,
    ),
    "pooling_mean": (layers.SequencePooling, {"pooling": "mean"}, VECTORS, 0),
    "pooling_max": (layers.SequencePooling, {"pooling": "max"}, VECTORS, 0),
    "pooling_attention": (layers.AdditiveAttentionPooling, {"units": 3}, VECTORS, 3),
    "pooling_cls": (layers.SequencePooling, {"pooling": "cls"}, VECTORS, 0),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_config_round_trip(case):
    layer_class, arguments, _, _ = case
    layer = layer_class(**arguments, name="given", dtype="mixed_bfloat16")
    config = layer.get_config()
    again = layer_class.from_config(config)
    assert again.get_config() == config
    assert again.name == "given"
    assert again.dtype_policy.name == "mixed_bfloat16"
    constructor = inspect.signature(layer_class.__init__).parameters.keys() - {"self", "kwargs"}
    assert constructor <= config.keys()
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"] == f"kerasformer>{layer_class.__name__}"
    assert keras.saving.deserialize_keras_object(serialized).get_config() == config


def test_build_and_calls_agree(case):
    layer_class, arguments, data, weights = case
    layer = layer_class(**arguments)
    layer.build(data.shape)
    assert layer.built
    assert len(layer.trainable_weights) == weights == len({w.path for w in layer.trainable_weights})
    output = layer(data)
    for shape in (data.shape, (None, None, *data.shape[2:])):
        symbolic = layer(keras.KerasTensor(shape, dtype=str(data.dtype)))
        assert symbolic.dtype == keras.backend.standardize_dtype(output.dtype)
        assert len(symbolic.shape) == len(output.shape)
        for known, actual in zip(symbolic.shape, output.shape, strict=True):
            assert known in (None, actual)
    assert tuple(layer.compute_output_shape(data.shape)) == tuple(output.shape)
    fresh = layer_class.from_config(layer.get_config())
    assert tuple(fresh(data).shape) == tuple(output.shape)  # built by the call


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [
        ("mixed_float16", 0.01),
        ("mixed_bfloat16", 0.08),
        pytest.param("float16", 0.01, marks=pytest.mark.backend("tensorflow")),
        pytest.param("bfloat16", 0.08, marks=pytest.mark.backend("tensorflow")),
    ],
)
def test_dtype_policies(case, policy, tolerance):
    layer_class, arguments, data, _ = case
    layer = layer_class(**arguments, dtype=policy)
    output = layer(data)
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    assert {w.dtype for w in layer.trainable_weights} <= {layer.variable_dtype}
    exact = layer_class(**arguments)
    exact.build(data.shape)
    for to, weight in zip(exact.weights, layer.weights, strict=True):
        to.assign(ops.cast(weight.value, to.dtype))
    np.testing.assert_allclose(array(output), array(exact(data)), atol=tolerance, rtol=tolerance)


def test_global_policy_reaches_all_parts(case, set_dtype_policy):
    set_dtype_policy("mixed_bfloat16")
    layer_class, arguments, data, _ = case
    layer = layer_class(**arguments)
    layer(data)
    assert {part.compute_dtype for part in layer._flatten_layers()} == {"bfloat16"}


def functional_model(layer, data):
    inputs = keras.Input(data.shape[1:], dtype=str(data.dtype))
    return keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))


def sequential_model(layer, data):
    return keras.Sequential([layer, keras.layers.Dense(1)])


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(self.layer(inputs))


def subclassed_model(layer, data):
    return Subclassed(layer)


def assert_trains(model, data, target):
    """One step of `fit` moves every weight; but the key's bias cancels in the softmax."""
    before = [array(w) for w in model.trainable_weights]
    history = model.fit(data, target, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"][0])
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.isfinite(array(weight)).all()
        if "key/bias" not in weight.path:
            assert np.abs(array(weight) - old).max() > 0, weight.path


# The kinds of model are Keras' own affair, alike on every backend.
@pytest.mark.parametrize(
    "make",
    [
        functional_model,
        pytest.param(sequential_model, marks=pytest.mark.backend("tensorflow")),
        pytest.param(subclassed_model, marks=pytest.mark.backend("tensorflow")),
    ],
)
def test_trains_in_every_kind_of_model(case, make):
    layer_class, arguments, data, weights = case
    model = make(layer_class(**arguments), data)
    model.compile("sgd", "mse", run_eagerly=EAGER)
    assert_trains(model, data, np.ones(model(data).shape, "float32"))
    assert len(model.trainable_weights) == weights + 2


def all_layers_model(**kwargs):
    """Both embeddings, both kinds of block, attention and the poolings."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    types = keras.Input((None,), dtype="int32", name="types")
    small, block = {"activation": "gelu_new", "norm_first": True}, layers.TransformerBlock
    classic = layers.TokenAndPositionEmbedding(20, 12, HIDDEN, **kwargs)(ids)
    classic = block(HIDDEN, 2, 12, **small, **kwargs)(classic)
    classic = layers.SelfAttention(2, 4, **kwargs)(classic)
    bert = layers.BertEmbedding(20, 12, 2, HIDDEN, **kwargs)(ids, types)
    bert, scores = block(HIDDEN, 2, 12, causal=True, **kwargs)(
        bert, padding_mask=ids, return_attention_scores=True
    )
    mixed = layers.LayerPooling([0, -1], "scalar_mix", **kwargs)([classic, bert])
    pooled = [
        layers.SequencePooling("mean", **kwargs)(mixed),
        layers.SequencePooling("max", **kwargs)(bert, padding_mask=ids),
        layers.SequencePooling("cls", **kwargs)(bert),
    ]
    return keras.Model({"ids": ids, "types": types}, [*pooled, scores])


INPUTS = {"ids": IDS, "types": (IDS > 4).astype("int32")}


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_all_layers_train_in_mixed_precision(policy, rng):
    model = all_layers_model(dtype=policy)
    model.compile("sgd", "mse", auto_scale_loss=False, run_eagerly=EAGER)
    assert_trains(model, INPUTS, [rng.normal(size=output.shape) for output in model(INPUTS)])


def test_all_layers_compiled_by_xla():
    model = all_layers_model()
    model.compile(jit_compile=True)
    for ours, expected in zip(model.predict_on_batch(INPUTS), model(INPUTS), strict=True):
        np.testing.assert_allclose(ours, array(expected), atol=1e-5)


def test_trains_compiled_by_xla():
    model = keras.Sequential(
        [
            layers.TokenAndPositionEmbedding(20, 12, HIDDEN),
            layers.TransformerBlock(HIDDEN, 2, 12),
            layers.SequencePooling(),
        ]
    )
    model.compile("sgd", "mse", jit_compile=True)
    model(IDS)
    assert_trains(model, IDS, np.eye(HIDDEN)[:BATCH])


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_saved_and_reloaded(case, policy, tmp_path):
    layer_class, arguments, data, _ = case
    model = functional_model(layer_class(**arguments, dtype=policy), data)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[1].dtype_policy.name == policy
    assert type(again.layers[1]) is layer_class
    np.testing.assert_array_equal(array(again(data)), array(model(data)))


def test_summary_shows_shapes(case, capsys):
    layer_class, arguments, data, _ = case
    model = sequential_model(layer_class(**arguments), data)
    model(data)
    model.summary()
    assert layer_class.__name__ in capsys.readouterr().out


LOAD = """
import sys
import numpy as np
import kerasformer.layers
import keras
model = keras.saving.load_model(sys.argv[1])
given = dict(np.load(sys.argv[2]))
outputs = model({"ids": given.pop("ids"), "types": given.pop("types")})
assert len(outputs) == len(given) == 4
for name, output in zip(sorted(given), outputs):
    np.testing.assert_allclose(np.array(output), given[name], atol=1e-6)
print("same outputs")
"""


def test_reloaded_in_a_fresh_process(tmp_path):
    model = all_layers_model()
    outputs = {f"output_{i}": array(x) for i, x in enumerate(model(INPUTS))}
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "arrays.npz", **INPUTS, **outputs)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path / "model.keras", tmp_path / "arrays.npz"],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same outputs"
