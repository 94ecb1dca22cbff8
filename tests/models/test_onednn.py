import contextlib

import keras
import numpy as np
import pytest
from scipy.stats import norm

from kerasformer.layers.kernels import (
    Dropout,
    Kernels,
    LayerNormalization,
    kernels,
    use_kernels,
)
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models.onednn import (
    OneDnnKernels,
    TrainingKernels,
    inference_kernels,
    training_kernels,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="kernels of TensorFlow"
)
has_onednn = isinstance(inference_kernels(), OneDnnKernels)
TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "bfloat16": 0.04, "float16": 0.004}


def as_float64(x):
    return keras.ops.convert_to_numpy(keras.ops.cast(x, "float64"))


def traced(function, *shape, dtype):
    """The function in a graph of unknown batch and length, as the embedder has it."""
    import tensorflow as tf

    return tf.function(function).get_concrete_function(tf.TensorSpec(shape, dtype))


def operations_run(graph, *args):
    """The types of the operations left by TensorFlow's optimizer."""
    from tensorflow.python.eager import context

    context.enable_run_metadata()
    graph(*args)
    metadata = context.export_run_metadata()
    context.disable_run_metadata()
    graphs = [one.post_optimization_graph for one in metadata.function_graphs]
    return {node.op for one in graphs for node in one.node}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-7, 0), (2, 5)])
@pytest.mark.parametrize("shape", [(3, 5, 24), (7, 24), (1, 1, 24)])
def test_layer_norm_is_that_of_the_definition(dtype, scale, offset, shape):
    rng = np.random.default_rng(0)
    layer = LayerNormalization(epsilon=1e-12, dtype=dtype)
    layer.build(shape)
    layer.gamma.assign(rng.uniform(0.5, 1.5, 24))
    layer.beta.assign(rng.normal(size=24))
    x = keras.ops.cast(rng.normal(size=shape) * scale + offset, dtype)
    with use_kernels(OneDnnKernels()):
        graph = traced(layer, *(None,) * (len(shape) - 1), 24, dtype=dtype)
    exact = as_float64(x)
    exact = exact - exact.mean(-1, keepdims=True)
    exact = exact / np.sqrt((exact**2).mean(-1, keepdims=True) + 1e-12)
    exact = exact * as_float64(layer.gamma) + as_float64(layer.beta)
    np.testing.assert_allclose(as_float64(graph(x)), exact, atol=TOLERANCE[dtype] * (1 + offset))


@pytest.mark.skipif(not has_onednn, reason="TensorFlow without oneDNN")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_layer_norm_becomes_one_operation(dtype):
    layer = LayerNormalization(dtype=dtype)
    layer.build((None, None, 24))
    with use_kernels(OneDnnKernels()):
        graph = traced(lambda x: layer(2 * x) + 1, None, None, 24, dtype=dtype)
    x = keras.ops.ones((2, 3, 24), dtype)
    found = operations_run(graph, x)
    assert "_MklLayerNorm" in found
    assert not found & {"FusedBatchNormV3", "_MklFusedBatchNormV3", "Rsqrt", "Mean"}


@pytest.mark.skipif(not has_onednn, reason="TensorFlow without oneDNN")
def test_the_softmax_of_bfloat16_is_rounded_once():
    rng = np.random.default_rng(1)
    scores = keras.ops.cast(rng.normal(size=(2, 3, 9, 9)) * 5, "bfloat16")
    allowed = rng.uniform(size=(2, 1, 1, 9)) < 0.7
    allowed[1] = False  # a row of padding alone
    for mask in (None, keras.ops.convert_to_tensor(allowed)):
        found = OneDnnKernels().attention_probabilities(scores, mask)
        exact = Kernels().attention_probabilities(scores, mask)
        assert found.dtype == "bfloat16"
        np.testing.assert_array_equal(
            as_float64(found), as_float64(keras.ops.cast(exact, "bfloat16"))
        )


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 5e-6), ("mixed_bfloat16", 0.1), ("mixed_float16", 0.01)]
)
def test_every_block_is_as_without_them(dtype, tolerance):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    config = EncoderConfig(
        vocab_size=50, hidden_size=36, num_layers=2, num_heads=3, intermediate_size=40
    )
    encoder = BertEncoder(config, dtype=dtype)
    rng = np.random.default_rng(0)
    mask = (np.arange(11) < [[11], [4], [1], [0]]).astype("int32")
    ids = {
        "input_word_ids": rng.integers(1, 50, mask.shape) * mask,
        "input_mask": mask,
        "input_type_ids": np.zeros_like(mask),
    }
    names = ["embedding_output", "encoder_outputs", "attention_scores", "pooled_output"]
    outputs = []
    for chosen in (contextlib.nullcontext(), use_kernels(OneDnnKernels())):
        with chosen:
            graph = tf.function(lambda ids: encoder(ids, outputs=names, training=False))
            outputs.append(keras.tree.flatten(graph(ids)))
    assert len(outputs[0]) == 6
    for plain, fused in zip(*outputs, strict=True):
        assert plain.dtype == fused.dtype
        np.testing.assert_allclose(as_float64(fused), as_float64(plain), atol=tolerance)


def test_they_are_used_within_the_context_alone():
    before = kernels()
    chosen = OneDnnKernels()
    with use_kernels(chosen):
        assert kernels() is chosen
    assert kernels() is before
    with pytest.raises(ZeroDivisionError), use_kernels(chosen):
        1 / 0  # noqa: B018
    assert kernels() is before


def test_layer_norm_is_keras_own_outside_of_a_graph(monkeypatch):
    """There TensorFlow's kernel of batch normalization stays, which threads must not share."""
    import tensorflow as tf

    monkeypatch.setattr(tf.raw_ops, "FusedBatchNormV3", None)
    layer = LayerNormalization(epsilon=1e-12)
    x = keras.ops.reshape(keras.ops.arange(24, dtype="float32"), (2, 3, 4))
    with use_kernels(OneDnnKernels()):
        np.testing.assert_array_equal(layer(x), keras.layers.LayerNormalization(epsilon=1e-12)(x))


@pytest.mark.skipif(not has_onednn, reason="TensorFlow without oneDNN")
@pytest.mark.parametrize("option", [{"remapping": False}, {"disable_meta_optimizer": True}])
def test_they_are_not_used_where_nothing_makes_one_operation_of_them(option):
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options(option)
    try:
        assert not isinstance(inference_kernels(), OneDnnKernels)
    finally:
        opposite = {name: not value for name, value in option.items()}
        tf.config.optimizer.set_experimental_options(opposite)
    assert isinstance(inference_kernels(), OneDnnKernels)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_gelu_of_training_and_its_gradient_are_those_of_the_definition(dtype):
    import tensorflow as tf

    x = tf.cast(np.linspace(-12, 12, 401), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = TrainingKernels().gelu(x)
        loss = found * x
    exact = as_float64(x)
    cdf, pdf = norm.cdf(exact), norm.pdf(exact)
    assert found.dtype == dtype
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(as_float64(found), exact * cdf, **tolerance)
    gradient = as_float64(tape.gradient(loss, x))
    np.testing.assert_allclose(gradient, exact * cdf + exact * (cdf + exact * pdf), **tolerance)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.999999])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_dropout_of_training_drops_the_rate_and_keeps_the_sum(dtype, rate):
    import tensorflow as tf

    layer = Dropout(rate, seed=1, dtype=dtype)
    x = tf.ones((3, 5, 2001), dtype)
    with tf.GradientTape() as tape, use_kernels(TrainingKernels()):
        tape.watch(x)
        y = layer(x, training=True)
    assert y.shape == x.shape
    assert y.dtype == dtype
    np.testing.assert_array_equal(as_float64(tape.gradient(y, x)), as_float64(y))
    kept = as_float64(y)[as_float64(y) != 0]
    if rate < 0.9:
        np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=max(TOLERANCE[dtype], 2e-5))
    error = np.sqrt(rate * (1 - rate) / 30_015)
    assert abs(kept.size / 30_015 - (1 - rate)) < 5 * max(error, 1e-4)


def test_dropout_of_training_follows_from_the_seed():
    with use_kernels(TrainingKernels()):
        layer, same, other = (Dropout(0.5, seed=seed) for seed in (1, 1, 2))
        first, second = (
            layer(np.ones((4, 99)), training=True),
            layer(np.ones((4, 99)), training=True),
        )
        again = same(np.ones((4, 99)), training=True)
        others = other(np.ones((4, 99)), training=True)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, others)
    np.testing.assert_array_equal(layer(np.ones((4, 99))), 1.0)  # off outside of training


def test_training_is_on_its_own_kernels_and_inference_is_not():
    config = EncoderConfig(vocab_size=9, hidden_size=4, num_layers=1, num_heads=1)
    encoder, used = BertEncoder(config), []
    call = encoder.call

    def noted(*args, **kwargs):
        used.append(type(kernels()))
        return call(*args, **kwargs)

    encoder.call = noted
    encoder.compile("sgd", {"default": "mse"})
    encoder.train_on_batch(np.ones((1, 2), "int32"), {"default": np.ones((1, 4))})
    assert used[-1] is type(training_kernels()) is TrainingKernels
    encoder.predict_on_batch(np.ones((1, 2), "int32"))
    assert used[-1] is Kernels
