import gc

import keras
import numpy as np
import pytest

from kerasformer.embedder import graph
from kerasformer.embedder.graph import FeatureExtractor
from kerasformer.layers import LayerPooling
from kerasformer.models import BertEncoder, EncoderConfig

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)


def make(dtype):
    keras.utils.set_random_seed(0)
    config = EncoderConfig(
        vocab_size=97,
        hidden_size=36,
        num_layers=2,
        num_heads=3,
        intermediate_size=40,
        max_length=16,
    )
    encoder = BertEncoder(config, dtype=dtype)
    return FeatureExtractor(encoder, LayerPooling("last"), ("mean",))


def batch(rng):
    mask = (np.arange(9) < rng.integers(1, 10, (5, 1))).astype("int32")
    ids = rng.integers(1, 97, mask.shape, dtype="int32") * mask
    return {
        "input_word_ids": ids,
        "input_mask": mask,
        "input_type_ids": np.zeros_like(mask),
        "pooling_mask": mask,
    }


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16", "mixed_float16"])
def test_prepared_weights_give_the_same_vectors_and_follow_training(dtype, monkeypatch):
    monkeypatch.setattr(graph, "has_quick_bfloat16", lambda: True)
    model, inputs = make(dtype), batch(np.random.default_rng(0))
    compiled = graph.CompiledModel(model)
    few, many = compiled.for_tokens(100), compiled.for_tokens(10**6)
    prepared = compiled._prepared
    assert prepared is not None
    compiled.for_tokens(10**6)
    assert compiled._prepared is prepared
    before = few(inputs)
    np.testing.assert_allclose(many(inputs), before, atol=0.03)

    bias = model.encoder.blocks[0].output_layer_norm.beta
    bias.assign(np.linspace(-3, 3, 36))
    after = few(inputs)
    assert np.abs(after - before).max() > 0.3
    np.testing.assert_allclose(compiled.for_tokens(10**6)(inputs), after, atol=0.03)
    assert compiled._prepared is not prepared

    # The tables are no constants: what changes there is seen without preparing again.
    prepared = compiled._prepared
    table = model.encoder.embedding.word_embeddings.embeddings
    table.assign(keras.ops.flip(table, axis=0))
    flipped = few(inputs)
    assert np.abs(flipped - after).max() > 0.3
    np.testing.assert_allclose(compiled.for_tokens(10**6)(inputs), flipped, atol=0.03)
    assert compiled._prepared is prepared


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_where_bfloat16_is_slow_large_work_computes_in_float32(dtype, monkeypatch):
    monkeypatch.setattr(graph, "has_quick_bfloat16", lambda: False)
    model, inputs = make(dtype), batch(np.random.default_rng(0))
    compiled = graph.CompiledModel(model)

    def check():
        exact = make("float32")
        for ours, theirs in zip(exact.weights, model.weights, strict=True):
            ours.assign(keras.ops.cast(theirs, "float32"))
        run = compiled.for_tokens(10**6)
        gc.collect()
        np.testing.assert_array_equal(run(inputs), graph.CompiledModel(exact).for_tokens(1)(inputs))
        assert compiled.for_tokens(10**6) is run  # nothing is prepared twice
        return run(inputs)

    before = check()
    assert 1e-4 < np.abs(compiled.for_tokens(100)(inputs) - before).max() < 0.05
    table = model.encoder.embedding.word_embeddings.embeddings
    table.assign(keras.ops.flip(table, axis=0))
    assert np.abs(check() - before).max() > 0.3
    model.encoder.blocks[0].output_layer_norm.beta.assign(np.linspace(-3, 3, 36))
    check()


def test_a_single_changed_number_is_seen():
    model = make("mixed_bfloat16")
    before = graph._fingerprint(model.weights)
    kernel = model.encoder.blocks[1].output_dense.kernel
    values = keras.ops.convert_to_numpy(kernel).copy()
    values[3, 4] = np.nextafter(values[3, 4], np.float32(1))
    kernel.assign(values)
    assert graph._fingerprint(model.weights) != before


def test_weights_of_every_rank_have_their_number():
    weights = [
        keras.Variable(np.full(shape, 2, "float32")) for shape in ((), (3,), (2, 3), (4, 2, 3))
    ]
    before = graph._fingerprint(weights)
    for weight in weights:
        weight.assign(weight + 1)
    assert all(old != new for old, new in zip(before, graph._fingerprint(weights), strict=True))


def test_float32_has_one_graph():
    compiled = graph.CompiledModel(make("float32"))
    few, many = (compiled.for_tokens(count) for count in (1, 10**6))
    inputs = batch(np.random.default_rng(1))
    np.testing.assert_array_equal(few(inputs), many(inputs))
    assert compiled._prepared is None


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("is_quick", [False, True])
def test_quantized_weights_in_half_precision(is_quick, monkeypatch):
    monkeypatch.setattr(graph, "has_quick_bfloat16", lambda: is_quick)
    model, inputs = make("mixed_bfloat16"), batch(np.random.default_rng(0))
    compiled = graph.CompiledModel(model)
    before = compiled.for_tokens(10**6)(inputs)
    model.encoder.quantize("int8", filters="intermediate")
    few, many = compiled.for_tokens(100)(inputs), compiled.for_tokens(10**6)(inputs)
    assert np.abs(few - before).max() > 1e-4
    np.testing.assert_allclose(many, few, atol=0.03)
