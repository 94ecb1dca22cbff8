"""BertEncoder: the contract of its inputs and outputs, on any backend."""

import dataclasses
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.layers import SelfAttention
from kerasformer.models.config import EncoderConfig
from kerasformer.models.encoder import BertEncoder

# One step: TensorFlow takes it sooner than it would compile it, JAX the other way round.
EAGER = keras.backend.backend() != "jax"
CONFIG = EncoderConfig(
    vocab_size=40,
    hidden_size=8,
    num_layers=3,
    num_heads=2,
    intermediate_size=12,
    max_length=10,
    type_vocab_size=3,
    initializer_range=0.5,  # so that what changes shows
)
WORD_IDS = np.array([[2, 17, 3, 0, 0], [2, 8, 11, 30, 3]])
MASK = (WORD_IDS != 0).astype("int32")
TYPE_IDS = np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 2]])
INPUTS = {"input_word_ids": WORD_IDS, "input_mask": MASK, "input_type_ids": TYPE_IDS}
DEFAULT = {"sequence_output", "pooled_output", "default", "encoder_outputs"}
ALL = [*sorted(DEFAULT), "embedding_output", "attention_scores"]


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def changed(**changes):
    return dataclasses.replace(CONFIG, **changes)


def assert_same(ours, expected, **tolerance):
    assert set(ours) == set(expected)
    for name in expected:
        for one, other in zip(
            keras.tree.flatten(ours[name]), keras.tree.flatten(expected[name]), strict=True
        ):
            np.testing.assert_allclose(array(one), array(other), err_msg=name, **tolerance)


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(2)  # large weights amplify rounding, some draws by a lot
    return BertEncoder(CONFIG)


def test_shapes_and_names(encoder):
    outputs = encoder(INPUTS, outputs=ALL)
    assert list(outputs) == ALL
    assert tuple(outputs["sequence_output"].shape) == (2, 5, 8)
    assert tuple(outputs["embedding_output"].shape) == (2, 5, 8)
    assert tuple(outputs["pooled_output"].shape) == (2, 8)
    assert [tuple(x.shape) for x in outputs["encoder_outputs"]] == [(2, 5, 8)] * 3
    assert [tuple(x.shape) for x in outputs["attention_scores"]] == [(2, 2, 5, 5)] * 3
    assert set(encoder(INPUTS)) == DEFAULT


def test_outputs_are_what_they_are_called(encoder):
    outputs = {
        name: keras.tree.map_structure(array, x) for name, x in encoder(INPUTS, outputs=ALL).items()
    }
    np.testing.assert_array_equal(outputs["encoder_outputs"][-1], outputs["sequence_output"])
    np.testing.assert_array_equal(outputs["default"], outputs["pooled_output"])
    first = outputs["sequence_output"][:, 0]
    kernel, bias = (array(w.value) for w in encoder.pooler.weights)
    np.testing.assert_allclose(outputs["pooled_output"], np.tanh(first @ kernel + bias), atol=1e-5)
    embedded = array(encoder.embedding(WORD_IDS, TYPE_IDS))
    np.testing.assert_array_equal(outputs["embedding_output"], embedded)
    x = embedded
    for block, expected, scores in zip(
        encoder.blocks, outputs["encoder_outputs"], outputs["attention_scores"], strict=True
    ):
        x = array(block(x, padding_mask=MASK))
        np.testing.assert_allclose(expected, x, atol=1e-5)
        np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)
        np.testing.assert_array_equal(scores[0, :, :, 3:], 0)  # padding gets no attention


@pytest.mark.parametrize("names", [[name] for name in ALL] + [[], ["default", "sequence_output"]])
def test_asking_for_less_returns_less(encoder, names):
    outputs = encoder(INPUTS, outputs=names)
    assert list(outputs) == names
    everything = encoder(INPUTS, outputs=ALL)
    assert_same(outputs, {name: everything[name] for name in names}, atol=1e-6)


def test_default_mask_and_segments(encoder):
    zeros = np.zeros_like(WORD_IDS)
    explicit = encoder({**INPUTS, "input_type_ids": zeros})
    assert_same(encoder({"input_word_ids": WORD_IDS}), explicit, atol=0)
    assert_same(encoder({"input_word_ids": WORD_IDS, "input_mask": MASK}), explicit, atol=0)
    assert_same(encoder(WORD_IDS), explicit, atol=0)
    with_segments = encoder(INPUTS)["sequence_output"]
    assert np.abs(array(with_segments) - array(explicit["sequence_output"])).max() > 1e-3


def test_explicit_mask_wins_over_the_padding_id(encoder):
    everything = encoder({"input_word_ids": WORD_IDS, "input_mask": np.ones_like(WORD_IDS)})
    by_default = encoder({"input_word_ids": WORD_IDS})
    difference = array(everything["sequence_output"]) - array(by_default["sequence_output"])
    assert np.abs(difference[0]).max() > 1e-3
    np.testing.assert_allclose(difference[1], 0, atol=1e-5)


def test_another_padding_id():
    other = BertEncoder(changed(pad_token_id=39))
    ids = np.where(WORD_IDS == 0, 39, WORD_IDS)
    expected = other({"input_word_ids": ids, "input_mask": MASK})
    assert_same(other({"input_word_ids": ids}), expected, atol=0)
    np.testing.assert_array_equal(array(other.padding_mask(ids)), MASK)
    np.testing.assert_array_equal(array(other.padding_mask(np.zeros((1, 2), "int32"))), [[1, 1]])


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint8", "float32"])
def test_mask_of_any_dtype(encoder, dtype):
    assert_same(encoder({**INPUTS, "input_mask": MASK.astype(dtype)}), encoder(INPUTS), atol=0)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_ids_of_any_dtype(encoder, dtype):
    inputs = {"input_word_ids": WORD_IDS.astype(dtype), "input_type_ids": TYPE_IDS.astype(dtype)}
    assert_same(encoder(inputs), encoder(INPUTS), atol=0)


def test_float_ids_in_float16():
    """`keras.Input` is float32 by default, and float16 has no 2,049."""
    encoder = BertEncoder(changed(vocab_size=3000, num_layers=1), dtype="mixed_float16")
    ids = np.array([[2049, 2051, 2999]])
    inputs = keras.Input((None,))
    model = keras.Model(inputs, encoder(inputs))
    assert_same(model(ids.astype("float32")), encoder(ids), atol=0)


@settings(settings.get_profile("layers"))
@given(length=st.integers(1, 7), padding=st.integers(0, 3), seed=st.integers(0, 999))
def test_padding_changes_nothing(encoder, length, padding, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 40, size=(2, length))
    filler = rng.integers(0, 40, size=(2, padding))
    mask = np.repeat([[1] * length + [0] * padding], 2, axis=0)
    padded = {"input_word_ids": np.concatenate([ids, filler], axis=1), "input_mask": mask}
    ours, expected = encoder(padded, outputs=ALL), encoder(ids, outputs=ALL)
    for name in ("pooled_output", "default"):
        np.testing.assert_allclose(array(ours[name]), array(expected[name]), atol=1e-5)
    for name in ("sequence_output", "embedding_output", "encoder_outputs"):
        for one, other in zip(
            keras.tree.flatten(ours[name]), keras.tree.flatten(expected[name]), strict=True
        ):
            np.testing.assert_allclose(array(one)[:, :length], array(other), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_row_of_padding_alone_is_finite(dtype):
    encoder = BertEncoder(CONFIG, dtype=dtype)
    outputs = encoder(np.array([[0, 0, 0], [2, 4, 3]]), outputs=ALL)
    assert all(np.isfinite(array(x)).all() for x in keras.tree.flatten(outputs))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(encoder, dtype):
    half = BertEncoder(CONFIG, dtype=dtype)
    half.set_weights(encoder.get_weights())
    outputs = half(INPUTS, outputs=ALL)
    dtypes = {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)}
    assert dtypes == {dtype.removeprefix("mixed_")}
    assert {w.dtype for w in half.trainable_weights} == {"float32"}
    assert_same(outputs, encoder(INPUTS, outputs=ALL), atol=0.02 if "bf" not in dtype else 0.15)


def test_without_a_pooler():
    encoder = BertEncoder(changed(pooler=False))
    assert set(encoder(INPUTS)) == {"sequence_output", "encoder_outputs"}
    assert len(encoder.weights) > 0
    assert not [w.path for w in encoder.trainable_weights if "pooler" in w.path]
    for name in ("pooled_output", "default"):
        with pytest.raises(ValueError, match=rf"outputs has '{name}': this model has "):
            encoder(INPUTS, outputs=[name])


def test_unknown_output(encoder):
    for given_inputs in (INPUTS, keras.Input((None,), dtype="int32")):
        with pytest.raises(ValueError, match="outputs has 'pooled': this model has seq"):
            encoder(given_inputs, outputs=["pooled"])
        with pytest.raises(ValueError, match=r"outputs is 'default': expected a list"):
            encoder(given_inputs, outputs="default")


@pytest.mark.parametrize(
    "inputs",
    [
        {"input_mask": MASK},
        {"input_ids": WORD_IDS},
        {"input_word_ids": WORD_IDS, "attention_mask": MASK},  # would be ignored, silently
    ],
)
def test_unknown_and_missing_inputs(encoder, inputs):
    names = ", ".join(sorted(inputs))
    with pytest.raises(ValueError, match=f"a dict with input_word_ids .* not one with {names}"):
        encoder(inputs)
    symbolic = {name: keras.Input((None,), dtype="int32") for name in inputs}
    with pytest.raises(ValueError, match=f"a dict with input_word_ids .* not one with {names}"):
        encoder(symbolic)


@pytest.mark.parametrize("length", [11, 600])
def test_too_long_names_both_numbers(length):
    encoder = BertEncoder(CONFIG)
    with pytest.raises(ValueError, match=f"has {length} positions and the position table 10"):
        encoder(np.ones((1, length), "int32"))
    with pytest.raises(ValueError, match=f"has {length} positions and the position table 10"):
        encoder(keras.Input((length,), dtype="int32"))
    assert encoder(np.ones((1, 10), "int32"))["default"].shape == (1, 8)
    with pytest.raises(ValueError, match=f"has {length} positions and the position table 10"):
        encoder.predict(np.ones((1, length), "int32"), verbose=0)


@pytest.mark.parametrize("shape", [(6,), (1, 6, 1)])
def test_ids_of_another_rank(encoder, shape):
    with pytest.raises(ValueError, match=r"Expected input_word_ids of shape \[batch, seq\], got"):
        encoder(np.ones(shape, "int32"))


@pytest.mark.parametrize("config", ["tiny", 12])
def test_config_of_another_kind(config):
    with pytest.raises(ValueError, match="expected an EncoderConfig or the dict"):
        BertEncoder(config)


def test_config_as_a_dict():
    encoder = BertEncoder(dataclasses.asdict(CONFIG), name="given")
    assert encoder.config == CONFIG
    again = BertEncoder.from_config(encoder.get_config())
    assert (again.config, again.name) == (CONFIG, "given")


def test_parameter_count_of_a_published_size():
    """BERT tiny's; every size's is in test_config, by arithmetic."""
    encoder = BertEncoder(EncoderConfig.bert("tiny"))
    assert sum(np.prod(w.shape) for w in encoder.trainable_weights) == 4_385_920


def functional(encoder, **kwargs):
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    return keras.Model(inputs, encoder(inputs, **kwargs))


@pytest.mark.parametrize("names", [None, ALL])
def test_functional_model(encoder, names):
    model = functional(encoder, outputs=names)
    assert_same(model(INPUTS), encoder(INPUTS, outputs=names), atol=1e-6)
    actual = encoder(INPUTS, outputs=names)
    for spec, tensor in zip(
        keras.tree.flatten(model.output), keras.tree.flatten(actual), strict=True
    ):
        assert spec.dtype == keras.backend.standardize_dtype(tensor.dtype)
        assert len(spec.shape) == len(tensor.shape)
        assert all(s in (None, t) for s, t in zip(spec.shape, tensor.shape, strict=True))


def test_functional_models_share_an_encoder_whatever_they_take_of_it():
    encoder = BertEncoder(CONFIG)
    with pytest.raises(AttributeError, match="never been called"):
        encoder.output  # noqa: B018
    for names in (["default"], ["encoder_outputs"], None, ["sequence_output"]):
        model = functional(encoder, outputs=names)
        assert_same(model(INPUTS), encoder(INPUTS, outputs=names), atol=1e-6)


def test_predict_equals_the_call_at_several_lengths(encoder):
    for length in (5, 3):
        cut = {name: x[:, :length] for name, x in INPUTS.items()}
        assert_same(encoder.predict(cut, verbose=0), encoder(cut), atol=1e-5)


def test_sequential_with_the_ids_alone():
    head = keras.layers.Lambda(lambda outputs: outputs["default"])
    encoder = BertEncoder(changed(num_layers=1))
    model = keras.Sequential([encoder, head])
    np.testing.assert_array_equal(array(model(WORD_IDS)), array(encoder(WORD_IDS)["default"]))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_and_reloaded(dtype, tmp_path):
    encoder = BertEncoder(CONFIG, dtype=dtype)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert again.config == CONFIG
    assert again.dtype_policy.name == dtype
    assert_same(again(INPUTS, outputs=ALL), encoder(INPUTS, outputs=ALL), atol=0)


def test_reloaded_within_a_functional_model(tmp_path):
    model = functional(BertEncoder(CONFIG), outputs=["embedding_output", "default"])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(again(INPUTS), model(INPUTS), atol=1e-6)


def test_trains(rng):
    encoder = BertEncoder(CONFIG)
    model = functional(encoder, outputs=["default"])
    model.compile("sgd", {"default": "mse"}, run_eagerly=EAGER)
    before = {w.path: array(w.value) for w in encoder.trainable_weights}
    loss = model.fit(INPUTS, {"default": rng.normal(size=(2, 8))}, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    for weight in encoder.trainable_weights:
        if "key/bias" not in weight.path:  # cancels in the softmax
            assert np.abs(array(weight.value) - before[weight.path]).max() > 0, weight.path


def test_trains_as_it_is_on_one_of_its_outputs(rng):
    keras.utils.set_random_seed(0)  # the encoder's large weights make any step a gamble
    encoder = BertEncoder(CONFIG)
    encoder.compile(keras.optimizers.SGD(1e-3), {"pooled_output": "mse"}, run_eagerly=EAGER)
    target = {"pooled_output": rng.normal(size=(2, 8))}
    before = encoder.test_on_batch(INPUTS, target)
    for _ in range(10):
        encoder.train_on_batch(INPUTS, target)
    assert encoder.test_on_batch(INPUTS, target) < before


def test_initial_weights():
    """Truncated normal kernels and tables, each drawn anew; biases zero, LayerNorms one."""
    encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=500, initializer_range=0.02))
    seen = set()
    for weight in encoder.trainable_weights:
        value = array(weight.value)
        if weight.path.endswith(("bias", "beta")):
            assert not value.any(), weight.path
        elif weight.path.endswith("gamma"):
            assert (value == 1).all(), weight.path
        else:
            assert np.abs(value).max() <= 0.0401, weight.path
            assert 0.015 < value.std() < 0.025, weight.path
            assert value.flat[0] not in seen, weight.path
            seen.add(value.flat[0])


def test_weights_have_the_names_of_tf_hubs_bert(encoder):
    names = {w.path.removeprefix(encoder.name + "/") for w in encoder.trainable_weights}
    assert {name for name in names if name.startswith("embeddings")} == {
        "embeddings/word_embeddings/embeddings",
        "embeddings/position_embedding/embeddings",
        "embeddings/type_embeddings/embeddings",
        "embeddings/layer_norm/gamma",
        "embeddings/layer_norm/beta",
    }
    assert {name for name in names if "pooler" in name} == {
        "pooler_transform/kernel",
        "pooler_transform/bias",
    }
    assert len({name for name in names if name.startswith("layer_1/")}) == 16


def test_summary(encoder, capsys):
    encoder.summary()
    assert "BertEmbedding" in capsys.readouterr().out


class Averages(keras.Model):
    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.average = encoder, keras.layers.GlobalAveragePooling1D()

    def call(self, inputs):
        return self.average(self.encoder(inputs)["sequence_output"])


@pytest.mark.parametrize("given", ["ids", "mask"])
def test_stock_layers_leave_padding_out(encoder, given, tmp_path):
    names = ["sequence_output", "embedding_output", "encoder_outputs"]
    feed = {"input_word_ids": WORD_IDS}
    mask = MASK
    if given == "mask":
        feed["input_mask"] = mask = np.array([[1, 1, 1, 1, 0], [0, 1, 1, 0, 0]], "int32")
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in feed}
    states = keras.tree.flatten(encoder(inputs, outputs=names))
    model = keras.Model(inputs, [keras.layers.GlobalAveragePooling1D()(x) for x in states])
    real = mask[..., None]
    counts = real.sum(axis=1)
    outputs = keras.tree.flatten(encoder(feed, outputs=names))
    expected = [(array(x) * real).sum(axis=1) / counts for x in outputs]
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        for ours, theirs in zip(each(feed), expected, strict=True):
            np.testing.assert_allclose(array(ours), theirs, atol=1e-5)
    sequence = array(encoder(feed)["sequence_output"])
    np.testing.assert_allclose(
        array(Averages(encoder)(feed)), (sequence * real).sum(axis=1) / counts, atol=1e-5
    )


WRONG_IDS = {
    "below": ({"input_word_ids": np.array([[2, -1]])}, "input_word_ids has the id -1, but"),
    "above": ({"input_word_ids": np.array([[2, 40]])}, "has the id 40, .* the ids 0 to 39"),
    "segment": ({**INPUTS, "input_type_ids": TYPE_IDS + 1}, "input_type_ids has the id 3, but"),
    "long": ({"input_word_ids": np.ones((1, 11), "int32")}, "11 positions .* table 10"),
}


@pytest.mark.parametrize("kind", WRONG_IDS)
def test_arrays_with_other_ids_or_positions_are_refused(encoder, kind):
    inputs, message = WRONG_IDS[kind]
    uses = (encoder, encoder.predict, encoder.predict_on_batch, encoder.evaluate, encoder.fit)
    for use in (*uses, encoder.train_on_batch, encoder.test_on_batch):
        with pytest.raises(ValueError, match=message):
            use(inputs)
    with pytest.raises(ValueError, match=message):
        encoder(keras.tree.map_structure(ops.convert_to_tensor, inputs))


@pytest.mark.backend("tensorflow")
def test_a_graph_of_unknown_rank_is_refused_in_a_sentence(encoder):
    import tensorflow as tf

    run = tf.function(encoder, input_signature=[tf.TensorSpec(None, tf.int32)])
    with pytest.raises(ValueError, match=r"of shape \[batch, seq\], got a tensor of unknown rank"):
        run(WORD_IDS)


def test_tf32_changes_vectors_little(monkeypatch):
    """Of a GPU's products in TF32, which have 10 bits of a factor's mantissa, on any machine."""
    keras.utils.set_random_seed(2)
    encoder = BertEncoder(changed(num_layers=2, initializer_range=0.2))
    exact = array(encoder(INPUTS)["sequence_output"])
    matmul = ops.matmul

    def rounded(x):  # Dekker's splitting
        scaled = x * (2**13 + 1)
        return scaled - (scaled - x)

    def in_tf32(x1, x2):
        return matmul(rounded(x1), rounded(x2))

    for module in (ops, sys.modules["keras.src.ops"]):  # for our layers, and for Keras' own
        monkeypatch.setattr(module, "matmul", in_tf32)
    ours = array(encoder(INPUTS)["sequence_output"])
    assert 1e-5 < np.abs(ours - exact).max() < 5e-3
    norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(exact, axis=-1)
    assert ((ours * exact).sum(axis=-1) / norms).min() > 0.99999


def test_scores_are_computed_only_where_asked_for(encoder, monkeypatch):
    asked = []
    attend = SelfAttention.call

    def call(self, *args, return_attention_scores=False, **kwargs):
        asked.append(return_attention_scores)
        return attend(self, *args, return_attention_scores=return_attention_scores, **kwargs)

    monkeypatch.setattr(SelfAttention, "call", call)
    encoder(INPUTS)
    encoder(INPUTS, outputs=["attention_scores"])
    assert asked == [False] * 3 + [True] * 3
